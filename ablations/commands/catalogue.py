"""What the command line lists: the catalogues, and how far a study has come."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

import tasks
from ablations import cells
from ablations.cells.initial import searchable_initialisers
from ablations.studies.schema import defaults
from reports.format import duration


def cell_rows(inputs: int, hidden: int) -> list[dict[str, Any]]:
    """The catalogue of cells as data, with the parameters of one layer. A cell's `equations` are those it does not share
    with its parent, its `recurrence` is all of them."""
    return [
        {
            "name": kind.name,
            "parent": kind.parent,
            "change": kind.change,
            "reference": kind.reference,
            "summary": _summary(kind),
            "equations": kind.equations().splitlines(),
            "recurrence": cells.recurrence(kind),
            "options": defaults(kind),
            "gates": list(kind.gates),
            "state": kind().state_sizes(hidden),
            "hyperparameters": list(searchable_initialisers(kind())),
            "inputs": inputs,
            "hidden": hidden,
            "parameters": kind().parameters(inputs, hidden),
        }
        for kind in cells.catalogue().values()
    ]


def show_cells(rows: list[dict[str, Any]], out: Console) -> None:
    """The cells as a tree: a branch is a cell with one change, the equations that it changes, and options of its own."""
    options = {row["name"]: row["options"] for row in rows}
    tree = Tree(f"cells, with the parameters of a layer of {rows[0]['hidden']} units on {rows[0]['inputs']} inputs")
    branches: dict[str | None, Tree] = {None: tree}
    for row in rows:
        title = Text.assemble((row["name"], "bold"), f"  {row['parameters']:,} parameters  ", (row["reference"], "dim"))
        equations = (Text(f"  {line}", "cyan") for line in row["equations"])
        inherited = options.get(row["parent"], {})
        new = ", ".join(f"{name}={value}" for name, value in row["options"].items() if name not in inherited)
        chosen = [Text(f"  options: {new}", "dim")] if new else []
        lines = Text("\n").join([title, Text(row["change"] or row["summary"]), *equations, *chosen])
        branches[row["name"]] = branches[row["parent"]].add(lines)
    out.print(tree)


def task_rows() -> list[dict[str, Any]]:
    """The catalogue of tasks as data."""
    return [
        {
            "name": kind.name,
            "group": kind.group,
            "summary": _summary(kind),
            "lag_means": kind.lag_means,
            "minimum_lag": kind().minimum_lag,
            "criterion": kind().criterion,
            "continual": kind.continual,
            "reference": kind.reference,
            "options": defaults(kind),
        }
        for kind in tasks.catalogue().values()
    ]


def show_tasks(rows: list[dict[str, Any]], out: Console) -> None:
    """The tasks as a table."""
    table = Table(show_lines=True)
    for column in ("task", "what it asks", "its lag", "solved", "options"):
        table.add_column(column, overflow="fold")
    for row in rows:
        options = ", ".join(f"{name}={value}" for name, value in row["options"].items())
        name = Text.assemble((row["name"], "bold"), "\n", (row["group"], "dim"))
        table.add_row(name, row["summary"], f"{row['lag_means']} (≥ {row['minimum_lag']})", row["criterion"], options)
    out.print(table)


def show_status(arms: list[dict[str, Any]], busy: bool, out: Console) -> None:
    """The arms of a study, phase by phase, and about how much is left."""
    table = Table()
    for column in ("cell", "task", "lag", "size", "tuned", "confirmed", "probed", "solved", "diverged", "state"):
        right = column in ("lag", "size", "probed", "solved", "diverged")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for arm in arms:
        tune, confirm = arm["tune"], arm["confirm"]
        table.add_row(
            arm["cell"], arm["task"], str(arm["lag"]), str(arm["size"]),
            f"{tune['done']}/{tune['of']}", f"{confirm['done']}/{confirm['of']}", str(confirm["probed"]),
            f"{confirm['solved']}/{confirm['done']}", str(tune["diverged"] + confirm["diverged"]), arm["state"],
        )  # fmt: skip
    out.print(table)
    phases = [arm[phase] for arm in arms for phase in ("tune", "confirm")]
    done, of = sum(p["done"] for p in phases), sum(p["of"] for p in phases)
    spent = sum(p["seconds"] for p in phases)
    left = f", about {duration(spent / done * (of - done))} of one core left" if 0 < done < of else ""
    out.print(f"{done} of {of} members{left}; {'a sweep is running' if busy else 'no sweep is running'}")


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]
