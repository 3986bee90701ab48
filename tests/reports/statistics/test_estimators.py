"""Estimators against scipy, statsmodels, published numbers, and simulations with known truth."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as distributions
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.multitest import multipletests

from reports.statistics import estimators
from reports.statistics.arms import Arm

DIFFERENCE = np.array([1.0, -1.0])


def search_rate(solved: np.ndarray, runs: np.ndarray) -> estimators.MeanEstimate:
    """The solve rate with searches as the units."""
    return estimators.search_mean(solved, runs, float(solved.sum()), (0.0, 1.0))


def run_rate(solved: int, runs: int) -> estimators.MeanEstimate:
    """The solve rate with runs as the units."""
    return estimators.run_mean(solved, runs, solved, (0.0, 1.0))


def correlated_counts(rate: float, correlation: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Sample the solved runs of 4 in each search, with this intraclass correlation."""
    size = 1 / correlation - 1
    return rng.binomial(4, rng.beta(rate * size, (1 - rate) * size, shape))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_published(successes, n, low, high):
    """Newcombe 1998, Statistics in Medicine 17:857, table I."""
    limits = estimators.wilson(np.array([successes]), np.array([n]), 0.95)
    assert np.concatenate(limits) == pytest.approx([low, high], abs=6e-5)


def test_cluster_t_of_one_stratum_is_welchs():
    a, b, runs = np.array([4, 2, 3, 0, 4]), np.array([1, 0, 3, 0, 1]), np.full(5, 4)
    ours = estimators.cluster_t([search_rate(x, runs) for x in (a, b)], DIFFERENCE)
    theirs = distributions.ttest_ind(a / 4, b / 4, equal_var=False)
    assert (ours.p, ours.df) == pytest.approx((theirs.pvalue, theirs.df))
    assert ours.interval(0.9)[1:] == pytest.approx(tuple(theirs.confidence_interval(0.9)))
    for margin in (-0.2, 0.0, 0.3):
        shifted = distributions.ttest_ind(a / 4, b / 4 + margin, equal_var=False, alternative="greater")
        assert ours.p_at_most(margin) == pytest.approx(shifted.pvalue)


@pytest.mark.parametrize("solved", [0, 4])
def test_variance_is_positive_where_all_searches_agree(solved):
    rate = search_rate(np.full(5, solved), np.full(5, 4))
    assert rate.mean == solved / 4
    assert rate.variance == pytest.approx((0.5 / 21) * (20.5 / 21) / 20)


def test_cluster_t_is_significant_for_20_of_20_against_0_of_20():
    """20 of 20 against 0 of 20 on three lags is a difference, though no search mean varies."""
    arms = [search_rate(np.full(5, solved), np.full(5, 4)) for solved in (4, 4, 4, 0, 0, 0)]
    fit = estimators.cluster_t(arms, np.repeat([1, -1], 3) / 3)
    assert fit.estimate == pytest.approx(1)
    assert fit.p < 1e-10
    assert 0.9 < fit.interval(0.9).low < 1


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.97])
@pytest.mark.parametrize("correlation", [0.05, 0.3, 0.9])
def test_cluster_t_holds_its_level_and_coverage(rate, correlation):
    """Three lags, 5 searches × 4 seeds, from nearly independent to perfectly correlated seeds."""
    rng = np.random.default_rng(3)
    solved, weights = correlated_counts(rate, correlation, (800, 6, 5), rng), np.repeat([1, -1], 3) / 3
    fits = [estimators.cluster_t([search_rate(arm, np.full(5, 4)) for arm in study], weights) for study in solved]
    assert np.mean([fit.p <= 0.05 for fit in fits]) < 0.07
    assert np.mean([fit.interval(0.9).low <= 0 <= fit.interval(0.9).high for fit in fits]) > 0.88


def test_runs_as_units_equal_searches_of_one_run():
    runs = np.array([1, 1, 0, 1, 0, 1])
    assert run_rate(4, 6) == pytest.approx(search_rate(runs, np.ones(6)))


