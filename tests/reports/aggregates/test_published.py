"""Published results beside measured ones."""

import pandas as pd
import pytest

from reports.aggregates.published import PUBLISHED, SETTINGS, beside


def networks(cell, task, lag, solved, steps, **columns):
    return pd.DataFrame(
        {"cell": cell, "task": task, "lag": float(lag), "solved": solved, "steps_to_solve": steps, "score": 0.5}
    ).assign(**columns)


@pytest.mark.parametrize(
    ("solved", "steps", "measured"),
    [
        ([True, True, True], [1000, 2000, 4000], "32,000 sequences"),
        ([True, False, False], [1000, 9000, 9000], "fewer than half of 3 solve it"),
    ],
)
def test_sequences_to_solve_are_steps_times_the_batch(solved, steps, measured):
    (row,) = beside(networks("lstm_no_forget", "adding+variant=hs97", 100, solved, steps), 16)
    assert (row.published.found, row.measured) == ("74,000 sequences", measured)


@pytest.mark.parametrize(
    ("solved", "agrees"),
    [
        (10, False),  # 10 of 10 against 47 of 100: p = 0.001
        (7, True),  # p = 0.20
        (4, True),
        (0, False),  # p = 0.005
    ],
)
def test_a_measured_share_agrees_unless_it_differs_significantly_from_the_published_one(solved, agrees):
    table = networks("lstm", "continual_reber", 5, [k < solved for k in range(10)], 1)
    (row,) = beside(table, 16)
    assert row.agrees == agrees


@pytest.mark.parametrize(
    ("cell", "solved", "agrees"),
    [("lstm", [True, True, False], True), ("lstm", [True, False], False), ("gru", [True, True, False], False)],
)
def test_where_no_shares_were_published_most_networks_decide(cell, solved, agrees):
    (row,) = beside(networks(cell, "counting", 100, solved, 1), 16)
    assert row.agrees == agrees


def test_a_network_leaves_the_baseline_of_copying_at_half_of_the_score():
    cell = "lstm+forget_bias=chrono+input_bias=chrono"
    for score, agrees in (([0.4, 0.5, 0.9], True), ([0.4, 0.4, 0.9], False)):
        (row,) = beside(networks(cell, "copy", 100, [False] * 3, 1, score=score), 16)
        assert row.agrees == agrees


def test_every_source_is_described():
    assert {entry.source for entry in PUBLISHED} == {*SETTINGS}


def test_experiments_that_are_not_repeated_are_left_out():
    assert beside(networks("lstm", "adding", 160, [True], [100]), 16) == []


@pytest.mark.parametrize("preset", ["hs97-adding", "weiss-counting", "irnn-adding", "gers2000", "copy-baselines"])
def test_a_reproduction_repeats_published_experiments(preset):
    from ablations.studies.loading import load

    arms = {(arm.cell.label, arm.task.label, arm.lag) for arm in load(preset).arms()}
    repeated = [entry for entry in PUBLISHED if (entry.cell, entry.task, entry.lag) in arms]
    assert len(repeated) >= 2
