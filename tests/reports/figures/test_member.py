"""Member figures: every recorded curve is drawn, and missing curves remove only their panel."""

import math

import numpy as np
import pytest

from reports.figures.member import member_figure, member_svg, panel_figures
from reports.figures.style import figure_style, svg

LEARNING = {"eval/score": [(25, -3.0), (50, 0.5)], "train/loss": [(25, 2.0), (50, 0.0)], "gate/f/mean": [(50, 0.5)]}
FLOW = {f"flow/{when}/{part}": [(1, 0.5), (2, 1e-30)] for when in ("init", "half", "end") for part in ("whole", "held")}
RETENTION = {"retention": [(1, 2.0), (5, 0.0)]}
DECODE = {"decode/true": [(0, 0.9), (1, 0.8)], "decode/shuffled": [(0, 0.5), (1, 0.5)]}
TRACE = {f"trace/gate/{name}": [(t, math.sin(t)) for t in range(9)] for name in ("f", "1.f")}
STATE = {
    "trace/state/c": [(t, 3.0 * t) for t in range(9)],
    "trace/event/query": [(t, float(t in (3, 8))) for t in range(9)],
}
ALL = LEARNING | FLOW | RETENTION | DECODE | TRACE | STATE
TITLES = {
    "learning": LEARNING,
    "gradient flow": FLOW,
    "retention of a perturbation": RETENTION,
    "decodability by a linear probe": DECODE,
    "gates along one sequence": TRACE,
    "state along the same sequence": STATE,
}


def panel_titles(curves):
    """The titles of the panels, in reading order."""
    with figure_style():
        return [ax.get_title(loc="left") for ax in member_figure(curves, "x").axes if ax.get_title(loc="left")]


def test_panels_are_those_with_curves():
    assert panel_titles(ALL) == list(TITLES)
    for title, curves in TITLES.items():
        assert panel_titles(curves) == [title]
        assert panel_titles({k: v for k, v in ALL.items() if k not in curves}) == [t for t in TITLES if t != title]
    assert panel_titles({}) == []


@pytest.mark.parametrize("missing", ["flow/init/held", "decode/shuffled", "trace/event/query", "train/loss"])
def test_a_panel_is_drawn_without_one_of_its_curves(missing):
    assert panel_titles({metric: curve for metric, curve in ALL.items() if metric != missing}) == list(TITLES)


def test_lines_are_the_curves():
    with figure_style():
        by_panel = panel_figures(ALL, "x")
        lines = [
            [tuple(point) for point in np.asarray(line.get_xydata()).tolist()]
            for figure in by_panel.values()
            for ax in figure.axes
            for line in ax.lines
        ]
    assert by_panel.keys() == {"learning", "flow", "retention", "decode", "trace"}
    for metric, curve in ALL.items():
        if metric.startswith(("gate/", "trace/event/")):
            continue
        positive = [point for point in curve if metric != "train/loss" or point[1] > 0]
        assert positive in lines


def test_svg_is_reproducible_and_titles_are_escaped_text():
    title = "a$x^2$ <script>alert(1)</script> & more"
    first = member_svg(ALL, title)
    assert first == member_svg(ALL, title)
    assert "<script>" not in first
    assert "alert(1)" in first
    assert len(first) < 100_000
    with figure_style():
        assert svg(member_figure({}, "nothing")).startswith("<?xml")
