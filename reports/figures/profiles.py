"""Probability of improvement, and speed against reliability."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.axes import percent_axis
from reports.figures.labels import LINE, label_points
from reports.figures.panels import cell_rows, grid
from reports.figures.style import FAINT, CellStyle
from reports.format import short, thousands


def improvements(found: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the probability of improvement with its interval: a panel per group of tasks, a row per cell.

    :param found: task (the name of a group), cell, probability, low, high.
    """
    styles = {cell: style for cell, style in styles.items() if cell in set(found["cell"])}
    panels = list(parts(found, ["task"]))
    columns = min(3, len(panels))
    figure, axes = grid(-(-len(panels) // columns), columns, improvements_height(styles))
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for ax, ((name,), rows) in zip(axes.flat, panels, strict=False):
        ax.set_title(short(name))
        cell_rows(ax, styles, names=ax in axes[:, 0])
        ax.axvline(0.5, color=FAINT, linewidth=1)
        for row in rows.itertuples():
            style, y = styles[row.cell], list(styles).index(row.cell)
            ax.hlines(y, row.low, row.high, color=style.color, linewidth=2.2, alpha=0.45)
            ax.plot(row.probability, y, color=style.color, marker=style.marker, markersize=6, clip_on=False)
        percent_axis(ax)
    return figure


def improvements_height(styles: Mapping[str, CellStyle]) -> float:
    """Return the inches of a row of panels of `improvements`."""
    return 0.7 + 0.24 * len(styles)


def speeds(found: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the share of networks that solve a task against their median step: filled when confirmed, empty while tuning.

    :param found: task, lag, cell, phase, share, step (NaN for none, drawn at the right), budget.
    """
    panels = list(parts(found, ["task", "lag"]))
    columns = min(2, len(panels))
    figure, axes = grid(-(-len(panels) // columns), columns, speeds_height(styles))
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for ax, ((task, lag), rows) in zip(axes.flat, panels, strict=False):
        ax.set_title(f"{short(task)} · lag {lag:g}")
        budget = rows["budget"].max()
        ax.set_xlim(0, 1.02 * budget)
        ax.set_ylim(-0.04, 1.04)
        points = {}
        for (cell,), phases in parts(rows.assign(step=rows["step"].fillna(budget)), ["cell"]):
            style = styles[cell]
            ax.plot(phases["step"], phases["share"], color=style.color, linewidth=0.8, alpha=0.7)
            for row in phases.itertuples():
                face = style.color if row.phase == "confirm" else "white"
                ax.scatter(row.step, row.share, s=40, marker=style.marker, facecolor=face, edgecolor=style.color,
                           zorder=3, clip_on=False)  # fmt: skip
            points[cell] = tuple(pick(phases, phase="confirm")[["step", "share"]].iloc[0])
        label_points(ax, points, styles)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
        ax.set_xlabel("median steps of those that solved")
        ax.set_yticks(np.linspace(0, 1, 3))
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        if ax in axes[:, 0]:
            ax.set_ylabel("networks that solved")
    return figure


def speeds_height(styles: Mapping[str, CellStyle]) -> float:
    """Return the inches of a row of panels of `speeds`."""
    return max(2.6, 1.0 + LINE * len(styles))
