"""What the networks did: solve rates, scores, and what a solution costs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.panels import (
    MANY,
    POINTS,
    SCORE_FLOOR,
    Margins,
    Scale,
    beside,
    cell_rows,
    grid,
    image,
    ink_on,
    legend,
    networks,
    percent_axis,
    plain_numbers,
    task_by_lag,
)
from reports.figures.style import FAINT, RULE, WIDTH, Look
from reports.format import number, short

NUMBERED = 45
"""Columns of a matrix up to which its numbers can be read."""


def solve_rates(rates: Table, looks: Mapping[str, Look]) -> Figure:
    """Solve rates: with Wilson bands against the lag, with Wilson intervals where there are one or two lags.

    Many cells get a matrix, shaded by the rate.

    :param rates: task, lag, cell, solved, seeds, rate, low, high.
    """
    if len(looks) > MANY:
        return _rate_matrix(rates, looks)
    panels: list[tuple[str, Table]] = []
    for (task,), rows in parts(rates, ["task"]):
        if rows["lag"].nunique() >= 3:
            panels.append((task, rows))
        else:
            panels.extend((f"{task} · lag {lag:g}", part) for (lag,), part in parts(rows, ["lag"]))
    lines = any(rows["lag"].nunique() >= 3 for _, rows in panels)
    columns = min(2 if lines else 3, len(panels))
    figure, axes = grid(-(-len(panels) // columns), columns, 2.7 if lines else 0.9 + 0.28 * len(looks))
    for ax, (title, rows) in zip(axes.flat, panels, strict=False):
        ax.set_title(short(title, 40))
        if rows["lag"].nunique() >= 3:
            _rate_lines(ax, rows, looks)
        else:
            _rate_dots(ax, rows, looks, names=lines or ax in axes[:, 0])
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    if lines:
        legend(figure, looks)
    return figure


def _rate_matrix(rates: Table, looks: Mapping[str, Look]) -> Figure:
    strata = sorted(rates[["task", "lag"]].drop_duplicates().itertuples(index=False), key=lambda s: s.lag)
    tasks = list(dict.fromkeys(rates["task"]))
    strata = [(task, lag) for task in tasks for own, lag in strata if own == task]
    figure = Figure(figsize=(WIDTH, 1.9 + 0.2 * len(looks)), layout="constrained")
    ax = figure.subplots()
    wide = rates.set_index(["cell", "task", "lag"])["rate"]
    values = np.array([[wide.get((cell, *stratum), np.nan) for stratum in strata] for cell in looks])
    shown = image(ax, values, [""] * len(strata), list(looks), Scale("", 0, 1))
    ax.set_xticks(range(len(strata)), [f"{lag:g}" for _, lag in strata], fontsize=7, rotation=90)
    ax.set_xlabel("lag")
    for task in tasks:
        places = [i for i, (own, _) in enumerate(strata) if own == task]
        ax.axvline(places[0] - 0.5, color="white", linewidth=2.5)
        middle = (places[0] + places[-1]) / 2
        ax.annotate(short(task, 22), (middle, 1.01), xycoords=("data", "axes fraction"), fontsize=7.5, rotation=35)
    for (y, x), value in np.ndenumerate(values):
        if not np.isnan(value) and len(strata) <= NUMBERED:
            ax.text(x, y, f"{100 * value:.0f}", ha="center", va="center", fontsize=6.5, color=ink_on(value))
    figure.colorbar(shown, ax=ax, fraction=0.02, aspect=40, format=PercentFormatter(1, symbol=" %"))
    return figure


def _rate_lines(ax: Axes, rates: Table, looks: Mapping[str, Look]) -> None:
    lags = sorted(rates["lag"].unique())
    for (cell,), rows in parts(rates, ["cell"]):
        look, rows = looks[cell], rows.sort_values("lag")
        x = [lags.index(lag) for lag in rows["lag"]]
        ax.fill_between(x, rows["low"], rows["high"], color=look.color, alpha=0.12, linewidth=0)
        ax.plot(x, rows["rate"], color=look.color, marker=look.marker, linestyle=look.line, markersize=5, clip_on=False)
    ax.set_xticks(range(len(lags)), [f"{lag:g}" for lag in lags])
    ax.set_xlabel("lag")
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.set_ylabel("networks that solve it")


def _rate_dots(ax: Axes, rates: Table, looks: Mapping[str, Look], names: bool) -> None:
    cell_rows(ax, looks, names)
    for _, row in rates.iterrows():
        look, y = looks[row["cell"]], list(looks).index(row["cell"])
        ax.hlines(y, row["low"], row["high"], color=look.color, linewidth=2.2, alpha=0.45)
        ax.plot(row["rate"], y, color=look.color, marker=look.marker, markersize=6.5, clip_on=False, zorder=3)
        text = f"{row['solved']:.0f}/{row['seeds']:.0f}"
        ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=FAINT)
    percent_axis(ax)


def scores_height(looks: Mapping[str, Look]) -> float:
    """Inches of a row of `scores`."""
    return 0.95 + 0.27 * len(looks)


def scores(confirm: Table, looks: Mapping[str, Look]) -> Figure:
    """The test score of every confirmation network, filled where it solved the task.

    :param confirm: rows of results.csv.
    """
    margins = Margins(beside(looks), 0.15, 0.5, 0.5, 0.15, 0.95)
    figure, panels = task_by_lag(confirm, scores_height(looks), margins)
    for ax, rows, first in panels:
        cell_rows(ax, looks, names=first)
        ax.axvline(0, color=RULE, linewidth=1, zorder=0)
        for i, (cell, look) in enumerate(looks.items()):
            own = pick(rows, cell=cell).sort_values(["score", "hash"])
            spread = 0.62 * ((np.arange(len(own)) * 0.618) % 1 - 0.5)
            networks(ax, own.assign(y=i + spread), "score", "y", look, image=len(confirm) > POINTS)
        ax.set_xlim(max(SCORE_FLOOR, min(0.0, rows["score"].min())) - 0.04, 1.04)
        ax.set_xlabel("test score")
    return figure


def costs(points: Table, looks: Mapping[str, Look]) -> Figure:
    """What a cell costs beside what it reaches: a panel per cost, a point per cell and size, sizes joined by a line.

    :param points: cell, size, rate, parameters, flops_per_step, seconds (NaN where unknown).
    """
    names = {"parameters": "parameters", "flops_per_step": "FLOPs per training step", "seconds": "seconds of training"}
    known = {column: name for column, name in names.items() if points[column].notna().any()}
    figure, axes = grid(1, len(known), 2.9)
    for ax, (column, name) in zip(axes[0], known.items(), strict=True):
        for (cell,), own in parts(points.dropna(subset=[column]), ["cell"]):
            look, own = looks[cell], own.sort_values(column)
            ax.plot(own[column], own["rate"], color=look.color, linewidth=0.8, linestyle=":")
            ax.scatter(own[column], own["rate"], s=46, color=look.color, marker=look.marker, zorder=3, clip_on=False)
        ax.set_xscale("log")
        low, high = points[column].min() / 1.3, points[column].max() * 1.3
        ax.set_xlim(low, high)
        ticks = [float(f"{tick:.1e}") for tick in np.geomspace(low * 1.1, high / 1.1, 2)]
        plain_numbers(ax.xaxis)
        ax.set_xticks(ticks, [number(tick, 2) for tick in ticks])
        ax.tick_params(axis="x", labelsize=8)
        ax.set_ylim(-0.02, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        ax.set_xlabel(name)
    axes[0, 0].set_ylabel("runs that solve")
    legend(figure, looks)
    return figure
