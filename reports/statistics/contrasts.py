"""From evidence to contrasts: which strata a comparison may use, what it measured there, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.format import percent
from reports.statistics import estimators as stats
from reports.statistics.arms import Arm, Evidence, Key, evidence
from reports.statistics.comparison import Compare
from reports.statistics.estimates import LEVEL, Estimate, apart, estimated
from reports.statistics.quantities import SOLVED
from reports.statistics.strata import Stratum, Where

__all__ = ["LEVEL", "Compare", "Contrast", "Estimate", "Evidence", "Measurement", "evidence", "measure", "outcome"]

FLOOR, CEILING = 0.05, 0.95  # share solved outside which a lag does not separate cells
STRATA = 3  # a difference on fewer lags may be the luck of a lag
TIE_SEEDS = 10  # on fewer, a is seldom "not worse" but for having been ahead by luck
HETEROGENEITY = 0.05  # a tie on average is no tie where one lag differs at this level (after Holm over the lags)


@dataclass(frozen=True)
class Contrast:
    """What one comparison found, on its natural scale: a − b in solve rate or score, or a / b as a ratio."""

    question: str  # "single_network − lstm on recall"
    a: str
    b: str
    tasks: tuple[str, ...]
    lags: tuple[Stratum, ...]  # the strata used
    effect: float | None  # mean over the strata used
    ci_low: float | None  # interval at LEVEL
    ci_high: float | None
    p: float | None  # two-sided, of "no difference", after Holm inside the claim
    seeds: int  # smallest number of confirmation seeds per (cell, stratum); 0 when missing
    outcome: str  # better | worse | equivalent | not worse | undecided | missing
    left_out: tuple[str, ...] = ()  # "recall lag 160: floor, 2 % of trials solved"
    measure: str = "solve rate"  # what is compared: solve rate, score, largest n, FLOPs to solve, state norm, ...
    scale: str = "difference"  # "difference", whose null is 0, or "ratio", whose null is 1
    matters: float = 0.2  # smallest difference, or factor, that matters


@dataclass(frozen=True)
class Measurement:
    """What a comparison measured, before it is known how many others there are."""

    compare: Compare
    absent: tuple[Where, ...] = ()  # the places of a side where the cells nowhere met
    strict: Estimate | None = None  # for better and worse: lags that everybody solves left out, they only dilute
    loose: Estimate | None = None  # for equivalent and not worse: they are kept, both can do it
    floors: tuple[str, ...] = ()
    ceilings: tuple[str, ...] = ()
    differing: tuple[Stratum, ...] = ()  # strata with a difference of their own

    @property
    def missing(self) -> bool:
        return bool(self.absent)

    def shown(self, outcome: str) -> Estimate | None:
        """What the outcome rests on."""
        return self.strict if outcome in ("better", "worse") else self.loose

    def grown(self, seeds: int) -> Measurement:
        strict, loose = (estimate and estimate.grown(seeds) for estimate in (self.strict, self.loose))
        return replace(self, strict=strict, loose=loose)


def measure(compare: Compare, evidence: Evidence) -> Measurement:
    """Choose the strata and estimate the difference on them.

    Strata where all of the cells were confirmed count. Whether a lag is informative is judged on the tuning trials of
    these cells together, so that confirmation data choose nothing; without tuning rows every lag is. In an interaction
    the side that is subtracted keeps lags that everybody solves: they show that there is no difference there. Of other
    quantities than the solve rate all lags are kept that anybody solves: cells may differ where all solve.
    """
    compare = _chosen(compare, evidence)
    arms = evidence.arms(compare.quantity)
    sizes = {stratum.size for cell, stratum in evidence.confirmed if cell in compare.cells}
    smallest = min((size for size in sizes if size is not None), default=None)
    named = compare.where, compare.minus
    sides = [_met(compare, places, evidence, arms, smallest) for places in named]
    absent = [place for places, side in zip(named, sides, strict=True) if not side for place in places]
    if absent:
        return Measurement(compare, tuple(absent))
    floors, ceilings = [], []
    met = sides[0] + sides[1]
    several = len({stratum.size for stratum in met}) > 1
    own = {stratum: [arms[term.cell, term.beside(stratum)] for term in compare.sum] for stratum in met}
    searched = any(min(len(arm.runs) for arm in side) > 1 for side in own.values())
    few = "only one search was confirmed" if compare.quantity is SOLVED else "known of one search only"
    hopeless, saturated = set(), set()
    for stratum in met:
        label = f"{stratum}" + (f" at size {stratum.size:g}" if several and stratum.size is not None else "")
        share = _share(compare, stratum, evidence) if compare.informative else None
        if compare.limits.inferred and searched and any(len(arm.runs) == 1 for arm in own[stratum]):
            hopeless.add(stratum)
            floors.append(f"{label}: {few}, its luck cannot be told from the cell's")
        elif compare.limits.inferred and compare.quantity is not SOLVED and any(arm.units == 1 for arm in own[stratum]):
            hopeless.add(stratum)
            floors.append(f"{label}: known of one network only")
        elif share is not None and share < FLOOR:
            hopeless.add(stratum)
            floors.append(f"{label}: floor, {percent(share)} of trials solved")
        elif share is not None and share > CEILING and stratum in sides[0] and compare.quantity is SOLVED:
            saturated.add(stratum)
            ceilings.append(f"{label}: ceiling, {percent(share)} of trials solved")
    loose = [[stratum for stratum in side if stratum not in hopeless] for side in sides]
    strict = [[stratum for stratum in side if stratum not in saturated] for side in loose]
    if not compare.limits.inferred:
        found, differing = apart(compare, loose[0], evidence)
        return Measurement(compare, loose=found, floors=tuple(floors), differing=differing)
    estimates = [estimated(compare, side, evidence) for side in (strict, loose)]
    differing = _differing(compare, loose[0], evidence)
    return Measurement(compare, (), estimates[0], estimates[1], tuple(floors), tuple(ceilings), differing)


def _chosen(compare: Compare, evidence: Evidence) -> Compare:
    """With the better of a and its rival, by the trials they solved while tuning where both were tuned."""
    if not compare.rival:
        return compare
    solved: dict[str, tuple[int, int]] = dict.fromkeys((compare.a, compare.rival), (0, 0))
    confirmed = {cell for cell, _ in evidence.confirmed}
    strata = {
        stratum
        for stratum, group in evidence.groups.items()
        if any((stratum, group) in place for place in compare.where)
    }
    for (cell, stratum), (won, trials) in evidence.tuned.items():
        if cell in solved and all((other, stratum) in evidence.tuned for other in solved) and stratum in strata:
            solved[cell] = solved[cell][0] + won, solved[cell][1] + trials
    rates = {cell: won / trials if trials else 0.0 for cell, (won, trials) in solved.items() if cell in confirmed}
    return replace(compare, a=max(rates, key=rates.__getitem__, default=compare.a))


def _met(
    compare: Compare, places: tuple[Where, ...], evidence: Evidence, arms: dict[Key, Arm], smallest: float | None
) -> list[Stratum]:
    sized = any(term.times is not None for term in compare.sum)
    return [
        stratum
        for stratum, group in evidence.groups.items()
        if any((stratum, group) in place for place in places)
        and (not sized or (smallest is not None and stratum.size == smallest))
        and all((term.cell, term.beside(stratum)) in arms for term in compare.sum)
    ]


def _share(compare: Compare, stratum: Stratum, evidence: Evidence) -> float | None:
    """Share of the cells' tuning trials that solved; None without tuning rows."""
    keys = {(term.cell, term.beside(stratum)) for term in compare.sum}
    counts = [evidence.tuned.get(key, (0, 0)) for key in keys]
    trials = sum(trials for _, trials in counts)
    return sum(solved for solved, _ in counts) / trials if trials else None


