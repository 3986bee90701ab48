"""Sentences about what would change a verdict."""

from tests.reports.tables_by_hand import DISTINGUISHED, ERASES, curve, full_study, verdict


def test_what_would_change_a_verdict():
    decided = verdict(4, full_study(DISTINGUISHED | ERASES, 4)).would_change
    assert decided.startswith("The weakest of 7 contrasts: reach: ")
    assert "the verdict would be inconclusive if" in decided
    open_ = verdict(4, full_study(DISTINGUISHED, 4)).would_change
    assert open_.startswith(
        "Required: reach: lstm / lstm_no_forget on continual_adding at ×2 or more with p ≤ 0.05; observed: ×1"
    )
    assert verdict(4, curve("rnn", 3)).would_change.startswith(
        "Runs of the missing arms: reach: lstm / lstm_no_forget on"
    )
