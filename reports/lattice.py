"""The gate lattice: every cell under the cell it differs from by one change, with what that change did."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from reports.contrasts import Compare, Estimate, Evidence, measure
from reports.strata import Where, base_name
from reports.style import FAINT, INK, RULE, WIDTH, Look, short
from reports.summary import Table

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
            compare = Compare("", node.cell, node.parent or "", (Where(group),), informative=False)
            estimate = measure(compare, evidence).loose
            if estimate is not None:
                found[node.cell, group] = estimate
    return found


def draw(
    placed: Sequence[Node],
    rates: Table,
    effects: Mapping[tuple[str, str], Estimate],
    looks: Mapping[str, Look],
    demands: Mapping[str, str],
) -> Figure:
    """The lattice as a tree, and beside it for each group of tasks how the solve rate moves from parent to child.

    :param rates: group, cell, rate: where the dots are.
    :param effects: by (cell, group): the cell against its parent.
    :param demands: by group, in the order of the columns: what its tasks demand.
    """
    longest = max(max(len(node.change), len(node.cell)) + 6 * node.depth for node in placed)
    tree_width = min(4.4, max(2.2, 0.3 + 0.064 * longest))
    column = min(3.2, max(1.4, (WIDTH - tree_width) / len(demands)))
    titles = {g: [g or "other", *textwrap.wrap(demand, int(column / 0.088))] for g, demand in demands.items()}
    above, below = 0.16 + 0.16 * max(map(len, titles.values())), 0.36
    width, height = tree_width + column * len(titles), above + 0.5 * len(placed) + below
    figure = Figure(figsize=(width, height))
    bottom, tall = below / height, 0.5 * len(placed) / height
    tree = figure.add_axes((0, bottom, tree_width / width, tall))
    _tree(tree, placed, looks, tree_width)
    for k, (group, title) in enumerate(titles.items()):
        left = (tree_width + k * column + 0.14) / width
        ax = figure.add_axes((left, bottom, (column - 0.28) / width, tall), sharey=tree)
        own = rates[rates["group"] == group].set_index("cell")["rate"].to_dict()
        _moves(ax, placed, own, {n.cell: effects.get((n.cell, group)) for n in placed}, looks)
        ax.set_title("\n".join(title), fontsize=9, pad=6)
    return figure


def points(share: float | None) -> str:
    """A difference of solve rates in points, with its sign: −0.834 -> `−83`."""
    if share is None:
        return "?"
    rounded = round(100 * share)
    return "0" if rounded == 0 else f"{rounded:+d}".replace("-", "−")


def limits(low: float | None, high: float | None) -> str:
    """`−97 to −60`, in points."""
    return f"{points(low)} to {points(high)}"


def percent(share: float) -> str:
    """A share in percent, with a space that does not break: 0.834 -> `83 %`."""
    return f"{round(100 * share)}\N{NO-BREAK SPACE}%"


def clear(estimate: Estimate) -> bool:
    """Whether the interval leaves out no difference at all."""
    return not estimate.low <= 0 <= estimate.high


def _tree(ax: Axes, placed: Sequence[Node], looks: Mapping[str, Look], width: float) -> None:
    ax.set_xlim(0, width)
    ax.set_ylim(len(placed) - 0.35, -0.65)
    ax.axis("off")
    row = {node.cell: i for i, node in enumerate(placed)}
    for y, node in enumerate(placed):
        x = 0.12 + 0.34 * node.depth
        if node.parent is not None:
            ax.plot([x - 0.17, x - 0.17, x], [row[node.parent] + 0.3, y + 0.12, y + 0.12], color=FAINT, linewidth=1)
            ax.text(
                x,
                y - 0.27,
                short(node.change, 64 - 5 * node.depth),
                fontsize=8,
                color=FAINT,
                va="center",
                style="italic",
            )
        look = looks[node.cell]
        box = {"boxstyle": "round,pad=0.32", "facecolor": "white", "edgecolor": look.color, "linewidth": 1.4}
        ax.plot(x + 0.14, y + 0.12, marker=look.marker, color=look.color, markersize=6, zorder=5)
        ax.text(x + 0.28, y + 0.12, short(node.cell), fontsize=9, va="center", weight="bold", bbox=box, zorder=4)


def _moves(
    ax: Axes,
    placed: Sequence[Node],
    rates: Mapping[str, float],
    effects: Mapping[str, Estimate | None],
    looks: Mapping[str, Look],
) -> None:
    for y, node in enumerate(placed):
        here, look, effect = y + 0.12, looks[node.cell], effects[node.cell]
        ax.axhline(here, color=RULE, linewidth=0.6, zorder=0)
        if node.cell not in rates:
            ax.text(0.5, here, "not run", fontsize=7.5, color=FAINT, ha="center", va="center")
            continue
        rate = rates[node.cell]
        if node.parent is not None and node.parent in rates and effect is not None:
            certain = clear(effect)
            before = rates[node.parent]
            ax.plot(before, here, marker="|", color=FAINT, markersize=9)
            if abs(rate - before) > 0.03:
                arrow = {"arrowstyle": "-|>", "color": INK if certain else FAINT, "linestyle": "-" if certain else ":"}
                ax.annotate("", (rate, here), (before, here), arrowprops={**arrow, "shrinkA": 0, "shrinkB": 3})
            text = f"{points(effect.effect)} ({limits(effect.low, effect.high)}){'' if certain else '  ?'}"
            ax.text(0.5, y - 0.25, text, fontsize=8, ha="center", va="center",
                    color=INK if certain else FAINT, weight="bold" if certain else "normal")  # fmt: skip
        ax.plot(rate, here, marker=look.marker, color=look.color, markersize=7, clip_on=False, zorder=5)
        if node.parent is None:
            ax.text(0.5, y - 0.25, f"{percent(rate)} solve it", fontsize=8, ha="center", va="center", color=FAINT)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.tick_params(axis="x", labelsize=7.5)
    ax.spines[["left", "right", "top"]].set_visible(False)
