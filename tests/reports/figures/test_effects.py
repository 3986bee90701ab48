"""Contrasts are drawn on a panel of their own scale."""

import numpy as np

from reports.figures.effects import contrasts
from reports.figures.style import cell_styles, figure_style
from reports.statistics.contrasts import Contrast


def contrast(effect: float, low: float, high: float, **scale) -> Contrast:
    return Contrast("q", "lstm", "gru", ("recall",), (), effect, low, high, 0.5, 20, "undecided", **scale)


def test_differences_and_ratios_have_panels_of_their_own() -> None:
    tested = [contrast(-0.4, -0.6, -0.2), contrast(3.0, 1.5, 6.0, measure="largest n", scale="ratio", matters=2.0)]
    with figure_style():
        figure = contrasts(tested, cell_styles(["lstm", "gru"]))
    points, ratio = figure.axes
    assert (points.get_xscale(), ratio.get_xscale()) == ("linear", "log")
    markers = [
        float(np.ravel(line.get_xdata())[0])
        for ax in figure.axes
        for line in ax.get_lines()
        if line.get_marker() == "o"
    ]
    assert markers == [-40.0, 3.0]
    assert points.get_xlabel() == "solve rate, points"
    assert np.allclose(np.log10(ratio.get_xlim()).sum(), 0)  # 1 is in the middle
