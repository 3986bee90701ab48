"""Rules as conditions in words: what they require of which cell on which task is said once, and stays unambiguous."""

import pytest

from reports.claims import CLAIMS
from reports.claims.rules import Claim, Rule, better, every, not_worse, some, worse
from reports.statistics.comparison import Comparison
from reports.statistics.strata import Where
from reports.text.conditions import conditions

TASKS = ("recall", "adding")


def claim(supported: Rule) -> Claim:
    pairs = [("rnn", "lstm"), ("gru", "lstm"), ("lstm", "lru")]
    comparisons = tuple(Comparison(f"{a} on {task}", a, b, (Where(task=task),)) for a, b in pairs for task in TASKS)
    return Claim(0, "", "", comparisons, supported, supported)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (better("lstm on recall"), "lstm leads lru on recall"),
        (every(worse("rnn on recall"), worse("rnn on adding")), "lstm leads rnn on recall and adding"),
        (some(worse("rnn on recall"), worse("rnn on adding")), "lstm leads rnn on recall or adding"),
        (every(worse("rnn on recall"), worse("gru on recall")), "lstm leads each of rnn and gru on recall"),
        (some(worse("rnn on recall"), worse("gru on recall")), "lstm leads one of rnn and gru on recall"),
        # For every cell some task, and the same task for every cell, are different conditions.
        (
            every(*(some(*(worse(f"{cell} on {task}") for task in TASKS)) for cell in ("rnn", "gru"))),
            "lstm leads each of rnn and gru on recall or adding",
        ),
        (
            some(*(every(*(worse(f"{cell} on {task}") for cell in ("rnn", "gru"))) for task in TASKS)),
            "lstm leads each of rnn and gru all on recall or all on adding",
        ),
        # What every alternative requires is stated once.
        (
            some(*(every(not_worse(f"{cell} on recall"), better("lstm on recall")) for cell in ("rnn", "gru"))),
            "one of rnn and gru keeps up with lstm on recall and lstm leads lru on recall",
        ),
        (
            some(worse("rnn on recall"), every(worse("gru on recall"), better("lstm on adding"))),
            "lstm leads rnn on recall or (lstm leads gru on recall and lstm leads lru on adding)",
        ),
        (
            every(*(some(worse(f"{cell} on recall"), not_worse(f"{cell} on adding")) for cell in ("rnn", "gru"))),
            "lstm leads each of rnn and gru on recall or it keeps up with lstm on adding",
        ),
    ],
)
def test_rule_in_words(rule: Rule, text: str) -> None:
    assert conditions(claim(rule))[0] == ("Supported when", text)


@pytest.mark.parametrize("declared", CLAIMS, ids=lambda declared: str(declared.id))
def test_conditions_of_a_claim_name_all_its_cells(declared: Claim) -> None:
    text = " ".join(text for _, text in conditions(declared))
    in_rules = {leaf.contrast for rule in (declared.supported, declared.refuted) for leaf, _ in rule.leaves()}
    cells = {cell for one in declared.comparisons if one.name in in_rules for cell in (one.a, one.b) if cell}
    assert cells <= set(text.replace("(", "").replace(")", "").replace(",", "").replace("+reset", "").split())
    assert not {"{", "}"} & set(text)


def test_a_difference_between_tasks_and_a_comparison_as_far_as_lags_were_tried_say_so() -> None:
    stated = {one.id: dict(conditions(one)) for one in CLAIMS}
    assert (
        "reach of lstm / lstm_no_forget on continual_adding relative to that on recall at least ×2"
        in stated[4]["Supported when"]
    )
    assert "it keeps up with lstm, as far as lags were tried, on recall+variant=plain" in stated[5]["Refuted when"]
    assert "as far as" not in stated[5]["Supported when"]
