"""Figures: each function takes estimates or rows and returns a Figure. Estimation is in `stats` and `summary`.

Where networks are drawn one by one, a filled marker is a network that solved its task.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from reports.contrasts import Contrast
from reports.lattice import limits, points
from reports.style import FAINT, INK, RULE, WIDTH, Look, short
from reports.summary import Table, parts, pick

SCORE_FLOOR = -0.25
"""Scores below are drawn here: a regression can be arbitrarily bad, and how bad is of no interest."""


MANY = 7
"""Cells above which lines lie on each other: they get a row or a panel each instead."""


def solve_rates(rates: Table, looks: dict[str, Look]) -> Figure:
    """Solve rates: with Wilson bands against the lag, with Wilson intervals where there are one or two lags.

    Many cells get a table of counts for each task, shaded by the rate.

    :param rates: task, lag, cell, solved, seeds, rate, low, high.
    """
    panels: list[tuple[str, Table]] = []
    for (task,), rows in parts(rates, ["task"]):
        if rows["lag"].nunique() >= 3 or len(looks) > MANY:
            panels.append((task, rows))
        else:
            panels.extend((f"{task} · lag {lag:g}", part) for (lag,), part in parts(rows, ["lag"]))
    lines = any(rows["lag"].nunique() >= 3 for _, rows in panels) and len(looks) <= MANY
    columns = min(2 if lines or len(looks) > MANY else 3, len(panels))
    height = 2.7 if lines else 0.9 + 0.28 * len(looks)
    figure, axes = _grid(-(-len(panels) // columns), columns, height)
    for ax, (title, rows) in zip(axes.flat, panels, strict=False):
        ax.set_title(short(title, 40))
        if len(looks) > MANY:
            _rate_table(ax, rows, looks)
        elif rows["lag"].nunique() >= 3:
            _rate_lines(ax, rows, looks)
        else:
            _rate_dots(ax, rows, looks, names=lines or ax in axes[:, 0])
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    if lines:
        _legend(figure, looks)
    return figure


def _rate_table(ax: Axes, rates: Table, looks: dict[str, Look]) -> None:
    lags, cells = sorted(rates["lag"].unique()), list(looks)
    ax.set_yticks(range(len(cells)), [short(cell) for cell in cells])
    ax.set_xticks(range(len(lags)), [f"{lag:g}" for lag in lags])
    ax.set_xlabel("lag")
    ax.set_xlim(-0.5, len(lags) - 0.5)
    ax.set_ylim(len(cells) - 0.5, -0.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for _, row in rates.iterrows():
        x, y = lags.index(row["lag"]), cells.index(row["cell"])
        ax.add_patch(
            Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=INK, alpha=0.04 + 0.66 * row["rate"], linewidth=0)
        )
        color = "white" if row["rate"] > 0.5 else INK
        text = f"{row['solved']:.0f}/{row['seeds']:.0f}"
        ax.text(x, y, text, ha="center", va="center", fontsize=8, color=color)


def _rate_lines(ax: Axes, rates: Table, looks: dict[str, Look]) -> None:
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


def _rate_dots(ax: Axes, rates: Table, looks: dict[str, Look], names: bool) -> None:
    _cell_rows(ax, looks, names)
    for _, row in rates.iterrows():
        look, y = looks[row["cell"]], list(looks).index(row["cell"])
        ax.hlines(y, row["low"], row["high"], color=look.color, linewidth=2.2, alpha=0.45)
        ax.plot(row["rate"], y, color=look.color, marker=look.marker, markersize=6.5, clip_on=False, zorder=3)
        text = f"{row['solved']:.0f}/{row['seeds']:.0f}"
        ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=FAINT)
    _percent(ax)


def scores(confirm: Table, looks: dict[str, Look]) -> Figure:
    """The test score of every confirmation network, filled where it solved the task.

    :param confirm: rows of results.csv.
    """
    figure, panels = _task_by_lag(confirm, 0.75 + 0.27 * len(looks))
    for ax, rows, first in panels:
        _cell_rows(ax, looks, names=first)
        ax.axvline(0, color=RULE, linewidth=1, zorder=0)
        for i, (cell, look) in enumerate(looks.items()):
            own = pick(rows, cell=cell).sort_values(["score", "hash"])
            spread = 0.62 * ((np.arange(len(own)) * 0.618) % 1 - 0.5)
            _networks(ax, own.assign(y=i + spread), "score", "y", look)
        ax.set_xlim(max(SCORE_FLOOR, min(0.0, rows["score"].min())) - 0.04, 1.04)
        ax.set_xlabel("test score")
    return figure


def learning_curves(quartiles: Table, looks: dict[str, Look]) -> Figure:
    """Median and quartiles of the validation score while confirmation networks train.

    :param quartiles: task, lag, cell, step, low, middle, high.
    """
    figure, panels = _task_by_lag(quartiles, 2.1)
    for ax, rows, first in panels:
        _bands(ax, rows, looks)
        ax.set_ylim(min(0.0, max(SCORE_FLOOR, rows["low"].min())), 1.02)
        ax.set_xlabel("training step")
        if first:
            ax.set_ylabel("validation score")
    _legend(figure, looks)
    return figure


def state_norms(quartiles: Table, looks: dict[str, Look]) -> Figure:
    """Median and quartiles of the norm of the state along an endless test stream, on a logarithmic axis.

    :param quartiles: task, lag, cell, step (the window; 0 and 1 where only the first and last are known), low, ....
    """
    figure, panels = _task_by_lag(quartiles, 2.3)
    for ax, rows, first in panels:
        _bands(ax, rows, looks)
        ax.set_yscale("log")
        _plain_numbers(ax.yaxis)
        ax.set_xlabel("window of the test stream")
        if quartiles["step"].max() <= 1:
            ax.set_xticks([0, 1], ["first", "last"])
        if first:
            ax.set_ylabel("norm of the state")
    _legend(figure, looks)
    return figure


def tuning(tune: Table, looks: dict[str, Look]) -> Figure:
    """What each trial of the search reached against its learning rate, filled where it solved the task.

    A row per task and a panel per cell; many cells have one panel each, with all tasks together.

    :param tune: rows of results.csv with `learning_rate` and `objective`.
    """
    rows = list(parts(tune, ["task"])) if len(looks) <= MANY else [(("objective",), tune)]
    columns = min(MANY, len(looks)) if len(looks) <= MANY else 5
    wraps = -(-len(looks) // columns)
    figure, axes = _grid(len(rows) * wraps, columns, 1.7)
    for ax in axes.flat:
        ax.set_visible(False)
    for i, ((label,), own) in enumerate(rows):
        for j, (cell, look) in enumerate(looks.items()):
            ax = axes[i * wraps + j // columns, j % columns]
            ax.set_visible(True)
            _networks(ax, pick(own, cell=cell), "learning_rate", "objective", look)
            ax.set_xscale("log")
            ax.set_xlim(tune["learning_rate"].min() / 1.5, tune["learning_rate"].max() * 1.5)
            _plain_numbers(ax.xaxis)
            ax.set_ylim(min(0.0, max(SCORE_FLOOR, tune["objective"].min())) - 0.06, 1.06)
            ax.set_title(short(cell, 20), fontsize=8.5, color=look.color)
            ax.tick_params(labelsize=7.5, labelleft=j % columns == 0)
            if j % columns == 0:
                ax.set_ylabel(short(label, 18))
            if j + columns >= len(looks) and i == len(rows) - 1:
                ax.set_xlabel("learning rate")
    return figure


def contrasts(tested: Sequence[Contrast], delta: float, looks: dict[str, Look]) -> Figure:
    """Differences in solve rate with their intervals, a row each, in the colour of the cell that the effect speaks of.

    :param delta: differences smaller than this do not matter and are shaded.
    """
    figure = Figure(figsize=(WIDTH, 0.75 + 0.45 * len(tested)), layout="constrained")
    ax = figure.subplots()
    ax.axvspan(-100 * delta, 100 * delta, color=RULE, alpha=0.5, linewidth=0)
    ax.axvline(0, color=FAINT, linewidth=1)
    for y, contrast in enumerate(tested):
        look = looks[contrast.a]
        low, middle, high = (100 * (x or 0.0) for x in (contrast.ci_low, contrast.effect, contrast.ci_high))
        ax.hlines(y, low, high, color=look.color, linewidth=2.4, alpha=0.55)
        ax.plot(middle, y, color=look.color, marker=look.marker, markersize=7)
        text = f"{points(contrast.effect)} ({limits(contrast.ci_low, contrast.ci_high)})  {contrast.outcome}"
        ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    ax.set_yticks(range(len(tested)), [textwrap.fill(short(contrast.question, 90), 34) for contrast in tested])
    ax.set_ylim(len(tested) - 0.5, -0.5)
    ax.set_xlim(
        min(-100.0, *(100 * (c.ci_low or 0) for c in tested)), max(100.0, *(100 * (c.ci_high or 0) for c in tested))
    )
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("points of solve rate")
    return figure


def _networks(ax: Axes, rows: Table, x: str, y: str, look: Look) -> None:
    """A marker for each network, filled where it solved its task."""
    fill = [look.color if solved else "white" for solved in rows["solved"]]
    low = {x: rows[x].clip(lower=SCORE_FLOOR), y: rows[y].clip(lower=SCORE_FLOOR)}
    ax.scatter(low[x], low[y], s=17, marker=look.marker, facecolors=fill, edgecolors=look.color, linewidths=0.8)


def _bands(ax: Axes, quartiles: Table, looks: dict[str, Look]) -> None:
    for cell, look in looks.items():
        own = quartiles[quartiles["cell"] == cell].sort_values("step")
        if len(looks) <= MANY:
            ax.fill_between(own["step"], own["low"], own["high"], color=look.color, alpha=0.13, linewidth=0)
        every = max(1, len(own) // 5)
        ax.plot(
            own["step"],
            own["middle"],
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markevery=every,
            markersize=4,
            linewidth=1.5,
        )


def _task_by_lag(rows: Table, height: float) -> tuple[Figure, list[tuple[Axes, Table, bool]]]:
    """A grid with a row per task and a column per lag; each panel with its rows, and whether it is first in its row.

    Up to three panels stand side by side whatever their task.
    """
    panels = [(task, lag, own) for (task, lag), own in parts(rows, ["task", "lag"])]
    by_task: dict[str, int] = {}
    for task, _, _ in panels:
        by_task[task] = by_task.get(task, 0) + 1
    widths = [len(panels)] if len(panels) <= 3 else list(by_task.values())
    figure, axes = _grid(len(widths), max(widths), height)
    for ax in axes.flat:
        ax.set_visible(False)
    places = [(ax, k == 0) for line, width in zip(axes, widths, strict=True) for k, ax in enumerate(line[:width])]
    for (ax, first), (task, lag, _) in zip(places, panels, strict=True):
        ax.set_visible(True)
        if max(widths) < 4:
            ax.set_title(f"{short(task)} · lag {lag:g}")
        else:
            ax.set_title(f"{short(task)}\nlag {lag:g}" if first else f"lag {lag:g}")
    return figure, [(ax, own, first) for (ax, first), (_, _, own) in zip(places, panels, strict=True)]


def _grid(rows: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    width = min(WIDTH, 1.6 + 3.6 * columns)
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _cell_rows(ax: Axes, looks: dict[str, Look], names: bool) -> None:
    """A row per cell, the first at the top."""
    ax.set_yticks(range(len(looks)), [short(cell) if names else "" for cell in looks])
    ax.set_ylim(len(looks) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for y in range(len(looks)):
        ax.axhline(y, color=RULE, linewidth=0.6, zorder=0)


def _plain_numbers(axis: Axis) -> None:
    """0.001 instead of a power of ten, which would need the mathematics that labels must not be read as."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.7g}"))
    axis.set_minor_locator(NullLocator())


def _percent(ax: Axes) -> None:
    ax.set_xlim(-0.04, 1.04)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def _legend(figure: Figure, looks: dict[str, Look]) -> None:
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle=look.line, label=short(cell))
        for cell, look in looks.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(looks)), handlelength=2.6)
