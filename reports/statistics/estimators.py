"""Estimators: pure functions of counts, no tables and no rules.

Everything is about a weighted sum of solve rates (or of means of another quantity), Σ wᵢ pᵢ: a mean over lags of
differences has the weights 1/S and −1/S, the difference of two such means has both. Two sources of luck are kept apart: between seeds (`mover`,
`permutation_p`) and between independent tuning searches (`search_rate`, `cluster_t`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special
from scipy import stats as distributions
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.proportion import proportion_confint


class Interval(NamedTuple):
    """An estimate and its two-sided confidence limits."""

    estimate: float
    low: float
    high: float


class KaplanMeier(NamedTuple):
    """Share of runs solved by a step: a rising staircase, its pointwise band and the median step."""

    steps: np.ndarray  # [events] steps at which somebody solved, ascending
    solved: np.ndarray  # [events] share solved by then, in (0, 1]
    low: np.ndarray
    high: np.ndarray
    median: float | None  # None: fewer than half solved within the budget
    median_low: float | None
    median_high: float | None


def wilson(successes: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Score interval of a proportion (Wilson 1927): never empty at 0 of n or n of n.

    :param successes, n: counts of equal shape, n ≥ 1.
    :returns: lower and upper limits, of that shape, in [0, 1].
    """
    low, high = proportion_confint(np.asarray(successes), np.asarray(n), alpha=1 - level, method="wilson")
    return np.asarray(low), np.asarray(high)


def mover(successes: np.ndarray, n: np.ndarray, weights: np.ndarray, level: float) -> Interval:
    """Interval for Σ wᵢ pᵢ from Wilson limits of each pᵢ (Newcombe 1998; Zou & Donner 2008; Zou, Huang & Zhang 2009).

    MOVER: the method of variance estimates recovery. Each limit moves every rate from its estimate to the Wilson
    limit that pulls the sum the same way, and adds the moves in quadrature. Independent runs are assumed. For display:
    it is not inverted into a p value, because far in the tails Wilson limits are too narrow (of true nulls at a rate of
    .5, 12 arms of 20, it would reject .0054 at a level of .0013).

    :param successes, n, weights: [arms], n ≥ 1.
    """
    rates = successes / n
    low, high = wilson(successes, n, level)
    down = np.where(weights > 0, rates - low, high - rates)
    up = np.where(weights > 0, high - rates, rates - low)
    estimate = float(weights @ rates)
    return Interval(
        estimate, estimate - float(np.hypot.reduce(weights * down)), estimate + float(np.hypot.reduce(weights * up))
    )


def permutation_p(a: np.ndarray, n_a: np.ndarray, b: np.ndarray, n_b: np.ndarray) -> float:
    """Exact two-sided p for the mean over strata of a/n_a − b/n_b, labels permuted within each stratum.

    Given the m solved runs of a stratum, how many belong to a is hypergeometric (Fisher 1935); the strata are
    convolved, so nothing is sampled. p is the probability of a mean at least as far from 0 as the observed one.
    With one stratum of equal sizes this is Fisher's exact test.

    :param a, n_a, b, n_b: [strata] solved runs and runs of the two cells.
    """
    values, masses = np.zeros(1), np.ones(1)
    for x, n, y, m in zip(a, n_a, b, n_b, strict=True):
        difference, mass = _stratum(int(x + y), int(n), int(m))
        values, where = np.unique(np.round(np.add.outer(values, difference), 6), return_inverse=True)
        masses = np.bincount(where.ravel(), np.multiply.outer(masses, mass).ravel())
    observed = float(np.sum(np.asarray(a) / n_a - np.asarray(b) / n_b))
    return min(1.0, float(masses[np.abs(values) >= abs(observed) - 1e-5].sum()))


