"""Performance profiles, probabilities of improvement and speeds, against counts by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from reports.aggregates.outcomes import pick
from reports.aggregates.profiles import improvements, profiles, speeds


def networks(cell: str, scores: list[float], lag: float = 5, searches: int = 2, **columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "group": "latch",
            "task": "recall",
            "lag": lag,
            "cell": cell,
            "score": scores,
            "solved": False,
            "search": np.arange(len(scores)) // -(-len(scores) // searches),
        }
    ).assign(**columns)


LSTM, GRU = [1.0, 0.95, 0.5, 0.9], [0.2, 0.95, 0.9, 0.1]


def test_a_profile_is_the_mean_share_above_each_score_over_the_lags() -> None:
    table = pd.concat(
        [
            networks("lstm", LSTM),
            networks("lstm", [1.0, 0.0], lag=10),
            networks("gru", GRU),
            networks("rnn", GRU, lag=10),
            networks("lstm", [0.0, 0.0], lag=20),  # no other cell has it
        ]
    )
    found = profiles(table)
    assert set(found["cell"]) == {"lstm"}, "neither of the others was trained at both lags"
    at = found.set_index("step")
    assert at.loc[0.0, "middle"] == (1 + 0.5) / 2
    assert at.loc[0.5, "middle"] == (3 / 4 + 1 / 2) / 2
    assert at.loc[0.9, "middle"] == (2 / 4 + 1 / 2) / 2
    assert (found["low"] <= found["middle"]).all()
    assert (found["middle"] <= found["high"]).all()
    pd.testing.assert_frame_equal(found, profiles(table))


def test_a_network_that_was_not_trained_is_above_no_score() -> None:
    found = profiles(networks("lstm", [1.0, np.nan]))
    assert found["middle"].tolist() == [0.5] * len(found)


def test_the_probability_of_improvement_is_that_of_mann_and_whitney() -> None:
    found = improvements(pd.concat([networks("lstm", LSTM), networks("gru", GRU)]), "lstm").iloc[0]
    u = mannwhitneyu(GRU, LSTM).statistic
    assert found["probability"] == pytest.approx(u / 16)
    assert (found["cell"], found["strata"]) == ("gru", 1)
    assert found["low"] < found["probability"] < found["high"]


def test_two_networks_that_solved_the_task_are_a_tie_whatever_their_scores() -> None:
    solved = pd.concat(
        [networks("lstm", [0.97, 0.98], solved=True), networks("gru", [0.99, 0.96], solved=[True, False])]
    )
    assert improvements(solved, "lstm")["probability"].tolist() == [(2 * 0.5 + 2 * 0) / 4]


def test_equal_cells_improve_with_one_half_and_no_reference_gives_no_row() -> None:
    same = pd.concat([networks("lstm", LSTM), networks("gru", LSTM)])
    assert improvements(same, "lstm")["probability"].tolist() == [0.5]
    assert improvements(same, "rnn").empty


def test_searches_are_the_units_where_there_are_several() -> None:
    """If the networks of a search agree, four of them say as much as one, and the interval is wider."""
    scores = [1.0] * 4 + [0.0] * 4 + [1.0] * 4 + [0.0] * 4
    widths = {}
    for searches in (1, 4):
        at = profiles(networks("lstm", scores, searches=searches)).iloc[20]
        widths[searches] = at["high"] - at["low"]
    assert widths[4] > 1.5 * widths[1]


def test_speed_is_the_median_of_those_that_solved_at_the_lag_of_the_task() -> None:
    confirm = networks("lstm", LSTM, solved=[True, True, False, True], steps_to_solve=[10, 30, 99, 20])
    far = networks("lstm", LSTM, lag=50, solved=False, steps_to_solve=99)
    tune = networks("lstm", GRU, solved=[False] * 4, steps_to_solve=99)
    found = speeds(pd.concat([confirm, far]), tune, {"recall": 5})
    row = pick(found, phase="confirm").iloc[0]
    assert (row["solved"], row["networks"], row["share"], row["step"]) == (3, 4, 0.75, 20)
    row = pick(found, phase="tune").iloc[0]
    assert (row["share"], np.isnan(row["step"])) == (0, True)
    assert len(found) == 2
