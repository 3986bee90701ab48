"""Building blocks of figures: grids of panels, rows or lines per cell, heat maps and axis formats."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.axes import plain_numbers
from reports.figures.style import ON_DARK, ON_LIGHT, RULE, WIDTH, CellStyle
from reports.format import short, thousands

SCORE_FLOOR = -0.25
"""Lower scores are drawn at this value: regression scores have no lower bound."""

LABEL_INCHES, NARROW = 0.4, 1.2
"""Room for the label of a column of a heat map, and the width of a panel below which its label is smaller, in inches."""

MANY = 7
"""With more cells, lines would overlap too much: each cell gets a row or a panel of its own instead."""

POINTS = 1500
"""With more markers, a scatter plot is rasterised: as vector shapes they would take megabytes."""

TALLEST = 9.5
"""Maximum height of a figure in inches; taller figures are split into sheets."""


class Scale(NamedTuple):
    """How a quantity is displayed: axis label and limits, logarithmic or in percent, and the colormap in heat maps."""

    label: str
    low: float
    high: float
    log: bool = False
    cmap: str = "Blues"
    percent: bool = False


class Margins(NamedTuple):
    """Inches around the panels, and between columns (`across`) and rows (`down`) of panels."""

    left: float
    right: float
    top: float
    bottom: float
    across: float
    down: float


def task_by_lag(
    rows: Table, height: float, margins: Margins | None = None
) -> tuple[Figure, list[tuple[Axes, Table, bool]]]:
    """Create a grid of panels with a row per task and a column per lag.

    Up to three panels in all share one row; if every task has one lag, two tasks share a row.

    :param height: inches of a row of panels, including the margin below it.
    :param margins: lay the panels out with these fixed margins instead of with constrained layout.
    :returns: the figure, and for each panel its axes, its rows of the table, and whether it is the first in its row.
    """
    panels = [(task, lag, panel_rows) for (task, lag), panel_rows in parts(rows, ["task", "lag"])]
    by_task: dict[str, int] = {}
    for task, _, _ in panels:
        by_task[task] = by_task.get(task, 0) + 1
    widths = [len(panels)] if len(panels) <= 3 else list(by_task.values())
    if max(widths) == 1:
        widths = [2] * (len(panels) // 2) + [1] * (len(panels) % 2)
    if margins:
        figure, axes = fixed(len(widths), max(widths), height - margins.down, margins)
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
    return figure, [(ax, panel_rows, first) for (ax, first), (_, _, panel_rows) in zip(places, panels, strict=True)]


def grid(rows: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """Create a grid of panels [rows, columns] with constrained layout; `height` is inches per row."""
    width = min(WIDTH, 1.6 + 3.6 * columns)
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def fixed(rows: int, columns: int, height: float, margins: Margins) -> tuple[Figure, np.ndarray]:
    """Create a grid of panels [rows, columns], each `height` inches tall, with fixed margins.

    Much faster than constrained layout, which would take most of a figure's time.
    """
    left, right, top, bottom, across, down = margins
    figure_height = top + bottom + rows * height + (rows - 1) * down
    panel_width = (WIDTH - left - right - (columns - 1) * across) / columns
    figure = Figure(figsize=(WIDTH, figure_height))
    layout = {
        "left": left / WIDTH,
        "right": 1 - right / WIDTH,
        "top": 1 - top / figure_height,
        "bottom": bottom / figure_height,
        "wspace": across / panel_width,
        "hspace": down / height,
    }
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw=layout)


def label_width(labels: Iterable[str]) -> float:
    """Return the inches that row labels take beside a panel."""
    return 0.25 + 0.068 * max((len(short(label)) for label in labels), default=0)


def cell_rows(ax: Axes, styles: Mapping[str, CellStyle], names: bool) -> None:
    """Make the y axis a row per cell, the first at the top; `names`: with labels."""
    ax.set_yticks(range(len(styles)), [short(cell) if names else "" for cell in styles])
    ax.set_ylim(len(styles) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for y in range(len(styles)):
        ax.axhline(y, color=RULE, linewidth=0.6, zorder=0)


def networks(ax: Axes, rows: Table, x: str, y: str, style: CellStyle, rasterize: bool) -> None:
    """Draw a marker per network, filled if the network solved its task; values below SCORE_FLOOR are drawn there.

    :param rows: with the columns `solved`, `x` and `y`.
    """
    ax.scatter(
        rows[x].clip(lower=SCORE_FLOOR),
        rows[y].clip(lower=SCORE_FLOOR),
        s=17,
        marker=style.marker,
        facecolors=[style.color if solved else "white" for solved in rows["solved"]],
        edgecolors=style.color,
        linewidths=0.8,
        rasterized=rasterize,
    )


def series_height(styles: Mapping[str, CellStyle]) -> float:
    """Return the inches of a row of panels of `series`."""
    return 2.2 if len(styles) <= MANY else 1.0 + 0.15 * len(styles)


def series(quartiles: Table, styles: Mapping[str, CellStyle], x: str, scale: Scale, stairs: bool = False) -> Figure:
    """Draw `middle` against `step` with a band from `low` to `high`, a panel per task and lag.

    Step functions have a bar at one half instead, from where `high` reaches it to where `low` does, since their bands overlap.

    A line per cell, or a row of a heat map (without the band) if there are more than MANY cells.

    :param quartiles: task, lag, cell, step, low, middle, high.
    :param x: label of the x axis.
    :param stairs: draw step functions, whose values hold until the next step.
    """
    many = len(styles) > MANY
    margins = Margins(label_width(styles), 1.0, 0.5, 0.5, 0.15, 1.0) if many else None
    figure, panels = task_by_lag(quartiles, series_height(styles), margins)
    shown = None
    for ax, rows, first in panels:
        if many:
            shown = _heat_rows(ax, rows, styles, scale, names=first)
        else:
            _bands(ax, rows, styles, stairs)
            if scale.log:
                ax.set_yscale("log")
                plain_numbers(ax.yaxis)
            elif scale.percent:
                ax.set_yticks([0, 0.5, 1])
                ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
            ax.set_ylim(scale.low, scale.high)
            if first:
                ax.set_ylabel(scale.label)
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=rows["step"].max() > 1))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
        ax.set_xlabel(x, fontsize=None if _inches(ax) > NARROW else 7)
    if shown is not None:
        colorbar(figure, shown, scale)
    elif not many:
        legend(figure, styles)
    return figure


def _heat_rows(ax: Axes, rows: Table, styles: Mapping[str, CellStyle], scale: Scale, names: bool) -> AxesImage:
    """A heat map of `middle`: a row per cell, a column per step, empty where there is no value."""
    wide = rows.pivot_table(index="cell", columns="step", values="middle", aggfunc="last").reindex(list(styles))
    columns = [thousands(step) for step in wide.columns]
    return heat_map(ax, wide.to_numpy(dtype=float), columns, list(styles), scale, names)


def heat_map(
    ax: Axes, values: np.ndarray, columns: Sequence[str], rows: Sequence[str], scale: Scale, names: bool = True
) -> AxesImage:
    """Draw values [rows, columns] as colours, NaN as nothing, with labels on as many columns as have room, at most six.

    :param names: label the rows.
    """
    norm = (LogNorm if scale.log else Normalize)(scale.low, scale.high, clip=True)
    cmap = colormaps[scale.cmap].with_extremes(bad=(1, 1, 1, 0))
    shown = ax.imshow(values, cmap, norm, aspect="auto", interpolation="none")
    room = int(_inches(ax) / LABEL_INCHES)
    labelled = np.unique(np.linspace(0, len(columns) - 1, min(6, max(2, room), len(columns))).round().astype(int))
    ax.set_xticks(labelled, [columns[int(i)] for i in labelled])
    ax.set_yticks(range(len(rows)), [short(row) if names else "" for row in rows])
    ax.tick_params(length=0, labelsize=8)
    ax.spines[:].set_visible(False)
    return shown


def _inches(ax: Axes) -> float:
    """The width of a panel."""
    return ax.bbox.width / ax.figure.dpi


def colorbar(figure: Figure, image: AxesImage, scale: Scale) -> None:
    """Add a colour bar in the right margin of a fixed layout, at most three inches tall."""
    width, height = figure.get_size_inches()
    bar_height = min(3.0, 0.8 * height)
    bar = figure.colorbar(
        image,
        cax=figure.add_axes((1 - 0.85 / width, (1 - bar_height / height) / 2, 0.12 / width, bar_height / height)),
    )
    bar.set_label(scale.label)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(length=0, labelsize=8)
    if scale.log:
        plain_numbers(bar.ax.yaxis)
    elif scale.percent:
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def legend(figure: Figure, styles: Mapping[str, CellStyle]) -> None:
    """Add a legend of the cells above the panels."""
    handles = [
        Line2D([], [], color=style.color, marker=style.marker, linestyle=style.line, label=short(cell))
        for cell, style in styles.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(styles)), handlelength=2.6)


def ink_on(shade: float) -> str:
    """Return the colour of text on a background between white (0) and dark (1)."""
    return ON_DARK if shade > 0.55 else ON_LIGHT


def _bands(ax: Axes, quartiles: Table, styles: Mapping[str, CellStyle], stairs: bool) -> None:
    for cell, style in styles.items():
        rows = pick(quartiles, cell=cell).sort_values("step")
        if rows.empty:
            continue
        if stairs:
            _median_bar(ax, rows, style, 0.5 + 0.02 * (list(styles).index(cell) - (len(styles) - 1) / 2))
        else:
            ax.fill_between(rows["step"], rows["low"], rows["high"], color=style.color, alpha=0.13, linewidth=0)
        ax.plot(
            rows["step"],
            rows["middle"],
            color=style.color,
            linestyle=style.line,
            marker=style.marker,
            markevery=max(1, len(rows) // 5),
            markersize=4,
            linewidth=1.5,
            drawstyle="steps-post" if stairs else "default",
            clip_on=not stairs,
        )


def _median_bar(ax: Axes, rows: Table, style: CellStyle, y: float) -> None:
    """The interval of the step at which a curve reaches one half, open at the end of training; none if it does not."""
    first, last = (rows["step"][rows[bound] >= 0.5].min() for bound in ("high", "low"))
    if (rows["middle"] >= 0.5).any():
        last = rows["step"].max() if np.isnan(last) else last
        ax.hlines(y, first, last, color=style.color, linewidth=3, alpha=0.45)
