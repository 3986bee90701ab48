"""The compact lattice shows sign, size and certainty of each effect."""

from typing import Any

import pandas as pd

from reports.aggregates.lattice import Node
from reports.figures.style import cell_styles, figure_style
from reports.figures.tree import compact
from reports.statistics.contrasts import Estimate


def estimate(effect: float, low: float, high: float) -> Estimate:
    return Estimate(effect, low, high, p=0.01, strata=(), n_lags=3, seeds=6, networks=6, searches=2, solve_rate=0.5)


def test_clear_effects_are_bold_and_uncertain_ones_have_a_question_mark() -> None:
    nodes = [Node("lstm", None, "", 0), Node("lstm_no_forget", "lstm", "no forget gate", 1)]
    rates = pd.DataFrame({"group": ["erase"] * 2 + ["latch"] * 2, "cell": ["lstm", "lstm_no_forget"] * 2, "rate": 0.5})
    effects = {
        ("lstm_no_forget", "erase"): estimate(-0.834, -0.97, -0.6),
        ("lstm_no_forget", "latch"): estimate(0.1, -0.1, 0.3),
    }
    with figure_style():
        figure = compact(
            nodes, rates, effects, cell_styles(["lstm", "lstm_no_forget"]), {"erase": "", "latch": "", "state": ""}
        )
    texts: list[Any] = [text for ax in figure.axes for text in ax.texts]
    assert {"−83", "+10?", "50%", "·"} <= {text.get_text() for text in texts}
    bold = {text.get_text() for text in texts if text.get_weight() == "bold"}
    assert "−83" in bold
    assert "+10?" not in bold
