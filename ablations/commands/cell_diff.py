"""`whygates cells --diff A B`: the changes, equations and weights in which two cells differ."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ablations import cells
from ablations.cells.base import trained_parameters
from ablations.errors import lookup
from reports.format import signed


def diff(first: str, second: str, inputs: int, hidden: int) -> dict[str, Any]:
    """Return the difference between two cells as JSON-like data. Raises InputError for an unknown name.

    `changes` is the path through the lattice: from the first cell up to the nearest common ancestor, `common`, where
    changes are undone, then down to the second. It is empty for cells with different roots. `equations` and `weights`
    are two lists each: those of the first cell only, and those of the second only. Weights and parameters are those of
    one layer.
    """
    one, other = (lookup("cell", name, cells.catalogue()) for name in (first, second))
    up, down = _ancestry(one), _ancestry(other)
    common = next((kind for kind in up if kind in down), None)
    undone, made = ([], []) if common is None else (up[: up.index(common)], down[: down.index(common)])
    return {
        "cells": [first, second],
        "common": common and common.name,
        "changes": [{"cell": kind.name, "change": kind.change, "undone": True} for kind in undone]
        + [{"cell": kind.name, "change": kind.change, "undone": False} for kind in reversed(made)],
        "equations": _differences(cells.recurrence(one), cells.recurrence(other)),
        "weights": _differences(_weights(one, inputs, hidden), _weights(other, inputs, hidden)),
        "inputs": inputs,
        "hidden": hidden,
        "parameters": [trained_parameters(kind().weights(inputs, hidden)) for kind in (one, other)],
    }


def show_diff(difference: dict[str, Any], out: Console) -> None:
    """Print the difference: − marks lines of the first cell, + lines of the second."""
    first, second = difference["cells"]
    out.print(Text.assemble((first, "bold"), " → ", (second, "bold")))
    for change in difference["changes"]:
        out.print(f"  {'undo' if change['undone'] else 'make'}  {change['change']}  ({change['cell']})")
    if difference["common"] is None:
        out.print("  no common ancestor")
    table = Table.grid(padding=(0, 2))
    for kind in ("equations", "weights"):
        title = kind
        for sign, colour, lines in zip("−+", ("red", "green"), difference[kind], strict=True):
            for line in lines:
                table.add_row(title, Text(f"{sign} {line}", colour))
                title = ""
    out.print(table)
    before, after = difference["parameters"]
    layer = f"a layer of {difference['hidden']} units on {difference['inputs']} inputs"
    out.print(f"parameters of {layer}: {before:,} → {after:,} ({signed(after - before, 0, plus=True)})")


def _ancestry(kind: type[cells.Cell]) -> list[type[cells.Cell]]:
    """A cell, its parent, and so on to the root."""
    return [kind, *(_ancestry(cells.catalogue()[kind.parent]) if kind.parent else [])]


def _weights(kind: type[cells.Cell], inputs: int, hidden: int) -> list[str]:
    return [
        f"{name} [{w.rows}, {w.columns}], {w.initialiser_name}{'' if w.trained else ', not trained'}"
        for name, w in kind().weights(inputs, hidden).items()
    ]


def _differences(first: list[str], second: list[str]) -> list[list[str]]:
    """The lines of each list that the other does not contain."""
    return [[line for line in first if line not in second], [line for line in second if line not in first]]
