"""Sentences about what would change a verdict."""

from reports.claims.comparisons import LATCH
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


def test_what_is_required_of_a_saturated_task_or_of_too_few_lags_does_not_read_as_met():
    far = {("lstm_no_forget", task): 8.0 for task in LATCH} | {("lstm", task): 8.0 for task in LATCH}
    saturated = verdict(4, full_study(far | DISTINGUISHED | ERASES, 4)).would_change
    assert (
        "Required: a lag at which lstm solves less than half, for reach: lstm_no_forget / lstm on recall; " in saturated
    )
    study = full_study(DISTINGUISHED | ERASES, 4)
    few = verdict(4, study[(study["task"] != "recall") | (study["lag"] == study["lag"].min())]).would_change
    assert few.startswith("Required: at least 3 lags for reach: ")
    assert "on recall; observed: 1." in few
