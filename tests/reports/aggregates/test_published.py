"""Published results beside measured ones."""

import pandas as pd
import pytest

from reports.aggregates.published import PUBLISHED, beside


def networks(cell, task, lag, solved, steps, **columns):
    return pd.DataFrame(
        {"cell": cell, "task": task, "lag": float(lag), "solved": solved, "steps_to_solve": steps, "score": 0.5}
        | columns
    )


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


def test_perfect_networks_make_no_error_in_a_hundred_thousand_steps():
    table = networks("lstm", "continual_reber", 5, [True, True, False, False], 1, error_free_steps=[1e5, 2000, 10, 20])
    (row,) = beside(table, 16)
    assert row.measured == "25 % perfect, 50 % perfect or good"


def test_experiments_that_are_not_repeated_are_left_out():
    assert beside(networks("lstm", "adding", 160, [True], [100]), 16) == []


@pytest.mark.parametrize("preset", ["hs97-adding", "weiss-counting", "irnn-adding", "gers2000", "copy-baselines"])
def test_a_reproduction_repeats_published_experiments(preset):
    from ablations.studies.loading import load

    arms = {(arm.cell.label, arm.task.label, arm.lag) for arm in load(preset).arms()}
    repeated = [entry for entry in PUBLISHED if (entry.cell, entry.task, entry.lag) in arms]
    assert len(repeated) >= 2
