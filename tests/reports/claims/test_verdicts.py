"""Verdicts: error control, looks, premises and missing arms, from small tables whose correct verdict is obvious."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

from reports.claims import CLAIMS, decide
from reports.claims.verdicts import ERROR, LOOK_ERROR, LOOKS
from reports.statistics.contrasts import Comparison, evidence, measure
from reports.statistics.strata import Where
from tests.reports.tables_by_hand import (
    EVERY_GROUP,
    RECALL,
    arm,
    clamping_table,
    contrast,
    equal_cells_table,
    forgetting_tables,
    growth_table,
    gru_tables,
    matched_flow_table,
    table,
    tuning_table,
    verdict,
)

SEARCHES = pytest.mark.parametrize("searches", [5, 0])


@pytest.mark.parametrize("diverged", [True, False])
def test_all_diverged_is_inconclusive_and_all_solved_is_a_tie(diverged):
    rows = pd.concat([*gru_tables(**EVERY_GROUP), *forgetting_tables(20, 20), table({"single_network": 20, "rnn": 20})])
    found = {one.id: one for one in decide(rows.assign(diverged=diverged))}
    expected = {1: "inconclusive", 9: "inconclusive"} if diverged else {1: "supported", 9: "supported"}
    assert {number: found[number].verdict for number in (1, 4, 9)} == expected | {4: "inconclusive"}
    assert found[13].verdict == "not_tested"
    json.dumps([dataclasses.asdict(one) for one in found.values()], allow_nan=False)


def test_controls_count_in_no_group():
    control = table({"lstm": 20, "lstm_no_forget": 20}, (10, 20, 40), "continual_adding+reset")
    assert verdict(4, *forgetting_tables(2, 20), control) == verdict(4, *forgetting_tables(2, 20))
    cells = table({"lstm+bias0": 0, "single_network": 20, "lstm": 20})
    assert verdict(1, cells).verdict == "supported"
    assert (
        verdict(4, *forgetting_tables(2, 20), control.assign(group="erase")).effect
        != verdict(4, *forgetting_tables(2, 20)).effect
    )
    named = Comparison("reset", "lstm", "lstm_no_forget", (Where(task="continual_adding+reset"),))
    assert not measure(named, evidence(control)).missing


@pytest.mark.parametrize(
    "rows",
    [
        table({"lstm": 20}),
        table({"rnn": 20}, lags=(7,)),
        pd.concat([table({"lstm": 20}, lags=(20,)), table({"single_network": 20}, lags=(40,))]),
        tuning_table({"lstm": 20, "single_network": 20}),
    ],
    ids=["one cell", "another cell", "no common lag", "no confirmation"],
)
def test_missing_arms(rows):
    one = verdict(1, rows)
    assert (one.verdict, one.effect, one.seeds, one.preliminary) == ("not_tested", None, 0, False)
    assert one.how_to_test == "whygates sweep why-gates && whygates report why-gates"
    assert one.contrasts[0].outcome == "missing"


@SEARCHES
def test_one_seed(searches):
    rows = {"single_network": 0, "lstm": 1, "lstm_no_forget": 0}
    one = verdict(1, table(rows, runs=1, searches=searches))
    assert (one.verdict, one.seeds, one.preliminary) == ("inconclusive", 1, True)
    erase = table(rows, runs=1, searches=searches, task="continual_adding")
    assert verdict(4, table(rows, runs=1, searches=searches), erase).verdict == "inconclusive"


def test_few_seeds_are_preliminary_but_judged():
    few = verdict(1, table({"single_network": 0, "lstm": 15}, runs=15))
    assert (few.verdict, few.preliminary, few.seeds) == ("refuted", True, 15)


@SEARCHES
def test_a_tie_needs_ten_seeds(searches):
    one = verdict(1, table({"single_network": 9, "lstm": 9}, runs=9, searches=searches))
    assert (one.verdict, one.contrasts[0].outcome, one.preliminary) == ("inconclusive", "undecided", True)
    assert verdict(1, table({"single_network": 10, "lstm": 10}, runs=10, searches=searches)).verdict == "supported"


def test_the_look_that_would_decide_is_named():
    assert LOOKS == (20, 40, 60)
    looks = {
        lstm: re.findall(
            r"look at (\d+) seeds from \d+ searches would( not)?",
            verdict(1, table({"single_network": 8, "lstm": lstm})).would_change,
        )
        for lstm in (9, 10, 11, 12)
    }
    assert looks == {9: [("40", "")], 10: [("60", "")], 11: [("60", " not")], 12: [("60", "")]}
    late = verdict(1, table({"single_network": 27, "lstm": 36}, runs=60))
    assert late.would_change.endswith("All planned looks are used.")


def test_later_looks_are_stricter():
    """A p between the two levels is significant at the first look only."""
    first, later = ERROR / len(CLAIMS), LOOK_ERROR / len(CLAIMS)
    rows = pd.concat([arm("single_network", "recall", lag, 5, runs=24) for lag in RECALL])
    more = pd.concat([arm("lstm", "recall", lag, 11, runs=24) for lag in RECALL])
    late = verdict(1, rows, more)
    assert later < late.contrasts[0].p < first
    assert late.verdict == "inconclusive"
    assert f"α = {later:.3g}" in late.why


@pytest.mark.parametrize(
    ("plain", "lead", "expected"),
    [
        (0, "better", "not_tested"),
        (16, "not worse", "not_tested"),
        (19, "equivalent", "inconclusive"),
    ],
)
def test_missing_arms_are_named_while_the_premise_is_open(plain, lead, expected):
    """Claim 10 without its larger networks, where its premise holds, is undecided, and fails."""
    one = verdict(10, table({"lstm": 19, "rnn": plain}), tuning_table({"lstm": 30, "rnn": 30}))
    assert (one.contrasts[0].outcome, one.verdict) == (lead, expected)
    assert bool(one.how_to_test) is (expected == "not_tested")


def test_size_and_search_may_be_missing():
    rows = table({"single_network": 0, "lstm": 20}, searches=0)
    assert verdict(1, rows.drop(columns=["size", "search"])).effect == verdict(1, rows).effect


@pytest.mark.parametrize(("janet", "outcome"), [(4, "worse"), (19, "equivalent")])
def test_descriptive_contrasts_do_not_change_the_verdict(janet, outcome):
    rows = equal_cells_table("lstm_coupled", 30)
    other = rows[rows["cell"] == "lstm_coupled"].assign(cell="janet", solved=np.arange(len(rows) // 2) % 20 < janet)
    bare, described = verdict(12, rows), verdict(12, rows, other)
    assert (described.verdict, described.contrasts[: len(bare.contrasts)]) == (bare.verdict, bare.contrasts)
    assert described.contrasts[-1].outcome == outcome
    assert described.contrasts[-1].a == "janet"


def test_verdicts_are_compared_with_the_literature():
    rows = table({"single_network": 0, "lstm": 20})
    assert (verdict(1, rows).verdict, verdict(1, rows).literature) == ("refuted", "agrees")
    other = verdict(1, table({"single_network": 20, "lstm": 20}))
    assert (other.verdict, other.literature) == ("supported", "differs")
    assert verdict(1, table({"single_network": 9, "lstm": 12})).literature == ""
    assert verdict(6, matched_flow_table(2, 20)).literature == "open"
    assert all(one.literature == "" for one in decide(table({"rnn": 3})))


@pytest.mark.parametrize(
    ("claim_id", "name"), [(1, "recall"), (3, "growth"), (6, "explained"), (9, "count"), (11, "lost")]
)
def test_the_effect_is_that_of_the_decisive_contrast(claim_id, name):
    rows = pd.concat(
        [matched_flow_table(2, 20), growth_table(8, 0.2, 0.9), equal_cells_table("gru", 6), clamping_table(0.2, 0.9)]
    )
    one = verdict(claim_id, rows)
    decisive = contrast(one, name)
    assert (one.decisive, one.effect) == (decisive.question, decisive.effect)
    assert one.effect is not None
    assert [found.question for found in one.contrasts].count(one.decisive) == 1


def test_an_untested_claim_has_no_decisive_contrast():
    one = verdict(2, table({"rnn": 3}))
    assert (one.verdict, one.decisive, one.effect) == ("not_tested", "", None)
