"""The answer of a report in sentences, from effects whose meaning is plain."""

import pandas as pd
import pytest

from reports.aggregates.lattice import Node
from reports.statistics.contrasts import Estimate
from reports.text.sentences import OPENING_LENGTH, opening, what_matters

NO_FORGET = Node("lstm_no_forget", "lstm", "no forget gate", 1)
NO_INPUT = Node("lstm_no_input", "lstm", "no input gate", 1)
GRU = Node("gru", "lstm", "no separate cell", 1)


def estimate(effect: float, low: float, high: float) -> Estimate:
    return Estimate(effect, low, high, p=0.01, strata=(), n_lags=3, seeds=6, networks=6, searches=2, solve_rate=0.5)


SOLVES = pd.DataFrame({"group": "erase", "cell": ["lstm"], "rate": [0.9]})
LOSS, GAIN, UNCLEAR = estimate(-0.834, -0.97, -0.6), estimate(0.5, 0.3, 0.7), estimate(-0.834, -0.97, 0.1)


def test_clear_loss_is_named_with_its_effect_and_interval() -> None:
    effects = {("lstm_no_forget", "erase"): LOSS, ("lstm_no_forget", "count"): GAIN}
    assert (
        what_matters([NO_FORGET], effects, SOLVES)
        == "Removing the forget gate (−83 points where a network must forget what it has accumulated, −97 to −60) clearly lowers the solve rate."
    )


def test_interval_that_includes_zero_is_not_a_clear_loss() -> None:
    effects = {("lstm_no_forget", "erase"): UNCLEAR, ("lstm_no_forget", "count"): GAIN}
    one = what_matters([NO_FORGET], effects, SOLVES)
    assert one == "The one single change that was measured has no clear loss of solve rate."
    none = what_matters([NO_FORGET, GRU], effects | {("gru", "erase"): UNCLEAR}, SOLVES)
    assert none == "None of the 2 single changes that were measured has a clear loss of solve rate."


def test_changes_are_listed_from_the_largest_loss() -> None:
    effects = {
        ("lstm_no_input", "erase"): estimate(-0.3, -0.4, -0.2),
        ("lstm_no_forget", "erase"): LOSS,
        ("lstm_no_forget", ""): UNCLEAR,
        ("gru", "erase"): GAIN,
    }
    assert what_matters([NO_INPUT, NO_FORGET, GRU], effects, SOLVES) == (
        "Removing the forget gate (−83 points where a network must forget what it has accumulated, −97 to −60) and removing the input gate "
        "(−30 points where a network must forget what it has accumulated, −40 to −20) clearly lower the solve rate."
    )


def test_without_parents_no_effect_can_be_measured() -> None:
    assert "no effect of a part can be measured" in what_matters([Node("rnn", None, "", 0)], {}, SOLVES)


def test_changes_of_a_cell_that_solves_nothing_are_not_counted() -> None:
    deep = Node("single_network+depth=2", "single_network", "depth=2", 2)
    effects = {("lstm_no_forget", "erase"): LOSS, (deep.cell, "erase"): estimate(0.0, -0.1, 0.1)}
    assert what_matters([NO_FORGET, deep], effects, SOLVES) == what_matters([NO_FORGET], effects, SOLVES)
    assert what_matters([deep], effects, SOLVES).startswith("No cell from which a part was changed solves much")


@pytest.mark.parametrize(
    ("why", "shown", "folded"),
    [
        ("One sentence.", "One sentence.", ""),
        ("One. Two.", "One. Two.", ""),
        (f"One. {'x' * OPENING_LENGTH}. Two.", "One.", f"{'x' * OPENING_LENGTH}. Two."),
    ],
)
def test_long_reasons_are_folded_after_a_sentence(why: str, shown: str, folded: str) -> None:
    assert opening(why) == (shown, folded)
