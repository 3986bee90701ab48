"""Searches merged in pairs."""

import pandas as pd

from reports.claims.merged import merged_pairs


def rows(search, trial, phase, solved, objective=0.5, cell="lstm"):
    return {
        "cell": cell, "task": "recall", "lag": 10.0, "size": 1500.0, "phase": phase, "search": float(search),
        "trial": float(trial), "solved": solved, "objective": objective, "diverged": False,
    }  # fmt: skip


def test_the_search_whose_choice_did_better_while_tuning_is_confirmed():
    """Search 0 chose trial 3, which solved 1 of 2; search 1 chose trial 1, which solved 2 of 2, but no confirmation seed."""
    table = pd.DataFrame([
        rows(0, 3, "tune", True), rows(0, 3, "rerank", False), rows(0, 0, "tune", True, 0.9),
        rows(1, 1, "tune", True), rows(1, 1, "rerank", True), rows(1, 4, "tune", False),
        rows(0, 3, "confirm", True), rows(0, 3, "confirm", True), rows(1, 1, "confirm", False), rows(1, 1, "confirm", False),
    ])  # fmt: skip
    merged = merged_pairs(table)
    confirmed = merged[merged["phase"] == "confirm"]
    assert confirmed["trial"].tolist() == [1, 1]
    assert confirmed["solved"].tolist() == [False, False]
    assert merged["search"].unique().tolist() == [0]
    assert (merged["phase"] != "confirm").sum() == 6, "the trials of both searches stay"


def test_equal_shares_are_decided_by_the_objective_and_arms_apart():
    table = pd.DataFrame([
        rows(2, 0, "tune", True, 0.6), rows(3, 5, "tune", True, 0.7), rows(2, 0, "confirm", True), rows(3, 5, "confirm", False),
        rows(2, 0, "tune", True, 0.8, "gru"), rows(3, 5, "tune", True, 0.7, "gru"),
        rows(2, 0, "confirm", True, cell="gru"), rows(3, 5, "confirm", False, cell="gru"),
    ])  # fmt: skip
    merged = merged_pairs(table)
    confirmed = merged[merged["phase"] == "confirm"]
    assert confirmed[["cell", "search", "trial"]].to_numpy().tolist() == [["lstm", 1, 5], ["gru", 1, 0]]


def test_a_last_search_without_a_pair_stays():
    table = pd.DataFrame([rows(k, 0, phase, True) for k in range(3) for phase in ("tune", "confirm")])
    merged = merged_pairs(table)
    assert sorted(merged[merged["phase"] == "confirm"]["search"]) == [0, 1]


def test_without_searches_nothing_is_merged():
    assert merged_pairs(pd.DataFrame([rows(0, 0, "confirm", True)]).drop(columns="search")) is None
