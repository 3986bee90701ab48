"""What the single changes of the gate lattice do: a sentence, and a row for each that clearly changes the solve rate."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from reports.aggregates.lattice import Node, clear
from reports.aggregates.outcomes import Table
from reports.format import confidence_limits, count, listed, points
from reports.statistics.contrasts import Estimate
from reports.text.sentences import DEMANDS, capital, group_name

REMOVED = {
    "lstm_no_forget": "the forget gate",
    "lstm_no_input": "the input gate",
    "lstm_no_output": "the output gate",
    "lstm_no_candidate_tanh": "the tanh of the candidate",
    "lstm_no_output_tanh": "the tanh of the output",
}
"""The part that a cell lacks and its parent has."""
ABLE = 0.25
"""Solve rate that a cell must have in a group of tasks for a change of it to be able to lower it."""
NAMED = 3
"""Most changes that the sentence names."""
ROWS = 6
"""Most changes that have a row."""
MANY = 8
"""Cells of a study above which changes have rows, and the sentence has no numbers."""

Effects = Mapping[tuple[str, str], Estimate]
"""By (cell, group): the solve rate of the cell minus that of its parent."""


class Change(NamedTuple):
    """A single change, and the groups of tasks by its effect on the solve rate, each as what their tasks demand."""

    text: str
    """What is changed: `No forget gate`."""
    cells: str
    """The two cells, and the equation that differs, if the catalogue has it: `lstm → lstm_no_forget: c' = c + i ⊙ z`."""
    lowers: list[str]
    """The groups with a clear loss, the largest first: `forget what it has accumulated (erase): −90 (−98 to −74)`."""
    raises: list[str]
    """The groups with a clear gain, the largest first."""
    neither: list[str]
    """The groups without a clear effect."""


class Changes(NamedTuple):
    """What the report says of single changes."""

    many: bool
    """Whether the study has more than MANY cells."""
    sentence: str
    """Those that clearly lower the solve rate, the worst first; of many cells, without numbers, which the rows have."""
    rows: list[Change]
    """Those with the largest clear losses, at most ROWS."""
    harmless: str
    """Those without a clear loss, in one sentence; empty if there are none."""


def changes(nodes: Sequence[Node], effects: Effects, rates: Table) -> Changes:
    """Describe the single changes of a lattice.

    A change can lower the solve rate only where the unchanged cell has one: groups of tasks that it hardly solves are left out, except
    where the change clearly raises it.

    :param nodes: the cells of the lattice.
    :param rates: group, cell, rate.
    """
    able = set(rates.loc[rates["rate"] >= ABLE, ["cell", "group"]].itertuples(index=False, name=None))
    compared = [node for node in nodes if any(cell == node.cell for cell, _ in effects)]
    seen = {node.cell: _where_seen(node, effects, able) for node in compared}
    measured = [node for node in compared if any((node.parent, group) in able for group in seen[node.cell])]
    losses = [(node, *loss) for node in measured if (loss := _largest_loss(seen[node.cell]))]
    losses.sort(key=lambda loss: loss[1].effect)
    worse, many = [node for node, _, _ in losses], len(nodes) > MANY
    return Changes(
        many,
        _in_words(worse, seen) if many and worse else _sentence(compared, measured, losses),
        [_row(node, seen[node.cell]) for node in worse[:ROWS]],
        _harmless({node: len(seen[node.cell]) for node in measured if node not in worse}),
    )


def _where_seen(node: Node, effects: Effects, able: Collection[tuple[str | None, str]]) -> dict[str, Estimate]:
    """The effects of a change by group, where its parent is able to solve the tasks, or the change clearly raises the rate."""
    return {
        group: one
        for (cell, group), one in effects.items()
        if cell == node.cell and ((node.parent, group) in able or (clear(one) and one.effect > 0))
    }


def _in_words(losses: Sequence[Node], seen: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Where the changes with the largest losses lower the solve rate and where they raise it, without numbers."""
    sentences = ["Single changes with a clear loss, the largest first."]
    for node in losses[:NAMED]:
        text, worse, better = node.change.partition(": ")[0], *_clear_groups(seen[node.cell])
        also = f", better where it must {listed(map(_must, better))}" if better else ""
        sentences.append(f"{capital(text)}: worse where a network must {listed(map(_must, worse), ' or ')}{also}.")
    if (more := len(losses) - NAMED) > 0:
        sentences.append(
            f"{capital(count(more, 'other change'))} clearly lower{'s' * (more == 1)} the solve rate, too (in the figure)."
        )
    return " ".join(sentences)


