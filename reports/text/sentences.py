"""The report's sentences, generated from estimates and verdicts as plain text (the templates escape it)."""

import re
from collections.abc import Sequence

from reports.aggregates.published import Beside
from reports.claims.findings import shown
from reports.claims.verdicts import ENOUGH_SEEDS, Verdict
from reports.format import MISSING, count, number
from reports.statistics.contrasts import MIN_SEARCHES, Contrast

RULE_WORDS = (
    "The reach of a cell on a task is the lag at which half of its networks solve it, estimated from its solve rates at all lags "
    "(Spearman–Kärber). It is a lower bound, marked “>”, where half of the networks or more solve the longest lag, and may then be less than that lag, "
    "as failures at shorter lags count; likewise “<” where fewer than half solve the shortest. A cell leads another when it reaches at least twice the lag (estimated), "
    "and the interval excludes equal reach. It keeps up with another when the interval excludes "
    "that it reaches half the lag or less, it is significantly worse at no single lag, and the other solves less than half at the longest lag; "
    "if only this last is missing, the comparison is saturated: longer lags could still show a difference. "
    "Two cells tie when each keeps up with the other. Anything else is undecided. Where a rule demands at least or at most a value, "
    "the estimate must be there and differ significantly from no effect; its interval may include the value. The p values of the claims are corrected for "
    "their number (Holm), so that the probability of any false verdict among the claims is at most 5 %: leads and ties are tested at the α of their claim, "
    "which may be stricter than the printed interval."
)
GLOSSARY = (
    "Lag: the number of steps over which a task demands memory, as its row under Results says. Solve rate: the share of networks "
    "that meet the task's criterion within the budget. Reach: the lag at which half of a cell's networks solve the task."
)
LITERATURE_MARKS = "[R]: checked in a public copy of the source. [M]: quoted from memory of the paper."

DEMANDS = {
    "short": "remember a few steps",
    "latch": "hold a value",
    "erase": "forget what it has accumulated",
    "overwrite": "replace a stored value",
    "order": "remember the order of events",
    "capacity": "store many items at once",
    "content": "retrieve an item by its key",
    "count": "count",
    "state": "track a discrete state",
}
"""What the tasks of a group demand, as in "a network must …"."""

OPENING_LENGTH = 420
"""Characters of a verdict's reasons that the page shows unfolded."""


def group_name(group: str) -> str:
    """The name of a group of tasks; `other` for tasks of no known group."""
    return group or "other"


def how_sure(verdicts: Sequence[Verdict], seeds: int, searches: int) -> str:
    """One sentence: how many claims are decided, and on how many seeds and searches.

    :param seeds: the fewest confirmation seeds of any cell, task and lag.
    :param searches: the fewest searches; 0 if unknown.
    """
    if not seeds:
        return "There are no confirmation runs, so no claim can be decided."
    decided = [verdict for verdict in verdicts if verdict.verdict in ("supported", "refuted")]
    tested = [verdict for verdict in verdicts if verdict.verdict != "not_tested"]
    from_searches = f", from {count(searches, 'tuning search', 'tuning searches')}" if searches else ""
    basis = f"{count(seeds, 'confirmation seed')} per cell, task and lag{from_searches}"
    if not tested:
        return (
            f"{basis}; none of the {count(len(verdicts), 'claim')} is tested, so read the effects and their intervals."
        )
    if seeds < ENOUGH_SEEDS:
        return (
            f"With {basis} this report is preliminary: {len(decided)} of {count(len(verdicts), 'claim')} are decided, and "
            "the effects and their intervals are more informative than the verdicts."
        )
    agreeing = sum(verdict.literature == "agrees" for verdict in decided)
    differing = sum(verdict.literature == "differs" for verdict in decided)
    unpublished = len(decided) - agreeing - differing
    literature = (
        f" ({agreeing} as the literature suggests, {differing} against it, {unpublished} without a published answer)"
        if agreeing + differing
        else ""
    )
    open_claims = [str(verdict.id) for verdict in tested if verdict not in decided]
    named = f" ({', '.join(open_claims)})" if open_claims else ""
    return (
        f"{len(decided)} of {count(len(verdicts), 'claim')} are decided{literature}, {len(open_claims)} inconclusive{named}, "
        f"{len(verdicts) - len(tested)} not tested. {capital(basis)}."
    )


def needed(seeds: int, lags: int) -> str:
    """What a preliminary report lacks."""
    return (
        f"{count(seeds, 'confirmation seed')} per cell, task and lag: read the effects and their intervals. "
        f"A verdict needs {MIN_SEARCHES} searches and at least {lags} lags; the planned number of seeds is {ENOUGH_SEEDS}."
    )


def repeated(rows: Sequence[Beside]) -> str:
    """How many published results agree with the measured ones, and which do not; empty without any."""
    differing = [
        f"{row.published.cell} on {row.published.task} at lag {number(row.published.lag)} (published: {row.published.found}; "
        f"here: {row.measured})"
        for row in rows
        if not row.agrees
    ]
    if not rows:
        return ""
    agree = f"Published results that it repeats: {len(rows) - len(differing)} of {len(rows)} agree."
    return f"{agree} Not as published: {'; '.join(differing)}." if differing else agree


def tally(verdicts: Sequence[str]) -> str:
    """The number of claims with each verdict: `13 claims: 1 supported, 2 inconclusive, 10 not tested`."""
    kinds = ("supported", "refuted", "inconclusive", "not_tested")
    counts = [(verdicts.count(kind), kind.replace("_", " ")) for kind in kinds]
    return f"{count(len(verdicts), 'claim')}: {', '.join(f'{n} {kind}' for n, kind in counts if n)}"


def opening(why: str) -> tuple[str, str]:
    """Split a verdict's reasons into leading sentences of at most OPENING_LENGTH characters (at least one) and the rest."""
    sentences = re.split(r"(?<=\.) ", why)
    first = 1
    while first < len(sentences) and len(" ".join(sentences[: first + 1])) <= OPENING_LENGTH:
        first += 1
    return " ".join(sentences[:first]), " ".join(sentences[first:])


def decisive(verdict: Verdict) -> Contrast | None:
    """The contrast whose effect is the verdict's; None if nothing was measured."""
    named = [contrast for contrast in verdict.contrasts if contrast.question == verdict.decisive]
    same = [contrast for contrast in verdict.contrasts if contrast.effect == verdict.effect]
    return next(iter(named or same), None) if verdict.effect is not None else None


def effect(verdict: Verdict) -> str:
    """The effect of a verdict with its interval; a dash if nothing was measured."""
    contrast = decisive(verdict)
    return shown(contrast) if contrast else MISSING


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
