"""The value of each quantity for single rows."""

import numpy as np
import pandas as pd
import pytest

from reports.statistics.quantities import (
    COUNTS_FOUR_TIMES,
    COUNTS_TWICE,
    FLOPS,
    GROWTH,
    LOST,
    RECOVERED,
    SCORE,
    SOLVED,
    budget,
)


def rows(**columns) -> pd.DataFrame:
    """Rows that solved their task and did not diverge, but for the columns given."""
    return pd.DataFrame({"task": "recall", "lag": 20, "solved": True, "diverged": False} | columns)


def test_diverged_networks_are_unsolved_and_score_0():
    table = rows(diverged=[False, True], score=[0.9, 0.9], largest_n=[80.0, 80.0])
    assert SOLVED.value(table).tolist() == [1, 0]
    assert SCORE.value(table).tolist() == [0.9, 0]
    assert COUNTS_TWICE.value(table).tolist() == [1, 0]


def test_counting_is_judged_by_multiples_of_the_trained_length():
    table = rows(largest_n=[39.0, 40.0, 79.0, 80.0, np.nan])
    assert COUNTS_TWICE.value(table)[:4].tolist() == [0, 1, 1, 1]
    assert COUNTS_FOUR_TIMES.value(table)[:4].tolist() == [0, 0, 0, 1]
    assert np.isnan(COUNTS_TWICE.value(table)[4])


def test_scores_are_clipped():
    assert SCORE.value(rows(score=[-3.0, 0.5, 1.2])).tolist() == [0, 0.5, 1]


def test_missing_columns_are_unknown():
    table = rows(score=[0.9])
    for quantity in (GROWTH, COUNTS_TWICE, FLOPS, LOST, RECOVERED):
        assert np.isnan(quantity.value(table)).all()


def test_growth_is_a_logarithm_and_unknown_without_a_positive_norm():
    values = GROWTH.value(rows(state_norm_first=[2.0, 0.0], state_norm_10=[16.0, 16.0]))
    assert values[0] == pytest.approx(np.log(8))
    assert np.isnan(values[1])


def test_unsolved_networks_cost_the_whole_budget():
    table = rows(solved=[True, False], steps=1000.0, steps_to_solve=[250.0, 250.0], flops_per_step=7.0)
    assert FLOPS.value(table).tolist() == [0.25, 1]
    assert FLOPS.cost
    assert FLOPS.cost(table).tolist() == [7000, 7000]


def test_unknown_budget_is_the_largest_number_of_steps_of_the_task_and_lag():
    table = rows(lag=[20, 20, 40], steps=np.nan, steps_to_solve=[100.0, 300.0, 50.0])
    assert budget(table).tolist() == [300, 300, 50]


def test_clamping_is_unknown_for_unsolved_networks():
    table = rows(solved=[True, False], clamp_none=0.9, clamp_mean=0.4, clamp_event=0.8)
    assert LOST.value(table)[0] == pytest.approx(0.5)
    assert RECOVERED.value(table)[0] == pytest.approx(0.4)
    assert np.isnan([LOST.value(table)[1], RECOVERED.value(table)[1]]).all()
