"""How a study was run: its networks, its time, and a network of median score of each cell."""

import pandas as pd

from reports.format import duration
from reports.page import methods
from tests.reports import synthetic_study


def test_networks_of_all_phases_and_their_time_are_counted() -> None:
    tables = synthetic_study.study({"recall": [20]}, searches=1, trials=2, confirm=3)
    rows = tables.results.assign(seconds=1.5)
    facts = dict(methods.facts(rows, tables.study))
    cells = rows["cell"].nunique()
    assert facts["Networks"] == f"{5 * cells}: {2 * cells} tuning and {3 * cells} confirmation"
    assert facts["Compute"] == f"{duration(7.5 * cells)} of training in total, 2,400 networks per hour of a worker"


def test_examples_are_networks_of_median_score_at_the_longest_lag() -> None:
    confirm = pd.DataFrame(
        {
            "task": "recall",
            "cell": "lstm",
            "lag": [10, 20, 20, 20],
            "score": [0.9, 0.1, 0.7, 0.4],
            "hash": ["a", "b", "c", "d"],
        }
    )
    assert methods.examples(confirm)["hash"].tolist() == ["d"]


def test_chosen_values_near_the_end_of_a_range_are_a_threat() -> None:
    tables = synthetic_study.study({"recall": [20]}, searches=4, trials=2, confirm=4)
    space = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    study = tables.study | {"definition": {"tune": {"space": space}}}
    rows = tables.results.assign(learning_rate=1e-3, diverged=False)
    assert not [line for line in methods.threats(rows, study, 20) if "end of its range" in line]
    at_end = (rows["cell"] == "gru") & (rows["phase"] == "confirm") & (rows["search"] < 2)
    rows.loc[at_end, "learning_rate"] = 9e-3
    (line,) = [line for line in methods.threats(rows, study, 20) if "end of its range" in line]
    assert "learning rate within a tenth of an end of its range (gru 50 %)" in line


def test_the_search_space_says_what_chrono_is() -> None:
    space = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "forget_bias": [0.0, "chrono"]}
    rates, biases = methods.search_space({"definition": {"tune": {"space": space}}})
    assert rates == ("learning_rate", "0.001 to 0.1, logarithmic")
    assert biases.text.startswith("0.0, chrono (chrono: drawn so that")
