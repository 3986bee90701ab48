"""The report's sentences: generated from estimates and verdicts, as plain text (the templates escape it)."""

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from reports.aggregates.lattice import Node, clear, limits, points
from reports.aggregates.outcomes import Table
from reports.claims import thresholds
from reports.claims.findings import shown
from reports.claims.rules import Claim, Every, Is, Rule
from reports.claims.verdicts import ENOUGH_SEEDS, Verdict
from reports.statistics.comparison import RATE_MARGINS, Comparison
from reports.statistics.contrasts import Contrast, Estimate

RULE_WORDS = (
    "A cell leads another when it solves at least 20 points more of its runs and that is more than chance; two tie when the "
    "whole interval lies within ±20 points and no lag differs by itself; a cell is not worse when the interval ends above "
    "−20 points. Anything else is undecided."
)
LITERATURE_MARKS = "[R]: read in a public copy of the source. [M]: from memory of the paper."

DEMANDS = {
    "short": "remember a few steps",
    "latch": "hold on to something",
    "erase": "let go of what it added",
    "overwrite": "replace what it holds",
    "order": "keep the order of events",
    "capacity": "hold many things at once",
    "content": "find one thing by another",
    "count": "keep a count",
    "state": "track a state",
}
"""What the tasks of a group demand, as in "a network must …"."""

GONE = {
    "lstm_no_forget": "the forget gate",
    "lstm_no_input": "the input gate",
    "lstm_no_output": "the output gate",
    "lstm_no_candidate_tanh": "the squashing of the candidate",
    "lstm_no_output_tanh": "the squashing of the output",
    "lstm_static_leak": "a forget gate that answers to the input",
    "lstm_static_gates": "input and output gates that answer to the input",
    "single_network": "gates instead of one network",
}
"""What a cell lacks that its parent has: the part that an effect speaks of."""


PLURAL = ("single_network", "lstm_static_gates")
READ_AT_ONCE = 420
"""Letters of a verdict's reasons that stand open; what is longer is unfolded by those who want it."""
Effects = Mapping[tuple[str, str], Estimate]
"""By (cell, group): the cell against its parent."""
PARTS_TOLD = 3
"""How many parts the first sentence names, and how many groups of tasks the second does at once."""
CELLS_TOLD = 7
"""Cells above which the second sentence is about one part only."""


def listed(items: Iterable[str], last: str = " and ") -> str:
    """`a, b and c`."""
    *head, tail = [*items] or ["nothing"]
    return f"{', '.join(head)}{last}{tail}" if head else tail


def group_name(group: str) -> str:
    return group or "other"


def what_matters(placed: Sequence[Node], effects: Effects) -> str:
    """One sentence: the single changes that cost most, and how many were measured."""
    measured = [node for node in placed if any(cell == node.cell for cell, _ in effects)]
    if not measured:
        return "No cell stands beside the one that it differs from by a single change, so no part's effect can be told."
    losses = {node: min(_clear(node, effects), default=(0.0, "")) for node in measured}
    worst = sorted((node for node in measured if losses[node][0] < 0), key=lambda node: losses[node][0])
    if not worst:
        none = f"None of the {len(measured)} changes that were measured takes more"
        if len(measured) == 1:
            none = "The one change that was measured takes no more"
        return f"{none} from the solve rate than chance could."
    told = [
        f"{_part(node)} ({'without: ' if node.cell in GONE else ''}{_on(node, losses[node][1], effects)})"
        for node in worst[:PARTS_TOLD]
    ]
    more = f" and {len(worst) - PARTS_TOLD} more" if len(worst) > PARTS_TOLD else ""
    matters = "matter" if len(worst) > 1 or worst[0].cell in PLURAL else "matters"
    rest = len(measured) - len(worst)
    others = f"; {rest} of {len(measured)} single changes took nothing that chance could not" if rest else ""
    return f"{_capital(listed(told) if not more else ', '.join(told) + more)} {matters}{others}."


