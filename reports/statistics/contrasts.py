"""Measured contrasts: the strata that a comparison uses, its estimates there, and the outcome that they support."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reports.format import count
from reports.statistics import estimators
from reports.statistics.arms import Arm, Evidence, Key, evidence
from reports.statistics.comparison import Comparison
from reports.statistics.estimates import LEVEL, Estimate, estimate_contrast, manipulation_check, stratum_weights
from reports.statistics.strata import Stratum, Where

__all__ = [
    "LEVEL",
    "Comparison",
    "Contrast",
    "Estimate",
    "Evidence",
    "Measurement",
    "evidence",
    "measure",
    "outcome",
    "p_values",
]

FLOOR = 0.05  # solve rate below which two cells do not tie: both fail
HALF = 0.5  # solve rate at a cell's limit
MIN_LAGS = 3  # smallest number of lags for an outcome: an effect at fewer may not generalise over lags
MIN_SEARCHES = 5  # smallest number of searches for an outcome: seeds of one search are nearly copies of each other
TIE_SEEDS = 10  # smallest number of seeds for a tie or "not worse"
HETEROGENEITY = 0.05  # level of the test of each stratum (after Holm) that excludes a tie


@dataclass(frozen=True)
class Contrast:
    """The result of one comparison on its natural scale: a − b, or a / b for a ratio."""

    question: str  # "single_network − lstm on recall"
    a: str
    b: str
    tasks: tuple[str, ...]
    lags: tuple[Stratum, ...]  # the strata used
    effect: float | None  # mean over the strata used, or factor between reaches
    ci_low: float | None  # interval at LEVEL
    ci_high: float | None
    p: float | None  # two-sided, of "no difference"; times the number of alternatives where one of several is enough
    seeds: int  # smallest number of confirmation seeds per (cell, stratum); 0 when missing
    outcome: str  # better | worse | equivalent | not worse | saturated | undecided | missing
    left_out: tuple[str, ...] = ()  # excluded strata with the reason: "recall lag 160: no trial solved it"
    measure: str = "solve rate"  # the quantity: solve rate, score, largest n, FLOPs to solve, ...
    scale: str = "difference"  # "difference", whose null is 0, or "ratio", whose null is 1
    matters: float = 2.0  # smallest difference, factor or share of interest


@dataclass(frozen=True)
class Measurement:
    """The estimate of one comparison, before it is judged."""

    comparison: Comparison
    missing_places: tuple[Where, ...] = ()  # where no stratum has all of the cells
    estimate: Estimate | None = None  # None: no informative stratum, or the variance is unknown
    n_lags: int = 0  # lags that were run, of the smaller side; those that no cell solved count as differences of 0
    excluded: tuple[str, ...] = ()  # strata that are not in the estimate, with the reason
    better_at: tuple[Stratum, ...] = ()  # strata at which a is significantly better by itself
    worse_at: tuple[Stratum, ...] = ()  # strata at which a is significantly worse; outside the margins, of a check
    reference_rates: tuple[float, float] | None = (
        None  # solve rates of the reference at the shortest and the longest lag
    )

    @property
    def missing(self) -> bool:
        return bool(self.missing_places)

    @property
    def saturated(self) -> bool:
        """Whether the reference still solves half at the longest lag, so that its limit is unknown."""
        return self.reference_rates is not None and self.reference_rates[1] >= HALF


def measure(comparison: Comparison, evidence: Evidence) -> Measurement:
    """Select the strata and estimate the contrast on them.

    A stratum needs confirmed networks of all cells. One that no cell solved in any tuning trial is left out: no cell can
    be better there, and no selection depends on confirmation data. Without tuning rows, every stratum counts.
    """
    comparison = _with_better_rival(comparison, evidence)
    arms = evidence.arms(comparison.quantity)
    sizes = {stratum.size for cell, stratum in evidence.confirmed if cell in comparison.cells}
    smallest = min((size for size in sizes if size is not None), default=None)
    places = comparison.where, comparison.minus
    sides = [_shared_strata(comparison, side, evidence, arms, smallest) for side in places]
    missing = [place for side, strata in zip(places, sides, strict=True) if not strata for place in side]
    if missing:
        return Measurement(comparison, tuple(missing))
    excluded = _excluded(comparison, sides[0] + sides[1], evidence, arms)
    reasons = tuple(excluded.values())
    if not comparison.margins.inferential:
        kept = [stratum for stratum in sides[0] if stratum not in excluded]
        estimate, outside = manipulation_check(comparison, kept, evidence)
        return Measurement(comparison, estimate=estimate, excluded=reasons, worse_at=outside)
    weights = [
        {stratum: weight for stratum, weight in stratum_weights(comparison, side).items() if stratum not in excluded}
        for side in sides
    ]
    better_at, worse_at = _significant_strata(comparison, weights[0], evidence)
    return Measurement(
        comparison,
        estimate=estimate_contrast(comparison, weights, evidence),
        n_lags=min(len({(stratum.task, stratum.lag) for stratum in side}) for side in sides if side),
        excluded=reasons,
        better_at=better_at,
        worse_at=worse_at,
        reference_rates=_reference_rates(comparison, sides[0], evidence),
    )


def _with_better_rival(comparison: Comparison, evidence: Evidence) -> Comparison:
    """Replace a by its rival if that solved more of its tuning trials in the strata where both were tuned."""
    if not comparison.rival:
        return comparison
    counts: dict[str, tuple[int, int]] = dict.fromkeys((comparison.a, comparison.rival), (0, 0))
    confirmed = {cell for cell, _ in evidence.confirmed}
    strata = {
        stratum
        for stratum, group in evidence.groups.items()
        if any((stratum, group) in place for place in comparison.where)
    }
    for (cell, stratum), (solved, trials) in evidence.tuned.items():
        if cell in counts and all((other, stratum) in evidence.tuned for other in counts) and stratum in strata:
            counts[cell] = counts[cell][0] + solved, counts[cell][1] + trials
    rates = {cell: solved / trials if trials else 0.0 for cell, (solved, trials) in counts.items() if cell in confirmed}
    return replace(comparison, a=max(rates, key=rates.__getitem__, default=comparison.a))


def _shared_strata(
    comparison: Comparison, places: tuple[Where, ...], evidence: Evidence, arms: dict[Key, Arm], smallest: float | None
) -> list[Stratum]:
    """Return the strata in these places, at the smallest size, with the arms of all terms."""
    return [
        stratum
        for stratum, group in evidence.groups.items()
        if any((stratum, group) in place for place in places)
        and stratum.size == smallest
        and all((term.cell, term.stratum(stratum)) in arms for term in comparison.contrast_terms)
    ]


def _excluded(
    comparison: Comparison, shared: Sequence[Stratum], evidence: Evidence, arms: dict[Key, Arm]
) -> dict[Stratum, str]:
    """Return the strata to leave out, each with the reason."""
    several_sizes = len({stratum.size for stratum in shared}) > 1
    arms_by_stratum = {s: [arms[term.cell, term.stratum(s)] for term in comparison.contrast_terms] for s in shared}
    searched = any(min(len(arm.runs) for arm in there) >= MIN_SEARCHES for there in arms_by_stratum.values())
    inferential, is_rate = comparison.margins.inferential, comparison.quantity.is_rate
    excluded = {}
    for stratum, arms_there in arms_by_stratum.items():
        size = f" at size {stratum.size:g}" if several_sizes and stratum.size is not None else ""
        searches = min(len(arm.runs) for arm in arms_there)
        if inferential and searched and searches < MIN_SEARCHES:
            done = "confirmed" if is_rate else "measured"
            excluded[stratum] = f"{stratum}{size}: {done} in {count(searches, 'search', 'searches')} only"
        elif inferential and not is_rate and any(arm.n_units == 1 for arm in arms_there):
            excluded[stratum] = f"{stratum}{size}: measured in one network only"
        elif comparison.informative_only and _trials_solved(comparison, stratum, evidence) == 0:
            excluded[stratum] = f"{stratum}{size}: no tuning trial of any of these cells solved it"
    return excluded


def _trials_solved(comparison: Comparison, stratum: Stratum, evidence: Evidence) -> int | None:
    """Return how many of the cells' tuning trials solved the stratum; None without tuning rows."""
    keys = {(term.cell, term.stratum(stratum)) for term in comparison.contrast_terms}
    counts = [evidence.tuned.get(key, (0, 0)) for key in keys]
    return sum(solved for solved, _ in counts) if all(trials for _, trials in counts) else None


