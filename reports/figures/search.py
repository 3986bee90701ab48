"""What tuning found: each trial, what decides how good it was, and how much more trials would help."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.panels import MANY, POINTS, SCORE_FLOOR, Scale, grid, image, ink_on, networks, plain_numbers
from reports.figures.style import FAINT, WIDTH, Look
from reports.format import short


def tuning(tune: Table, looks: Mapping[str, Look]) -> Figure:
    """What each trial of the search reached against its learning rate, filled where it solved the task.

    A row per task and a panel per cell; many cells have one panel each, with all tasks together.

    :param tune: rows of results.csv with `learning_rate` and `objective`.
    """
    rows = list(parts(tune, ["task"])) if len(looks) <= MANY else [(("objective",), tune)]
    columns = min(MANY, len(looks)) if len(looks) <= MANY else 5
    wraps = -(-len(looks) // columns)
    few = tune["learning_rate"].max() < 30 * tune["learning_rate"].min()  # powers of ten in the range
    figure, axes = grid(len(rows) * wraps, columns, 1.7)
    for ax in axes.flat:
        ax.set_visible(False)
    for i, ((label,), own) in enumerate(rows):
        for j, (cell, look) in enumerate(looks.items()):
            ax = axes[i * wraps + j // columns, j % columns]
            ax.set_visible(True)
            networks(ax, pick(own, cell=cell), "learning_rate", "objective", look, image=len(tune) > POINTS)
            ax.set_xscale("log")
            ax.set_xlim(tune["learning_rate"].min() / 1.5, tune["learning_rate"].max() * 1.5)
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 3) if few else (1,)))
            plain_numbers(ax.xaxis)
            ax.set_ylim(min(0.0, max(SCORE_FLOOR, tune["objective"].min())) - 0.06, 1.06)
            ax.set_title(short(cell, 20), fontsize=8.5, color=look.color)
            ax.tick_params(labelsize=7.5, labelleft=j % columns == 0)
            if j % columns == 0:
                ax.set_ylabel(short(label, 18))
            if j + columns >= len(looks) and i == len(rows) - 1:
                ax.set_xlabel("learning rate")
    return figure


def importance(shares: Table, looks: Mapping[str, Look]) -> Figure:
    """The share of the objective's variance that goes with each hyperparameter, a panel per task, a row per cell.

    :param shares: task, cell, setting, share, noise.
    """
    tasks, settings = (list(dict.fromkeys(shares[by])) for by in ("task", "setting"))
    columns = min(3, len(tasks))
    lines = -(-len(tasks) // columns)
    size = (min(WIDTH, 1.8 + 0.5 * len(settings) * columns + 1.2), lines * (1.1 + 0.22 * len(looks)))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for ax in axes.flat[len(tasks) :]:
        ax.set_visible(False)
    for ax, task in zip(axes.flat, tasks, strict=False):
        own = pick(shares, task=task).set_index(["cell", "setting"])
        known = own["share"].unstack().reindex(index=list(looks), columns=settings).to_numpy(dtype=float)
        noise = own["noise"].unstack().reindex(index=list(looks), columns=settings).to_numpy(dtype=float)
        image(
            ax,
            np.where(known > noise, known, 0 * known),
            settings,
            list(looks),
            Scale("", 0, 1),
            names=ax in axes[:, 0],
        )
        for (y, x), share in np.ndenumerate(known):
            if not np.isnan(share):
                above = share > noise[y, x]
                ax.text(x, y, f"{100 * share:.0f}" if above else "·", ha="center", va="center", fontsize=7.5,
                        color=ink_on(share) if above else FAINT)  # fmt: skip
        names = [short(name.replace("_", " "), 16) for name in settings]
        ax.set_xticks(range(len(settings)), names, rotation=40, ha="right", fontsize=7.5)
        ax.set_title(short(task))
    return figure
