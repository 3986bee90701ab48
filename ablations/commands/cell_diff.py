"""What tells two cells apart: the changes between them in the lattice, their equations, their weights."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ablations import cells
from ablations.errors import known


def diff(first: str, second: str, inputs: int, hidden: int) -> dict[str, Any]:
    """The difference between two cells as data; weights and parameters are those of one layer. InputError for a name
    that is no cell's.

    `changes` is the way through the lattice: the first cell's own changes are undone as far as the nearest ancestor of
    both, `common`, then the second's are made. Two cells of different roots have no such way.
    """
    one, other = (known("cell", name, cells.catalogue()) for name in (first, second))
    up, down = _ancestry(one), _ancestry(other)
    common = next((kind for kind in up if kind in down), None)
    undone, made = ([], []) if common is None else (up[: up.index(common)], down[: down.index(common)])
    return {
        "cells": [first, second],
        "common": common and common.name,
        "changes": [{"cell": kind.name, "change": kind.change, "undone": True} for kind in undone]
        + [{"cell": kind.name, "change": kind.change, "undone": False} for kind in reversed(made)],
        "equations": _only(cells.recurrence(one), cells.recurrence(other)),
        "weights": _only(_weights(one, inputs, hidden), _weights(other, inputs, hidden)),
        "inputs": inputs,
        "hidden": hidden,
        "parameters": [kind().parameters(inputs, hidden) for kind in (one, other)],
    }


def show_diff(found: dict[str, Any], out: Console) -> None:
    """The difference: − is the first cell's, + the second's."""
    first, second = found["cells"]
    out.print(Text.assemble((first, "bold"), " → ", (second, "bold")))
    for change in found["changes"]:
        out.print(f"  {'undo' if change['undone'] else 'make'}  {change['change']}  ({change['cell']})")
    if found["common"] is None:
        out.print("  they have different roots")
    table = Table.grid(padding=(0, 2))
    for what in ("equations", "weights"):
        for sign, colour, lines in zip("−+", ("red", "green"), found[what], strict=True):
            for line in lines:
                table.add_row(what, Text(f"{sign} {line}", colour))
                what = ""
    out.print(table)
    before, after = found["parameters"]
    size = f"a layer of {found['hidden']} units on {found['inputs']} inputs"
    out.print(f"parameters of {size}: {before:,} → {after:,} ({after - before:+,})")


def _ancestry(kind: type[cells.Cell]) -> list[type[cells.Cell]]:
    """A cell, its parent, and so on to the root."""
    return [kind, *(_ancestry(cells.catalogue()[kind.parent]) if kind.parent else [])]


def _weights(kind: type[cells.Cell], inputs: int, hidden: int) -> list[str]:
    return [f"{name} [{w.rows}, {w.columns}], {w.initialiser}" for name, w in kind().weights(inputs, hidden).items()]


def _only(one: list[str], other: list[str]) -> list[list[str]]:
    """What each of two lists has that the other has not."""
    return [[line for line in one if line not in other], [line for line in other if line not in one]]
