"""The sentences above figures, on tables small enough to read."""

import pandas as pd
import pytest

from reports.text import takeaways


def curves(**ends: list[float]) -> pd.DataFrame:
    """A curve of each cell on recall, with its medians at the steps 0, 10, 20, …"""
    tables = [
        pd.DataFrame(
            {"task": "recall", "lag": 20.0, "cell": cell, "step": range(0, 10 * len(values), 10), "middle": values}
        )
        for cell, values in ends.items()
    ]
    return pd.concat(tables, ignore_index=True)


def test_reaches_beyond_the_lags_are_longest_and_those_before_them_shortest() -> None:
    found = pd.DataFrame(
        [
            ("recall", "lstm", 30.0, "="),
            ("recall", "gru", 41.0, ">"),
            ("recall", "rnn", 4.0, "<"),
            ("order", "gru", 8.0, "="),
        ],
        columns=["task", "cell", "reach", "relation"],
    )
    assert takeaways.reaches(found) == (
        "Reach on recall: longest in gru (beyond the lags tried), shortest in rnn (below the lags tried). "
        "Reach on order: lag 8 in gru."
    )


def test_scores_count_near_misses_of_those_that_failed() -> None:
    confirm = pd.DataFrame({"solved": [True, False, False, False, False], "score": [0.95, 0.9, 0.8, 0.1, None]})
    assert takeaways.scores(confirm) == "Of 4 networks that do not solve the task, 50 % have a score of at least 0.8."
    assert takeaways.scores(confirm[:1]) == "All networks solve their task."


def test_time_to_solve_is_the_median_at_the_longest_lag_that_a_cell_solves() -> None:
    arms = pd.DataFrame({"task": "recall", "lag": [20, 20, 20, 40], "cell": ["lstm", "gru", "rnn", "rnn"]})
    assert takeaways.solving(arms.assign(median_steps=[20, 10, None, None])) == (
        "Median time to solve recall, lag 20: longest in lstm (20 steps), shortest in gru (10 steps); in 1 cell fewer than "
        "half solve it."
    )
    assert takeaways.solving(arms.assign(median_steps=None)) == "On no task do half of a cell's networks solve it."


def test_a_curve_that_rises_in_its_last_tenth_is_still_learning() -> None:
    flat, late = [0.1] * 11, [0.1] * 10 + [0.2]
    assert takeaways.rising(curves(lstm=flat)) == "No median score still rises at the end of training."
    assert (
        takeaways.rising(curves(lstm=flat, rnn=late)) == "Still learning at the end of training: rnn on recall, lag 20."
    )


def test_the_compared_lag_is_the_longest_that_some_median_reaches() -> None:
    longer = curves(lstm=[0, 0.3], rnn=[0, 0.2]).assign(lag=40.0)
    found = pd.concat([curves(lstm=[0, 0.9], rnn=[0, 0.1]), longer])
    text = "Accuracy on recall, lag 20: highest in lstm (0.9), lowest in rnn (0.1)."
    assert takeaways.last("accuracy", found) == text
    assert takeaways.last("accuracy", longer).startswith("Accuracy on recall, lag 40: highest in lstm (0.3)")


def test_many_cells_are_counted() -> None:
    found = curves(**{cell: [0.0, 1.0] for cell in "abcde"}, rnn=[0.0, 0.5])
    assert "highest in a, b, c and 2 others (1), lowest in rnn (0.5)" in takeaways.last("it", found)


def test_improvements_are_clear_where_the_interval_excludes_one_half() -> None:
    found = pd.DataFrame(
        [("latch", "gru", 0.51, 0.9), ("latch", "rnn", 0.0, 0.49), ("latch", "janet", 0.4, 0.6)],
        columns=["group", "cell", "low", "high"],
    )
    assert takeaways.improvements(found, "lstm") == ("Latch tasks: clearly better than lstm: gru; clearly worse: rnn.")


def test_speed_names_the_cell_with_the_largest_gap_between_trials_and_confirmation() -> None:
    found = pd.DataFrame(
        [("recall", "lstm", "tune", 0.5), ("recall", "lstm", "confirm", 1.0), ("recall", "gru", "tune", 0.9),
         ("recall", "gru", "confirm", 1.0)],
        columns=["task", "cell", "phase", "share"],
    )  # fmt: skip
    assert takeaways.speeds(found) == (
        "On recall tuning matters most for lstm: 50 % of its trials and 100 % of its confirmation networks solve it."
    )
    assert takeaways.speeds(found[found["phase"] == "confirm"]) == ""


def test_costs_name_the_fastest_of_the_best() -> None:
    points = pd.DataFrame({"cell": ["lstm", "gru", "rnn"], "rate": [1.0, 0.95, 0.2], "seconds": [60.0, 30.0, 1.0]})
    assert takeaways.costs(points) == (
        "Of the cells whose solve rate in this figure is within 10 points of the highest, gru takes the shortest time: 30 s per network."
    )


def test_gates_name_the_largest_difference_between_events() -> None:
    found = pd.DataFrame(
        [
            ("recall", "lstm", "f", "cue", 0.2),
            ("recall", "lstm", "f", "other", 0.9),
            ("recall", "lstm", "i", "cue", 0.5),
        ],
        columns=["task", "cell", "gate", "event", "mean"],
    )
    assert takeaways.gates(found) == (
        "The gate or candidate that depends most on the events: f of lstm on recall (mean 0.20 at cue, 0.90 at other steps)."
    )


def test_tuning_sentences() -> None:
    tune = pd.DataFrame({"solved": [True, True, True, False], "learning_rate": [0.001, 0.002, 0.003, 0.1]})
    assert takeaways.learning_rates(tune) == (
        "Half of the 3 trials that solved their task had learning rates from 0.0015 to 0.0025."
    )
    shares = pd.DataFrame(
        {"setting": ["clip_norm", "learning_rate", "learning_rate"], "share": [0.1, 0.3, 0.5], "noise": 0.2}
    )
    assert takeaways.importance(shares) == (
        "The learning rate explains most: 40 % of the variance, in the median over cells and tasks."
    )
    by_chance = shares.assign(noise=0.4)
    assert takeaways.importance(by_chance).startswith(
        "No hyperparameter explains more of the variance than chance would"
    )
    best = curves(lstm=[0.5, 0.7, 0.8]).assign(step=[1, 2, 3])
    assert takeaways.best_of(best) == (
        "The best of 3 trials gains 0.30 over a single one, in the mean over cells and tasks; the last trial 0.10 of that."
    )


@pytest.mark.parametrize("sentence", [takeaways.reaches, takeaways.gates])
def test_nothing_is_said_of_an_empty_table(sentence) -> None:
    assert sentence(pd.DataFrame(columns=["task", "cell", "reach", "relation", "gate", "event", "mean"])) == ""
