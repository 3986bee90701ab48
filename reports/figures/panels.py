"""What figures are made of: grids of panels, a row or a line per cell, heat maps where cells are too many for lines."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.style import INK, RULE, WIDTH, Look
from reports.format import short

SCORE_FLOOR = -0.25
"""Scores below are drawn here: a regression can be arbitrarily bad, and how bad is of no interest."""

MANY = 7
"""Cells above which lines lie on each other: they get a row or a panel each instead."""

POINTS = 1500
"""Networks above which a figure's points become an image: as shapes they would weigh megabytes."""

TALLEST = 9.5
"""Inches of a page's height: what is taller is drawn on several sheets."""


class Scale(NamedTuple):
    """How a quantity is shown: its axis, its colours where it is a heat map, and what it is called."""

    label: str
    low: float
    high: float
    log: bool = False
    colors: str = "Blues"


class Margins(NamedTuple):
    """Inches around panels and between them."""

    left: float
    right: float
    top: float
    bottom: float
    across: float
    down: float


def task_by_lag(
    rows: Table, height: float, margins: Margins | None = None
) -> tuple[Figure, list[tuple[Axes, Table, bool]]]:
    """A grid with a row per task and a column per lag; each panel with its rows, and whether it is first in its row.

    Up to three panels stand side by side whatever their task.

    :param margins: of a layout that is fixed; `height` of a row is with them.
    """
    panels = [(task, lag, own) for (task, lag), own in parts(rows, ["task", "lag"])]
    by_task: dict[str, int] = {}
    for task, _, _ in panels:
        by_task[task] = by_task.get(task, 0) + 1
    widths = [len(panels)] if len(panels) <= 3 else list(by_task.values())
    if max(widths) == 1:  # one lag a task: two tasks stand side by side
        widths = [2] * (len(panels) // 2) + [1] * (len(panels) % 2)
    if margins:
        tall = height - margins.down
        figure, axes = fixed(len(widths), max(widths), tall, margins)
    else:
        figure, axes = grid(len(widths), max(widths), height)
    for ax in axes.flat:
        ax.set_visible(False)
    places = [(ax, k == 0) for line, width in zip(axes, widths, strict=True) for k, ax in enumerate(line[:width])]
    for (ax, first), (task, lag, _) in zip(places, panels, strict=True):
        ax.set_visible(True)
        if np.isnan(lag):
            ax.set_title(short(task))
        elif max(widths) < 4:
            ax.set_title(f"{short(task)} · lag {lag:g}")
        else:
            ax.set_title(f"{short(task, 18)}\nlag {lag:g}" if first else f"lag {lag:g}")
    return figure, [(ax, own, first) for (ax, first), (_, _, own) in zip(places, panels, strict=True)]


def rows_of(tasks: int, lags: int) -> int:
    """Rows of panels that `task_by_lag` makes at most."""
    return 1 if tasks * lags <= 3 else -(-tasks // 2) if lags == 1 else tasks


def grid(rows: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    width = min(WIDTH, 1.6 + 3.6 * columns)
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def fixed(rows: int, columns: int, tall: float, margins: Margins) -> tuple[Figure, np.ndarray]:
    """A grid of panels so high, laid out once: finding a layout takes most of a figure's time."""
    left, right, top, bottom, across, down = margins
    height = top + bottom + rows * tall + (rows - 1) * down
    wide = (WIDTH - left - right - (columns - 1) * across) / columns
    figure = Figure(figsize=(WIDTH, height))
    around = {"left": left / WIDTH, "right": 1 - right / WIDTH, "top": 1 - top / height, "bottom": bottom / height}
    between = {"wspace": across / wide, "hspace": down / tall}
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw=around | between)


def beside(names: Iterable[str]) -> float:
    """Inches that names take beside a panel."""
    return 0.25 + 0.068 * max((len(short(name)) for name in names), default=0)


def cell_rows(ax: Axes, looks: Mapping[str, Look], names: bool) -> None:
    """A row per cell, the first at the top."""
    ax.set_yticks(range(len(looks)), [short(cell) if names else "" for cell in looks])
    ax.set_ylim(len(looks) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for y in range(len(looks)):
        ax.axhline(y, color=RULE, linewidth=0.6, zorder=0)


def networks(ax: Axes, rows: Table, x: str, y: str, look: Look, image: bool) -> None:
    """A marker for each network, filled where it solved its task."""
    fill = [look.color if solved else "white" for solved in rows["solved"]]
    low = {x: rows[x].clip(lower=SCORE_FLOOR), y: rows[y].clip(lower=SCORE_FLOOR)}
    dots: Any = {"s": 17, "marker": look.marker, "edgecolors": look.color, "linewidths": 0.8, "rasterized": image}
    ax.scatter(low[x], low[y], facecolors=fill, **dots)


def series_height(looks: Mapping[str, Look]) -> float:
    """Inches of a panel of `series`."""
    return 2.2 if len(looks) <= MANY else 1.0 + 0.15 * len(looks)


def series(quartiles: Table, looks: Mapping[str, Look], x: str, scale: Scale, stairs: bool = False) -> Figure:
    """Median and quartiles along an axis: a line with a band for each cell, a row of a heat map where cells are many.

    :param quartiles: task, lag, cell, step, low, middle, high.
    :param x: what `step` is.
    :param stairs: values hold until the next step.
    """
    many = len(looks) > MANY
    margins = Margins(beside(looks), 1.0, 0.5, 0.5, 0.15, 1.0) if many else None
    figure, panels = task_by_lag(quartiles, series_height(looks), margins)
    image = None
    for ax, rows, first in panels:
        if many:
            image = heat(ax, rows, looks, scale, names=first)
        else:
            _bands(ax, rows, looks, stairs)
            if scale.log:
                ax.set_yscale("log")
                plain_numbers(ax.yaxis)
            ax.set_ylim(scale.low, scale.high)
            if first:
                ax.set_ylabel(scale.label)
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.set_xlabel(x)
    if image is not None:
        colorbar(figure, image, scale)
    elif not many:
        legend(figure, looks)
    return figure


def heat(ax: Axes, rows: Table, looks: Mapping[str, Look], scale: Scale, names: bool) -> AxesImage:
    """A row per cell, coloured by `middle` along `step`; cells without values stay white."""
    wide = rows.pivot_table(index="cell", columns="step", values="middle", aggfunc="last").reindex(list(looks))
    return image(ax, wide.to_numpy(dtype=float), [f"{step:g}" for step in wide.columns], list(looks), scale, names)


def image(
    ax: Axes, values: np.ndarray, columns: Sequence[str], rows: Sequence[str], scale: Scale, names: bool = True
) -> AxesImage:
    """Values as colours, with at most six of the columns named."""
    norm = (LogNorm if scale.log else Normalize)(scale.low, scale.high, clip=True)
    shown = ax.imshow(values, colormap(scale.colors), norm, aspect="auto", interpolation="none")
    every = np.unique(np.linspace(0, len(columns) - 1, min(6, len(columns))).round().astype(int))
    ax.set_xticks(every, [columns[int(i)] for i in every])
    ax.set_yticks(range(len(rows)), [short(row) if names else "" for row in rows])
    ax.tick_params(length=0, labelsize=8)
    ax.spines[:].set_visible(False)
    return shown


def colorbar(figure: Figure, shown: AxesImage, scale: Scale) -> None:
    """In the right margin of a fixed layout, as high as three inches at most."""
    wide, high = figure.get_size_inches()
    tall = min(3.0, 0.8 * high)
    bar = figure.colorbar(
        shown, cax=figure.add_axes((1 - 0.85 / wide, (1 - tall / high) / 2, 0.12 / wide, tall / high))
    )
    bar.set_label(scale.label)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(length=0, labelsize=8)
    if scale.log:
        plain_numbers(bar.ax.yaxis)


def colormap(name: str) -> Colormap:
    """One that shows what is not there as white."""
    return colormaps[name].with_extremes(bad="white")


def plain_numbers(axis: Axis) -> None:
    """0.001 instead of a power of ten, which would need the mathematics that labels must not be read as."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axis.set_minor_locator(NullLocator())


def _plain(value: float) -> str:
    if value and not 9.9e-7 < abs(value) < 1e7:
        return f"{value:.0e}"
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def percent_axis(ax: Axes) -> None:
    ax.set_xlim(-0.04, 1.04)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def legend(figure: Figure, looks: Mapping[str, Look]) -> None:
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle=look.line, label=short(cell))
        for cell, look in looks.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(looks)), handlelength=2.6)


def ink_on(shade: float) -> str:
    """The colour of text on a shade, 0 white to 1 dark."""
    return "white" if shade > 0.55 else INK


def _bands(ax: Axes, quartiles: Table, looks: Mapping[str, Look], stairs: bool) -> None:
    for cell, look in looks.items():
        own = pick(quartiles, cell=cell).sort_values("step")
        if own.empty:
            continue
        step: Any = "post" if stairs else None
        ax.fill_between(own["step"], own["low"], own["high"], color=look.color, alpha=0.13, linewidth=0, step=step)
        ax.plot(
            own["step"],
            own["middle"],
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markevery=max(1, len(own) // 5),
            markersize=4,
            linewidth=1.5,
            drawstyle="steps-post" if stairs else "default",
        )
