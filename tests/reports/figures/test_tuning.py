"""The figure of trials uses the scale of the learning rate."""

import pandas as pd
import pytest

from reports.figures.style import cell_styles, figure_style
from reports.figures.tuning import trials


@pytest.mark.parametrize(
    ("scale", "limits"), [("log", (0.001 / 1.5, 0.1 * 1.5)), ("linear", (0.001 - 0.00495, 0.1 + 0.00495))]
)
def test_learning_rate_axis_has_its_scale_and_contains_every_trial(scale: str, limits: tuple[float, float]) -> None:
    rows = pd.DataFrame({"learning_rate": [0.001, 0.1], "objective": [0.2, 0.9], "solved": [False, True]})
    with figure_style():
        figure = trials(rows.assign(task="recall", cell="lstm"), cell_styles(["lstm"]), scale)
    (ax,) = figure.axes
    assert ax.get_xscale() == scale
    assert ax.get_xlim() == pytest.approx(limits)
