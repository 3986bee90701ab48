"""What was found, in sentences made from the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports.format import amount, confidence_limits, listed, percent, probability
from reports.statistics.comparison import Compare
from reports.statistics.contrasts import FLOOR, LEVEL, STRATA, TIE_SEEDS, Contrast, Estimate, Measurement
from reports.statistics.quantities import SOLVED
from reports.statistics.strata import Stratum, Where, joined

LEVEL_SAID = f"{percent(LEVEL)} interval"


def shown(contrast: Contrast) -> str:
    """The effect with its interval, on the scale of what was compared.

    "−42 points (−60 to −24)", "×2.3 (1.8 to 3.1)", "62 % (48 to 75)", "+0.31 (+0.22 to +0.40)", or a dash.
    """
    if contrast.effect is None or contrast.ci_low is None or contrast.ci_high is None:
        return "–"
    unit = "points" if contrast.measure == SOLVED.name else "%" if contrast.measure.startswith("share") else ""
    unit = "×" if contrast.scale == "ratio" else unit
    return f"{amount(contrast.effect, unit, plus=True)} ({confidence_limits(contrast.ci_low, contrast.ci_high, unit)})"


def places(strata: Sequence[Stratum]) -> str:
    """ "recall lags 10, 20; adding lag 40", or "lags 10, 20" where there is one task; with sizes where they differ."""
    arms = dict.fromkeys((stratum.task, stratum.size) for stratum in strata)
    sizes, tasks = {size for _, size in arms}, {task for task, _ in arms}
    parts = []
    for task, size in arms:
        lags = [f"{stratum.lag:g}" for stratum in strata if (stratum.task, stratum.size) == (task, size)]
        part = ("lag " if len(lags) == 1 else "lags ") + ", ".join(lags)
        at_size = f" at size {size:g}" if len(sizes) > 1 and size is not None else ""
        parts.append((f"{task} " if len(tasks) > 1 else "") + part + at_size)
    return "; ".join(parts)


def finding(measurement: Measurement, outcome: str, p: float, alpha: float) -> str:
    """One sentence, without its full stop: the effect, its interval, where it was seen, and what follows."""
    compare = measurement.compare
    if outcome == "missing":
        return next(iter(missing([measurement]))).removesuffix(".")
    estimate = measurement.shown(outcome)
    left_out = left_out_of(measurement, outcome)
    omitted = f" (left out: {'; '.join(left_out)})" if left_out else ""
    if estimate is None:
        reason = "no lag can tell the cells apart" if compare.quantity is SOLVED else "too little is known of it"
        return f"{compare.question}: {reason}{omitted}"
    if not compare.limits.inferred:
        return _check(measurement, estimate, outcome) + omitted
    said = _effect(compare, estimate) if compare.phrased else _difference(compare, estimate)
    return said + _consequence(measurement, estimate, outcome, p, alpha) + omitted


def missing(measurements: Sequence[Measurement]) -> list[str]:
    """A sentence for each set of cells, with all the places where they were not confirmed side by side."""
    where: dict[tuple[str, str], list[Where]] = {}
    for one in measurements:
        terms = sorted({f"{term.label} with {term.option}" if term.option else term.label for term in one.compare.sum})
        cells = ("both " if len(terms) == 2 else "") + listed(terms)
        what = "" if one.compare.quantity is SOLVED else one.compare.quantity.name
        where.setdefault((what, cells), []).extend(one.absent)
    return [
        (f"No lag has the {what} of {cells}" if what else f"No lag has confirmation runs of {cells}")
        + f" on {joined(named, ' tasks', ' or ')}."
        for (what, cells), named in where.items()
    ]


def left_out_of(measurement: Measurement, outcome: str) -> tuple[str, ...]:
    """The strata that the outcome does not rest on, with the reason."""
    return measurement.floors + (measurement.ceilings if outcome in ("better", "worse") else ())


def interval(compare: Compare, estimate: Estimate) -> str:
    """Its ends as they are shown; empty where a share has none."""
    if not estimate.natural:
        return ""
    return confidence_limits(estimate.natural.low, estimate.natural.high, compare.unit)


def band(compare: Compare) -> str:
    """Where a tie lies: "within ±20 points", "within a factor of 2", "below ×1.25"."""
    low, high = compare.limits.tie or (0.0, 0.0)
    if low == -math.inf:
        return f"below {limit(compare, high)}"
    if compare.scale == "ratio":
        return f"within a factor of {math.exp(high):.3g}"
    return f"within ±{limit(compare, high)}"


def limit(compare: Compare, value: float) -> str:
    """A limit as it is shown; of a share, whatever the limit on its own scale, one half."""
    if compare.shares:
        return "50 %"
    if compare.scale == "ratio":
        return f"×{math.exp(value):.3g}"
    return amount(value, compare.unit) if compare.unit else f"{value:g}".replace("-", "−")


def _sample(compare: Compare, estimate: Estimate) -> str:
    if compare.quantity.few:
        return f"{estimate.networks} networks, {places(estimate.strata)}"
    sample = f"{estimate.networks} seeds each" + (
        f" from {estimate.searches} searches" if estimate.searches > 1 else ""
    )
    return f"{sample}, {places(estimate.strata)}"


def _effect(compare: Compare, estimate: Estimate) -> str:
    """Of a quantity with a phrase of its own."""
    natural, unit = estimate.natural, compare.unit
    effect = amount(natural.estimate, unit) if natural else "an unknown share"
    effect = f"{effect.removeprefix('×')} times" if unit == "×" else effect
    said = (compare.phrase or compare.quantity.phrase).format(
        effect=effect, a=compare.a, b=compare.b, place=joined(compare.where, " tasks")
    )
    ends = f"{LEVEL_SAID} {interval(compare, estimate)}" if natural else "too little is lost to be shared"
    return f"{said} ({ends}, {_sample(compare, estimate)})"


def _check(measurement: Measurement, estimate: Estimate, outcome: str) -> str:
    """Of how the study was made: how far apart the cells are, lag by lag."""
    compare = measurement.compare
    low, high = (estimate.natural.low, estimate.natural.high) if estimate.natural else (estimate.low, estimate.high)
    said = (
        f"{compare.question[:1].upper()}{compare.question[1:]}: {low:.3f} to {high:.3f} over {places(estimate.strata)}"
    )
    if outcome == "equivalent":
        return f"{said}, {band(compare)}"
    return f"{said}, not {band(compare)} at {places(measurement.differing)}"


def _difference(compare: Compare, estimate: Estimate) -> str:
    a, b = (term.label for term in compare.sum)
    low, high = estimate.low, estimate.high
    if estimate.effect < 0 and not compare.minus:
        a, b, low, high = b, a, -high, -low
    size = amount(abs(estimate.effect), "points")
    here, there = (joined(side, " tasks") if side else "" for side in (compare.where, compare.minus))
    if compare.minus:
        more = "larger" if estimate.effect >= 0 else "smaller"
        difference = f"The lead of {a} over {b} is {size} {more} on {here} than on {there}"
    elif size == "0 points":
        difference = f"{a} and {b} solve equally many of their runs on {here}"
    else:
        difference = f"{a} solves {size} more of its runs than {b} on {here}"
    return f"{difference} ({LEVEL_SAID} {confidence_limits(low, high)}, {_sample(compare, estimate)})"


def _consequence(measurement: Measurement, estimate: Estimate, outcome: str, p: float, alpha: float) -> str:
    compare, limits = measurement.compare, measurement.compare.limits
    chance = f"({probability(p)}, limit {alpha:.3g})"
    if outcome in ("better", "worse"):
        than = (
            f"more than {limit(compare, limits.null)}, and that is no chance"
            if limits.null
            else "more than chance gives"
        )
        side = "more" if outcome == "better" else "less"
        return f", {f'{side} than half, and that is no chance' if compare.shares else than} {chance}"
    if outcome == "equivalent":
        tie = "next to nothing" if limits.trail == -math.inf else "a tie"
        return f", {tie}: the interval lies {band(compare)}"
    if outcome == "not worse":
        size = band(compare).removeprefix("within ").removeprefix("±").replace("a factor of", "by a factor of")
        return f", so {compare.sum[0].label} is not {size} worse, though a tie {band(compare)} is not shown"
    if estimate.depth < STRATA:
        lags = "lag" if estimate.depth == 1 else "lags"
        return f", undecided: {estimate.depth} informative {lags}, and a decision needs {STRATA}"
    if estimate.share < FLOOR and compare.quantity.success:
        return f", undecided: with {percent(estimate.share)} of runs solved there is nothing to compare"
    trails = estimate.effect < limits.trail + 1e-9 and (limits.trail < limits.null or compare.shares)
    if p > alpha and (trails or estimate.effect > limits.lead - 1e-9):
        this = "that it is not one half" if compare.shares else "this"
        return f", undecided: {this} could be chance {chance}"
    if not limits.tie:
        return f", undecided: less than {limit(compare, limits.lead)}"
    inside = limits.tie[0] < estimate.low and estimate.high < limits.tie[1]
    if estimate.networks < TIE_SEEDS and limits.tie[0] < estimate.low:
        return f", undecided: fewer than {TIE_SEEDS} seeds do not make a tie"
    if measurement.differing and inside:
        return f", undecided: a tie on average, but the cells differ at {places(measurement.differing)}"
    if limits.trail == -math.inf:
        return f", undecided: the interval does not lie {band(compare)}, and less than {limit(compare, limits.lead)} is seen"
    return f", undecided: the interval is too wide for a tie {band(compare)}, the difference too small for a lead"
