"""From arms to estimates: a weighted sum over arms with its interval, p, and the numbers that a reader is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reports.statistics import estimators as stats
from reports.statistics.arms import Arm, Evidence, Key
from reports.statistics.comparison import Compare, Term
from reports.statistics.quantities import SOLVED
from reports.statistics.strata import Stratum

LEVEL = 0.90
"""Level of every interval shown: the one that ≈ and ≽ are decided on, so that what is shown cannot contradict it."""
LARGEST_LOG = 50.0  # a factor beyond e⁵⁰ is no number to show


class Estimate(NamedTuple):
    """A sum over arms, as its limits measure it: a ratio is a logarithm, a share is what is left above one half."""

    effect: float
    low: float
    high: float
    p: float  # of the limits' null
    strata: tuple[Stratum, ...]
    depth: int  # lags, counted once per task whatever the sizes; of the smaller side of an interaction
    seeds: int  # smallest number per (cell, stratum) that were confirmed
    searches: int  # smallest number per (cell, stratum); 1: the spread between searches is not in the interval
    share: float  # of the runs of these cells that solved
    networks: int = (
        0  # smallest number per (cell, stratum) that it is known of; of a quantity known of few, all of them
    )
    null: float = 0.0
    natural: stats.Interval | None = None  # effect, low and high as shown; None: no share of nothing

    def grown(self, seeds: int) -> Estimate:
        """The same difference as `seeds` seeds would show it, if it and its spread stay what they are."""
        seeds = max(seeds, self.seeds)
        shrink = math.sqrt(self.seeds / seeds)
        error = shrink * (self.high - self.low) / (2 * 1.645)  # 1.645: LEVEL of a normal distribution
        return self._replace(
            low=self.effect - shrink * (self.effect - self.low),
            high=self.effect + shrink * (self.high - self.effect),
            p=math.erfc(abs(self.effect - self.null) / max(error, 1e-12) / math.sqrt(2)),
            seeds=seeds,
            networks=self.networks * seeds // self.seeds,
        )


class _Sum(NamedTuple):
    """Σ wᵢ xᵢ over arms."""

    arms: list[Arm]
    weights: np.ndarray

    @property
    def searches(self) -> int:
        return min(len(arm.runs) for arm in self.arms)

    @property
    def fit(self) -> stats.ClusterT | None:
        """None where an arm has one run only: nothing is known of its spread."""
        return stats.cluster_t([arm.rate for arm in self.arms], self.weights) if self._spread else None

    @property
    def _spread(self) -> bool:
        return all(arm.units > 1 for arm in self.arms)


def _sum(compare: Compare, sides: Sequence[Sequence[Stratum]], evidence: Evidence, share: float = 0.0) -> _Sum:
    """The terms on the one side minus those on the other; of a question about a share, part − share × whole."""
    own = share if compare.quantity.whole else 0.0
    arms = evidence.arms(compare.quantity, own)
    weights: dict[Key, float] = {}
    for sign, side in zip((1, -1), sides, strict=True):
        for term in compare.sum + tuple(Term(-share * t.weight, *t[1:]) for t in compare.whole):
            for stratum in side:
                key = term.cell, term.beside(stratum)
                weights[key] = weights.get(key, 0.0) + sign * term.weight / len(side)
    used = {key: weight for key, weight in weights.items() if weight}
    return _Sum([arms[key] for key in used], np.array(list(used.values())))


def estimated(compare: Compare, sides: Sequence[Sequence[Stratum]], evidence: Evidence) -> Estimate | None:
    """Searches are the units where every arm has several, else runs."""
    plus, minus = sides
    if not plus or (compare.minus and not minus):
        return None
    null, strata = compare.limits.null, (*plus, *minus)
    total = _sum(compare, sides, evidence, 0.5 if compare.shares else 0.0)
    runs = np.array([arm.runs.sum() for arm in total.arms])
    fit = total.fit
    if compare.quantity is SOLVED and total.searches == 1:
        solved = np.array([arm.total.sum() for arm in total.arms])
        interval = stats.mover(solved, runs, total.weights, LEVEL)
        if len(compare.sum) == 2 and not minus:
            above = total.weights > 0
            p = stats.permutation_p(solved[above], runs[above], solved[~above], runs[~above])
        else:  # that two differences are equal does not make the cells exchangeable: no permutation
            p = fit.p if fit else 1.0
    elif fit is None:
        return None
    else:
        interval, p = fit.interval(LEVEL), fit.against(null)
    if compare.quantity is SOLVED:
        bound = round(float(np.abs(total.weights).sum() / 2), 9)
        interval = stats.Interval(*(min(max(end, -bound), bound) for end in interval))
    keys = {(term.cell, term.beside(stratum)) for term in compare.sum for stratum in strata}
    rates = [evidence.confirmed[key] for key in keys]
    return Estimate(
        *interval,
        p=p,
        strata=strata,
        depth=min(len({(stratum.task, stratum.lag) for stratum in side}) for side in sides if side),
        seeds=int(min(arm.runs.sum() for arm in rates)),
        networks=int(runs.sum() if compare.quantity.few else runs.min()),
        searches=total.searches,
        share=float(sum(arm.total.sum() for arm in rates) / sum(arm.runs.sum() for arm in rates)),
        null=null,
        natural=_natural(compare, sides, evidence, fit, interval),
    )


def _natural(
    compare: Compare,
    sides: Sequence[Sequence[Stratum]],
    evidence: Evidence,
    fit: stats.ClusterT | None,
    interval: stats.Interval,
) -> stats.Interval | None:
    """As a reader sees it: a factor, a share of the whole, or the difference itself."""
    if compare.shares:
        part, difference, total = (_sum(compare, sides, evidence, share).fit for share in (0.0, 1.0, -1.0))
        return (
            stats.fieller(part, difference, total, fit.quantile(LEVEL))
            if fit and part and difference and total
            else None
        )
    if compare.scale == "ratio":
        return _factors(interval)
    return interval


def _factors(interval: stats.Interval) -> stats.Interval:
    return stats.Interval(*(math.exp(min(max(x, -LARGEST_LOG), LARGEST_LOG)) for x in interval))


def apart(
    compare: Compare, strata: Sequence[Stratum], evidence: Evidence
) -> tuple[Estimate | None, tuple[Stratum, ...]]:
    """How far the cells are apart in each stratum, and where that is no tie: how they were made, so nothing is inferred."""
    if not strata:
        return None, ()
    arms = evidence.arms(compare.quantity)
    parts = [[(term.weight, arms[term.cell, term.beside(stratum)]) for term in compare.sum] for stratum in strata]
    offs = [sum(weight * arm.mean for weight, arm in own) for own in parts]
    low, high = compare.limits.tie or (0.0, 0.0)
    differing = tuple(stratum for stratum, off in zip(strata, offs, strict=True) if not low <= off <= high)
    seeds = min(int(arm.runs.sum()) for own in parts for _, arm in own)
    ends = stats.Interval(float(np.mean(offs)), min(offs), max(offs))
    natural = _factors(ends) if compare.scale == "ratio" else ends
    found = Estimate(*ends, 1.0, tuple(strata), len(strata), seeds, 2, 1.0, seeds, natural=natural)
    return found, differing
