"""Sentences about margins: what a rule requires of a contrast, and how far a verdict is from changing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports.claims.findings import band, interval, limit
from reports.format import amount
from reports.statistics.comparison import Comparison
from reports.statistics.contrasts import MIN_LAGS, Estimate, Measurement


def relation(comparison: Comparison, outcomes: Sequence[str]) -> str:
    """Return what a rule requires of a contrast that is not a plain difference in solve rates, with {} for the places."""
    margins, measure = (
        comparison.margins,
        f"{comparison.measure} of {comparison.formula} on {{}}{comparison.subtracted}",
    )
    match tuple(outcomes):
        case ("equivalent",):
            return f"{measure} {band(comparison)}" + ("" if margins.inferential else " at every lag")
        case ("better",) if comparison.is_share:
            return f"{measure} above {limit(comparison, margins.superiority)}"
        case ("worse",) if comparison.is_share:
            return f"{measure} below {limit(comparison, margins.inferiority)}"
        case ("better",):
            return f"{measure} at least {limit(comparison, margins.superiority)}"
        case ("worse",):
            sign = "below" if margins.inferiority == margins.null else "at most"
            return f"{measure} {sign} {limit(comparison, margins.inferiority)}"
    return f"{measure} above {limit(comparison, (margins.equivalence or (margins.inferiority,))[0])}"


def requirement(measurement: Measurement, outcomes: Sequence[str], alpha: float) -> str:
    """Return what a contrast needs to have one of these outcomes, and what was observed."""
    comparison, margins = measurement.comparison, measurement.comparison.margins
    estimate = measurement.estimate
    required = f"Required: {comparison.question}"
    if not margins.inferential:
        return f"{required} {band(comparison)} at every lag."
    if estimate is None:
        return f"Required: enough runs on informative lags to estimate {comparison.question}."
    if measurement.n_lags < MIN_LAGS:
        return f"Required: at least {MIN_LAGS} lags for {comparison.question}; observed: {measurement.n_lags}."
    observed = f"observed: {_effect_with_interval(comparison, estimate)}"
    if tuple(outcomes) == ("better",):
        return f"{required} at {limit(comparison, margins.superiority)} or more with p ≤ {alpha:.2g}; {observed}."
    if tuple(outcomes) == ("worse",):
        return f"{required} at {limit(comparison, margins.inferiority)} or less with p ≤ {alpha:.2g}; {observed}."
    if "not worse" in outcomes and margins.equivalence:
        above = f"its interval above {limit(comparison, margins.equivalence[0])}"
        if not measurement.saturated:
            return f"{required} with {above}; {observed}."
        also = "" if estimate.low > margins.equivalence[0] else f", and {above}"
        return f"Required: a lag at which {comparison.reference} solves less than half, for {comparison.question}{also}; {observed}."
    return f"{required} with its interval {band(comparison)}; {observed}."


def inconclusive_if(measurement: Measurement, outcome: str) -> str:
    """Return the change of a contrast that would make a verdict based on it inconclusive; "" for a manipulation check."""
    comparison, margins = measurement.comparison, measurement.comparison.margins
    estimate = measurement.estimate
    if estimate is None or not margins.inferential:
        return ""
    observed = f"{comparison.question} is {_effect_with_interval(comparison, estimate)}"
    match outcome:
        case "better":
            change = f"it were below {limit(comparison, margins.superiority)} or not significant"
        case "worse":
            change = f"it were above {limit(comparison, margins.inferiority)} or not significant"
        case "not worse" if margins.equivalence:
            change = f"its interval reached {limit(comparison, margins.equivalence[0])}"
        case _:
            change = f"its interval did not lie {band(comparison)}"
    return f"{observed}; the verdict would be inconclusive if {change}."


def distance(measurement: Measurement, outcome: str) -> float:
    """Return how far an outcome is from its threshold, in units of the superiority margin."""
    margins, estimate = measurement.comparison.margins, measurement.estimate
    if estimate is None:
        return math.inf
    unit = abs(margins.superiority) or 0.5
    low, high = margins.equivalence or (-math.inf, math.inf)
    match outcome:
        case "better":
            return min(estimate.low - margins.null, estimate.effect - margins.superiority) / unit
        case "worse":
            return min(margins.null - estimate.high, margins.inferiority - estimate.effect) / unit
        case "not worse":
            return (estimate.low - low) / unit
    return min(estimate.low - low, high - estimate.high) / unit


def _effect_with_interval(comparison: Comparison, estimate: Estimate) -> str:
    if not estimate.natural:
        return "an undefined share"
    return f"{amount(estimate.natural.estimate, comparison.unit, plus=True)} ({interval(comparison, estimate)})"
