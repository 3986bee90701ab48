"""The gate lattice as a figure: a tree of cells, and beside it what each change did."""

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from reports.aggregates.lattice import Node, clear
from reports.aggregates.outcomes import Table
from reports.figures.panels import MANY
from reports.figures.style import FAINT, INK, RULE, WIDTH, Look
from reports.format import confidence_limits, percent, points, short
from reports.statistics.contrasts import Estimate

MORE, LESS = "#0072B2", "#D55E00"
"""Blue and orange: the colour-blind tell them apart, and the sign stands in each field."""
ROW, FIELD = 0.36, 0.56
"""Inches of a row of the compact lattice, and the widest of its columns."""


def is_compact(placed: Sequence[Node], demands: Mapping[str, str]) -> bool:
    """Whether a study is too large for arrows: one number in a coloured field for each edge and group instead."""
    return len(placed) > MANY or len(demands) > 4


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


def compact(
    placed: Sequence[Node],
    rates: Table,
    effects: Mapping[tuple[str, str], Estimate],
    looks: Mapping[str, Look],
    demands: Mapping[str, str],
) -> Figure:
    """The same for many cells and groups: a coloured field for each change and group, bold where it is clear."""
    field = min(FIELD, 5.4 / len(demands))
    tree_width = WIDTH - field * len(demands)
    above = 0.2 + 0.075 * max(len(group or "other") for group in demands)
    height = above + ROW * len(placed) + 0.1
    figure = Figure(figsize=(WIDTH, height))
    bottom, tall = 0.1 / height, ROW * len(placed) / height
    ax = figure.add_axes((0, bottom, tree_width / WIDTH, tall))
    _tree_compact(ax, placed, looks, tree_width)
    fields = figure.add_axes((tree_width / WIDTH, bottom, field * len(demands) / WIDTH, tall))
    fields.set_xlim(0, len(demands))
    fields.set_ylim(len(placed), 0)
    fields.axis("off")
    shares = rates.set_index(["cell", "group"])["rate"].to_dict()
    for x, group in enumerate(demands):
        fields.text(x + 0.35, -0.15, short(group or "other", 14), rotation=60, fontsize=8.5, weight="bold", va="bottom")
        for y, node in enumerate(placed):
            _field(fields, x, y, node, shares.get((node.cell, group)), effects.get((node.cell, group)))
    return figure


def _field(ax: Axes, x: int, y: int, node: Node, rate: float | None, effect: Estimate | None) -> None:
    """A number in a colour that says its sign and size."""
    color, text, ink, bold = "white", "", FAINT, False
    if rate is None:
        text = "·"
    elif node.parent is None or effect is None:
        color, text = _mix("#8a939c", 0.35 * rate), percent(rate).replace(" ", "")
    else:
        bold = clear(effect)
        share = min(1.0, abs(effect.effect))
        color = _mix(MORE if effect.effect > 0 else LESS, (0.25 + 0.75 * share) if bold else 0.25 * share)
        text = points(effect.effect) + ("" if bold else "?")
        ink = ("white" if share > 0.45 else INK) if bold else FAINT
    ax.add_patch(Rectangle((x + 0.03, y + 0.05), 0.94, 0.9, facecolor=color, edgecolor=RULE, linewidth=0.5))
    ax.text(
        x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=8, color=ink, weight="bold" if bold else "normal"
    )


def _mix(color: str, share: float) -> tuple[float, ...]:
    """A colour on white."""
    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def _tree_compact(ax: Axes, placed: Sequence[Node], looks: Mapping[str, Look], width: float) -> None:
    ax.set_xlim(0, width)
    ax.set_ylim(len(placed), 0)
    ax.axis("off")
    row = {node.cell: i for i, node in enumerate(placed)}
    for y, node in enumerate(placed):
        x = 0.12 + 0.2 * node.depth
        ax.axhline(y + 1, color=RULE, linewidth=0.4)
        if node.parent is not None:
            ax.plot([x - 0.1, x - 0.1, x], [row[node.parent] + 0.75, y + 0.36, y + 0.36], color=FAINT, linewidth=0.9)
        look = looks[node.cell]
        ax.plot(x + 0.08, y + 0.36, marker=look.marker, color=look.color, markersize=5.5)
        ax.text(x + 0.22, y + 0.38, short(node.cell, 34), fontsize=8.5, va="center", weight="bold")
        fits = int((width - x - 0.3) / 0.049)
        ax.text(x + 0.22, y + 0.76, short(node.change, fits), fontsize=6.8, color=FAINT, va="center", style="italic")


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
            text = f"{points(effect.effect)} ({confidence_limits(effect.low, effect.high)}){'' if certain else '  ?'}"
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
