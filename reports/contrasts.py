"""From rows to contrasts: which strata a comparison may use, what it measured there, and what may be said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports import stats
from reports.strata import Stratum, Where, group_at

LEVEL = 0.90
"""Level of every interval shown: the one that ≈ and ≽ are decided on, so that what is shown cannot contradict it."""
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
class Compare:
    """A question about two cells, declared before any run: is a better or worse than b, and where?"""

    name: str
    a: str
    b: str
    where: tuple[Where, ...]
    minus: tuple[Where, ...] = ()  # filled: an interaction, the difference on `where` minus the difference here
    informative: bool = True  # leave lags out that nobody, or everybody, solved while tuning

    @property
    def question(self) -> str:
        places = [" and ".join(str(place) for place in places) for places in (self.where, self.minus)]
        return f"{self.a} − {self.b} on {places[0]}" + (f" minus that on {places[1]}" if self.minus else "")


@dataclass(frozen=True)
class Arm:
    """The confirmation runs of one cell in one stratum."""

    solved: np.ndarray  # [searches]
    runs: np.ndarray  # [searches]

    @cached_property
    def rate(self) -> stats.Rate:
        return stats.search_rate(self.solved, self.runs)


class Evidence(NamedTuple):
    """The table, counted once."""

    confirmed: dict[tuple[str, Stratum], Arm]
    tuned: dict[tuple[str, Stratum], tuple[int, int]]  # trials solved, trials
    groups: dict[Stratum, str]


class Estimate(NamedTuple):
    """A difference in solve rates over some strata."""

    effect: float
    low: float
    high: float
    p: float
    strata: tuple[Stratum, ...]
    depth: int  # lags, counted once per task whatever the sizes; of the smaller side of an interaction
    seeds: int  # smallest number per (cell, stratum)
    searches: int  # smallest number per (cell, stratum); 1: the spread between searches is not in the interval
    share: float  # of the runs of both cells that solved

    def grown(self, seeds: int) -> Estimate:
        """The same difference as `seeds` seeds would show it, if it and its spread stay what they are."""
        shrink = math.sqrt(self.seeds / seeds)
        error = shrink * (self.high - self.low) / (2 * 1.645)  # 1.645: LEVEL of a normal distribution
        return self._replace(
            low=self.effect - shrink * (self.effect - self.low),
            high=self.effect + shrink * (self.high - self.effect),
            p=math.erfc(abs(self.effect) / error / math.sqrt(2)),
            seeds=seeds,
        )


@dataclass(frozen=True)
class Measurement:
    """What a comparison measured, before it is known how many others there are."""

    compare: Compare
    absent: tuple[Where, ...] = ()  # the places of a side where the two cells nowhere met
    strict: Estimate | None = None  # for better and worse: lags that everybody solves left out, they only dilute
    loose: Estimate | None = None  # for equivalent and not worse: they are kept, both can do it
    floors: tuple[str, ...] = ()
    ceilings: tuple[str, ...] = ()
    differing: tuple[Stratum, ...] = ()  # strata with a difference of their own

    @property
    def missing(self) -> bool:
        return bool(self.absent)

    def grown(self, seeds: int) -> Measurement:
        strict, loose = (estimate and estimate.grown(seeds) for estimate in (self.strict, self.loose))
        return replace(self, strict=strict, loose=loose)


def evidence(results: pd.DataFrame) -> Evidence:
    """Count solved runs per (phase, cell, stratum, search). A diverged run is an unsolved one.

    :param results: as `tables.read` returns it; `search` and `size` may be missing.
    """
    table = results[["phase", "cell", "task", "lag", "group"]].copy()
    for optional in ("size", "search"):
        table[optional] = results.get(optional, np.nan)
    table["solved"] = results["solved"].to_numpy(dtype=bool) & ~results["diverged"].to_numpy(dtype=bool)
    keys = ["phase", "cell", "task", "lag", "size", "group", "search"]
    counts = table.groupby(keys, dropna=False, sort=True)["solved"].agg(["sum", "count"])
    confirmed: dict[tuple[str, Stratum], tuple[list[int], list[int]]] = {}
    tuned: dict[tuple[str, Stratum], tuple[int, int]] = {}
    groups: dict[Stratum, str] = {}
    for key, solved, runs in zip(counts.index, counts["sum"], counts["count"], strict=True):
        phase, cell, task, lag, size, group, _ = key
        stratum = Stratum(task, lag, None if math.isnan(size) else size)
        groups[stratum] = group_at(group, stratum)
        if phase == "confirm":
            arm = confirmed.setdefault((cell, stratum), ([], []))
            arm[0].append(solved)
            arm[1].append(runs)
        else:
            before = tuned.get((cell, stratum), (0, 0))
            tuned[cell, stratum] = before[0] + solved, before[1] + runs
    arms = {key: Arm(np.array(solved), np.array(runs)) for key, (solved, runs) in confirmed.items()}
    return Evidence(arms, tuned, groups)


def measure(compare: Compare, evidence: Evidence) -> Measurement:
    """Choose the strata and estimate the difference on them.

    Strata where both cells were confirmed count. Whether a lag is informative is judged on the tuning trials of the
    two cells together, so that confirmation data choose nothing; without tuning rows every lag is. In an interaction
    the side that is subtracted keeps lags that everybody solves: they show that there is no difference there.
    """
    named = compare.where, compare.minus
    sides = [_met(compare, places, evidence) for places in named]
    absent = [place for places, side in zip(named, sides, strict=True) if not side for place in places]
    if absent:
        return Measurement(compare, tuple(absent))
    floors, ceilings = [], []
    met = sides[0] + sides[1]
    several = len({stratum.size for stratum in met}) > 1
    searched = any(_searches(compare, stratum, evidence) > 1 for stratum in met)
    hopeless, saturated = set(), set()
    for stratum in met:
        label = f"{stratum}" + (f" at size {stratum.size:g}" if several and stratum.size is not None else "")
        share = _share(compare, stratum, evidence) if compare.informative else None
        if searched and _searches(compare, stratum, evidence) == 1:
            hopeless.add(stratum)
            floors.append(f"{label}: only one search was confirmed, its luck cannot be told from the cell's")
        elif share is not None and share < FLOOR:
            hopeless.add(stratum)
            floors.append(f"{label}: floor, {share:.0%} of trials solved".replace("%", " %"))
        elif share is not None and share > CEILING and stratum in sides[0]:
            saturated.add(stratum)
            ceilings.append(f"{label}: ceiling, {share:.0%} of trials solved".replace("%", " %"))
    loose = [[stratum for stratum in side if stratum not in hopeless] for side in sides]
    strict = [[stratum for stratum in side if stratum not in saturated] for side in loose]
    estimates = [_estimate(compare, side, evidence) for side in (strict, loose)]
    return Measurement(
        compare, (), estimates[0], estimates[1], tuple(floors), tuple(ceilings), _differing(compare, loose, evidence)
    )


def _met(compare: Compare, places: tuple[Where, ...], evidence: Evidence) -> list[Stratum]:
    return [
        stratum
        for stratum, group in evidence.groups.items()
        if any((stratum, group) in place for place in places)
        and (compare.a, stratum) in evidence.confirmed
        and (compare.b, stratum) in evidence.confirmed
    ]


def _searches(compare: Compare, stratum: Stratum, evidence: Evidence) -> int:
    return min(len(evidence.confirmed[cell, stratum].runs) for cell in (compare.a, compare.b))


def _share(compare: Compare, stratum: Stratum, evidence: Evidence) -> float | None:
    """Share of the two cells' tuning trials that solved; None without tuning rows."""
    counts = [evidence.tuned.get((cell, stratum), (0, 0)) for cell in (compare.a, compare.b)]
    trials = sum(trials for _, trials in counts)
    return sum(solved for solved, _ in counts) / trials if trials else None


