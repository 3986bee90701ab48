"""The rules of a claim as conditions in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reports.claims import thresholds
from reports.claims.rules import Claim, Every, Is, Rule, Some
from reports.format import listed
from reports.statistics.comparison import RATE_MARGINS, REACH_MARGINS, Comparison

AND, OR = " and ", " or "
EACH_OF = "each of "


class Phrase(NamedTuple):
    """A condition whose cell and tasks stand apart, so that conditions that differ in one of them can be merged."""

    template: str
    """With {cell}, and with {place} as its end: "{cell} leads rnn {place}"."""
    cell: str = ""
    place: str = ""
    """The tasks: "on recall"."""
    compound: bool = False
    """Whether it needs parentheses beside others."""

    def __str__(self) -> str:
        return self.template.format(cell=self.cell, place=self.place)


def conditions(claim: Claim) -> list[tuple[str, str]]:
    """The conditions of a claim as (term, text): its premise if it has one, when it is supported, when it is refuted."""
    comparisons = {comparison.name: comparison for comparison in claim.comparisons}
    rules = [("Supported when", claim.supported), ("Refuted when", claim.refuted)]
    stated = [(term, str(_phrase(rule, comparisons))) for term, rule in rules]
    stated += [
        ("Reference", f"of {a} and {rival}, on each task the one that solved more of its tuning trials")
        for a, rival in dict.fromkeys((one.a, one.rival) for one in claim.comparisons if one.rival)
    ]
    return [("Premise", claim.premise_in_words), *stated] if claim.premise else stated


def _phrase(rule: Rule, comparisons: Mapping[str, Comparison]) -> Phrase:
    """A rule as a condition; parts that differ only in their tasks, or only in their cells, are merged."""
    if isinstance(rule, Is):
        comparison = comparisons[rule.contrast]
        return Phrase(*_relation(rule, comparison), f"on {listed(str(place) for place in comparison.where)}")
    rule = _factored(rule)
    conjunction = AND if isinstance(rule, Every) else OR
    phrases = [_phrase(part, comparisons) for part in rule.rules]
    phrases = _with_joined_cells(_with_joined_places(phrases, conjunction), conjunction)
    if len(phrases) == 1:
        return phrases[0]
    cells = {phrase.cell for phrase in phrases}
    if len(cells) == 1 and cells != {
        ""
    }:  # "a leads b on x or it leads b on y", where a may still be joined by other cells
        texts = [
            phrase.template.format(cell="it" if k else "{cell}", place=phrase.place) for k, phrase in enumerate(phrases)
        ]
        return Phrase(conjunction.join(texts), *cells, compound=True)
    return Phrase(
        conjunction.join(f"({phrase})" if phrase.compound else str(phrase) for phrase in phrases), compound=True
    )


def _factored(rule: Every | Some) -> Every | Some:
    """A rule without nested `Every` in `Every`; what all alternatives require is stated once, beside the alternatives."""
    if isinstance(rule, Every):
        parts = [part.rules if isinstance(part, Every) else (part,) for part in rule.rules]
        return Every(tuple(one for part in parts for one in part))
    alternatives = [_factored(part).rules if isinstance(part, Every) else (part,) for part in rule.rules]
    shared = [one for one in alternatives[0] if all(one in others for others in alternatives[1:])]
    if not shared or len(alternatives) == 1:
        return rule
    rest = [Every(tuple(one for one in part if one not in shared)) for part in alternatives]
    return Every((Some(tuple(rest)), *shared)) if all(part.rules for part in rest) else rule


def _with_joined_places(phrases: Iterable[Phrase], conjunction: str) -> list[Phrase]:
    alike: dict[tuple[str, str, bool], list[str]] = {}
    for template, cell, place, compound in phrases:
        alike.setdefault((template, cell, compound), []).append(place)
    return [
        Phrase(template, cell, _places(places, cell, conjunction), compound)
        for (template, cell, compound), places in alike.items()
    ]


def _places(places: list[str], cell: str, conjunction: str) -> str:
    if len(places) == 1:
        return places[0]
    if conjunction == OR and cell.startswith(EACH_OF):
        # "each of a and b on x or y" would leave open whether all have to be on the same task.
        return listed([f"all {place}" for place in places], OR)
    return "on " + listed([place.removeprefix("on ") for place in places], conjunction)


def _with_joined_cells(phrases: Iterable[Phrase], conjunction: str) -> list[Phrase]:
    alike: dict[tuple[str, str, bool], list[str]] = {}
    for template, cell, place, compound in phrases:
        alike.setdefault((template, place, compound), []).append(cell)
    quantifier = EACH_OF if conjunction == AND else "one of "
    return [
        Phrase(template, quantifier + listed(cells) if len(cells) > 1 else cells[0], place, compound)
        for (template, place, compound), cells in alike.items()
    ]


def _relation(rule: Is, comparison: Comparison) -> tuple[str, str]:
    """A rule over one contrast, with {place} for where, and with {cell} for the first cell; and that cell."""
    if comparison.minus or comparison.phrase or comparison.margins not in (REACH_MARGINS, RATE_MARGINS):
        return thresholds.relation(comparison, rule.outcomes).replace("on {}", "{place}"), ""
    a, b = (term.label for term in comparison.contrast_terms)
    measure = "" if comparison.quantity.over_lags else f" in {comparison.quantity.name}"
    match rule.outcomes:
        case ("better",):
            return f"{{cell}} leads {b}{measure} {{place}}", a
        case ("worse",):
            return f"{b} leads {{cell}}{measure} {{place}}", a
        case ("equivalent",):
            return f"{{cell}} and {b} tie{measure} {{place}}", a
    bounded = ", as far as lags were tried," if comparison.bounded else ""
    return f"{{cell}} keeps up with {b}{measure}{bounded} {{place}}", a
