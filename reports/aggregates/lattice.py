"""The gate lattice: each cell below the cell that it differs from by one change, and the effect of that change."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reports.aggregates.options import in_words
from reports.statistics.comparison import RATE_MARGINS, Comparison
from reports.statistics.contrasts import Estimate, Evidence, measure
from reports.statistics.quantities import SOLVED
from reports.statistics.strata import Where, base_name

BUILT_IN_EDGES = (
    {"cell": "lstm_no_forget", "parent": "lstm", "change": "no forget gate"},
    {"cell": "single_network", "parent": "lstm", "change": "one network computes the new memory"},
)
"""The edges of the two main questions (forgetting, one network), which a table without study.json also has."""


class Node(NamedTuple):
    """A cell of the study in the lattice."""

    cell: str
    parent: str | None
    """The nearest ancestor that is in the study; None for a root."""
    change: str
    """How the cell differs from its parent."""
    depth: int
    """Number of edges to the root."""


def nodes(cells: Sequence[str], study: Mapping[str, Any]) -> list[Node]:
    """Return the cells of a study as a tree in depth-first order, each parent before its children.

    The parent of a label with options (`lstm+bias0`) is the cell without them. If a parent is not in the study, the cell
    is attached to its nearest ancestor that is, and the changes along the path are joined. Without a study.json only the
    two edges of `BUILT_IN_EDGES` are known.
    """
    known = study.get("cells", {})
    names = {cell: known.get(cell, {}).get("cell", base_name(cell)) for cell in cells}
    edges = {entry["cell"]: entry for entry in (*BUILT_IN_EDGES, *study.get("lattice", []))}
    for label, entry in known.items():
        edges.setdefault(entry.get("cell", base_name(label)), entry)
    parents: dict[str, tuple[str | None, str]] = {}
    for cell, name in names.items():
        # A plug-in's option may mean something else than a built-in one of its name.
        options = "" if study.get("plugins") else in_words(known.get(cell, {}).get("options", {}))
        if cell != name and name in names:
            parents[cell] = name, options or cell.removeprefix(name).lstrip("+").replace("+", ", ")
            continue
        changes: list[str] = []
        entry = edges.get(name, {})
        while (ancestor := entry.get("parent")) is not None and len(changes) < len(edges):
            changes.insert(0, entry.get("change", ""))
            if ancestor in names:
                break
            entry = edges.get(ancestor, {})
        changes += [options] if options else []
        parents[cell] = (ancestor, "; ".join(changes)) if ancestor in names else (None, "")
    ordered: list[Node] = []

    def add_children(parent: str | None, depth: int) -> None:
        for cell, (parent_of_cell, change) in parents.items():
            if parent_of_cell == parent:
                ordered.append(Node(cell, parent, change, depth))
                add_children(cell, depth + 1)

    add_children(None, 0)
    reached = {node.cell for node in ordered}
    return ordered + [Node(cell, None, "", 0) for cell in parents if cell not in reached]  # their parents form a cycle


def effects(tree: Sequence[Node], groups: Sequence[str], evidence: Evidence) -> dict[tuple[str, str], Estimate]:
    """Estimate by (cell, group) the cell's solve rate minus its parent's, over all strata of the group that both have.

    Strata that no trial solved are included, as they are in the rates that the figure shows.
    """
    estimates = {}
    for node in tree:
        for group in groups if node.parent is not None else ():
            compare = Comparison(
                "",
                node.cell,
                node.parent or "",
                (Where(group),),
                informative_only=False,
                quantity=SOLVED,
                margins=RATE_MARGINS,
            )
            estimate = measure(compare, evidence).estimate
            if estimate is not None:
                estimates[node.cell, group] = estimate
    return estimates


def clear(estimate: Estimate) -> bool:
    """Whether the interval of the effect excludes 0."""
    return not estimate.low <= 0 <= estimate.high
