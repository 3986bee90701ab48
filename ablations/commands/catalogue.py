"""`whygates cells` and `whygates tasks`: the catalogues, and single entries in full."""

import inspect
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

import tasks
from ablations import cells
from ablations.cells.base import trained_parameters
from ablations.cells.initial import searchable_initialisers
from ablations.errors import lookup
from ablations.studies.schema import defaults


def cell_rows(inputs: int, hidden: int) -> list[dict[str, Any]]:
    """Return every cell as JSON-like data; see `cell_row`."""
    return [_cell(kind, inputs, hidden) for kind in cells.catalogue().values()]


def cell_row(name: str, inputs: int, hidden: int) -> dict[str, Any]:
    """Return one cell as JSON-like data. Raises InputError for an unknown name.

    `equations` are those that differ from the parent's, `recurrence` is the complete set. `weights` and `parameters` are
    those of one layer of `hidden` units on `inputs` features.
    """
    return _cell(lookup("cell", name, cells.catalogue()), inputs, hidden)


def _cell(kind: type[cells.Cell], inputs: int, hidden: int) -> dict[str, Any]:
    cell = kind()
    return {
        "name": kind.name,
        "parent": kind.parent,
        "change": kind.change,
        "reference": kind.reference,
        "summary": _summary(kind),
        "equations": kind.equations().splitlines(),
        "recurrence": cells.recurrence(kind),
        "options": defaults(kind),
        "gates": list(kind.gates),
        "state": cell.state_sizes(hidden),
        "hyperparameters": list(searchable_initialisers(cell)),
        "inputs": inputs,
        "hidden": hidden,
        "weights": {name: _weight(weight) for name, weight in cell.weights(inputs, hidden).items()},
        "parameters": trained_parameters(cell.weights(inputs, hidden)),
    }


def _weight(weight: cells.Weight) -> dict[str, Any]:
    """The declaration of a weight as JSON-like data."""
    return weight._asdict() | {"initialiser": weight.initialiser_name}


def show_cells(rows: list[dict[str, Any]], out: Console) -> None:
    """Print the cells as a tree: children differ from their parent by one change, shown with the equations it changes."""
    options = {row["name"]: row["options"] for row in rows}
    tree = Tree(f"cells, with the parameters of {_layer(rows[0])}")
    branches: dict[str | None, Tree] = {None: tree}
    for row in rows:
        title = Text.assemble((row["name"], "bold"), f"  {row['parameters']:,} parameters  ", (row["reference"], "dim"))
        equations = (Text(f"  {line}", "cyan") for line in row["equations"])
        inherited = options.get(row["parent"], {})
        new = {name: value for name, value in row["options"].items() if name not in inherited}
        new_options = [Text(f"  options: {_assignments(new)}", "dim")] if new else []
        lines = Text("\n").join([title, Text(row["change"] or row["summary"]), *equations, *new_options])
        branches[row["name"]] = branches[row["parent"]].add(lines)
    out.print(tree)


def show_cell(row: dict[str, Any], out: Console) -> None:
    """Print one cell in full."""
    weights = Table.grid(padding=(0, 2))
    for name, weight in row["weights"].items():
        trained = "" if weight["trained"] else "not trained"
        weights.add_row(name, f"[{weight['rows']}, {weight['columns']}]", weight["initialiser"], trained)
    fields = {
        "parent": row["parent"],
        "change": row["change"],
        "reference": row["reference"],
        "equations": "\n".join(row["recurrence"]),
        "gates": ", ".join(row["gates"]),
        "state": ", ".join(f"{name} [{size}]" for name, size in row["state"].items()),
        "options": _options(cells.catalogue()[row["name"]]),
        "hyperparameters": ", ".join(row["hyperparameters"]),
        "weights": Group("[rows, columns] and initialiser", weights),
        "parameters": f"{row['parameters']:,} in {_layer(row)}",
    }
    out.print(Text.assemble((row["name"], "bold"), f": {row['summary']}\n"), _fields(fields))


def task_rows() -> list[dict[str, Any]]:
    """Return every task as JSON-like data."""
    return [_task(kind) for kind in tasks.catalogue().values()]


def task_row(name: str) -> dict[str, Any]:
    """Return one task as JSON-like data. Raises InputError for an unknown name."""
    return _task(lookup("task", name, tasks.catalogue()))


def _task(kind: type[tasks.Task]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "group": kind.group,
        "summary": _summary(kind),
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "lag_means": kind.lag_means,
        "minimum_lag": kind().minimum_lag,
        "criterion": kind().criterion,
        "continual": kind.continual,
        "reference": kind.reference,
        "options": defaults(kind),
    }


def show_tasks(rows: list[dict[str, Any]], out: Console) -> None:
    """Print the tasks as a table."""
    table = Table(show_lines=True)
    for column in ("task", "summary", "lag", "solved when", "options"):
        table.add_column(column, overflow="fold")
    for row in rows:
        name = Text.assemble((row["name"], "bold"), "\n", (row["group"], "dim"))
        table.add_row(name, row["summary"], _lag(row), row["criterion"], _assignments(row["options"]))
    out.print(table)


def show_task(row: dict[str, Any], out: Console) -> None:
    """Print one task in full."""
    fields = {
        "group": row["group"],
        "lag": _lag(row),
        "solved when": row["criterion"],
        "sequences": "windows of endless streams; the state is carried over" if row["continual"] else "independent",
        "options": _options(tasks.catalogue()[row["name"]]),
        "reference": row["reference"],
    }
    out.print(Text.assemble((row["name"], "bold"), f": {row['description']}\n"), _fields(fields))


def _fields(fields: Mapping[str, RenderableType | None]) -> Table:
    """A table of names and values; empty values are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    for name, value in fields.items():
        if value:
            table.add_row(name, value)
    return table


def _options(kind: type[cells.Cell] | type[tasks.Task]) -> str:
    """The options of a class with their defaults, then the description in the docstring of its constructor."""
    options = _assignments(defaults(kind))
    return f"{options}\n{inspect.cleandoc(kind.__init__.__doc__ or '')}".strip() if options else ""


def _assignments(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


def _lag(row: Mapping[str, Any]) -> str:
    return f"{row['lag_means']} (≥ {row['minimum_lag']})"


def _layer(row: Mapping[str, Any]) -> str:
    return f"a layer of {row['hidden']} units on {row['inputs']} inputs"


def _summary(kind: type) -> str:
    """The first line of a class's docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]
