"""The report's sentences: generated from estimates and verdicts, as plain text (the templates escape it)."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from reports import margins
from reports.compare import RATES, Compare
from reports.contrasts import Contrast, Estimate
from reports.decision import Verdict
from reports.lattice import Node, clear, limits, percent, points
from reports.rules import Claim, Every, Is, Rule
from reports.summary import Table, parts, pick

ENOUGH_SEEDS = 20
"""Confirmation seeds per cell, task and lag below which a report is preliminary."""

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

GROUPS_TOLD, CELLS_TOLD = 3, 6
"""How many groups of tasks the first sentence goes through, and how many cells it names one by one."""

LEADS = {
    "lstm_no_forget": "Without its forget gate, the lstm",
    "single_network": "With one network in place of its gates, the lstm",
}


def listed(items: Iterable[str], last: str = " and ") -> str:
    """`a, b and c`."""
    *head, tail = [*items] or ["nothing"]
    return f"{', '.join(head)}{last}{tail}" if head else tail


def group_name(group: str) -> str:
    return group or "other"


def who_solves(rates: Table, tasks: Mapping[str, Sequence[str]]) -> str:
    """Who solves what: the mean solve rate of each cell, highest first, in the groups where cells differ most.

    :param rates: group, cell, rate.
    :param tasks: the tasks of each group.
    """
    spread = rates.groupby("group")["rate"].agg(lambda own: own.max() - own.min())
    telling = set(spread.sort_values(ascending=False, kind="stable").index[:GROUPS_TOLD])
    told = [_solvers(group, own, tasks[group]) for (group,), own in parts(rates, ["group"]) if group in telling]
    return " ".join(told)


def _solvers(group: str, rates: Table, tasks: Sequence[str]) -> str:
    ranked = rates.sort_values("rate", ascending=False, kind="stable")
    many = len(ranked) > CELLS_TOLD
    (most, cells), *less = _levels(ranked.head(3) if many else ranked)
    levels = [f"{listed(cells)} {'solve' if len(cells) > 1 else 'solves'} {most} of the runs"]
    levels += [f"{listed(cells)} {rate}" for rate, cells in less]
    if many:
        last = [f"{listed(cells)} {rate}" for rate, cells in _levels(ranked.tail(2))]
        levels += [f"{len(ranked) - 5} cells less", *last]
    where = f", where a network must {DEMANDS[group]}," if group in DEMANDS else ""
    return f"On {group_name(group)} tasks ({listed(tasks)}){where} {', '.join(levels)}."


def _levels(ranked: Table) -> list[tuple[str, list[str]]]:
    """Cells of the same rounded rate together."""
    rounded = ranked.assign(rate=ranked["rate"].map(percent))
    return [(rate, level["cell"].tolist()) for (rate,), level in parts(rounded, ["rate"])]


def change(node: Node, effects: Mapping[tuple[str, str], Estimate]) -> str:
    """What one change did in each group of tasks, with intervals; empty where it was not measured."""
    own = {group: estimate for (cell, group), estimate in effects.items() if cell == node.cell}
    told = []
    for verb, sign in (("loses", -1), ("gains", 1)):
        moves = [
            f"{abs(round(100 * estimate.effect))} points on {group_name(group)} tasks ({_size(estimate)})"
            for group, estimate in own.items()
            if clear(estimate) and sign * estimate.effect > 0
        ]
        told.extend([f"{verb} {listed(moves)}"] if moves else [])
    unclear = [
        f"{group_name(group)} tasks ({points(estimate.effect)}, {limits(estimate.low, estimate.high)})"
        for group, estimate in own.items()
        if not clear(estimate)
    ]
    if unclear:
        told.append(f"shows no clear difference on {listed(unclear)}")
    lead = LEADS.get(node.cell, f"The {node.cell}, measured against the {node.parent},")
    return f"{lead} {listed(told, ', and ')}." if told else ""


def not_separated(contrasts: Iterable[Contrast], seeds: int) -> str:
    """Which pairs the seeds could not tell apart; empty where there are none."""
    pairs: dict[tuple[str, ...], str] = {}
    for c in contrasts:
        level = None not in (c.effect, c.ci_low, c.ci_high) and (c.ci_low or 0) <= 0 <= (c.ci_high or 0)
        if level and c.outcome != "equivalent":
            both = tuple(sorted((c.a, c.b)))
            pairs.setdefault((*both, *c.tasks), f"{listed(both)} on {listed(c.tasks)}")
    said = list(pairs.values())
    more = f", and {len(said) - 4} more" if len(said) > 4 else ""
    return f"{count(seeds, 'seed')} could not tell apart {'; '.join(said[:4])}{more}." if said else ""


def _size(estimate: Estimate) -> str:
    low, high = sorted(round(100 * abs(limit)) for limit in (estimate.low, estimate.high))
    return f"{low} to {high}"


def rates_alt(rates: Table) -> str:
    """The solve rates in words, for those who cannot see the figure."""
    panels = []
    for (task, lag), own in parts(rates, ["task", "lag"]):
        counts = [f"{row['cell']} {row['solved']} of {row['seeds']}" for _, row in own.iterrows()]
        panels.append(f"{task}, lag {lag:g}: {', '.join(counts)}")
    return f"Networks that solved their task. {'; '.join(panels)}."


def lattice_alt(placed: Sequence[Node], effects: Mapping[tuple[str, str], Estimate]) -> str:
    """The lattice in words."""
    edges = []
    for node in placed:
        if node.parent is None:
            edges.append(f"{node.cell} is a root")
            continue
        moves = [
            f"{group_name(group)} {points(estimate.effect)} points ({limits(estimate.low, estimate.high)})"
            for (cell, group), estimate in effects.items()
            if cell == node.cell
        ]
        edges.append(f"{node.cell} from {node.parent} ({node.change}): {', '.join(moves) or 'not compared'}")
    return f"A tree of cells with the effect of each single change on the solve rate. {'; '.join(edges)}."


def scores_alt(confirm: Table) -> str:
    """The spread of test scores in words."""
    spread = []
    for (task, cell), own in parts(confirm, ["task", "cell"]):
        low, middle, high = own["score"].min(), own["score"].median(), own["score"].max()
        spread.append(f"{cell} on {task} {low:.2f} to {high:.2f}, median {middle:.2f}")
    return f"Test scores of single confirmation networks. {'; '.join(spread)}."


def ends_alt(what: str, quartiles: Table) -> str:
    """Where the median of a curve starts and ends at the longest lag, in words."""
    ends = []
    for (task,), rows in parts(quartiles, ["task"]):
        longest = rows["lag"].max()
        told = []
        for (cell,), own in parts(pick(rows, lag=longest), ["cell"]):
            middle = own.sort_values("step")["middle"].tolist()
            told.append(f"{cell} {middle[0]:.3g} to {middle[-1]:.3g}")
        ends.append(f"{task}, lag {longest:g}: {', '.join(told)}")
    return f"{what}: median at the start and at the end. {'; '.join(ends)}."


def tuning_alt(tune: Table) -> str:
    """How many trials solved, in words."""
    counts = [
        f"{cell} on {task}: {int(own['solved'].sum())} of {len(own)} trials"
        for (task, cell), own in parts(tune, ["task", "cell"])
    ]
    return f"Trials of the search against learning rate. Solved: {'; '.join(counts)}."


def contrasts_alt(contrasts: Sequence[Contrast]) -> str:
    """The contrasts of a claim in words."""
    lines = [
        f"{c.question}: {c.outcome}"
        if c.effect is None
        else f"{c.question}: {points(c.effect)} points ({limits(c.ci_low, c.ci_high)}), {c.outcome}"
        for c in contrasts
    ]
    return f"Differences in solve rate. {'; '.join(lines)}."


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


def effect(verdict: Verdict) -> str:
    """The effect of a verdict with its interval, in points; a dash where nothing was measured."""
    if verdict.effect is None:
        return "–"
    return f"{points(verdict.effect)} ({limits(verdict.ci_low, verdict.ci_high)})"


def rules(claim: Claim) -> list[tuple[str, str]]:
    """When a claim is supported and when refuted, as declared before any run."""
    compares = {compare.name: compare for compare in claim.compares}
    said = [
        ("Supported when", _rule(claim.supported, compares)),
        ("Refuted when", _rule(claim.refuted, compares)),
    ]
    return [("Takes for granted", claim.premise_in_words), *said] if claim.premise else said


def _rule(rule: Rule, compares: Mapping[str, Compare]) -> str:
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


def _relation(rule: Is, compare: Compare) -> str:
    if compare.phrased or compare.limits != RATES:
        return margins.relation(compare, rule.outcomes)
    (a, b), places = (term.label for term in compare.sum), "on {}"
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
