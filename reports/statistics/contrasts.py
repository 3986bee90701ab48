"""Measured contrasts: the strata that a comparison uses, its estimates there, and the outcome that they support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.format import percent
from reports.statistics import estimators
from reports.statistics.arms import Arm, Evidence, Key, evidence
from reports.statistics.comparison import Comparison
from reports.statistics.estimates import LEVEL, Estimate, estimate_contrast, manipulation_check
from reports.statistics.quantities import SOLVED
from reports.statistics.strata import Stratum, Where

__all__ = ["LEVEL", "Comparison", "Contrast", "Estimate", "Evidence", "Measurement", "evidence", "measure", "outcome"]

FLOOR, CEILING = 0.05, 0.95  # solve rates outside which a stratum does not discriminate between cells
MIN_LAGS = 3  # smallest number of lags for an outcome: an effect at fewer may not generalise over lags
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
    effect: float | None  # mean over the strata used
    ci_low: float | None  # interval at LEVEL
    ci_high: float | None
    p: float | None  # two-sided, of "no difference", after Holm inside the claim
    seeds: int  # smallest number of confirmation seeds per (cell, stratum); 0 when missing
    outcome: str  # better | worse | equivalent | not worse | undecided | missing
    left_out: tuple[str, ...] = ()  # excluded strata with the reason: "recall lag 160: floor, 2 % of trials solved"
    measure: str = "solve rate"  # the quantity: solve rate, score, largest n, FLOPs to solve, ...
    scale: str = "difference"  # "difference", whose null is 0, or "ratio", whose null is 1
    matters: float = 0.2  # smallest difference, factor or share of interest


@dataclass(frozen=True)
class Measurement:
    """The estimates of one comparison, before adjustment for the other comparisons of its claim."""

    comparison: Comparison
    missing_places: tuple[Where, ...] = ()  # where no stratum has all of the cells
    without_ceiling: Estimate | None = None  # for better and worse: strata that every cell solves dilute a difference
    with_ceiling: Estimate | None = None  # for equivalent and not worse: such strata are evidence of a tie
    excluded: tuple[str, ...] = ()  # strata in neither estimate, with the reason
    at_ceiling: tuple[str, ...] = ()  # strata in `with_ceiling` only, with the reason
    heterogeneous: tuple[Stratum, ...] = ()  # strata that differ significantly by themselves

    @property
    def missing(self) -> bool:
        return bool(self.missing_places)

    def estimate_for(self, outcome: str) -> Estimate | None:
        """Return the estimate that an outcome is based on."""
        return self.without_ceiling if outcome in ("better", "worse") else self.with_ceiling

    def projected(self, seeds: int) -> Measurement:
        """Return the measurement expected at a larger number of seeds."""
        return replace(
            self,
            without_ceiling=self.without_ceiling and self.without_ceiling.projected(seeds),
            with_ceiling=self.with_ceiling and self.with_ceiling.projected(seeds),
        )


def measure(comparison: Comparison, evidence: Evidence) -> Measurement:
    """Select the strata and estimate the contrast on them.

    A stratum needs confirmed networks of all cells. Whether it is informative is decided on the tuning trials of these
    cells together, so that no selection depends on confirmation data; without tuning rows every stratum is informative. The subtracted side of
    an interaction keeps strata at the ceiling, because they show that there is no difference there. Quantities other
    than the solve rate keep them too, because cells may differ where all solve.
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
    shared = sides[0] + sides[1]
    excluded, at_ceiling = _uninformative(comparison, shared, sides[0], evidence, arms)
    with_ceiling = [[stratum for stratum in side if stratum not in excluded] for side in sides]
    without_ceiling = [[stratum for stratum in side if stratum not in at_ceiling] for side in with_ceiling]
    reasons, ceilings = tuple(excluded.values()), tuple(at_ceiling.values())
    if not comparison.margins.inferential:
        estimate, outside = manipulation_check(comparison, with_ceiling[0], evidence)
        return Measurement(comparison, with_ceiling=estimate, excluded=reasons, heterogeneous=outside)
    return Measurement(
        comparison,
        without_ceiling=estimate_contrast(comparison, without_ceiling, evidence),
        with_ceiling=estimate_contrast(comparison, with_ceiling, evidence),
        excluded=reasons,
        at_ceiling=ceilings,
        heterogeneous=_heterogeneous(comparison, with_ceiling[0], evidence),
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
    """Return the strata in these places with the arms of all terms."""
    sized = any(term.size_factor is not None for term in comparison.contrast_terms)
    return [
        stratum
        for stratum, group in evidence.groups.items()
        if any((stratum, group) in place for place in places)
        and (not sized or (smallest is not None and stratum.size == smallest))
        and all((term.cell, term.stratum(stratum)) in arms for term in comparison.contrast_terms)
    ]


def _uninformative(
    comparison: Comparison,
    shared: Sequence[Stratum],
    where: Sequence[Stratum],
    evidence: Evidence,
    arms: dict[Key, Arm],
) -> tuple[dict[Stratum, str], dict[Stratum, str]]:
    """Return the strata to exclude from every estimate, and those at the ceiling, each with the reason."""
    several_sizes = len({stratum.size for stratum in shared}) > 1
    arms_by_stratum = {s: [arms[term.cell, term.stratum(s)] for term in comparison.contrast_terms] for s in shared}
    searched = any(min(len(arm.runs) for arm in arms_there) > 1 for arms_there in arms_by_stratum.values())
    inferential, solve_rates = comparison.margins.inferential, comparison.quantity is SOLVED
    one_search = "only one search was confirmed" if solve_rates else "measured in one search only"
    excluded, at_ceiling = {}, {}
    for stratum, arms_there in arms_by_stratum.items():
        size = f" at size {stratum.size:g}" if several_sizes and stratum.size is not None else ""
        rate = _tuning_solve_rate(comparison, stratum, evidence) if comparison.informative_only else None
        solved = "" if rate is None else f"{percent(rate)} of trials solved"
        if inferential and searched and any(len(arm.runs) == 1 for arm in arms_there):
            excluded[stratum] = f"{stratum}{size}: {one_search}, so the variance between searches is unknown"
        elif inferential and not solve_rates and any(arm.n_units == 1 for arm in arms_there):
            excluded[stratum] = f"{stratum}{size}: measured in one network only"
        elif rate is not None and rate < FLOOR:
            excluded[stratum] = f"{stratum}{size}: floor, {solved}"
        elif rate is not None and rate > CEILING and stratum in where and solve_rates:
            at_ceiling[stratum] = f"{stratum}{size}: ceiling, {solved}"
    return excluded, at_ceiling


def _tuning_solve_rate(comparison: Comparison, stratum: Stratum, evidence: Evidence) -> float | None:
    """Return the share of the cells' tuning trials that solved; None without tuning rows."""
    keys = {(term.cell, term.stratum(stratum)) for term in comparison.contrast_terms}
    counts = [evidence.tuned.get(key, (0, 0)) for key in keys]
    trials = sum(trials for _, trials in counts)
    return sum(solved for solved, _ in counts) / trials if trials else None


def _heterogeneous(comparison: Comparison, strata: Sequence[Stratum], evidence: Evidence) -> tuple[Stratum, ...]:
    """Return the strata with a significant difference; only of symmetric equivalence margins, else none."""
    low, high = comparison.margins.equivalence or (0.0, -1.0)
    if comparison.minus or low != -high or comparison.margins.null:
        return ()
    single = [estimate for stratum in strata if (estimate := estimate_contrast(comparison, [[stratum], []], evidence))]
    adjusted = estimators.holm([estimate.p for estimate in single])
    return tuple(estimate.strata[0] for estimate, p in zip(single, adjusted, strict=True) if p <= HETEROGENEITY)


def outcome(measurement: Measurement, p: float, alpha: float) -> str:
    """Return the outcome of a versus b, by the margins of the comparison.

    - better, worse: the effect reaches its margin, the adjusted p ≤ α and the interval is on one side of the null.
    - equivalent: the interval is inside the equivalence margins and no stratum differs significantly by itself.
    - not worse: the lower limit is above the lower equivalence margin (not for an interaction, nor where inferiority is
      not tested).

    All need `MIN_LAGS` lags. The last two also need `TIE_SEEDS` seeds and, where failure is possible, networks that
    solve: two cells that both fail do not tie.

    :param p: of `without_ceiling`, adjusted inside the claim.
    """
    comparison, margins = measurement.comparison, measurement.comparison.margins
    difference, tie = measurement.without_ceiling, measurement.with_ceiling
    if measurement.missing:
        return "missing"
    if not margins.inferential:
        return "equivalent" if tie and not measurement.heterogeneous else "undecided"
    if difference and difference.n_lags >= MIN_LAGS and p <= alpha:
        if difference.effect > margins.superiority - 1e-9 and difference.low > margins.null:
            return "better"
        if difference.effect < margins.inferiority + 1e-9 and difference.high < margins.null:
            return "worse"
    solving = tie and (tie.solve_rate >= FLOOR or not comparison.quantity.requires_success)
    if margins.equivalence and tie and solving and tie.n_lags >= MIN_LAGS and tie.networks >= TIE_SEEDS:
        low, high = margins.equivalence
        if low < tie.low and tie.high < high and not measurement.heterogeneous:
            return "equivalent"
        if low < tie.low and margins.inferiority > -math.inf and not comparison.minus:
            return "not worse"
    return "undecided"