def test_cluster_t_of_means_is_welchs_where_the_floor_does_not_bind():
    """Searches that differ widely: the floor does not bind."""
    rng = np.random.default_rng(6)
    a, b = (rng.uniform(0, 1, (5, 4)) * np.linspace(0.1, most, 5)[:, None] for most in (1.0, 0.6))
    rates = [estimators.search_mean(x.sum(1), np.full(5, 4), float((x**2).sum()), (0.0, 1.0)) for x in (a, b)]
    fit, theirs = (
        estimators.cluster_t(rates, DIFFERENCE),
        distributions.ttest_ind(a.mean(1), b.mean(1), equal_var=False),
    )
    assert (fit.p, fit.df) == pytest.approx((theirs.pvalue, theirs.df))


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-0.5, 0.5), (0.0, 4.6)])
def test_variance_floor_adds_half_a_run_at_each_bound(ends):
    """Twenty equal runs beside two that weigh half as much; their variance, by numpy, over the number of runs."""
    value = ends[0] + 0.8 * (ends[1] - ends[0])
    weights, values = np.array([1.0] * 20 + [0.5] * 2), np.array([value] * 20 + [*ends])
    expected = np.cov(values, aweights=weights, ddof=0) / 20
    ours = estimators.search_mean(np.full(5, 4 * value), np.full(5, 4), 20 * value**2, ends)
    assert (ours.mean, ours.variance) == pytest.approx((value, float(expected)))
    assert estimators.run_mean(20 * value, 20, 20 * value**2, ends).variance == pytest.approx(float(expected))


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(0.5, 3), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.floats(-0.9, 0.9))
def test_fieller_is_the_inverted_test(part, whole, s, t, correlation):
    """A ratio is in the interval exactly if part − ratio × whole is within `quantile` standard errors of 0."""
    both = correlation * s * t
    errors = [np.sqrt(s**2 + r**2 * t**2 - 2 * r * both) for r in (0, 1, -1)]
    fits = [estimators.ClusterT(part - r * whole, error, 10) for r, error in zip((0, 1, -1), errors, strict=True)]
    quantile = 1.8
    assume(abs(whole - quantile * t) > 1e-9)
    interval = estimators.fieller(*fits, quantile)
    assert (interval is None) == (whole <= quantile * t)
    if interval:
        assert interval.estimate == pytest.approx(part / whole)
        for end, outside in ((interval.low, -1), (interval.high, 1)):
            for step, inside in ((-1e-4 * outside, True), (1e-4 * outside, False)):
                r = end + step * max(1, abs(end))
                far = abs(part - r * whole) / np.sqrt(s**2 + r**2 * t**2 - 2 * r * both)
                assert (far < quantile) == inside


def test_fieller_interval_of_a_share_has_its_coverage():
    """Two correlated means of ten pairs, the denominator five standard errors from 0, the true share .6."""
    rng = np.random.default_rng(7)
    covered, defined = 0, 0
    for _ in range(1500):
        whole = rng.normal(1, 0.6, 10)
        part = 0.6 * whole + rng.normal(0, 0.3, 10)
        fits = []
        for r in (0.0, 1.0, -1.0):
            values = part - r * whole
            fits.append(estimators.ClusterT(values.mean(), values.std(ddof=1) / np.sqrt(10), 9))
        interval = estimators.fieller(*fits, fits[0].quantile(0.9))
        defined += interval is not None
        covered += interval is not None and interval.low <= 0.6 <= interval.high
    assert defined > 1450
    assert 0.88 < covered / defined < 0.93


