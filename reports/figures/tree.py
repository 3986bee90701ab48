"""The gate lattice: a tree of cells, and beside it the effect of each change on the solve rate."""

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
from reports.figures.style import FAINT, INK, ON_DARK, ON_LIGHT, RULE, WIDTH, CellStyle
from reports.format import confidence_limits, percent, points, short
from reports.statistics.contrasts import Estimate

MORE, LESS = "#0072B2", "#D55E00"
"""Colours of increases and decreases, which readers with colour vision deficiency can distinguish."""
ROW, FIELD = 0.36, 0.56
"""Row height and maximum column width of the compact lattice, in inches."""


def is_compact(nodes: Sequence[Node], demands: Mapping[str, str]) -> bool:
    """Return whether a study has too many cells or groups for arrows, so that `compact` is drawn instead of `draw`."""
    return len(nodes) > MANY or len(demands) > 4


def draw(
    nodes: Sequence[Node],
    rates: Table,
    effects: Mapping[tuple[str, str], Estimate],
    styles: Mapping[str, CellStyle],
    demands: Mapping[str, str],
) -> Figure:
    """Draw the tree, and for each group of tasks an arrow from the parent's solve rate to the cell's.

    :param rates: mean solve rates: group, cell, rate.
    :param effects: by (cell, group): the cell minus its parent.
    :param demands: by group, in the order of the columns: what its tasks demand of a network.
    """
    longest = max(max(len(node.change), len(node.cell)) + 6 * node.depth for node in nodes)
    tree_width = min(4.4, max(2.2, 0.3 + 0.064 * longest))
    column = min(3.2, max(1.4, (WIDTH - tree_width) / len(demands)))
    titles = {g: [g or "other", *textwrap.wrap(demand, int(column / 0.088))] for g, demand in demands.items()}
    above, below = 0.16 + 0.16 * max(map(len, titles.values())), 0.36
    width, height = tree_width + column * len(titles), above + 0.5 * len(nodes) + below
    figure = Figure(figsize=(width, height))
    bottom, tall = below / height, 0.5 * len(nodes) / height
    tree = figure.add_axes((0, bottom, tree_width / width, tall))
    _tree(tree, nodes, styles, tree_width)
    for k, (group, title) in enumerate(titles.items()):
        left = (tree_width + k * column + 0.14) / width
        ax = figure.add_axes((left, bottom, (column - 0.28) / width, tall), sharey=tree)
        group_rates = rates[rates["group"] == group].set_index("cell")["rate"].to_dict()
        _arrows(ax, nodes, group_rates, {n.cell: effects.get((n.cell, group)) for n in nodes}, styles)
        ax.set_title("\n".join(title), fontsize=9, pad=6)
    return figure


def compact(
    nodes: Sequence[Node],
    rates: Table,
    effects: Mapping[tuple[str, str], Estimate],
    styles: Mapping[str, CellStyle],
    demands: Mapping[str, str],
) -> Figure:
    """Draw the tree and a matrix of effects, bold if the interval excludes 0; the parameters are those of `draw`."""
    field = min(FIELD, 5.4 / len(demands))
    tree_width = WIDTH - field * len(demands)
    above = 0.2 + 0.075 * max(len(group or "other") for group in demands)
    height = above + ROW * len(nodes) + 0.1
    figure = Figure(figsize=(WIDTH, height))
    bottom, tall = 0.1 / height, ROW * len(nodes) / height
    ax = figure.add_axes((0, bottom, tree_width / WIDTH, tall))
    _tree_compact(ax, nodes, styles, tree_width)
    fields = figure.add_axes((tree_width / WIDTH, bottom, field * len(demands) / WIDTH, tall))
    fields.set_xlim(0, len(demands))
    fields.set_ylim(len(nodes), 0)
    fields.axis("off")
    shares = rates.set_index(["cell", "group"])["rate"].to_dict()
    for x, group in enumerate(demands):
        fields.text(x + 0.35, -0.15, short(group or "other", 14), rotation=60, fontsize=8.5, weight="bold", va="bottom")
        for y, node in enumerate(nodes):
            _field(fields, x, y, node, shares.get((node.cell, group)), effects.get((node.cell, group)))
    return figure


