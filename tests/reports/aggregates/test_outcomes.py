"""Aggregates of training outcomes: quartiles of curves and the time to solve."""

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import complete_lags, curve_quartiles, on_grid, time_to_solve


def test_stopped_members_keep_their_last_score_and_diverged_ones_fall_to_0() -> None:
    members = pd.DataFrame(
        {"hash": ["a", "b"], "task": "recall", "lag": 10, "cell": ["lstm", "rnn"], "diverged": [False, True]}
    )
    curves = pd.DataFrame(
        [("a", 0, 0.1), ("a", 25, 1.0), ("b", 0, 0.2), ("b", 25, 0.4), ("b", 50, 0.5), ("other", 75, 0.3)],
        columns=["hash", "step", "value"],
    ).assign(metric="eval/score")
    quartiles = curve_quartiles(pd.concat([curves, curves.assign(metric="x", step=75)]), members, "eval/score")
    medians = quartiles.pivot_table(index="cell", columns="step", values="middle")
    assert medians.loc["lstm"].tolist() == [0.1, 1.0, 1.0]
    assert medians.loc["rnn"].tolist() == [0.2, 0.4, 0.5]
    longer = pd.concat([curves, pd.DataFrame({"hash": ["a"], "step": [75], "value": [1.0], "metric": ["eval/score"]})])
    medians_with_later_step = curve_quartiles(longer, members, "eval/score").set_index(["cell", "step"])["middle"]
    assert medians_with_later_step["rnn", 75] == 0.0


def test_unsolved_networks_are_censored_in_the_time_to_solve() -> None:
    confirm = pd.DataFrame({"task": "recall", "lag": 10, "cell": "lstm", "steps_to_solve": [100, 200, 600, 600]})
    curve = time_to_solve(confirm.assign(solved=[True, True, False, False]))
    assert np.allclose(curve[["step", "middle"]], [[0, 0], [100, 0.25], [200, 0.5], [600, 0.5]])
    on_common_steps = on_grid(curve).set_index("step")["middle"]
    assert on_common_steps.iloc[0] == 0
    assert np.isclose(on_common_steps[on_common_steps.index < 200].max(), 0.25)
    assert np.isclose(on_common_steps.iloc[-1], 0.5)


def test_lags_that_only_some_cells_have_are_left_out_of_an_unfinished_study() -> None:
    arms = [("recall", 5, "lstm"), ("recall", 5, "rnn"), ("recall", 10, "lstm"), ("adding", 10, "lstm")]
    table = pd.DataFrame(arms, columns=["task", "lag", "cell"])
    assert list(complete_lags(table).index) == [0, 1, 3]