def _differing(compare: Compare, strata: Sequence[Stratum], evidence: Evidence) -> tuple[Stratum, ...]:
    """Asked only where a tie is symmetric: elsewhere a difference at one lag is what the interval is about."""
    low, high = compare.limits.tie or (0.0, -1.0)
    if compare.minus or low != -high or compare.limits.null:
        return ()
    alone = [estimate for stratum in strata if (estimate := estimated(compare, [[stratum], []], evidence))]
    adjusted = stats.holm([estimate.p for estimate in alone])
    return tuple(estimate.strata[0] for estimate, p in zip(alone, adjusted, strict=True) if p <= HETEROGENEITY)


def outcome(measurement: Measurement, p: float, alpha: float) -> str:
    """What may be said of a versus b, by the limits of the comparison.

    better, worse: the difference matters, the adjusted p ≤ α and the interval shown is on one side of the null.
    equivalent: the interval inside the band of a tie and no lag with a difference of its own. not worse: its lower end
    above that of the band (not said of an interaction, nor where worse is not asked). All need 3 lags. The last two also
    need 10 seeds, and runs that solve: two cells that both fail do not tie.

    :param p: of `strict`, adjusted inside the claim.
    """
    compare, strict, loose = measurement.compare, measurement.strict, measurement.loose
    limits = compare.limits
    if measurement.missing:
        return "missing"
    if not limits.inferred:
        return "equivalent" if loose and not measurement.differing else "undecided"
    if strict and strict.depth >= STRATA and p <= alpha:
        if strict.effect > limits.lead - 1e-9 and strict.low > limits.null:
            return "better"
        if strict.effect < limits.trail + 1e-9 and strict.high < limits.null:
            return "worse"
    solving = loose and (loose.share >= FLOOR or not compare.quantity.success)
    if limits.tie and loose and solving and loose.depth >= STRATA and loose.networks >= TIE_SEEDS:
        low, high = limits.tie
        if low < loose.low and loose.high < high and not measurement.differing:
            return "equivalent"
        if low < loose.low and limits.trail > -math.inf and not compare.minus:
            return "not worse"
    return "undecided"
