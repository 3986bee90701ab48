"""What single changes do, from effects whose meaning is plain."""

import pandas as pd

from reports.aggregates.lattice import Node
from reports.statistics.contrasts import Estimate
from reports.text.changes import MANY, NAMED, ROWS, Change, changes

NO_FORGET = Node("lstm_no_forget", "lstm", "no forget gate", 1)
NO_INPUT = Node("lstm_no_input", "lstm", "no input gate", 1)
GRU = Node("gru", "lstm", "no separate cell", 1)


def estimate(effect: float, low: float, high: float) -> Estimate:
    return Estimate(effect, low, high, p=0.01, strata=(), n_lags=3, seeds=6, networks=6, searches=2, solve_rate=0.5)


def sentence(nodes: list[Node], effects: dict[tuple[str, str], Estimate], rates: pd.DataFrame) -> str:
    return changes(nodes, effects, rates).sentence


SOLVES = pd.DataFrame({"group": ["erase", "latch", "state", "count"], "cell": "lstm", "rate": 0.9})
LOSS, GAIN, UNCLEAR = estimate(-0.834, -0.97, -0.6), estimate(0.5, 0.3, 0.7), estimate(-0.834, -0.97, 0.1)


def test_clear_loss_is_named_with_its_effect_and_interval() -> None:
    effects = {("lstm_no_forget", "erase"): LOSS, ("lstm_no_forget", "count"): GAIN}
    assert (
        sentence([NO_FORGET], effects, SOLVES)
        == "Removing the forget gate (−83 points where a network must forget what it has accumulated, −97 to −60) clearly lowers the solve rate."
    )


def test_interval_that_includes_zero_is_not_a_clear_loss() -> None:
    effects = {("lstm_no_forget", "erase"): UNCLEAR, ("lstm_no_forget", "count"): GAIN}
    one = sentence([NO_FORGET], effects, SOLVES)
    assert one == "The one single change that was measured has no clear loss of solve rate."
    none = sentence([NO_FORGET, GRU], effects | {("gru", "erase"): UNCLEAR}, SOLVES)
    assert none == "None of the 2 single changes that were measured has a clear loss of solve rate."


def test_changes_are_listed_from_the_largest_loss() -> None:
    effects = {
        ("lstm_no_input", "erase"): estimate(-0.3, -0.4, -0.2),
        ("lstm_no_forget", "erase"): LOSS,
        ("lstm_no_forget", ""): UNCLEAR,
        ("gru", "erase"): GAIN,
    }
    assert sentence([NO_INPUT, NO_FORGET, GRU], effects, SOLVES) == (
        "Removing the forget gate (−83 points where a network must forget what it has accumulated, −97 to −60) and removing the input gate "
        "(−30 points where a network must forget what it has accumulated, −40 to −20) clearly lower the solve rate."
    )


def test_without_parents_no_effect_can_be_measured() -> None:
    assert "no effect of a part can be measured" in sentence([Node("rnn", None, "", 0)], {}, SOLVES)


def test_changes_of_a_cell_that_solves_nothing_are_not_counted() -> None:
    deep = Node("single_network+depth=2", "single_network", "depth=2", 2)
    effects = {("lstm_no_forget", "erase"): LOSS, (deep.cell, "erase"): estimate(0.0, -0.1, 0.1)}
    assert sentence([NO_FORGET, deep], effects, SOLVES) == sentence([NO_FORGET], effects, SOLVES)
    assert sentence([deep], effects, SOLVES).startswith("No cell from which a part was changed solves much")


def test_a_row_has_the_groups_of_each_sign_from_the_largest_effect() -> None:
    node = NO_FORGET._replace(change="no forget gate: c' = c + i ⊙ z")
    effects = {
        (node.cell, "latch"): estimate(0.05, -0.02, 0.12),
        (node.cell, "erase"): estimate(-0.3, -0.4, -0.2),
        (node.cell, "state"): LOSS,
        (node.cell, "count"): GAIN,
    }
    found = changes([node], effects, SOLVES)
    assert found.harmless == ""
    assert found.rows == [
        Change(
            "No forget gate",
            "lstm → lstm_no_forget: c' = c + i ⊙ z",
            [
                "track a discrete state (state): −83 (−97 to −60)",
                "forget what it has accumulated (erase): −30 (−40 to −20)",
            ],
            ["count: +50 (+30 to +70)"],
            ["hold a value (latch)"],
        )
    ]


def test_rows_are_those_with_the_largest_losses_and_the_rest_without_one_is_named_by_its_parent() -> None:
    lossy = [Node(f"cell{k}", "lstm", f"change {k}", 1) for k in range(ROWS + 1)]
    effects = {(node.cell, "erase"): estimate(-0.1 * (k + 1), -0.9, -0.01) for k, node in enumerate(lossy)}
    effects |= {("gru", "erase"): GAIN, ("lstm_no_input", "erase"): UNCLEAR}
    found = changes([*lossy, GRU, NO_INPUT], effects, SOLVES)
    assert [row.text for row in found.rows] == [f"Change {k}" for k in range(ROWS, 0, -1)]
    assert found.harmless == (
        "No clear loss in any group of tasks that the unchanged cell learns, as far as they were tried: "
        "from lstm to gru (1 group) and lstm_no_input (1 group)."
    )
    assert found.many
    named = " ".join(
        f"Change {k}: worse where a network must forget what it has accumulated." for k in range(ROWS, ROWS - NAMED, -1)
    )
    others = f"{len(lossy) - NAMED} other changes clearly lower the solve rate, too (in the figure)."
    assert found.sentence == f"Single changes with a clear loss, the largest first. {named} {others}"


def test_of_many_cells_the_sentence_says_where_a_change_is_worse_and_where_better() -> None:
    others = [Node(f"cell{k}", None, "", 0) for k in range(MANY)]
    node = NO_FORGET._replace(change="no forget gate: c' = c + i ⊙ z")
    effects = {(node.cell, "erase"): LOSS, (node.cell, "state"): estimate(-0.9, -1, -0.8), (node.cell, "count"): GAIN}
    assert changes([node, *others], effects, SOLVES).sentence == (
        "Single changes with a clear loss, the largest first. No forget gate: worse where a network must track a discrete state or forget "
        "what it has accumulated, better where it must count."
    )


def test_groups_that_the_unchanged_cell_hardly_solves_are_left_out_unless_the_change_raises_the_rate() -> None:
    rates = pd.DataFrame({"group": ["erase", "latch", "count"], "cell": "lstm", "rate": [0.9, 0.1, 0.1]})
    effects = {
        ("lstm_no_forget", "erase"): LOSS,
        ("lstm_no_forget", "latch"): UNCLEAR,
        ("lstm_no_forget", "count"): GAIN,
    }
    (row,) = changes([NO_FORGET], effects, rates).rows
    assert (len(row.lowers), row.raises, row.neither) == (1, ["count: +50 (+30 to +70)"], [])
