"""One sentence per task, checked on tables written by hand."""

import pandas as pd

from reports.text.by_task import findings, rows


def table(**scores: list[float]) -> pd.DataFrame:
    """Confirmation networks of `recall` at lag 20, by cell: a score of at least 0.95 solves the task."""
    networks = [
        {"task": "recall", "group": "latch", "lag": 20, "cell": cell, "score": score, "solved": score >= 0.95}
        for cell, values in scores.items()
        for score in values
    ]
    return pd.DataFrame(networks)


def sentence(**scores: list[float]) -> str:
    (finding,) = findings(table(**scores), list(scores))
    return finding.sentence


def test_cells_that_learn_and_cells_that_do_not() -> None:
    assert sentence(lstm=[1.0] * 6, gru=[1.0] * 5 + [0.5], rnn=[0.3] * 6) == (
        "lstm and gru learn it, 5 to 6 of 6 networks each; rnn does not, none of 6 networks."
    )


def test_near_miss_is_told_from_failure_by_its_score() -> None:
    assert sentence(lstm=[0.95] * 4, gru=[0.9, 0.9, 0.8, 0.9], rnn=[0.1] * 4) == (
        "lstm learns it, 4 of 4 networks; gru does not, but comes near, none of 4 networks (median score 0.9; solved from "
        "0.95); rnn does not, none of 4 networks."
    )


def test_a_score_as_high_as_that_of_solved_networks_is_no_near_miss() -> None:
    confirm = table(lstm=[1.0] * 4, gru=[1.0] * 4)
    confirm["solved"] = (
        confirm["cell"] == "lstm"
    )  # as in counting, which also demands longer strings than the test set's
    (finding,) = findings(confirm, ["lstm", "gru"])
    assert finding.sentence == (
        "lstm learns it, 4 of 4 networks; gru does not, none of 4 networks, although the test score is as high: the rest of "
        "the criterion is not met."
    )


def test_a_cell_between_is_neither() -> None:
    assert sentence(lstm=[1.0, 1.0, 0.2, 0.2]) == "lstm only in some runs, 2 of 4 networks."


def test_without_a_solved_network_nothing_is_a_near_miss() -> None:
    assert sentence(lstm=[0.94] * 2, rnn=[0.1] * 2) == "lstm and rnn do not, none of 2 networks each."


def test_cells_that_were_not_trained_at_the_lag_are_said_to_be_so() -> None:
    confirm = table(lstm=[1.0, 1.0], rnn=[0.0, 0.0]).assign(status=["solved", "solved", "not trained", "not trained"])
    (finding,) = found = findings(confirm, ["lstm", "rnn"])
    assert finding.sentence == (
        "lstm learns it, 2 of 2 networks; rnn was not trained at this lag, as none of its networks solved the last shorter one that was tried."
    )
    assert rows(found, ["lstm", "rnn"]) == [("lstm", ["2/2"]), ("rnn", ["not trained"])]


def test_many_cells_are_counted_and_stand_in_the_table() -> None:
    scores = {f"cell{n}": [1.0] for n in range(9)}
    (finding,) = findings(table(**scores), list(scores))
    assert (
        finding.sentence == "cell0, cell1, cell2, cell3, cell4, cell5 and 3 other cells learn it, 1 of 1 networks each."
    )
    assert finding.demand == "Hold a value (recall, lag 20)"
    assert [cell for cell, _ in rows([finding], list(scores))] == list(scores)


def test_table_has_a_dash_where_a_cell_was_not_trained_and_the_median_score_where_not_all_solved() -> None:
    confirm = table(lstm=[1.0, 1.0], rnn=[0.2, 0.4])
    found = findings(confirm, ["lstm", "rnn", "gru"])
    assert rows(found, ["lstm", "rnn", "gru"]) == [("lstm", ["2/2"]), ("rnn", ["0/2 (0.30)"]), ("gru", ["–"])]


def test_a_task_of_two_groups_is_described_at_a_lag_of_each() -> None:
    """`adding` is a short task up to lag 10; cells of the one group need not be those of the other."""
    short = table(lstm=[1.0], rnn=[1.0]).assign(task="adding", group="short", lag=10)
    long = table(lstm=[1.0]).assign(task="adding", group="latch", lag=40)
    found = findings(pd.concat([short, long]), ["lstm", "rnn"])
    assert [finding.demand for finding in found] == [
        "Remember a few steps (adding, lag 10)",
        "Hold a value (adding, lag 40)",
    ]
    assert rows(found, ["rnn"]) == [("rnn", ["1/1", "–"])]