def _reference_rates(
    comparison: Comparison, strata: Sequence[Stratum], evidence: Evidence
) -> tuple[float, float] | None:
    """Return the lowest solve rate of the reference at the shortest lag of a task, and the highest at the longest lag."""
    if not comparison.reference:
        return None
    lags: dict[tuple[str, float | None], list[Stratum]] = {}
    for stratum in strata:
        lags.setdefault((stratum.task, stratum.size), []).append(stratum)
    term = next(term for term in comparison.contrast_terms if term.cell == comparison.reference)
    ends = [(min(there, key=_lag), max(there, key=_lag)) for there in lags.values()]
    rates = [[evidence.confirmed[term.cell, term.stratum(end)].mean for end in pair] for pair in ends]
    return min(first for first, _ in rates), max(last for _, last in rates)


def _lag(stratum: Stratum) -> float:
    return stratum.lag


def _significant_strata(
    comparison: Comparison, weights: Mapping[Stratum, float], evidence: Evidence
) -> tuple[tuple[Stratum, ...], tuple[Stratum, ...]]:
    """Return the strata at which a is significantly better and worse by itself; none unless the equivalence margins are symmetric."""
    low, high = comparison.margins.equivalence or (0.0, -1.0)
    if comparison.minus or low != -high or comparison.margins.null:
        return (), ()
    single = [one for s, w in weights.items() if (one := estimate_contrast(comparison, [{s: w}, {}], evidence))]
    adjusted = estimators.holm([estimate.p for estimate in single])
    significant = [estimate for estimate, p in zip(single, adjusted, strict=True) if p <= HETEROGENEITY]
    better, worse = (
        tuple(estimate.strata[0] for estimate in significant if sign * estimate.effect > 0) for sign in (1, -1)
    )
    return better, worse