def where(placed: Sequence[Node], effects: Effects, probes: Mapping[str, str]) -> str:
    """One sentence: for the change that costs most, in which groups of tasks it does and in which not.

    :param probes: by cell, what its probes say beside its parent's, as in "…".
    """
    losses = {node: min(_clear(node, effects), default=(0.0, "")) for node in placed}
    worst = sorted((node for node in placed if losses[node][0] < 0), key=lambda node: losses[node][0])
    if not worst:
        return "In no group of tasks does a single change lose clearly."
    told = []
    for node in worst[: 2 if len(placed) <= CELLS_TOLD else 1]:
        own = {group: estimate for (cell, group), estimate in effects.items() if cell == node.cell}
        hurt = [group for group, estimate in own.items() if clear(estimate) and estimate.effect < 0]
        open_ = [group for group, estimate in own.items() if not clear(estimate)]
        helped = [group for group, estimate in own.items() if clear(estimate) and estimate.effect > 0]
        parts = [f"{_taking(node)} costs on {_tasks(hurt, node, effects)}"]
        parts += [f"helps on {_tasks(helped, node, effects)}"] if helped else []
        parts += [f"shows no clear effect on {_tasks(open_, node, effects)}"] if open_ else []
        told.append(listed(parts, ", and ") + (f" ({probes[node.cell]})" if node.cell in probes else ""))
    return f"{_capital('; '.join(told))}."


def how_sure(verdicts: Sequence[Verdict], seeds: int, searches: int) -> str:
    """One sentence: how many claims are decided, on how much."""
    decided = [verdict for verdict in verdicts if verdict.verdict in ("supported", "refuted")]
    tested = [verdict for verdict in verdicts if verdict.verdict != "not_tested"]
    from_searches = f" from {searches} search{'' if searches == 1 else 'es'}" if searches else ""
    basis = f"{count(seeds, 'confirmation seed')} per cell, task and lag{from_searches}"
    if not seeds:
        return "There are no confirmation runs, so nothing is sure."
    if seeds < ENOUGH_SEEDS:
        return (
            f"With {basis} this is preliminary: {len(decided)} of {count(len(verdicts), 'claim')} decided, and the "
            "effects and their intervals say more than the verdicts."
        )
    differing = [verdict for verdict in decided if verdict.literature == "differs"]
    agreeing = [verdict for verdict in decided if verdict.literature == "agrees"]
    beside = (
        f", {len(agreeing)} as the literature suggests and {len(differing)} against it" if agreeing or differing else ""
    )
    return (
        f"{basis[0].upper() + basis[1:]} decide {len(decided)} of {count(len(verdicts), 'claim')}{beside}; "
        f"still open: {len(tested) - len(decided)}, not tested: {len(verdicts) - len(tested)}."
    )


def _clear(node: Node, effects: Effects) -> list[tuple[float, str]]:
    """The clear effects of a change, with their groups."""
    return [(one.effect, group) for (cell, group), one in effects.items() if cell == node.cell and clear(one)]


def _part(node: Node) -> str:
    """What the parent has and the cell has not: `the forget gate`, else `lstm rather than lstm_coupled`."""
    return GONE.get(node.cell, f"{node.parent} rather than {node.cell}")


def _taking(node: Node) -> str:
    """The change, as something that is done: `taking away the forget gate`."""
    if node.cell == "single_network":
        return "putting one network in place of gates"
    return f"taking away {GONE[node.cell]}" if node.cell in GONE else f"going from {node.parent} to {node.cell}"


def _on(node: Node, group: str, effects: Effects) -> str:
    one = effects[node.cell, group]
    return f"{points(one.effect)} points on {group_name(group)} tasks, {limits(one.low, one.high)}"


def _tasks(groups: Sequence[str], node: Node, effects: Effects) -> str:
    told = [f"{group_name(group)} ({points(effects[node.cell, group].effect)})" for group in groups[:PARTS_TOLD]]
    more = len(groups) - PARTS_TOLD
    return f"{listed([*told, f'{more} other'] if more > 0 else told)} tasks"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table: `12,345`, `0.0123`, or a dash where there is none."""
    if value is None or pd.isna(value):
        return "–"
    if abs(value) >= 1e6:
        exponent = len(str(int(abs(value)))) - 1
        return f"{value / 10**exponent:.{digits - 1}f} × 10{_superscript(exponent)}"
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.{digits}g}"


def _superscript(n: int) -> str:
    return str(n).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def duration(seconds: float) -> str:
    """`45 seconds`, `12 minutes`, `3.4 hours`."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{number(round(seconds / size, 1), 2)} {unit}"
    return f"{number(round(seconds), 2)} seconds"