@cache
def _stratum(solved: int, n_a: int, n_b: int) -> tuple[np.ndarray, np.ndarray]:
    """Differences in rate that `solved` runs dealt to n_a + n_b places can give, and their probabilities."""
    x = np.arange(max(0, solved - n_b), min(n_a, solved) + 1)
    log_mass = _log_choose(n_a, x) + _log_choose(n_b, solved - x) - _log_choose(n_a + n_b, np.asarray(solved))
    return x / n_a - (solved - x) / n_b, np.exp(log_mass)


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


class ClusterT(NamedTuple):
    """An estimate with the standard error and degrees of freedom of its t distribution."""

    estimate: float
    error: float
    freedom: float

    @property
    def p(self) -> float:
        """Two-sided p of 0."""
        return self.against(0.0)

    def against(self, null: float) -> float:
        """Two-sided p of another value."""
        return float(2 * special.stdtr(self.freedom, -abs(self.estimate - null) / self.error))

    def quantile(self, level: float) -> float:
        """How many standard errors from the estimate an interval ends."""
        return float(special.stdtrit(self.freedom, (1 + level) / 2))

    def interval(self, level: float) -> Interval:
        half = self.quantile(level) * self.error
        return Interval(self.estimate, self.estimate - half, self.estimate + half)


class Rate(NamedTuple):
    """An arm's solve rate, or mean, the variance of that estimate and its degrees of freedom."""

    rate: float
    variance: float
    freedom: int


def search_mean(total: np.ndarray, runs: np.ndarray, squares: float, ends: tuple[float, float]) -> Rate:
    """With searches as the units: the mean over them of the mean of their runs, variance s²/K.

    Few searches can agree by chance (five at 4 of 4 have variance 0, and are no proof that a sixth would solve). The
    variance is floored by that of runs when half a run is added at either end of what is possible. Of rates, which
    cannot vary less than coin flips do, this is the binomial one at the rate of Jeffreys' prior, (x + ½)/(n + 1): at 20
    of 20 the standard error is 0.034, not 0.

    :param total, runs: [searches], at least 2 of them: the sum over the runs of each, and their number.
    :param squares: sum of squares over all runs.
    :param ends: between which a further run would lie.
    """
    means = total / runs
    floor = _floor(total.sum(), squares, runs.sum(), ends)
    return Rate(float(means.mean()), float(max(means.var(ddof=1) / len(means), floor)), len(means) - 1)


def run_mean(total: float, runs: int, squares: float, ends: tuple[float, float]) -> Rate:
    """With runs as the units, where there are no searches to tell apart; the same floor.

    :param runs: at least 2.
    """
    mean = total / runs
    own = (squares / runs - mean**2) / (runs - 1)
    return Rate(mean, max(own, _floor(total, squares, runs, ends)), runs - 1)


def _floor(total: float, squares: float, runs: int, ends: tuple[float, float]) -> float:
    mean = (total + sum(ends) / 2) / (runs + 1)
    return ((squares + (ends[0] ** 2 + ends[1] ** 2) / 2) / (runs + 1) - mean**2) / runs


def search_rate(solved: np.ndarray, runs: np.ndarray) -> Rate:
    """`search_mean` of what is 0 or 1.

    :param solved, runs: [searches], at least 2 of them.
    """
    return search_mean(solved, runs, float(solved.sum()), (0.0, 1.0))


def run_rate(solved: int, runs: int) -> Rate:
    """`run_mean` of what is 0 or 1."""
    return run_mean(solved, runs, solved, (0.0, 1.0))


def cluster_t(arms: Sequence[Rate], weights: np.ndarray) -> ClusterT:
    """Σ wᵢ pᵢ with the units of `arms`, independent searches as a rule (Donner & Klar 2000, cluster means).

    Every arm has units of its own, so the variances of the sum add, Σ wᵢ² vᵢ, with the degrees of freedom of
    Satterthwaite 1946. That pools over strata without supposing that their variances are equal.

    Simulated (5 searches × 4 seeds, 3 to 6 strata, base rates .5 to .97, any correlation within a search): at a level
    of .05 / .0125 / .0038 it rejects at most .048 / .012 / .004 of true nulls; 90 % intervals cover at least .90.
    With 2 searches this fails where a search is all or nothing (.03 at a level of .0125). With runs as the units and
    12 arms of 20 runs it rejects at most .049 / .0125 / .004.

    :param weights: [arms], not all 0.
    """
    rates, variances, freedoms = (np.array(column) for column in zip(*arms, strict=True))
    parts = weights**2 * variances
    freedom = parts.sum() ** 2 / (parts**2 / freedoms).sum()
    return ClusterT(float(weights @ rates), float(np.sqrt(parts.sum())), float(freedom))


