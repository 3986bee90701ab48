"""Estimates of contrasts: a weighted sum over arms with its interval and p value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reports.statistics import estimators
from reports.statistics.arms import Arm, Evidence, Key
from reports.statistics.comparison import Comparison, Term
from reports.statistics.strata import Stratum, widths

LEVEL = 0.95
"""Confidence level of every interval shown; “not worse” and ties are decided on the same intervals."""
MAX_LOG = 50.0  # logarithms of factors are clipped to ± this

Weights = Sequence[Mapping[Stratum, float]]
"""The strata of `where` and of `minus`, each with its weight in the contrast."""


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
    p_margins: tuple[float, float] = (
        1.0,
        1.0,
    )  # twice the one-sided p of not above the lower equivalence margin, and of not
    # below the upper one
    untrained: int = 0  # arms that count as unsolved without training
    arms: int = 0
    natural: estimators.Interval | None = None  # on the scale that is shown; None: the share is undefined


class _WeightedSum(NamedTuple):
    """Σ wᵢ xᵢ over arms."""

    arms: list[Arm]
    weights: np.ndarray

    @property
    def fewest_searches(self) -> int:
        """Of any arm; with a single one, the variance between searches is unknown."""
        return min(len(arm.runs) for arm in self.arms)

    @property
    def fit(self) -> estimators.ClusterT | None:
        """The estimate with its standard error; None where an arm has a single unit, whose variance is unknown."""
        if any(arm.n_units < 2 for arm in self.arms):
            return None
        return estimators.cluster_t([arm.estimate for arm in self.arms], self.weights)


def stratum_weights(comparison: Comparison, strata: Sequence[Stratum]) -> dict[Stratum, float]:
    """Return the weight of each stratum (task, lag, size) in a contrast: 1/n of n strata, for a mean.

    For a quantity `over_lags`, the reach, it is the width of the stratum's lag on the logarithmic axis of its task and size
    (`strata.widths`), divided by the number of pairs of task and size. The weighted sum of solve rates is then the area under
    the curve of solve rate against log lag, and its difference between two cells the logarithm of the ratio of their reaches.
    """
    if not comparison.quantity.over_lags:
        return dict.fromkeys(strata, 1 / len(strata)) if strata else {}
    lags: dict[tuple[str, float | None], list[float]] = {}
    for stratum in strata:
        lags.setdefault((stratum.task, stratum.size), []).append(stratum.lag)
    width = {key: widths(values) for key, values in lags.items()}
    return {stratum: width[stratum.task, stratum.size][stratum.lag] / len(lags) for stratum in strata}


def _weighted_sum(comparison: Comparison, sides: Weights, evidence: Evidence, share: float = 0.0) -> _WeightedSum:
    """Return the sum over `where` of the terms minus that over `minus`; of a share, of part − share × whole."""
    arms = evidence.arms(comparison.quantity, share if comparison.quantity.denominator else 0.0)
    whole = tuple(Term(-share * term.weight, *term[1:]) for term in comparison.denominator)
    weights: dict[Key, float] = {}
    for sign, side in zip((1, -1), sides, strict=True):
        for term in comparison.contrast_terms + whole:
            for stratum, weight in side.items():
                key = term.cell, term.stratum(stratum)
                weights[key] = weights.get(key, 0.0) + sign * term.weight * weight
    nonzero = {key: weight for key, weight in weights.items() if weight}
    return _WeightedSum([arms[key] for key in nonzero], np.array(list(nonzero.values())))


def estimate_contrast(comparison: Comparison, sides: Weights, evidence: Evidence) -> Estimate | None:
    """Return the estimated contrast; None without strata or where the variance is unknown.

    The units are searches; of an arm with a single search, its networks.
    """
    plus, minus = sides
    if not plus or (comparison.minus and not minus):
        return None
    null, strata = comparison.margins.null, (*plus, *minus)
    total = _weighted_sum(comparison, sides, evidence, 0.5 if comparison.is_share else 0.0)
    runs = np.array([arm.runs.sum() for arm in total.arms])
    fit = total.fit
    if fit is None:
        return None
    interval = fit.interval(LEVEL)
    if comparison.quantity.is_rate:
        low, high = (round(float(total.weights[sign * total.weights > 0].sum()), 9) for sign in (-1, 1))
        interval = estimators.Interval(*(min(max(limit, low), high) for limit in interval))
    keys = {(term.cell, term.stratum(stratum)) for term in comparison.contrast_terms for stratum in strata}
    confirmed = [evidence.confirmed[key] for key in keys]
    return Estimate(
        *interval,
        p=fit.p_value(null),
        strata=strata,
        n_lags=min(len({(stratum.task, stratum.lag) for stratum in side}) for side in sides if side),
        seeds=int(min(arm.runs.sum() for arm in confirmed)),
        networks=int(runs.sum() if comparison.quantity.subsampled else runs.min()),
        searches=total.fewest_searches,
        solve_rate=float(sum(arm.sums.sum() for arm in confirmed) / sum(arm.runs.sum() for arm in confirmed)),
        null=null,
        p_margins=_p_margins(comparison, fit),
        untrained=len(keys & evidence.untrained),
        arms=len(keys),
        natural=_natural_scale(comparison, sides, evidence, fit, interval),
    )


def _p_margins(comparison: Comparison, fit: estimators.ClusterT) -> tuple[float, float]:
    if comparison.margins.equivalence is None:
        return 1.0, 1.0
    low, high = comparison.margins.equivalence
    return 2 * fit.p_at_most(low), 2 * (1 - fit.p_at_most(high))


def _natural_scale(
    comparison: Comparison,
    sides: Weights,
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