def count(n: int, thing: str) -> str:
    """`1 cell`, `1,200 cells`."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def span(values: Table) -> str:
    """`33`, or `33 to 66` where they differ."""
    low, high = values.min(), values.max()
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def needed(seeds: int, lags: int) -> str:
    """What a preliminary report lacks."""
    return (
        f"{count(seeds, 'confirmation seed')} per cell, task and lag: read the effects and their intervals. "
        f"A verdict takes {ENOUGH_SEEDS} seeds on at least {lags} lags."
    )


def tally(verdicts: Sequence[Verdict]) -> str:
    """`1 claim supported, 2 inconclusive, 10 not tested`."""
    kinds = ("supported", "refuted", "inconclusive", "not_tested")
    counts = [(sum(verdict.verdict == kind for verdict in verdicts), kind.replace("_", " ")) for kind in kinds]
    told = [f"{n} {kind}" for n, kind in counts if n]
    return f"{count(len(verdicts), 'claim')}: {', '.join(told)}"


def opening(why: str) -> tuple[str, str]:
    """The first sentences of a verdict's reasons, and the others where they are many."""
    sentences = re.split(r"(?<=\.) ", why)
    first = 1
    while first < len(sentences) and len(" ".join(sentences[: first + 1])) <= READ_AT_ONCE:
        first += 1
    return " ".join(sentences[:first]), " ".join(sentences[first:])


def decisive(verdict: Verdict) -> Contrast | None:
    """The contrast that the verdict's effect is of."""
    named = [contrast for contrast in verdict.contrasts if contrast.question == verdict.decisive]
    same = [contrast for contrast in verdict.contrasts if contrast.effect == verdict.effect]
    return next(iter(named or same), None) if verdict.effect is not None else None


def effect(verdict: Verdict) -> str:
    """The effect of a verdict with its interval; a dash where nothing was measured."""
    contrast = decisive(verdict)
    return shown(contrast) if contrast else "–"


def rules(claim: Claim) -> list[tuple[str, str]]:
    """When a claim is supported and when refuted, as declared before any run."""
    compares = {compare.name: compare for compare in claim.comparisons}
    said = [
        ("Supported when", _rule(claim.supported, compares)),
        ("Refuted when", _rule(claim.refuted, compares)),
    ]
    return [("Takes for granted", claim.premise_in_words), *said] if claim.premise else said


def _rule(rule: Rule, compares: Mapping[str, Comparison]) -> str:
    if isinstance(rule, Is):
        compare = compares[rule.contrast]
        return _relation(rule, compare).format(listed(str(place) for place in compare.where))
    joint = " and " if isinstance(rule, Every) else " or "
    alike: dict[str, list[str]] = {}
    for part in rule.rules:
        if isinstance(part, Is):
            compare = compares[part.contrast]
            alike.setdefault(_relation(part, compare), []).extend(str(place) for place in compare.where)
        else:
            alike[f"({_rule(part, compares)})"] = []
    return joint.join(
        relation.format(listed(places, joint)) if places else relation for relation, places in alike.items()
    )


def _relation(rule: Is, compare: Comparison) -> str:
    if compare.phrased or compare.margins != RATE_MARGINS:
        return thresholds.relation(compare, rule.outcomes)
    (a, b), places = (term.label for term in compare.contrast_terms), "on {}"
    if compare.minus:
        return f"the lead of {a} over {b} is larger on {{}} than on {listed(str(place) for place in compare.minus)}"
    match rule.outcomes:
        case ("better",):
            return f"{a} leads {b} {places}"
        case ("worse",):
            return f"{b} leads {a} {places}"
        case ("equivalent",):
            return f"{a} and {b} tie {places}"
    return f"{a} is not worse than {b} {places}"
