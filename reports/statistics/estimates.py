"""Estimates of contrasts: a weighted sum over arms with its interval and p value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats as distributions

from reports.statistics import estimators
from reports.statistics.arms import Arm, Evidence, Key
from reports.statistics.comparison import Comparison, Term
from reports.statistics.quantities import SOLVED
from reports.statistics.strata import Stratum

LEVEL = 0.90
"""Confidence level of every interval shown; ties are decided on the same intervals."""
LEVEL_QUANTILE = float(distributions.norm.ppf((1 + LEVEL) / 2))
"""Half width of an interval at LEVEL in standard errors of a normal distribution."""
MAX_LOG = 50.0  # logarithms of factors are clipped to ± this

Sides = Sequence[Sequence[Stratum]]
"""The strata of `where` and those of `minus`."""


class Estimate(NamedTuple):
    """An estimated contrast on the scale of its margins: a logarithm for a ratio, part − ½ × whole for a share."""

    effect: float
    low: float  # interval at LEVEL
    high: float
    p: float  # two-sided, of `null`
    strata: tuple[Stratum, ...]
    n_lags: int  # (task, lag) pairs, whatever the sizes; of the smaller side of an interaction
    seeds: int  # smallest number of confirmed networks per (cell, stratum)
    searches: int  # smallest number per (cell, stratum); 1: the interval excludes the variance between searches
    solve_rate: float  # of all networks of these arms
    networks: int = 0  # smallest number per (cell, stratum) with a known value; if subsampled, their total
    null: float = 0.0
    natural: estimators.Interval | None = None  # on the scale that is shown; None: the share is undefined

    def projected(self, seeds: int) -> Estimate:
        """Return the estimate expected at a larger number of seeds, if the effect and variance stay the same."""
        seeds = max(seeds, self.seeds)
        shrink = math.sqrt(self.seeds / seeds)
        stderr = shrink * (self.high - self.low) / (2 * LEVEL_QUANTILE)
        return self._replace(
            low=self.effect - shrink * (self.effect - self.low),
            high=self.effect + shrink * (self.high - self.effect),
            p=math.erfc(abs(self.effect - self.null) / max(stderr, 1e-12) / math.sqrt(2)),
            seeds=seeds,
            networks=self.networks * seeds // self.seeds,
        )


class _WeightedSum(NamedTuple):
    """Σ wᵢ xᵢ over arms."""

    arms: list[Arm]
    weights: np.ndarray

    @property
    def searches(self) -> int:
        return min(len(arm.runs) for arm in self.arms)

    @property
    def fit(self) -> estimators.ClusterT | None:
        """The estimate with its standard error; None where an arm has a single unit, whose variance is unknown."""
        if any(arm.n_units < 2 for arm in self.arms):
            return None
        return estimators.cluster_t([arm.estimate for arm in self.arms], self.weights)


def _weighted_sum(comparison: Comparison, sides: Sides, evidence: Evidence, share: float = 0.0) -> _WeightedSum:
    """Return the mean over `where` of the terms minus that over `minus`; of a share, of part − share × whole."""
    arms = evidence.arms(comparison.quantity, share if comparison.quantity.denominator else 0.0)
    whole = tuple(Term(-share * term.weight, *term[1:]) for term in comparison.denominator)
    weights: dict[Key, float] = {}
    for sign, side in zip((1, -1), sides, strict=True):
        for term in comparison.contrast_terms + whole:
            for stratum in side:
                key = term.cell, term.stratum(stratum)
                weights[key] = weights.get(key, 0.0) + sign * term.weight / len(side)
    nonzero = {key: weight for key, weight in weights.items() if weight}
    return _WeightedSum([arms[key] for key in nonzero], np.array(list(nonzero.values())))


def estimate_contrast(comparison: Comparison, sides: Sides, evidence: Evidence) -> Estimate | None:
    """Return the estimated contrast; None without strata or where the variance is unknown.

    The units are searches where every arm has several, else networks. Solve rates of networks are compared by MOVER
    intervals and a permutation test, everything else by the cluster t.
    """
    plus, minus = sides
    if not plus or (comparison.minus and not minus):
        return None
    null, strata = comparison.margins.null, (*plus, *minus)
    total = _weighted_sum(comparison, sides, evidence, 0.5 if comparison.is_share else 0.0)
    runs = np.array([arm.runs.sum() for arm in total.arms])
    fit = total.fit
    if comparison.quantity is SOLVED and total.searches == 1:
        solved = np.array([arm.sums.sum() for arm in total.arms])
        interval = estimators.mover(solved, runs, total.weights, LEVEL)
        if len(comparison.contrast_terms) == 2 and not minus:
            positive = total.weights > 0
            p = estimators.permutation_p(solved[positive], runs[positive], solved[~positive], runs[~positive])
        else:  # labels are not exchangeable under the null of an interaction, so there is no permutation test
            p = fit.p if fit else 1.0
    elif fit is None:
        return None
    else:
        interval, p = fit.interval(LEVEL), fit.p_value(null)
    if comparison.quantity is SOLVED:
        bound = round(float(np.abs(total.weights).sum() / 2), 9)
        interval = estimators.Interval(*(min(max(limit, -bound), bound) for limit in interval))
    keys = {(term.cell, term.stratum(stratum)) for term in comparison.contrast_terms for stratum in strata}
    confirmed = [evidence.confirmed[key] for key in keys]
    return Estimate(
        *interval,
        p=p,
        strata=strata,
        n_lags=min(len({(stratum.task, stratum.lag) for stratum in side}) for side in sides if side),
        seeds=int(min(arm.runs.sum() for arm in confirmed)),
        networks=int(runs.sum() if comparison.quantity.subsampled else runs.min()),
        searches=total.searches,
        solve_rate=float(sum(arm.sums.sum() for arm in confirmed) / sum(arm.runs.sum() for arm in confirmed)),
        null=null,
        natural=_natural_scale(comparison, sides, evidence, fit, interval),
    )


def _natural_scale(
    comparison: Comparison,
    sides: Sides,
    evidence: Evidence,
    fit: estimators.ClusterT | None,
    interval: estimators.Interval,
) -> estimators.Interval | None:
    """Return the interval on the scale that is shown: a factor, a share of the whole, or the difference itself."""
    if comparison.is_share:
        part, difference, total = (_weighted_sum(comparison, sides, evidence, share).fit for share in (0.0, 1.0, -1.0))
        if not (fit and part and difference and total):
            return None
        return estimators.fieller(part, difference, total, fit.quantile(LEVEL))
    return _factors(interval) if comparison.scale == "ratio" else interval


def _factors(logarithms: estimators.Interval) -> estimators.Interval:
    return estimators.Interval(*(math.exp(min(max(x, -MAX_LOG), MAX_LOG)) for x in logarithms))


def manipulation_check(
    comparison: Comparison, strata: Sequence[Stratum], evidence: Evidence
) -> tuple[Estimate | None, tuple[Stratum, ...]]:
    """Return the range of the contrast over strata, and the strata where it is outside the equivalence margin.

    Descriptive: the limits of the estimate are the smallest and largest stratum, its p is 1.
    """
    if not strata:
        return None, ()
    arms = evidence.arms(comparison.quantity)
    terms = comparison.contrast_terms
    parts = [[(term.weight, arms[term.cell, term.stratum(stratum)]) for term in terms] for stratum in strata]
    effects = [sum(weight * arm.mean for weight, arm in part) for part in parts]
    low, high = comparison.margins.equivalence or (0.0, 0.0)
    outside = tuple(stratum for stratum, effect in zip(strata, effects, strict=True) if not low <= effect <= high)
    seeds = min(int(arm.runs.sum()) for part in parts for _, arm in part)
    spread = estimators.Interval(float(np.mean(effects)), min(effects), max(effects))
    natural = _factors(spread) if comparison.scale == "ratio" else spread
    return Estimate(*spread, 1.0, tuple(strata), len(strata), seeds, 2, 1.0, seeds, natural=natural), outside
