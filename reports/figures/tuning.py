"""Tuning: the objective of each trial, and the importance of hyperparameters."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.axes import plain_numbers
from reports.figures.panels import MANY, POINTS, SCORE_FLOOR, Scale, grid, heat_map, ink_on, networks
from reports.figures.style import FAINT_ON_LIGHT, WIDTH, CellStyle
from reports.format import short

COLUMNS_OF_MANY = 5
"""Columns of the grid with one panel per cell."""


def trials(tune: Table, styles: Mapping[str, CellStyle], scale: str) -> Figure:
    """Draw the objective of every trial against its learning rate, filled if the trial solved the task.

    A row of panels per task and a panel per cell. More than MANY cells have one panel each, with all tasks together.

    :param tune: tuning rows of results.csv with `learning_rate` and `objective`.
    :param scale: of the learning rate: `log`, else linear.
    """
    many = len(styles) > MANY
    rows = [(("objective",), tune)] if many else list(parts(tune, ["task"]))
    columns = COLUMNS_OF_MANY if many else len(styles)
    wraps = -(-len(styles) // columns)
    low, high = tune["learning_rate"].min(), tune["learning_rate"].max()
    few_decades = high < 30 * low
    figure, axes = grid(len(rows) * wraps, columns, 1.7)
    for ax in axes.flat:
        ax.set_visible(False)
    for i, ((label,), row_trials) in enumerate(rows):
        for j, (cell, style) in enumerate(styles.items()):
            ax = axes[i * wraps + j // columns, j % columns]
            ax.set_visible(True)
            rasterize = len(tune) > POINTS
            networks(ax, pick(row_trials, cell=cell), "learning_rate", "objective", style, rasterize)
            if scale == "log":
                ax.set_xscale("log")
                ax.set_xlim(low / 1.5, high * 1.5)
                ax.xaxis.set_major_locator(LogLocator(subs=(1, 3) if few_decades else (1,)))
            else:
                margin = 0.05 * (high - low) or 0.5 * high
                ax.set_xlim(low - margin, high + margin)
            plain_numbers(ax.xaxis)
            ax.set_ylim(min(0.0, max(SCORE_FLOOR, tune["objective"].min())) - 0.06, 1.06)
            ax.set_title(short(cell, 20), fontsize=8.5, color=style.color)
            ax.tick_params(labelsize=7.5, labelleft=j % columns == 0)
            if j % columns == 0:
                ax.set_ylabel(short(label, 18))
            if j + columns >= len(styles) and i == len(rows) - 1:
                ax.set_xlabel("learning rate")
    return figure


def importance(shares: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the share of the objective's variance per hyperparameter: a panel per task, a row per cell, in percent.

    A share that does not exceed its noise level is a dot.

    :param shares: task, cell, setting, share, noise.
    """
    tasks, names = (list(dict.fromkeys(shares[by])) for by in ("task", "setting"))
    columns = min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    size = (min(WIDTH, 1.8 + 0.5 * len(names) * columns + 1.2), rows * (1.1 + 0.22 * len(styles)))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(tasks) :]:
        ax.set_visible(False)
    for ax, task in zip(axes.flat, tasks, strict=False):
        table = pick(shares, task=task).set_index(["cell", "setting"])
        share, noise = (
            table[column].unstack().reindex(index=list(styles), columns=names).to_numpy(dtype=float)
            for column in ("share", "noise")
        )
        shades = np.where(share > noise, share, 0 * share)
        heat_map(ax, shades, names, list(styles), Scale("", 0, 1), names=ax in axes[:, 0])
        for (y, x), value in np.ndenumerate(share):
            if not np.isnan(value):
                above = value > noise[y, x]
                ax.text(x, y, f"{100 * value:.0f}" if above else "·", ha="center", va="center", fontsize=7.5,
                        color=ink_on(value) if above else FAINT_ON_LIGHT)  # fmt: skip
        labels = [short(name.replace("_", " "), 16) for name in names]
        ax.set_xticks(range(len(names)), labels, rotation=40, ha="right", fontsize=7.5)
        ax.set_title(short(task))
    return figure
