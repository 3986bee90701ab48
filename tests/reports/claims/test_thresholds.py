"""Sentences about what would change a verdict."""

from tests.reports.tables_by_hand import equal_cells_table, table, verdict


def test_what_would_change_a_verdict():
    decided = verdict(1, table({"single_network": 4, "lstm": 16})).would_change
    assert decided.startswith("single_network − lstm on recall is −60 points (")
    assert decided.endswith("the verdict would be inconclusive if it were above −20 points or not significant.")
    tie = verdict(1, table({"single_network": 20, "lstm": 20})).would_change
    assert "if its interval did not lie within ±20 points" in tie
    gap = verdict(1, table({"single_network": 8, "lstm": 10})).would_change
    assert gap.startswith("Required: single_network − lstm on recall with its interval above −20 points; observed: −10")
    assert verdict(1, table({"rnn": 3})).would_change == "Runs of the missing arms: single_network − lstm on recall."
    worst = verdict(9, equal_cells_table("gru", 6))
    assert worst.would_change.startswith("largest n: gru / lstm on count is ×0.20")
