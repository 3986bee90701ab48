"""Figures: each function takes estimates or rows and returns a Figure. Estimation is in `stats` and `summary`.

A cell has the same colour, marker and line in every figure. The colours are those of Okabe & Ito (2008), which the
colour-blind tell apart; markers and lines carry the same in greyscale.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

INK, FAINT, RULE = "#1f2328", "#6e7781", "#d8dee4"
WIDTH = 8.8
"""Inches; at 96 pixels per inch the width of the report's column, so that text keeps its size."""
SCORE_FLOOR = -0.25
"""Scores below are drawn here: a regression can be arbitrarily bad, and how bad is of no interest."""


class Look(NamedTuple):
    """How a cell is drawn."""

    color: str
    marker: str
    line: str


COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#5c6670", "#CC79A7", "#56B4E9", "#7a5195")
MARKERS = ("o", "s", "^", "D", "X", "P", "v", "<", ">")
LINES = ("-", "--", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))
CORE = ("lstm", "gru", "lstm_no_forget", "single_network", "rnn")
"""Cells with a place of their own in the palette, so that they look alike in every report."""


def palette(cells: Sequence[str]) -> dict[str, Look]:
    """A look for each cell: the core cells have their own, the others take the next free one in order."""
    others = [cell for cell in cells if cell not in CORE]
    slots = {cell: i for i, cell in enumerate((*CORE, *others))}
    return {
        cell: Look(COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)], LINES[i % len(LINES)])  # type: ignore[arg-type]
        for cell, i in slots.items()
        if cell in cells
    }


