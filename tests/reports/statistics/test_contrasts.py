"""The outcome of one contrast, from small tables whose correct outcome is obvious."""

import math

import pandas as pd
import pytest

from reports.statistics.arms import evidence
from reports.statistics.comparison import RATE_MARGINS, Comparison
from reports.statistics.contrasts import MIN_LAGS, MIN_SEARCHES, Measurement, measure, outcome
from reports.statistics.quantities import SOLVED
from reports.statistics.strata import Where
from tests.reports.tables_by_hand import arm, curve, table

REACH = Comparison("recall", "a", "b", (Where(task="recall"),))
RATES = Comparison("recall", "a", "b", (Where(task="recall"),), quantity=SOLVED, margins=RATE_MARGINS)


def measured(*rows: pd.DataFrame, comparison: Comparison = REACH) -> Measurement:
    return measure(comparison, evidence(pd.concat(rows, ignore_index=True)))


def cells(a: float, b: float, **options) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells a and b with these reaches."""
    return curve("a", a, **options), curve("b", b, **options)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (80, 10, "better"),
        (10, 80, "worse"),
        (20, 20, "equivalent"),
        (28, 14, "better"),  # exactly one octave
        (22, 20, "equivalent"),
        (17, 27, "undecided"),
        (1000, 1000, "saturated"),  # b solves the longest lag, so its limit is unknown
        (1000, 20, "better"),
        (20, 1000, "worse"),
        (1, 1, "undecided"),  # b does not solve the shortest lag: two cells that fail do not tie
        (1, 40, "worse"),
    ],
)
def test_outcomes_of_reach(a, b, expected):
    found = measured(*cells(a, b))
    assert outcome(found, 0.05) == expected
    assert found.estimate
    assert found.estimate.low <= found.estimate.effect <= found.estimate.high
    mirrored = {"better": "worse", "worse": "better"}
    if expected in mirrored:
        assert outcome(measured(*cells(b, a)), 0.05) == mirrored[expected]


def test_a_bounded_comparison_may_end_before_the_limit():
    bounded = Comparison("recall", "a", "b", (Where(task="recall", max_lag=20),), bounded=True)
    assert outcome(measured(*cells(1000, 1000), comparison=bounded), 0.05) == "equivalent"


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(0, 20, "worse"), (20, 0, "better"), (20, 20, "equivalent"), (0, 0, "undecided"), (19, 20, "equivalent")],
)  # fmt: skip
def test_outcomes_of_rates(a, b, expected):
    found = measured(table({"a": a, "b": b}, (5, 10, 20)), comparison=RATES)
    assert outcome(found, 0.05) == expected
    assert found.estimate
    assert found.estimate.effect == pytest.approx((a - b) / 20)


def test_swapping_the_cells_flips_the_sign():
    there = measured(*cells(60, 20)).estimate
    back = measured(*cells(20, 60)).estimate
    assert there
    assert back
    assert (there.effect, there.low, there.high, there.p) == pytest.approx(
        (-back.effect, -back.high, -back.low, back.p)
    )
    assert there.p_margins == pytest.approx((back.p_margins[1], back.p_margins[0]))


def test_the_level_decides():
    found = measured(*cells(28, 14))
    assert found.estimate
    assert outcome(found, found.estimate.p * 1.01) == "better"
    assert outcome(found, found.estimate.p * 0.99) != "better"


def test_two_lags_or_four_searches_are_undecided():
    assert MIN_LAGS == 3
    assert outcome(measured(*cells(80, 5, lags=(10, 20))), 0.05) == "undecided"
    assert outcome(measured(*cells(80, 5, lags=(10, 20, 40))), 0.05) == "better"
    assert MIN_SEARCHES == 5
    few = [rows[rows["search"] < 4] for rows in cells(80, 5)]
    assert outcome(measured(*few), 0.05) == "undecided"
    assert outcome(measured(*[rows.drop(columns="search") for rows in cells(80, 5)]), 0.05) == "undecided"


def test_diverged_runs_are_unsolved():
    a, b = cells(80, 80)
    found = measured(a.assign(diverged=True), b)
    assert outcome(found, 0.05) == "worse"
    assert found.estimate
    assert found.estimate.solve_rate < 0.5


def test_lags_that_no_trial_solved_are_left_out_and_count_as_no_difference():
    rows = cells(80, 10)
    trials = [curve(cell, reach).assign(phase="tune") for cell, reach in (("a", 80), ("b", 10))]
    for trial in trials:
        trial.loc[trial["lag"] == 160, "solved"] = False
    with_trials, without = measured(*rows, *trials), measured(*rows)
    assert with_trials.excluded == ("recall lag 160: no tuning trial of any of these cells solved it",)
    assert with_trials.estimate
    assert without.estimate
    assert with_trials.estimate.effect == pytest.approx(without.estimate.effect)
    assert [s.lag for s in with_trials.estimate.strata] == [5, 10, 20, 40, 80]
    one = [trial.assign(solved=trial["solved"] | ((trial["lag"] == 160) & (trial.index % 20 == 0))) for trial in trials]
    assert measured(*rows, *one).excluded == ()
    none = [trial.assign(solved=False) for trial in trials]
    assert measured(*rows, *none).estimate is None
    assert outcome(measured(*rows, *none), 0.05) == "undecided"


def test_a_lag_at_which_a_cell_is_worse_by_itself_excludes_a_tie():
    a, b = cells(40, 40)
    found = measured(a.assign(solved=a["solved"] & (a["lag"] != 10) | (a["lag"] == 80)), b)
    assert found.estimate
    assert found.estimate.effect == pytest.approx(0, abs=0.2)
    assert [s.lag for s in found.worse_at] == [10]
    assert [s.lag for s in found.better_at] == [80]
    assert outcome(found, 0.05) == "undecided"


def test_only_the_smallest_size_counts():
    found = measured(*cells(80, 10), *cells(10, 80, size=9000))
    assert outcome(found, 0.05) == "better"
    assert {s.size for s in found.estimate.strata} == {1500}


def test_a_stratum_with_few_searches_is_left_out_if_others_have_enough():
    a, b = cells(80, 10)
    found = measured(a, b[(b["lag"] != 40) | (b["search"] < 4)])
    assert found.excluded == ("recall lag 40: confirmed in 4 searches only",)


def test_controls_are_not_in_the_task():
    reset = arm("a", "continual_adding+reset", 10, 20), arm("b", "continual_adding+reset", 10, 20)
    comparison = Comparison("erase", "a", "b", (Where(task="continual_adding"),))
    assert measured(*reset, comparison=comparison).missing
    assert outcome(measured(*reset, comparison=comparison), 0.05) == "missing"


def test_reach_is_the_integral_over_the_logarithm_of_the_lag():
    """By hand: a solves up to 40, b up to 10, in steps of an octave: two lags, each log 2 wide."""
    found = measured(
        table({"a": 20, "b": 20}, (5, 10)), table({"a": 20, "b": 0}, (20, 40)), table({"a": 0, "b": 0}, (80, 160))
    )
    assert found.estimate
    assert found.estimate.effect == pytest.approx(2 * math.log(2))
    assert found.estimate.natural
    assert found.estimate.natural.estimate == pytest.approx(4)
    # Other lags between the same limits give the same factor: here each stands for half an octave.
    lags = [5 * 2 ** (k / 2) for k in range(11)]
    finer = [table({"a": 20 * (lag < 50), "b": 20 * (lag < 12)}, (lag,)) for lag in lags]
    again = measured(*finer)
    assert again.estimate
    assert again.estimate.natural
    assert again.estimate.natural.estimate == pytest.approx(4)
