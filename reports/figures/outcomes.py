"""Outcomes of training: solve rates, scores and costs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.axes import percent_axis, plain_numbers
from reports.figures.labels import LINE, label_points
from reports.figures.panels import (
    MANY,
    POINTS,
    SCORE_FLOOR,
    Margins,
    Scale,
    cell_rows,
    grid,
    heat_map,
    ink_on,
    label_width,
    legend,
    networks,
    task_by_lag,
)
from reports.figures.style import FAINT, RULE, WIDTH, CellStyle
from reports.format import number, short

REACH_ROW = 0.16
"""Inches that a figure of solve rates is higher for each cell."""
NUMBERED = 45
"""Largest number of columns at which the numbers in the matrix are readable."""


def solve_rates(rates: Table, reaches: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw solve rates with Wilson intervals: lines against the lag, or a row per cell if a task has one or two lags.

    Below the lines, the reach of each cell with its interval; an arrow where the lags do not contain the cell's limit. With more
    than MANY cells, a matrix shaded by the rate.

    :param rates: task, lag, cell, solved, seeds, rate, low, high.
    :param reaches: task, cell, reach, low, high, relation.
    """
    if len(styles) > MANY:
        return _rate_matrix(rates, styles)
    panels: list[tuple[str, Table]] = []
    for (task,), rows in parts(rates, ["task"]):
        if rows["lag"].nunique() >= 3:
            panels.append((task, rows))
        else:
            panels.extend((f"{task} · lag {lag:g}", part) for (lag,), part in parts(rows, ["lag"]))
    lines = any(rows["lag"].nunique() >= 3 for _, rows in panels)
    columns = min(2 if lines else 3, len(panels))
    height = 2.7 + REACH_ROW * len(styles) if lines else 0.9 + 0.28 * len(styles)
    figure, axes = grid(-(-len(panels) // columns), columns, height)
    for ax, (title, rows) in zip(axes.flat, panels, strict=False):
        ax.set_title(short(title, 40))
        if rows["lag"].nunique() >= 3:
            _rate_lines(ax, rows, pick(reaches, task=rows["task"].iloc[0]), styles)
        else:
            _rate_dots(ax, rows, styles, names=lines or ax in axes[:, 0])
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    if lines:
        legend(figure, styles)
    return figure


def _rate_matrix(rates: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """A row per cell and a column per task and lag."""
    tasks = list(dict.fromkeys(rates["task"]))
    strata = [(task, lag) for task in tasks for lag in sorted(pick(rates, task=task)["lag"].unique())]
    figure = Figure(figsize=(WIDTH, 1.9 + 0.2 * len(styles)), layout="constrained")
    ax = figure.subplots()
    wide = rates.set_index(["cell", "task", "lag"])["rate"]
    values = np.array([[wide.get((cell, *stratum), np.nan) for stratum in strata] for cell in styles])
    shown = heat_map(ax, values, [""] * len(strata), list(styles), Scale("", 0, 1))
    ax.set_xticks(range(len(strata)), [f"{lag:g}" for _, lag in strata], fontsize=7, rotation=90)
    ax.set_xlabel("lag")
    for task in tasks:
        positions = [i for i, (other, _) in enumerate(strata) if other == task]
        ax.axvline(positions[0] - 0.5, color="white", linewidth=2.5)
        middle = (positions[0] + positions[-1]) / 2
        ax.annotate(short(task, 22), (middle, 1.01), xycoords=("data", "axes fraction"), fontsize=7.5, rotation=35)
    fontsize = min(6.5, 72 * (WIDTH - 2.6) / len(strata) / 2.1)  # "100" is as wide as two of its letters are tall
    for (y, x), value in np.ndenumerate(values):
        if not np.isnan(value) and len(strata) <= NUMBERED:
            ax.text(x, y, f"{100 * value:.0f}", ha="center", va="center", fontsize=fontsize, color=ink_on(value))
    figure.colorbar(shown, ax=ax, fraction=0.02, aspect=40, format=PercentFormatter(1, symbol=" %"))
    return figure


def _rate_lines(ax: Axes, rates: Table, reaches: Table, styles: Mapping[str, CellStyle]) -> None:
    lags = sorted(rates["lag"].unique())
    for (cell,), rows in parts(rates, ["cell"]):
        style, rows = styles[cell], rows.sort_values("lag")
        ax.fill_between(rows["lag"], rows["low"], rows["high"], color=style.color, alpha=0.1, linewidth=0)
        line = {"color": style.color, "marker": style.marker, "linestyle": style.line, "markersize": 5}
        ax.plot(rows["lag"], rows["rate"], clip_on=False, **line)
    for row in reaches.itertuples():
        style, y = styles[row.cell], -0.1 * (1 + list(styles).index(row.cell))
        ax.hlines(y, row.low, row.high, color=style.color, linewidth=2.2, alpha=0.45, clip_on=False)
        marker = {"=": style.marker, ">": ">", "<": "<"}[row.relation]
        ax.plot(row.reach, y, color=style.color, marker=marker, markersize=6, clip_on=False, zorder=3)
    ax.axhline(0.5, color=RULE, linewidth=1, zorder=0)
    ax.axhline(0, color=RULE, linewidth=1, zorder=0)
    ax.set_xscale("log")
    ax.set_xticks(lags, [f"{lag:g}" for lag in lags])
    ax.minorticks_off()
    ax.set_xlabel("lag, and below the line the reach of each cell")
    ax.set_ylim(-0.1 * (len(styles) + 0.7) if len(reaches) else 0, 1)
    ax.set_yticks([0, 0.5, 1])
    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.set_ylabel("solve rate")


def _rate_dots(ax: Axes, rates: Table, styles: Mapping[str, CellStyle], names: bool) -> None:
    cell_rows(ax, styles, names)
    for _, row in rates.iterrows():
        style, y = styles[row["cell"]], list(styles).index(row["cell"])
        ax.hlines(y, row["low"], row["high"], color=style.color, linewidth=2.2, alpha=0.45)
        ax.plot(row["rate"], y, color=style.color, marker=style.marker, markersize=6.5, clip_on=False, zorder=3)
        text = f"{row['solved']:.0f}/{row['seeds']:.0f}"
        ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=FAINT)
    percent_axis(ax)


def scores_height(styles: Mapping[str, CellStyle]) -> float:
    """Return the inches of a row of panels of `scores`."""
    return 0.95 + 0.27 * len(styles)


def scores(confirm: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the test score of every confirmation network, filled if it solved the task; a row per cell.

    :param confirm: rows of results.csv.
    """
    margins = Margins(label_width(styles), 0.15, 0.5, 0.5, 0.15, 0.95)
    figure, panels = task_by_lag(confirm, scores_height(styles), margins)
    for ax, rows, first in panels:
        cell_rows(ax, styles, names=first)
        ax.axvline(0, color=RULE, linewidth=1, zorder=0)
        for i, (cell, style) in enumerate(styles.items()):
            members = pick(rows, cell=cell).sort_values(["score", "hash"])
            jitter = 0.62 * ((np.arange(len(members)) * 0.618) % 1 - 0.5)  # low-discrepancy rather than random
            networks(ax, members.assign(y=i + jitter), "score", "y", style, rasterize=len(confirm) > POINTS)
        ax.set_xlim(max(SCORE_FLOOR, min(0.0, rows["score"].min())) - 0.04, 1.04)
        ax.set_xlabel("test score")
    return figure


COSTS = {"parameters": "parameters", "flops_per_step": "FLOPs per training step", "seconds": "seconds of training"}
EQUAL = 1.1
"""Costs whose largest and smallest value differ by less than this factor count as equal, and are not drawn."""


def costs_that_differ(points: Table) -> list[str]:
    """Return the costs, of those in COSTS, that differ between cells."""
    return [cost for cost in COSTS if points[cost].max() > EQUAL * points[cost].min()]  # NaN is not larger


def costs(points: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the solve rate against each cost: a panel per cost that differs, a named point per cell and size.

    :param points: cell, size, rate, parameters, flops_per_step, seconds (NaN where unknown).
    """
    shown = costs_that_differ(points)
    figure, axes = grid(1, len(shown), max(2.9, 0.8 + LINE * len(styles)))
    for ax, cost in zip(axes[0], shown, strict=True):
        ax.set_xscale("log")
        low, high = points[cost].min() / 1.3, points[cost].max() * 1.3
        ax.set_xlim(low, high)
        ticks = [float(f"{tick:.1e}") for tick in np.geomspace(low * 1.1, high / 1.1, 2)]
        plain_numbers(ax.xaxis)
        ax.set_xticks(ticks, [number(tick, 2) for tick in ticks])
        ax.tick_params(axis="x", labelsize=8)
        ax.set_ylim(-0.02, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        ax.set_xlabel(COSTS[cost])
        ends = {}
        for (cell,), sizes in parts(points.dropna(subset=[cost]), ["cell"]):
            style, sizes = styles[cell], sizes.sort_values(cost)
            ax.plot(sizes[cost], sizes["rate"], color=style.color, linewidth=0.8, linestyle=":")
            ax.scatter(
                sizes[cost], sizes["rate"], s=46, color=style.color, marker=style.marker, zorder=3, clip_on=False
            )
            ends[cell] = (sizes[cost].iloc[-1], sizes["rate"].iloc[-1])
        label_points(ax, ends, styles)
    axes[0, 0].set_ylabel("solve rate")
    return figure
