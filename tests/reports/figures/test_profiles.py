"""Figures of aggregates show what they are given."""

import numpy as np
import pandas as pd

from reports.exhibits import profiles as exhibits
from reports.figures.profiles import improvements, speeds
from reports.figures.style import cell_styles, figure_style

STYLES = cell_styles(["lstm", "gru", "rnn"])


def test_every_cell_with_a_probability_has_a_marker_in_its_row() -> None:
    rows = [("latch", "gru", 0.7, 0.6, 0.8), ("latch", "rnn", 0.1, 0.0, 0.2)]
    table = pd.DataFrame(rows, columns=["task", "cell", "probability", "low", "high"])
    with figure_style():
        ax = improvements(table, STYLES).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gru", "rnn"]
    points = {tuple(np.ravel(line.get_xydata())) for line in ax.get_lines() if line.get_marker() != "None"}
    assert points == {(0.7, 0), (0.1, 1)}


def test_a_cell_that_never_solved_is_at_the_end_of_training() -> None:
    rows = [("lstm", "confirm", 1.0, 40.0), ("lstm", "tune", 0.5, 60.0), ("rnn", "confirm", 0.0, np.nan)]
    table = pd.DataFrame(rows, columns=["cell", "phase", "share", "step"]).assign(task="recall", lag=5.0, budget=100)
    with figure_style():
        ax = speeds(table, STYLES).axes[0]
    drawn = {tuple(np.ravel(markers.get_offsets())) for markers in ax.collections}
    assert drawn == {(40, 1), (60, 0.5), (100, 0)}
    assert {text.get_text() for text in ax.texts} == {"lstm", "rnn"}


def test_tables_without_the_lstm_have_no_probability_of_improvement() -> None:
    table = pd.DataFrame(
        {"group": "latch", "task": "recall", "lag": 5, "cell": ["gru", "rnn"], "score": [1.0, 0.0], "solved": False}
    )
    assert "do not have lstm" in exhibits.improvement(table, STYLES).caption