def _field(ax: Axes, x: int, y: int, node: Node, rate: float | None, effect: Estimate | None) -> None:
    """An entry of the matrix: the effect, coloured by sign and size if its interval excludes 0, or the cell's solve rate."""
    color, text, ink, bold = "white", "", FAINT, False
    if rate is None:
        text = "·"
    elif effect is None:
        text = percent(rate).replace(" ", "")
    elif bold := clear(effect):
        share = min(1.0, abs(effect.effect))
        color, text = _tint(MORE if effect.effect > 0 else LESS, 0.25 + 0.75 * share), points(effect.effect)
        ink = ON_DARK if share > 0.6 else ON_LIGHT
    else:
        text = f"{points(effect.effect)}?"
    ax.add_patch(Rectangle((x + 0.03, y + 0.05), 0.94, 0.9, facecolor=color, edgecolor=RULE, linewidth=0.5))
    ax.text(
        x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=8, color=ink, weight="bold" if bold else "normal"
    )


def _tint(color: str, share: float) -> tuple[float, ...]:
    """A mixture of a colour (share 1) and white (share 0)."""
    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def _tree_compact(ax: Axes, nodes: Sequence[Node], styles: Mapping[str, CellStyle], width: float) -> None:
    ax.set_xlim(0, width)
    ax.set_ylim(len(nodes), 0)
    ax.axis("off")
    row = {node.cell: i for i, node in enumerate(nodes)}
    for y, node in enumerate(nodes):
        x = 0.12 + 0.2 * node.depth
        ax.axhline(y + 1, color=RULE, linewidth=0.4)
        if node.parent is not None:
            ax.plot([x - 0.1, x - 0.1, x], [row[node.parent] + 0.75, y + 0.36, y + 0.36], color=FAINT, linewidth=0.9)
        style = styles[node.cell]
        ax.plot(x + 0.08, y + 0.36, marker=style.marker, color=style.color, markersize=5.5)
        ax.text(x + 0.22, y + 0.38, short(node.cell, 34), fontsize=8.5, va="center", weight="bold")
        fits = int((width - x - 0.3) / 0.049)
        ax.text(x + 0.22, y + 0.76, short(node.change, fits), fontsize=6.8, color=FAINT, va="center", style="italic")


def _tree(ax: Axes, nodes: Sequence[Node], styles: Mapping[str, CellStyle], width: float) -> None:
    ax.set_xlim(0, width)
    ax.set_ylim(len(nodes) - 0.35, -0.65)
    ax.axis("off")
    row = {node.cell: i for i, node in enumerate(nodes)}
    for y, node in enumerate(nodes):
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
        style = styles[node.cell]
        box = {"boxstyle": "round,pad=0.32", "facecolor": "white", "edgecolor": style.color, "linewidth": 1.4}
        ax.plot(x + 0.14, y + 0.12, marker=style.marker, color=style.color, markersize=6, zorder=5)
        ax.text(x + 0.28, y + 0.12, short(node.cell), fontsize=9, va="center", weight="bold", bbox=box, zorder=4)


def _arrows(
    ax: Axes,
    nodes: Sequence[Node],
    rates: Mapping[str, float],
    effects: Mapping[str, Estimate | None],
    styles: Mapping[str, CellStyle],
) -> None:
    for y, node in enumerate(nodes):
        line, style, effect = y + 0.12, styles[node.cell], effects[node.cell]
        ax.axhline(line, color=RULE, linewidth=0.6, zorder=0)
        if node.cell not in rates:
            ax.text(0.5, line, "not run", fontsize=7.5, color=FAINT, ha="center", va="center")
            continue
        rate = rates[node.cell]
        if effect is not None:
            excludes_0 = clear(effect)
            before = rate - effect.effect
            ax.plot(before, line, marker="|", color=FAINT, markersize=9)
            if abs(rate - before) > 0.03:
                arrow = {
                    "arrowstyle": "-|>",
                    "color": INK if excludes_0 else FAINT,
                    "linestyle": "-" if excludes_0 else ":",
                }
                ax.annotate("", (rate, line), (before, line), arrowprops={**arrow, "shrinkA": 0, "shrinkB": 3})
            text = (
                f"{points(effect.effect)} ({confidence_limits(effect.low, effect.high)}){'' if excludes_0 else '  ?'}"
            )
            ax.text(0.5, y - 0.25, text, fontsize=8, ha="center", va="center",
                    color=INK if excludes_0 else FAINT, weight="bold" if excludes_0 else "normal")  # fmt: skip
        ax.plot(rate, line, marker=style.marker, color=style.color, markersize=7, clip_on=False, zorder=5)
        if node.parent is None:
            ax.text(0.5, y - 0.25, f"solve rate {percent(rate)}", fontsize=8, ha="center", va="center", color=FAINT)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.tick_params(axis="x", labelsize=7.5)
    ax.spines[["left", "right", "top"]].set_visible(False)