OUTCOMES = ("better", "worse", "equivalent", "not worse")
"""What a contrast can show."""


def p_values(measurement: Measurement) -> dict[str, float]:
    """Return the p value of each of OUTCOMES, 1 where another condition fails; two-sided, or twice a one-sided one.

    - better, worse: the effect reaches its margin and differs from the null.
    - not worse: the effect is above the lower equivalence margin, a is worse at no single stratum, and the lags contain the
      limits of the reference (not for an interaction, nor where inferiority is not tested). A lead implies it.
    - equivalent: not worse both ways.

    All need `MIN_LAGS` lags and `MIN_SEARCHES` searches. The last two also need `TIE_SEEDS` seeds and, where failure is possible, networks that solve. A
    check of a manipulation is a tie if no stratum is outside its margin.
    """
    comparison, margins, estimate = measurement.comparison, measurement.comparison.margins, measurement.estimate
    p: dict[str, float] = dict.fromkeys(OUTCOMES, 1.0)
    if not margins.inferential:
        return p | ({"equivalent": 0.0, "not worse": 0.0} if estimate and not measurement.worse_at else {})
    if estimate is None or measurement.n_lags < MIN_LAGS or estimate.searches < MIN_SEARCHES:
        return p
    if estimate.effect > margins.superiority - 1e-9 and estimate.effect > margins.null:
        p["better"] = estimate.p
    if estimate.effect < margins.inferiority + 1e-9 and estimate.effect < margins.null:
        p["worse"] = estimate.p
    solving = estimate.solve_rate >= FLOOR or not comparison.quantity.requires_success
    if solving and estimate.networks >= TIE_SEEDS and _contains_limits(measurement) and not measurement.worse_at:
        above, below = estimate.p_margins
        if not measurement.better_at:
            p["equivalent"] = max(above, below)
        if margins.inferiority > -math.inf and not comparison.minus:
            p["not worse"] = above
    p["not worse"] = min(p["not worse"], p["better"])
    return p


def _contains_limits(measurement: Measurement) -> bool:
    if measurement.reference_rates is None:
        return True
    shortest, longest = measurement.reference_rates
    return longest < HALF <= shortest


def outcome(measurement: Measurement, alpha: float) -> str:
    """Return the outcome of a versus b at a level: the most specific of OUTCOMES whose p value is at most α, "saturated" where a
    is not worse but the reference does not reach its limit, "undecided" or "missing"."""
    if measurement.missing:
        return "missing"
    p = p_values(measurement)
    shown = next((name for name in OUTCOMES if p[name] <= alpha), "undecided")
    if shown == "undecided" and measurement.saturated:
        unlimited = replace(measurement, reference_rates=None)
        if p_values(unlimited)["not worse"] <= alpha:
            return "saturated"
    return shown
