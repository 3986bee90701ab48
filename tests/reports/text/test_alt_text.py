"""Alternative texts hold the values of their figure, up to a length."""

import pandas as pd

from reports.text.alt_text import MOST, costs, flow, importance, rates


def test_long_texts_are_cut_and_refer_to_the_data() -> None:
    table = pd.DataFrame({"task": "recall", "lag": range(MOST + 2), "cell": "lstm", "solved": 3, "seeds": 6})
    text = rates(table)
    assert text.startswith("Networks that solved their task. recall, lag 0: lstm 3 of 6; recall, lag 1:")
    assert f"lag {MOST - 1}: lstm 3 of 6; and 2 more, in the figure's data." in text
    assert f"lag {MOST}:" not in text


def test_gradient_flow_is_given_at_the_largest_distance() -> None:
    rows = [("init", 1, 0.9), ("init", 10, 0.1), ("end", 10, 0.5)]
    table = pd.DataFrame(rows, columns=["when", "step", "middle"]).assign(path="whole", task="recall", cell="lstm")
    assert "lstm on recall 10 steps back: 0.1 before and 0.5 after." in flow(table)


def test_importance_below_its_noise_is_not_named() -> None:
    table = pd.DataFrame(
        {
            "task": "recall",
            "cell": ["lstm", "lstm", "gru"],
            "setting": ["learning_rate", "clip_norm", "learning_rate"],
            "share": [0.6, 0.2, 0.1],
            "noise": [0.3, 0.3, 0.3],
        }
    )
    assert "lstm on recall: learning rate, 60 %; gru on recall: none above chance." in importance(table)


def test_costs_are_given_with_units() -> None:
    table = pd.DataFrame({"cell": ["lstm"], "rate": [0.8], "parameters": [5000.0], "seconds": [90.0]})
    assert costs(table) == "Cost and solve rate. lstm: 80 % solved with 5,000 parameters in 2 min."
