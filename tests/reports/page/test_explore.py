"""The data of the interactive chart: every arm, and the colours of its cells."""

import math

import pandas as pd

from reports.figures.style import cell_styles
from reports.page import explore

ARM = {"task": "recall", "lag": 5.0, "solved": 19, "seeds": 20, "low": 0.76, "high": 0.99, "median_score": 0.98}


def test_arms_are_rows_and_those_that_were_not_trained_are_marked() -> None:
    arms = pd.DataFrame(
        [ARM | {"cell": "janet", "seconds": 1.0}, ARM | {"cell": "lstm", "seconds": math.nan, "solved": 0}]
    )
    found = explore.data(arms, cell_styles(["janet", "lstm"]))
    assert [(row["cell"], row["solved"], row["score"], row["trained"]) for row in found["rows"]] == [
        ("janet", 19, 0.98, True),
        ("lstm", 0, 0.98, False),
    ]
    assert found["chosen"] == ["lstm"]
    assert found["cells"]["lstm"]["light"] != found["cells"]["lstm"]["dark"]


def test_without_a_common_cell_the_first_are_chosen() -> None:
    cells = [f"cell{k}" for k in range(9)]
    arms = pd.DataFrame([ARM | {"cell": cell, "seconds": 1.0} for cell in cells])
    assert explore.data(arms, cell_styles(cells))["chosen"] == cells[: explore.CHOSEN]
