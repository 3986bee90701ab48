"""Names of points, in a column at the right of a panel with a line to each point, so that they never overlap."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from reports.figures.style import INK, CellStyle
from reports.format import short

LINE = 0.125
"""Inches from one name to the next."""


def label_points(ax: Axes, points: Mapping[str, tuple[float, float]], styles: Mapping[str, CellStyle]) -> None:
    """Name the points of a panel by their cells. The limits of the axes must be final.

    :param points: by cell, x and y in data coordinates.
    """
    to_axes = ax.transData + ax.transAxes.inverted()
    heights = [float(to_axes.transform(point)[1]) for point in points.values()]
    for (cell, point), height in zip(points.items(), spread(heights, LINE / panel_height(ax)), strict=True):
        ax.annotate(
            short(cell, 22), point, (1.06, height), xycoords="data", textcoords="axes fraction", va="center", fontsize=7.5,
            color=INK, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": styles[cell].color, "linewidth": 0.6, "alpha": 0.6, "shrinkB": 3},
        )  # fmt: skip


def panel_height(ax: Axes) -> float:
    """The height of a panel in inches, about: a layout that is computed later changes it a little."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return max(0.5, ax.get_position().height * figure.get_figheight())


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart, in their order, until neighbours are `gap` apart; they stay in [0, 1] where they fit."""
    order = np.argsort(heights, kind="stable")
    places = np.array(heights, dtype=float)[order]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    top = max(1.0, gap * (len(places) - 1))
    for i in reversed(range(len(places))):
        places[i] = min(places[i], top - gap * (len(places) - 1 - i))
    spread = np.empty_like(places)
    spread[order] = places
    return spread.tolist()
