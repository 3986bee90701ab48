"""Portraits of one network: what its curves hold is what is drawn, whatever is missing."""

import math

import pytest

from reports.figures.member import figures, portrait, portrait_svg
from reports.figures.style import style, svg

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
    "the gradient": FLOW,
    "a small perturbation of the state": RETENTION,
    "the stored value, read by a linear probe": DECODE,
    "gates in one sequence": TRACE,
    "the state in the same sequence": STATE,
}


def drawn(curves):
    """The title of every panel, in the order of the page."""
    with style():
        return [ax.get_title(loc="left") for ax in portrait(curves, "x").axes if ax.get_title(loc="left")]


def test_a_portrait_has_a_panel_for_all_that_is_there():
    assert drawn(ALL) == list(TITLES)
    for title, curves in TITLES.items():
        assert drawn(curves) == [title]
        assert drawn({k: v for k, v in ALL.items() if k not in curves}) == [t for t in TITLES if t != title]
    assert drawn({}) == []


@pytest.mark.parametrize("missing", ["flow/init/held", "decode/shuffled", "trace/event/query", "train/loss"])
def test_a_panel_does_without_one_of_its_curves(missing):
    assert drawn({metric: curve for metric, curve in ALL.items() if metric != missing}) == list(TITLES)


def test_lines_are_the_curves():
    with style():
        parts = figures(ALL, "x")
        lines = [
            [tuple(p) for p in line.get_xydata()] for part in parts.values() for ax in part.axes for line in ax.lines
        ]
    assert parts.keys() == {"learning", "flow", "retention", "decode", "trace"}
    for metric, curve in ALL.items():
        if metric.startswith(("gate/", "trace/event/")):
            continue
        positive = [point for point in curve if metric != "train/loss" or point[1] > 0]
        assert positive in lines


def test_the_same_curves_give_the_same_picture_and_titles_are_text():
    title = "a$x^2$ <script>alert(1)</script> & more"
    one = portrait_svg(ALL, title)
    assert one == portrait_svg(ALL, title)
    assert "<script>" not in one
    assert "alert(1)" in one
    assert len(one) < 100_000
    with style():
        assert svg(portrait({}, "nothing")).startswith("<?xml")
