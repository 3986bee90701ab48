"""Names of points do not overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reports.figures.labels import label_points, spread
from reports.figures.style import cell_styles


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.01, 0.2))
def test_heights_are_apart_in_their_order_and_in_the_panel(heights: list[float], gap: float) -> None:
    places = np.array(spread(heights, gap))
    order = np.argsort(heights, kind="stable")
    assert all(np.diff(places[order]) >= gap - 1e-9)
    if gap * (len(heights) - 1) <= 1:
        assert all((places >= -1e-9) & (places <= 1 + 1e-9))


def test_heights_that_are_apart_stay() -> None:
    assert spread([0.9, 0.1, 0.5], 0.2) == pytest.approx([0.9, 0.1, 0.5])


def test_every_point_has_its_name() -> None:
    ax = Figure().subplots()
    points = {"lstm": (0.2, 0.9), "gru": (0.3, 0.91), "rnn": (0.1, 0.0)}
    label_points(ax, points, cell_styles(list(points)))
    assert {text.get_text(): text.xy for text in ax.texts} == points  # pyright: ignore[reportAttributeAccessIssue]
