"""How far a verdict is from another one, and what a rule asks for: sentences about limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports.claims.findings import band, interval, limit
from reports.format import amount
from reports.statistics.comparison import Compare
from reports.statistics.contrasts import Estimate, Measurement


def relation(compare: Compare, outcomes: Sequence[str]) -> str:
    """A rule over a contrast, with {} for the places: of what is not simply a difference in solve rates."""
    limits, measure = compare.limits, f"{compare.measure} of {compare.who} on {{}}"
    match tuple(outcomes):
        case ("equivalent",):
            return f"{measure} {band(compare)}" + ("" if limits.inferred else " at every lag")
        case ("better",) if compare.shares:
            return f"{measure} above {limit(compare, limits.lead)}"
        case ("worse",) if compare.shares:
            return f"{measure} below {limit(compare, limits.trail)}"
        case ("better",):
            return f"{measure} at least {limit(compare, limits.lead)}"
        case ("worse",):
            return f"{measure} {'below' if limits.trail == limits.null else 'at most'} {limit(compare, limits.trail)}"
    return f"{measure} not as low as {limit(compare, (limits.tie or (limits.trail,))[0])}"


def wanting(measurement: Measurement, outcomes: Sequence[str], alpha: float) -> str:
    """What a contrast would have to show for one of these outcomes, and where it stands."""
    compare, limits = measurement.compare, measurement.compare.limits
    estimate = measurement.strict if tuple(outcomes) == ("better",) else measurement.loose
    if not limits.inferred:
        return f"Wanted: {compare.question} {band(compare)} at every lag."
    if estimate is None:
        return f"Wanted: runs that tell something about {compare.question}."
    stands = f"it stands at {_stands(compare, estimate)}"
    if tuple(outcomes) == ("better",):
        return (
            f"Wanted: {compare.question} at {limit(compare, limits.lead)} or more with p at most {alpha:.2g}; {stands}."
        )
    if tuple(outcomes) == ("worse",):
        return f"Wanted: {compare.question} at {limit(compare, limits.trail)} or less with p at most {alpha:.2g}; {stands}."
    if "not worse" in outcomes and limits.tie:
        return f"Wanted: {compare.question} with its interval above {limit(compare, limits.tie[0])}; {stands}."
    return f"Wanted: {compare.question} with its interval {band(compare)}; {stands}."


def would_open(measurement: Measurement, outcome: str) -> str:
    """What would take a contrast that a verdict rests on away from it."""
    compare, limits, estimate = measurement.compare, measurement.compare.limits, measurement.shown(outcome)
    if estimate is None or not limits.inferred:
        return ""
    stands = f"{compare.question} stands at {_stands(compare, estimate)}; the claim would be open again"
    if outcome == "better":
        return f"{stands} below {limit(compare, limits.lead)}, or if that could be chance."
    if outcome == "worse":
        return f"{stands} above {limit(compare, limits.trail)}, or if that could be chance."
    if outcome == "not worse" and limits.tie:
        return f"{stands} if the interval reached {limit(compare, limits.tie[0])}."
    return f"{stands} if the interval did not lie {band(compare)}."


def slack(measurement: Measurement, outcome: str) -> float:
    """How far an outcome is from being lost, in units of what matters."""
    limits, estimate = measurement.compare.limits, measurement.shown(outcome)
    if estimate is None:
        return math.inf
    size = abs(limits.lead) or 0.5
    low, high = limits.tie or (-math.inf, math.inf)
    match outcome:
        case "better":
            return min(estimate.low - limits.null, estimate.effect - limits.lead) / size
        case "worse":
            return min(limits.null - estimate.high, limits.trail - estimate.effect) / size
        case "not worse":
            return (estimate.low - low) / size
    return min(estimate.low - low, high - estimate.high) / size


def _stands(compare: Compare, estimate: Estimate) -> str:
    if not estimate.natural:
        return "a share that is not known"
    return f"{amount(estimate.natural.estimate, compare.unit, plus=True)} ({interval(compare, estimate)})"