def _clear_groups(effects: Mapping[str, Estimate]) -> tuple[list[str], list[str]]:
    """The groups with a clear loss and those with a clear gain, the largest first."""
    found = sorted(((one.effect, group) for group, one in effects.items() if clear(one)), key=lambda one: -abs(one[0]))
    return [group for effect, group in found if effect < 0], [group for effect, group in found if effect > 0]


def _must(group: str) -> str:
    return DEMANDS.get(group, "solve other tasks")


def _harmless(groups: Mapping[Node, int]) -> str:
    """The changes without a clear loss, by the cell that is changed.

    :param groups: in how many groups of tasks each was measured.
    """
    kept = [
        f"from {parent} to "
        + listed(f"{node.cell} ({count(n, 'group')})" for node, n in groups.items() if node.parent == parent)
        for parent in dict.fromkeys(node.parent for node in groups)
    ]
    return (
        f"No clear loss in any group of tasks that the unchanged cell learns, as far as they were tried: {'; '.join(kept)}."
        if kept
        else ""
    )


def _sentence(compared: Sequence[Node], measured: Sequence[Node], losses: Sequence[tuple[Node, Estimate, str]]) -> str:
    """The changes that clearly lower the solve rate, each with its largest loss and the group where it has it."""
    if compared and not measured:
        return "No cell from which a part was changed solves much, so no effect of a part can be seen."
    if not compared:
        return "No two cells of these tables differ by a single change, so no effect of a part can be measured."
    if not losses:
        if len(measured) == 1:
            return "The one single change that was measured has no clear loss of solve rate."
        return f"None of the {len(measured)} single changes that were measured has a clear loss of solve rate."
    described = [
        f"{_text(node)} ({points(estimate.effect)} points where a network must {_must(group)}, "
        f"{confidence_limits(estimate.low, estimate.high)})"
        for node, estimate, group in losses[:NAMED]
    ]
    if len(losses) > NAMED:
        described.append(count(len(losses) - NAMED, "other change"))
    verb = "lower" if len(losses) > 1 else "lowers"
    return f"{capital(listed(described))} clearly {verb} the solve rate."


def _largest_loss(effects: Mapping[str, Estimate]) -> tuple[Estimate, str] | None:
    """The largest clear loss of a change, and its group; None if it has none."""
    worse, _ = _clear_groups(effects)
    return (effects[worse[0]], worse[0]) if worse else None


def _row(node: Node, effects: Mapping[str, Estimate]) -> Change:
    """The groups of tasks by the effect of a change, each from its largest effect on."""
    worse, better = (
        [
            f"{_demand(group)}: {points(effects[group].effect)} ({confidence_limits(effects[group].low, effects[group].high)})"
            for group in groups
        ]
        for groups in _clear_groups(effects)
    )
    unclear = sorted(
        (group for group in effects if not clear(effects[group])), key=lambda group: -abs(effects[group].effect)
    )
    text, _, equation = node.change.partition(": ")
    cells = f"{node.parent} → {node.cell}" + (f": {equation}" if equation else "")
    return Change(capital(text), cells, worse, better, [_demand(group) for group in unclear])


def _demand(group: str) -> str:
    """What the tasks of a group demand, and its name: `hold a value (latch)`."""
    demand = DEMANDS.get(group, "")
    return f"{demand} ({group})" if demand not in ("", group) else group_name(group)


def _text(node: Node) -> str:
    """The change from the parent: `removing the forget gate`, otherwise `going from lstm to gru`."""
    if node.cell == "single_network":
        return "replacing the gates by one network"
    return f"removing {REMOVED[node.cell]}" if node.cell in REMOVED else f"going from {node.parent} to {node.cell}"
