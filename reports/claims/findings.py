"""The findings of contrasts as sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reports.format import amount, confidence_limits, count, listed, percent, probability
from reports.statistics.comparison import Comparison
from reports.statistics.contrasts import (
    FLOOR,
    HALF,
    LEVEL,
    MIN_LAGS,
    MIN_SEARCHES,
    TIE_SEEDS,
    Contrast,
    Estimate,
    Measurement,
)
from reports.statistics.strata import Stratum, Where, joined

INTERVAL_NAME = f"{percent(LEVEL)} interval"


def shown(contrast: Contrast) -> str:
    """Return the effect of a contrast with its interval, on its natural scale.

    "−42 points (−60 to −24)", "×2.3 (1.8 to 3.1)", "62 % (48 to 75)", "+0.31 (+0.22 to +0.40)", or a dash.
    """
    if contrast.effect is None or contrast.ci_low is None or contrast.ci_high is None:
        return "–"
    unit = unit_of(contrast)
    return f"{amount(contrast.effect, unit, plus=True)} ({confidence_limits(contrast.ci_low, contrast.ci_high, unit)})"


def unit_of(contrast: Contrast) -> str:
    """Return the unit of the effect: "×", "points" of a rate, "%" of a share, or ""."""
    if contrast.scale == "ratio":
        return "×"
    kinds = {"points": ("solve rate", "rate of"), "%": ("share",)}
    return next((unit for unit, starts in kinds.items() if contrast.measure.startswith(starts)), "")


def places(strata: Sequence[Stratum]) -> str:
    """Format strata as "recall lags 10, 20; adding lag 40", or "lags 10, 20" for a single task; with sizes if they differ."""
    arms = dict.fromkeys((stratum.task, stratum.size) for stratum in strata)
    sizes, tasks = {size for _, size in arms}, {task for task, _ in arms}
    parts = []
    for task, size in arms:
        lags = [f"{lag:g}" for lag in sorted(s.lag for s in strata if (s.task, s.size) == (task, size))]
        part = ("lag " if len(lags) == 1 else "lags ") + ", ".join(lags)
        at_size = f" at size {size:g}" if len(sizes) > 1 and size is not None else ""
        parts.append((f"{task} " if len(tasks) > 1 else "") + part + at_size)
    return "; ".join(parts)


def finding(measurement: Measurement, outcome: str, alpha: float) -> str:
    """Return the effect, its interval, where it was measured and the outcome as one sentence without its full stop."""
    comparison, estimate = measurement.comparison, measurement.estimate
    if outcome == "missing":
        return next(iter(missing([measurement]))).removesuffix(".")
    left_out = measurement.excluded
    omitted = f" (left out: {'; '.join(left_out)})" if left_out else ""
    if estimate is None:
        reason = "no lag is informative" if comparison.quantity.is_rate else "measured in too few networks"
        return f"{comparison.question}: {reason}{omitted}"
    if not comparison.margins.inferential:
        return _check(measurement, estimate, outcome) + omitted
    effect = _in_declared_phrase(comparison, estimate) if comparison.phrased else _rate_difference(comparison, estimate)
    return effect + _consequence(measurement, estimate, outcome, alpha) + omitted


def findings(measurements: Mapping[str, Measurement], outcomes: Mapping[str, str], alpha: float) -> list[str]:
    """Return the findings as sentences; those of several cells that lead, or are led by, the same other share one.

    :param measurements: by name of the contrast, like `outcomes`.
    """
    alike: dict[object, list[str]] = {}
    for name, one in measurements.items():
        comparison, found = one.comparison, outcomes[name]
        simple = comparison.b and not (comparison.minus or comparison.terms or comparison.phrase or comparison.is_share)
        shared = found in ("better", "worse") and simple and one.estimate and comparison.quantity.phrase
        key = (comparison.b, comparison.where, comparison.quantity.name, found) if shared else name
        alike.setdefault(key, []).append(name)
    return [
        (
            finding(measurements[names[0]], outcomes[names[0]], alpha)
            if len(names) == 1
            else _shared_finding([measurements[name] for name in names], alpha)
        )
        + "."
        for names in alike.values()
    ]


def missing(measurements: Sequence[Measurement]) -> list[str]:
    """Return a sentence for each set of cells that share no stratum, with all the places where this is so."""
    places_of: dict[tuple[str, str], list[Where]] = {}
    for measurement in measurements:
        comparison = measurement.comparison
        arms = {f"{t.label} with {t.option}" if t.option else t.label for t in comparison.contrast_terms}
        cells = ("both " if len(arms) == 2 else "") + listed(sorted(arms))
        quantity = "" if comparison.quantity.over_lags or comparison.quantity.is_rate else comparison.quantity.name
        places_of.setdefault((quantity, cells), []).extend(measurement.missing_places)
    return [
        (f"No lag has the {quantity} of {cells}" if quantity else f"No lag has confirmation runs of {cells}")
        + f" on {joined(missing_places, ' tasks', ' or ')}."
        for (quantity, cells), missing_places in places_of.items()
    ]


def interval(comparison: Comparison, estimate: Estimate) -> str:
    """Format the confidence interval of the effect; "" for a share of a total that is not significantly above 0."""
    if not estimate.natural:
        return ""
    return confidence_limits(estimate.natural.low, estimate.natural.high, comparison.unit)


def band(comparison: Comparison) -> str:
    """Format the equivalence margins: "within ±20 points", "within a factor of 2", "below ×1.25"."""
    low, high = comparison.margins.equivalence or (0.0, 0.0)
    if low == -math.inf:
        return f"below {limit(comparison, high)}"
    if comparison.scale == "ratio":
        return f"within a factor of {math.exp(high):.3g}"
    return f"within ±{limit(comparison, high)}"


def limit(comparison: Comparison, margin: float) -> str:
    """Format a margin on the natural scale; every margin of a share is one half."""
    if comparison.is_share:
        return "50 %"
    if comparison.scale == "ratio":
        return f"×{math.exp(margin):.3g}"
    return amount(margin, comparison.unit) if comparison.unit else f"{margin:g}".replace("-", "−")


def _sample(comparison: Comparison, estimate: Estimate) -> str:
    if comparison.quantity.subsampled:
        return f"{estimate.networks} networks, {places(estimate.strata)}"
    searches = f" from {estimate.searches} searches" if estimate.searches > 1 else ""
    return f"{estimate.networks} seeds each{searches}, {places(estimate.strata)}{_untrained([estimate])}"


def _untrained(estimates: Sequence[Estimate]) -> str:
    """How many of the arms count as unsolved without training; empty if none does."""
    untrained, arms = (sum(counts) for counts in zip(*((one.untrained, one.arms) for one in estimates), strict=True))
    return (
        f", {untrained} of {arms} arms not trained, as no network solved the last shorter lag that was tried"
        if untrained
        else ""
    )


def _in_declared_phrase(comparison: Comparison, estimate: Estimate) -> str:
    """Return the effect as a sentence, from the template that the comparison or its quantity declares: `phrase`."""
    natural, unit, place = estimate.natural, comparison.unit, joined(comparison.where, " tasks")
    if natural is None:
        return f"The {comparison.measure} on {place} is unknown, as the whole is not significantly above 0 ({_sample(comparison, estimate)})"
    effect = amount(natural.estimate, unit)
    effect = f"{effect.removeprefix('×')} times" if unit == "×" else effect
    named = {term.cell: term.label for term in comparison.contrast_terms}  # with their sizes where these differ
    a, b = (named.get(cell, cell) for cell in (comparison.a, comparison.b))
    sentence = (comparison.phrase or comparison.quantity.phrase).format(effect=effect, a=a, b=b, place=place)
    return f"{sentence} ({INTERVAL_NAME} {interval(comparison, estimate)}, {_sample(comparison, estimate)})"


def _shared_finding(measurements: Sequence[Measurement], alpha: float) -> str:
    """Return the range of the effects of cells that are compared with the same other in the same places."""
    comparison = measurements[0].comparison
    estimates = [one.estimate for one in measurements if one.estimate]
    natural = [estimate.natural for estimate in estimates if estimate.natural]
    effects, unit = [one.estimate for one in natural], comparison.unit
    limits = confidence_limits(min(one.low for one in natural), max(one.high for one in natural), unit)
    effect = confidence_limits(min(effects), max(effects), unit) + (" times" if unit == "×" else "")
    sentence = (comparison.quantity.phrase).format(
        effect=effect,
        a=listed(one.comparison.a for one in measurements),
        b=comparison.b,
        place=joined(comparison.where, " tasks"),
    )
    smallest = min(estimates, key=lambda estimate: (estimate.networks, estimate.searches))
    searches = f" from {smallest.searches} searches" if smallest.searches > 1 else ""
    significance = f"({probability(max(estimate.p for estimate in estimates))}, α = {alpha:.3g})"
    null = f" more than {limit(comparison, comparison.margins.null)}" if comparison.margins.null else ""
    return (
        f"{sentence} ({INTERVAL_NAME}s within {limits}, {smallest.networks} seeds each{searches}{_untrained(estimates)}), "
        f"all significant{'ly' + null if null else ''} {significance}"
    )


def _check(measurement: Measurement, estimate: Estimate, outcome: str) -> str:
    """Return the result of a manipulation check: the range over strata."""
    comparison, question = measurement.comparison, measurement.comparison.question
    low, high = (estimate.natural.low, estimate.natural.high) if estimate.natural else (estimate.low, estimate.high)
    sentence = f"{question[:1].upper()}{question[1:]}: {low:.3f} to {high:.3f} over {places(estimate.strata)}"
    if outcome == "equivalent":
        return f"{sentence}, {band(comparison)}"
    return f"{sentence}, not {band(comparison)} at {places(measurement.worse_at)}"


def _rate_difference(comparison: Comparison, estimate: Estimate) -> str:
    """Return a difference in rates, stated for the cell with the higher one."""
    a, b = (term.label for term in comparison.contrast_terms)
    low, high = estimate.low, estimate.high
    if estimate.effect < 0:
        a, b, low, high = b, a, -high, -low
    size, rate = amount(abs(estimate.effect), "points"), comparison.quantity.name
    where = joined(comparison.where, " tasks")
    if size == "0 points":
        difference = f"{a} and {b} have the same {rate} on {where}"
    else:
        difference = f"The {rate} of {a} is {size} higher than that of {b} on {where}"
    return f"{difference} ({INTERVAL_NAME} {confidence_limits(low, high)}, {_sample(comparison, estimate)})"


def _consequence(measurement: Measurement, estimate: Estimate, outcome: str, alpha: float) -> str:
    comparison, margins = measurement.comparison, measurement.comparison.margins
    significance = f"({probability(estimate.p)}, α = {alpha:.3g})"
    cell = comparison.contrast_terms[0].label
    if estimate.natural is None and outcome == "undecided":
        return ", undecided"
    if outcome in ("better", "worse"):
        if comparison.is_share:
            return f", significantly {'more' if outcome == 'better' else 'less'} than half {significance}"
        null = f"significantly more than {limit(comparison, margins.null)}" if margins.null else "significant"
        return f", {null} {significance}"
    if outcome == "equivalent":
        tie = "a negligible effect" if margins.inferiority == -math.inf else "a tie"
        return f", {tie}: the interval lies {band(comparison)}"
    if outcome == "not worse":
        return f", so {cell} is not worse by {_size(comparison)} or more, but a tie {band(comparison)} is not shown"
    if outcome == "saturated":
        longest = max(stratum.lag for stratum in estimate.strata)
        return f", so {cell} keeps up to lag {longest:g}; {comparison.reference} still solves half there, so longer lags are needed"
    return f", undecided: {_why_undecided(measurement, estimate, alpha, significance)}"


def _size(comparison: Comparison) -> str:
    return band(comparison).removeprefix("within ").removeprefix("±")


def _why_undecided(measurement: Measurement, estimate: Estimate, alpha: float, significance: str) -> str:
    comparison, margins = measurement.comparison, measurement.comparison.margins
    if measurement.n_lags < MIN_LAGS:
        lags = "lag" if measurement.n_lags == 1 else "lags"
        return f"{measurement.n_lags} {lags}, and a decision needs {MIN_LAGS}"
    if estimate.searches < MIN_SEARCHES:
        return f"{count(estimate.searches, 'search', 'searches')}, and a decision needs {MIN_SEARCHES}"
    if estimate.solve_rate < FLOOR and comparison.quantity.requires_success:
        return f"only {percent(estimate.solve_rate)} of runs solved, too few to compare"
    below = estimate.effect < margins.inferiority + 1e-9 and (margins.inferiority < margins.null or comparison.is_share)
    if estimate.p > alpha and (below or estimate.effect > margins.superiority - 1e-9):
        return (
            f"not significantly different from one half {significance}"
            if comparison.is_share
            else f"not significant {significance}"
        )
    if not margins.equivalence:
        return f"less than {limit(comparison, margins.superiority)}"
    if estimate.networks < TIE_SEEDS and margins.equivalence[0] < estimate.low:
        return f"a tie needs at least {TIE_SEEDS} seeds"
    differing = measurement.worse_at + measurement.better_at
    if differing and margins.equivalence[0] < estimate.low:
        return f"a tie on average, but the cells differ at {places(differing)}"
    if measurement.reference_rates and measurement.reference_rates[0] < HALF:
        return f"{comparison.reference} solves less than half of its runs at the shortest lag"
    if margins.inferiority == -math.inf:
        return f"the interval does not lie {band(comparison)}, and the effect is below {limit(comparison, margins.superiority)}"
    return f"the interval is too wide for a tie {band(comparison)}, and the difference is too small for a lead"