@contextmanager
def style() -> Iterator[None]:
    """The style that figures are made and saved in. Nothing in it depends on the day or the machine."""
    settings = {
        **sns.axes_style("ticks"),
        **sns.plotting_context("notebook", font_scale=0.75),
        "font.family": ["DejaVu Sans"],
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.color": INK,
        "text.parse_math": False,  # a cell may be called "$x"
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "figure.facecolor": "white",
        "svg.hashsalt": "whygates",
        "svg.fonttype": "path",
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a label in a script the font lacks is drawn as boxes
        yield


def svg(figure: Figure) -> str:
    """The figure as SVG; the same figure gives the same text."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.08)
    return text.getvalue()


def short(label: str, width: int = 26) -> str:
    """A label that fits."""
    return label if len(label) <= width else label[: width - 1] + "…"


def solve_rates(rates: pd.DataFrame, looks: dict[str, Look]) -> Figure:
    """Solve rates with Wilson intervals. Tasks with three lags or more are drawn against the lag, others as dots.

    :param rates: task, lag, cell, solved, seeds, rate, low, high.
    """
    panels: list[tuple[str, pd.DataFrame]] = []
    for task, rows in rates.groupby("task", sort=False):
        if rows["lag"].nunique() >= 3:
            panels.append((str(task), rows))
        else:
            panels.extend((f"{task} · lag {lag:g}", part) for lag, part in rows.groupby("lag"))
    lines = any(rows["lag"].nunique() > 1 for _, rows in panels)
    columns = min(2 if lines else 3, len(panels))
    height = 2.7 if lines else 0.9 + 0.28 * len(looks)
    figure, axes = _grid(-(-len(panels) // columns), columns, height)
    for ax, (title, rows) in zip(axes.flat, panels, strict=False):
        ax.set_title(short(title, 40))
        if rows["lag"].nunique() > 1:
            _rate_lines(ax, rows, looks)
        else:
            _rate_dots(ax, rows, looks, names=lines or ax in axes[:, 0])
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    if lines:
        _legend(figure, looks)
    return figure


def _rate_lines(ax: Axes, rates: pd.DataFrame, looks: dict[str, Look]) -> None:
    lags = sorted(rates["lag"].unique())
    for cell, rows in rates.groupby("cell", sort=False):
        look, rows = looks[str(cell)], rows.sort_values("lag")
        x = [lags.index(lag) for lag in rows["lag"]]
        ax.fill_between(x, rows["low"], rows["high"], color=look.color, alpha=0.12, linewidth=0)
        ax.plot(x, rows["rate"], color=look.color, marker=look.marker, linestyle=look.line, markersize=5, clip_on=False)
    ax.set_xticks(range(len(lags)), [f"{lag:g}" for lag in lags])
    ax.set_xlabel("lag")
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_ylabel("networks that solve it")


def _rate_dots(ax: Axes, rates: pd.DataFrame, looks: dict[str, Look], names: bool) -> None:
    _cell_rows(ax, looks, names)
    for _, row in rates.iterrows():
        look, y = looks[row["cell"]], list(looks).index(row["cell"])
        ax.hlines(y, row["low"], row["high"], color=look.color, linewidth=2.2, alpha=0.45)
        ax.plot(row["rate"], y, color=look.color, marker=look.marker, markersize=6.5, clip_on=False, zorder=3)
        text = f"{row['solved']:.0f}/{row['seeds']:.0f}"
        ax.annotate(text, (1.04, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=FAINT)
    _percent(ax)


def scores(confirm: pd.DataFrame, looks: dict[str, Look]) -> Figure:
    """The test score of every confirmation network, filled where it solved the task.

    :param confirm: rows of results.csv.
    """
    figure, panels = _task_by_lag(confirm, 0.75 + 0.27 * len(looks))
    for ax, rows, first in panels:
        _cell_rows(ax, looks, names=first)
        ax.axvline(0, color=RULE, linewidth=1, zorder=0)
        for cell, look in looks.items():
            own = rows[rows["cell"] == cell].sort_values(["score", "hash"])
            y = list(looks).index(cell) + 0.62 * ((np.arange(len(own)) * 0.618) % 1 - 0.5)
            x = own["score"].clip(lower=SCORE_FLOOR)
            fill = [look.color if solved else "white" for solved in own["solved"]]
            ax.scatter(x, y, s=17, marker=look.marker, facecolors=fill, edgecolors=look.color, linewidths=0.8)
        ax.set_xlim(min(-0.05, SCORE_FLOOR if (rows["score"] < -0.05).any() else 0), 1.04)
        ax.set_xlabel("test score")
    return figure


def learning_curves(quartiles: pd.DataFrame, looks: dict[str, Look]) -> Figure:
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


def state_norms(quartiles: pd.DataFrame, looks: dict[str, Look]) -> Figure:
    """Median and quartiles of the norm of the state along an endless test stream, on a logarithmic axis.

    :param quartiles: task, lag, cell, step (the window), low, middle, high.
    """
    figure, panels = _task_by_lag(quartiles, 2.3)
    for ax, rows, first in panels:
        _bands(ax, rows, looks)
        ax.set_yscale("log")
        ax.set_xlabel("window of the test stream")
        if first:
            ax.set_ylabel("norm of the state")
    _legend(figure, looks)
    return figure


def tuning(tune: pd.DataFrame, looks: dict[str, Look]) -> Figure:
    """What each trial of the search reached against its learning rate, filled where it solved the task.

    :param tune: rows of results.csv with `learning_rate` and `objective`.
    """
    tasks, columns = list(dict.fromkeys(tune["task"])), min(5, len(looks))
    wraps = -(-len(looks) // columns)
    figure, axes = _grid(len(tasks) * wraps, columns, 1.7, sharex=True, sharey=True)
    for ax in axes.flat:
        ax.set_visible(False)
    for i, task in enumerate(tasks):
        for j, (cell, look) in enumerate(looks.items()):
            ax = axes[i * wraps + j // columns, j % columns]
            ax.set_visible(True)
            own = tune[(tune["task"] == task) & (tune["cell"] == cell)]
            fill = [look.color if solved else "white" for solved in own["solved"]]
            ax.scatter(
                own["learning_rate"],
                own["objective"].clip(lower=SCORE_FLOOR),
                s=17,
                marker=look.marker,
                facecolors=fill,
                edgecolors=look.color,
                linewidths=0.8,
            )
            ax.set_xscale("log")
            ax.set_title(short(cell, 18), fontsize=8.5, color=look.color)
            ax.set_ylim(-0.05, 1.05)
            if j % columns == 0:
                ax.set_ylabel(short(str(task), 18))
            if j + columns >= len(looks):
                ax.set_xlabel("learning rate")
                ax.tick_params(labelbottom=True)
    return figure


def _bands(ax: Axes, quartiles: pd.DataFrame, looks: dict[str, Look]) -> None:
    for cell, look in looks.items():
        own = quartiles[quartiles["cell"] == cell].sort_values("step")
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


def _task_by_lag(rows: pd.DataFrame, height: float) -> tuple[Figure, list[tuple[Axes, pd.DataFrame, bool]]]:
    """A grid with a row per task and a column per lag; each panel with its rows, and whether it is first in its row."""
    by_task = {task: sorted(part["lag"].unique()) for task, part in rows.groupby("task", sort=False)}
    columns = max(len(lags) for lags in by_task.values())
    figure, axes = _grid(len(by_task), columns, height)
    panels = []
    for line, (task, lags) in zip(axes, by_task.items(), strict=True):
        for k, ax in enumerate(line):
            if k >= len(lags):
                ax.set_visible(False)
                continue
            ax.set_title(f"{short(str(task))} · lag {lags[k]:g}" if k == 0 or columns < 4 else f"lag {lags[k]:g}")
            panels.append((ax, rows[(rows["task"] == task) & (rows["lag"] == lags[k])], k == 0))
    return figure, panels


def _grid(rows: int, columns: int, height: float, **shared: bool) -> tuple[Figure, np.ndarray]:
    width = min(WIDTH, 1.6 + 3.6 * columns)
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def _cell_rows(ax: Axes, looks: dict[str, Look], names: bool) -> None:
    """A row per cell, the first at the top."""
    ax.set_yticks(range(len(looks)), [short(cell) if names else "" for cell in looks])
    ax.set_ylim(len(looks) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for y in range(len(looks)):
        ax.axhline(y, color=RULE, linewidth=0.6, zorder=0)


def _percent(ax: Axes) -> None:
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1))


def _legend(figure: Figure, looks: dict[str, Look]) -> None:
    handles = [
        mpl.lines.Line2D([], [], color=look.color, marker=look.marker, linestyle=look.line, label=short(cell))
        for cell, look in looks.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(looks)), handlelength=2.6)
