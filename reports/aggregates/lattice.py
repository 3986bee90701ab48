"""The gate lattice: every cell under the cell it differs from by one change, with what that change did."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reports.statistics.contrasts import Comparison, Estimate, Evidence, measure
from reports.statistics.strata import Where, base_name

QUESTIONS = (
    {"cell": "lstm_no_forget", "parent": "lstm", "change": "no forget gate"},
    {"cell": "single_network", "parent": "lstm", "change": "one network computes the new memory"},
)
"""The two edges that the report opens with: known also where the tables come without a manifest."""


class Node(NamedTuple):
    """A cell of the study in its place."""

    cell: str
    parent: str | None
    """The nearest ancestor that is in the study; None for a root."""
    change: str
    """What was changed on the way from the parent."""
    depth: int


def nodes(cells: Sequence[str], study: Mapping[str, Any]) -> list[Node]:
    """The cells of a study in the order of the lattice, each after its parent.

    A label with options (`lstm+bias0`) hangs under its bare cell. An ancestor that was not run is stepped over, and its
    change joins that of its child. Without a manifest only the two edges of `QUESTIONS` are known.
    """
    names = {cell: study.get("cells", {}).get(cell, {}).get("cell", base_name(cell)) for cell in cells}
    known = {entry["cell"]: entry for entry in (*QUESTIONS, *study.get("lattice", []))}
    for label, entry in study.get("cells", {}).items():
        known.setdefault(entry.get("cell", base_name(label)), entry)
    parents: dict[str, tuple[str | None, str]] = {}
    for cell, name in names.items():
        if cell != name and name in names:
            parents[cell] = name, cell.removeprefix(name).lstrip("+").replace("+", ", ")
            continue
        changes: list[str] = []
        here = known.get(name, {})
        while (up := here.get("parent")) is not None and len(changes) < len(known):
            changes.insert(0, here.get("change", ""))
            if up in names:
                break
            here = known.get(up, {})
        parents[cell] = (up, "; ".join(changes)) if up in names else (None, "")
    placed: list[Node] = []

    def place(parent: str | None, depth: int) -> None:
        for cell, (up, change) in parents.items():
            if up == parent:
                placed.append(Node(cell, up, change, depth))
                place(cell, depth + 1)

    place(None, 0)
    reached = {node.cell for node in placed}
    return placed + [Node(cell, None, "", 0) for cell in parents if cell not in reached]  # parents in a circle


def effects(placed: Sequence[Node], groups: Sequence[str], evidence: Evidence) -> dict[tuple[str, str], Estimate]:
    """By (cell, group): the cell's solve rate minus its parent's, over every stratum of the group they share.

    Lags that nobody or everybody solves are kept: these are the differences between the rates that the figure shows.
    """
    found = {}
    for node in placed:
        for group in groups if node.parent is not None else ():
            compare = Comparison("", node.cell, node.parent or "", (Where(group),), informative_only=False)
            estimate = measure(compare, evidence).with_ceiling
            if estimate is not None:
                found[node.cell, group] = estimate
    return found


def clear(estimate: Estimate) -> bool:
    """Whether the interval leaves out no difference at all."""
    return not estimate.low <= 0 <= estimate.high