def fieller(part: ClusterT, difference: ClusterT, total: ClusterT, quantile: float) -> Interval | None:
    """Interval of the ratio P/W of two correlated estimates (Fieller 1954); None where W is not clearly above 0.

    A ratio r is inside where P − rW is less than `quantile` standard errors from 0: a quadratic in r.

    :param part, difference, total: P, P − W and P + W, whose variances give that of W and the covariance.
    """
    whole = part.estimate - difference.estimate
    of_part, plus, minus = part.error**2, total.error**2, difference.error**2
    of_whole, both = max((plus + minus) / 2 - of_part, 0.0), (plus - minus) / 4
    a = whole**2 - quantile**2 * of_whole
    if a <= 0 or whole <= 0:
        return None
    b, c = whole * part.estimate - quantile**2 * both, part.estimate**2 - quantile**2 * of_part
    half = np.sqrt(max(b**2 - a * c, 0.0))
    return Interval(part.estimate / whole, float((b - half) / a), float((b + half) / a))


def holm(p: Sequence[float]) -> list[float]:
    """p values adjusted for their number (Holm 1979), in the order given.

    Five lines of our own, because statsmodels' multipletests runs the garbage collector at every call (40 ms).
    """
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def mean_interval(values: np.ndarray, level: float) -> Interval:
    """Mean with its t interval (Student 1908). One value has no spread: its limits are infinite.

    :param values: [runs], at least one.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, -np.inf, np.inf)
    half = float(distributions.t.ppf((1 + level) / 2, len(values) - 1) * distributions.sem(values))
    return Interval(mean, mean - half, mean + half)


def kaplan_meier(steps: np.ndarray, censored: np.ndarray, level: float = 0.95) -> KaplanMeier:
    """Share solved by each step where the budget cuts the unsolved off (Kaplan & Meier 1958).

    The band is Wilson's at the effective number of runs that Greenwood's variance implies (Rothman 1978), so that it
    keeps a width where nobody or everybody solved. The median's limits are where the band crosses one half
    (Brookmeyer & Crowley 1982); what lies beyond the last solved run is None.

    :param steps: [runs] step at which a run solved, or its budget where censored.
    :param censored: [runs] true where it did not solve.
    """
    events = ~np.asarray(censored, dtype=bool)
    if not events.any():
        nothing = np.empty(0)
        return KaplanMeier(nothing, nothing, nothing, nothing, None, None, None)
    curve = SurvfuncRight(np.asarray(steps, dtype=float), events.astype(int))
    reached = np.asarray(curve.n_events) > 0
    times, error = np.asarray(curve.surv_times)[reached], np.asarray(curve.surv_prob_se)[reached]
    solved = 1 - np.asarray(curve.surv_prob)[reached]
    spread = np.isfinite(error) & (error > 0) & (solved < 1)
    runs = np.full(len(solved), float(len(events)))
    runs[spread] = (solved * (1 - solved))[spread] / error[spread] ** 2
    low, high = wilson(solved * runs, runs, level)
    return KaplanMeier(times, solved, low, high, *(_crossing(times, share) for share in (solved, high, low)))


def _crossing(steps: np.ndarray, share: np.ndarray) -> float | None:
    """First step by which half have solved."""
    above = np.flatnonzero(share >= 0.5 - 1e-12)
    return float(steps[above[0]]) if len(above) else None