@pytest.mark.parametrize("rate", [0.3, 0.6, 0.9])
def test_ratio_of_censored_means_holds_its_level(rate):
    """Steps to solve of two equal cells, censored at the budget: three lags, 5 correlated searches × 4 seeds."""
    rng = np.random.default_rng(8)
    weights = np.repeat([1, -1], 3) / 3
    rejected = []
    for _ in range(500):
        chance = rng.beta(3 * rate, 3 * (1 - rate), (6, 5, 1))
        shares = np.where(rng.random((6, 5, 4)) < chance, rng.uniform(0.1, 0.5, (6, 5, 4)), 1.0)
        arms = [Arm(x.sum(1), np.full(5, 4), float((x**2).sum()), (0.0, 1.0), cost=7.0).estimate for x in shares]
        fit = estimators.cluster_t(arms, weights)
        rejected.append(fit.p <= 0.05)
    assert np.mean(rejected) < 0.08


def test_interaction_holds_its_level():
    """Two groups of three lags, the cells .3 apart in both: the difference of the differences is 0."""
    rng = np.random.default_rng(5)
    weights = np.repeat([1, -1, -1, 1], 3) / 3
    solved = rng.binomial(20, np.repeat([0.9, 0.6, 0.7, 0.4], 3), (1000, 12))
    p = np.array([estimators.cluster_t([run_rate(x, 20) for x in row], weights).p for row in solved])
    assert np.mean(p <= 0.05) < 0.07
    assert np.mean(p <= 0.5) > 0.4


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_statsmodels(p):
    with mock.patch("gc.collect"):  # statsmodels collects garbage at every call, which takes seconds in a large process
        expected = multipletests(p, method="holm")[1] if p else []
    assert estimators.holm(p) == pytest.approx(list(expected))


def test_mean_interval():
    values = np.array([0.1, 0.4, 0.4, 0.9])
    expected = distributions.ttest_1samp(values, 0).confidence_interval(0.95)
    assert estimators.mean_interval(values, 0.95)[1:] == pytest.approx(tuple(expected))
    assert estimators.mean_interval(np.array([0.3]), 0.95) == (0.3, -np.inf, np.inf)
    assert estimators.mean_interval(np.full(3, 0.3), 0.95) == pytest.approx((0.3, 0.3, 0.3))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=30))
def test_kaplan_meier_is_statsmodels(runs):
    steps, censored = (np.array(column) for column in zip(*runs, strict=True))
    ours = estimators.kaplan_meier(steps, censored)
    theirs = SurvfuncRight(steps.astype(float), (~censored).astype(int))
    share = dict(zip(theirs.surv_times, 1 - theirs.surv_prob, strict=True))
    assert ours.solved == pytest.approx([share[step] for step in ours.steps])
    assert sorted(set(steps[~censored])) == list(ours.steps)
    assert np.all((ours.low <= ours.solved + 1e-9) & (ours.solved <= ours.high + 1e-9))
    half = [step for step, solved in zip(ours.steps, ours.solved, strict=True) if solved >= 0.5 - 1e-9]
    assert ours.median == (half[0] if half else None)


def test_kaplan_meier_of_no_and_of_all_solved_runs():
    unsolved = estimators.kaplan_meier(np.full(20, 3000), np.ones(20))
    assert (len(unsolved.steps), unsolved.median) == (0, None)
    all_solved = estimators.kaplan_meier(np.full(20, 100), np.zeros(20))
    assert all_solved.solved.tolist() == [1]
    assert all_solved.low[0] == pytest.approx(0.8389, abs=1e-4)  # Wilson at 20 of 20
    few = estimators.kaplan_meier(np.array([100] + [3000] * 19), np.array([False] + [True] * 19))
    assert (few.median, few.median_low, few.median_high) == (None, None, None)


def test_kaplan_meier_median_interval_has_its_coverage():
    """Exponential times censored at a budget of 3; the true median is ln 2."""
    rng = np.random.default_rng(4)
    times = rng.exponential(size=(400, 20))
    curves = [estimators.kaplan_meier(np.minimum(row, 3), row >= 3, 0.9) for row in times]
    covered = [(one.median_low or np.inf) <= np.log(2) <= (one.median_high or np.inf) for one in curves]
    assert np.mean(covered) > 0.86
