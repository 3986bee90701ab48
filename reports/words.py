"""What was found, in sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from reports.contrasts import FLOOR, LEVEL, STRATA, TIE_SEEDS, Estimate, Measurement
from reports.strata import Stratum, Where


def points(share: float) -> str:
    """0.416 -> "42", −0.2 -> "−20"."""
    return f"{round(100 * share) + 0:d}".replace("-", "−")


def probability(p: float) -> str:
    """0.0123 -> "p = 0.012"."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


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


def finding(measurement: Measurement, outcome: str, p: float, alpha: float, delta: float) -> str:
    """One sentence, without its full stop: the difference, its interval, where it was seen, and what follows."""
    compare = measurement.compare
    if outcome == "missing":
        return next(iter(missing([measurement]))).removesuffix(".")
    estimate = measurement.strict if outcome in ("better", "worse") else measurement.loose
    left_out = left_out_of(measurement, outcome)
    omitted = f" (left out: {'; '.join(left_out)})" if left_out else ""
    if estimate is None:
        return f"{compare.question}: no lag can tell the cells apart{omitted}"
    return _difference(measurement, estimate) + _consequence(measurement, estimate, outcome, p, alpha, delta) + omitted


def missing(measurements: Sequence[Measurement]) -> list[str]:
    """A sentence for each pair of cells, with all the places where it was not confirmed side by side."""
    where: dict[tuple[str, str], list[str]] = {}
    for one in measurements:
        a, b = sorted((one.compare.a, one.compare.b))
        where.setdefault((a, b), []).extend(_places(one.absent))
    return [f"No lag has confirmation runs of both {a} and {b} on {_listed(named)}." for (a, b), named in where.items()]


def _places(side: Sequence[Where]) -> list[str]:
    return [f"{place}" if place.task else f"{place} tasks" for place in side]


def _listed(words: Sequence[str]) -> str:
    """One, two or three."""
    words = list(dict.fromkeys(words))
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def left_out_of(measurement: Measurement, outcome: str) -> tuple[str, ...]:
    """The strata that the outcome does not rest on, with the reason."""
    return measurement.floors + (measurement.ceilings if outcome in ("better", "worse") else ())


def _difference(measurement: Measurement, estimate: Estimate) -> str:
    compare = measurement.compare
    a, b, low, high = compare.a, compare.b, estimate.low, estimate.high
    if estimate.effect < 0 and not compare.minus:
        a, b, low, high = b, a, -high, -low
    size = points(abs(estimate.effect))
    unit = "point" if size == "1" else "points"
    here, there = (" and ".join(_places(side)) for side in (compare.where, compare.minus))
    if compare.minus:
        more = "larger" if estimate.effect >= 0 else "smaller"
        difference = f"The lead of {a} over {b} is {size} {unit} {more} on {here} than on {there}"
    elif size == "0":
        difference = f"{a} and {b} solve equally many of their runs on {here}"
    else:
        difference = f"{a} solves {size} {unit} more of its runs than {b} on {here}"
    sample = f"{estimate.seeds} seeds each" + (f" from {estimate.searches} searches" if estimate.searches > 1 else "")
    interval = f"{LEVEL:.0%} interval".replace("%", " %") + f" {points(low)} to {points(high)}"
    return f"{difference} ({interval}, {sample}, {places(estimate.strata)})"


def _consequence(
    measurement: Measurement, estimate: Estimate, outcome: str, p: float, alpha: float, delta: float
) -> str:
    band, compare = points(delta), measurement.compare
    if outcome in ("better", "worse"):
        return f", more than chance gives ({probability(p)}, limit {alpha:.3g})"
    if outcome == "equivalent":
        return f", a tie: the interval lies within ±{band} points"
    if outcome == "not worse":
        return f", so {compare.a} is not {band} points worse, though a tie within ±{band} points is not shown"
    if estimate.depth < STRATA:
        lags = "lag" if estimate.depth == 1 else "lags"
        return f", undecided: {estimate.depth} informative {lags}, and a decision needs {STRATA}"
    if estimate.share < FLOOR:
        return f", undecided: with {round(100 * estimate.share)} % of runs solved there is nothing to compare"
    if abs(estimate.effect) > delta - 1e-9 and p > alpha:
        return f", undecided: this could be chance ({probability(p)}, limit {alpha:.3g})"
    if estimate.seeds < TIE_SEEDS and -delta < estimate.low:
        return f", undecided: fewer than {TIE_SEEDS} seeds do not make a tie"
    if measurement.differing and -delta < estimate.low and estimate.high < delta:
        return f", undecided: a tie on average, but the cells differ at {places(measurement.differing)}"
    return f", undecided: the interval is too wide for a tie within ±{band} points, the difference too small for a lead"