def _estimate(compare: Compare, sides: list[list[Stratum]], evidence: Evidence) -> Estimate | None:
    """Searches are the units where every arm has several, else runs."""
    plus, minus = sides
    if not plus or (compare.minus and not minus):
        return None
    sign = {stratum: 1 / len(plus) for stratum in plus} | {stratum: -1 / len(minus) for stratum in minus}
    strata = tuple(sign)
    a, b = ([evidence.confirmed[cell, stratum] for stratum in strata] for cell in (compare.a, compare.b))
    weights = np.array([sign[stratum] for stratum in strata] + [-sign[stratum] for stratum in strata])
    runs = np.array([arm.runs.sum() for arm in a + b])
    searches = min(len(arm.runs) for arm in a + b)
    if searches > 1:
        fit = stats.cluster_t([arm.rate for arm in a + b], weights)
        interval, p = fit.interval(LEVEL), fit.p
    else:
        solved, half = np.array([arm.solved.sum() for arm in a + b]), len(strata)
        interval = stats.mover(solved, runs, weights, LEVEL)
        if not minus:
            p = stats.permutation_p(solved[:half], runs[:half], solved[half:], runs[half:])
        elif runs.min() > 1:  # that two differences are equal does not make the cells exchangeable: no permutation
            p = stats.cluster_t([stats.run_rate(x, n) for x, n in zip(solved, runs, strict=True)], weights).p
        else:
            p = 1.0
    bound = 2 if minus else 1
    low, high = max(interval.low, -bound), min(interval.high, bound)
    depth = min(len({(stratum.task, stratum.lag) for stratum in side}) for side in sides if side)
    share = float(sum(arm.solved.sum() for arm in a + b) / runs.sum())
    return Estimate(interval.estimate, low, high, p, strata, depth, int(runs.min()), searches, share)


def _differing(compare: Compare, sides: list[list[Stratum]], evidence: Evidence) -> tuple[Stratum, ...]:
    if compare.minus:
        return ()
    alone = [estimate for stratum in sides[0] if (estimate := _estimate(compare, [[stratum], []], evidence))]
    adjusted = stats.holm([estimate.p for estimate in alone])
    return tuple(estimate.strata[0] for estimate, p in zip(alone, adjusted, strict=True) if p <= HETEROGENEITY)


def outcome(measurement: Measurement, p: float, alpha: float, delta: float) -> str:
    """What may be said of a versus b.

    better, worse: |d| ≥ Δ, the adjusted p ≤ α and the interval shown on one side of 0. equivalent: the interval
    inside ±Δ and no lag with a difference of its own. not worse: its lower end above −Δ (not said of an
    interaction). All need 3 lags. The last two also need 10 seeds, and runs that solve: two cells that both fail do not tie.

    :param p: of `strict`, adjusted inside the claim.
    """
    strict, loose = measurement.strict, measurement.loose
    if measurement.missing:
        return "missing"
    if strict and strict.depth >= STRATA and abs(strict.effect) > delta - 1e-9 and p <= alpha:
        if strict.low > 0:
            return "better"
        if strict.high < 0:
            return "worse"
    if loose and loose.depth >= STRATA and loose.seeds >= TIE_SEEDS and loose.share >= FLOOR:
        if -delta < loose.low and loose.high < delta and not measurement.differing:
            return "equivalent"
        if -delta < loose.low and not measurement.compare.minus:
            return "not worse"
    return "undecided"
