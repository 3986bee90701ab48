"""Verdicts of small tables whose right answer is plain."""

import dataclasses
import json
import re

import pandas as pd
import pytest

from reports.calibration.simulate import WORLDS
from reports.claims import CLAIMS, decide
from reports.claims.rules import Every, Is, Some
from reports.claims.verdicts import ERROR, LOOK_ERROR, LOOKS
from reports.statistics.contrasts import CEILING, Compare, evidence, measure
from reports.statistics.strata import Where
from tests.reports.tables_by_hand import RECALL, arm, contrast, table, tuned, verdict

SEARCHES = pytest.mark.parametrize("searches", [5, 0])


def forget(erase, latch, **options):
    """`erase`, `latch`: runs solved by lstm_no_forget, where lstm solves all."""
    return (
        table({"lstm": 20, "lstm_no_forget": erase}, lags=(10, 20, 40), task="continual_adding", **options),
        table({"lstm": 20, "lstm_no_forget": latch}, **options),
    )


@SEARCHES
@pytest.mark.parametrize(
    ("erase", "latch", "expected"),
    [(2, 20, "supported"), (2, 2, "refuted"), (20, 20, "inconclusive"), (20, 2, "inconclusive")],
)
def test_claim_4(searches, erase, latch, expected):
    one = verdict(4, *forget(erase, latch, searches=searches))
    assert one.verdict == expected
    assert one.effect == pytest.approx((latch - erase) / 20)
    assert one.effect == contrast(one, "interaction").effect
    assert one.why.startswith("There is nothing to explain") == (expected == "inconclusive")


def test_claim_4_where_everybody_latches():
    """A ceiling on latch is what the claim says of latch: it must not empty the interaction."""
    ceiling = tuned({"lstm": 40, "lstm_no_forget": 40})
    one = verdict(4, *forget(2, 20), ceiling)
    assert one.verdict == "supported"
    assert len(contrast(one, "interaction").lags) == 6


def gru(**solved):
    """Runs solved by gru in a group, where lstm solves all."""
    tasks = {
        "short": ("n_back", (1, 2)),
        "latch": ("recall", RECALL),
        "erase": ("continual_adding", RECALL),
        "order": ("temporal_order", RECALL),
        "capacity": ("copy", RECALL),
        "count": ("counting", RECALL),
    }
    rows = [
        table({"gru": x, "lstm": 20}, tasks[group][1], tasks[group][0], largest_n=30.0) for group, x in solved.items()
    ]
    short = [table({"gru": solved["short"], "lstm": 20}, (10,), "adding")] if "short" in solved else []
    return rows + short


ALL = dict.fromkeys(("short", "latch", "erase", "order", "capacity", "count"), 20)


def test_claim_9():
    assert verdict(9, *gru(**ALL)).verdict == "supported"
    refuted = verdict(9, *gru(**ALL | {"order": 5}))
    assert (refuted.verdict, refuted.effect) == ("refuted", -0.75)
    assert "order" in refuted.why
    assert "recall" not in refuted.why
    assert verdict(9, *gru(latch=5)).verdict == "refuted"


@pytest.mark.parametrize("diverged", [True, False])
def test_a_whole_study_at_one_extreme(diverged):
    """All diverged, or all solved."""
    rows = pd.concat([*gru(**ALL), *forget(20, 20), table({"single_network": 20, "rnn": 20})])
    found = {one.id: one for one in decide(rows.assign(diverged=diverged))}
    expected = {1: "inconclusive", 9: "inconclusive"} if diverged else {1: "supported", 9: "supported"}
    assert {number: found[number].verdict for number in (1, 4, 9)} == expected | {4: "inconclusive"}
    assert found[13].verdict == "not_tested"
    json.dumps([dataclasses.asdict(one) for one in found.values()], allow_nan=False)


def test_claim_9_needs_every_group():
    some = verdict(9, *gru(short=20, latch=20, order=20, count=20))
    assert (some.verdict, some.effect) == ("not_tested", None)
    assert some.how_to_test == "whygates sweep equals && whygates report equals  # missing: erase; capacity"
    assert some.would_change == "Runs of its missing arms: gru − lstm on erase; gru − lstm on capacity."
    unmeasured = verdict(9, *(rows.drop(columns="largest_n", errors="ignore") for rows in gru(**ALL)))
    assert unmeasured.how_to_test.endswith("# missing: count")
    none = verdict(9, table({"rnn": 3}))
    assert none.how_to_test.endswith("# missing: short; latch; erase; order; capacity; count")


def test_controls_count_in_no_group():
    control = table({"lstm": 20, "lstm_no_forget": 20}, (10, 20, 40), "continual_adding+reset")
    assert verdict(4, *forget(2, 20), control) == verdict(4, *forget(2, 20))
    cells = table({"lstm+bias0": 0, "single_network": 20, "lstm": 20})
    assert verdict(1, cells).verdict == "supported"
    assert verdict(4, *forget(2, 20), control.assign(group="erase")).effect != verdict(4, *forget(2, 20)).effect
    named = Compare("reset", "lstm", "lstm_no_forget", (Where(task="continual_adding+reset"),))
    assert not measure(named, evidence(control)).missing


@pytest.mark.parametrize(("rnn", "expected"), [(20, "supported"), (4, "refuted")])
def test_claim_13_takes_short_distances_only(rnn, expected):
    rows = [
        table({"rnn": rnn, "lstm": 20}, (1, 2), "n_back"),
        table({"rnn": rnn, "lstm": 20}, (10,), "adding"),
        table({"rnn": rnn, "lstm": 20}, (10,), "recall"),
    ]
    long = [table({"rnn": 20 - rnn, "lstm": 20}, (8,), "n_back"), table({"rnn": 20 - rnn, "lstm": 20}, (11,), "adding")]
    floor = tuned({"rnn": 0, "lstm": 0}, lags=(10,))  # no share filter at short lags
    one = verdict(13, *rows, *long, floor)
    assert one.verdict == expected
    assert sorted(f"{stratum}" for stratum in one.contrasts[0].lags) == [
        "adding lag 10",
        "n_back lag 1",
        "n_back lag 2",
        "recall lag 10",
    ]


@pytest.mark.parametrize(
    "rows",
    [
        table({"lstm": 20}),
        table({"rnn": 20}, lags=(7,)),
        pd.concat([table({"lstm": 20}, lags=(20,)), table({"single_network": 20}, lags=(40,))]),
        tuned({"lstm": 20, "single_network": 20}),
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


def test_few_seeds_are_preliminary_and_judged_all_the_same():
    few = verdict(1, table({"single_network": 0, "lstm": 15}, runs=15))
    assert (few.verdict, few.preliminary, few.seeds) == ("refuted", True, 15)


@SEARCHES
def test_few_seeds_make_no_tie(searches):
    one = verdict(1, table({"single_network": 9, "lstm": 9}, runs=9, searches=searches))
    assert (one.verdict, one.contrasts[0].outcome, one.preliminary) == ("inconclusive", "undecided", True)
    assert verdict(1, table({"single_network": 10, "lstm": 10}, runs=10, searches=searches)).verdict == "supported"


def test_the_next_look_is_named():
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
    """A p between them passes the first look's share of the error, not a later one's."""
    first, later = ERROR / len(CLAIMS), LOOK_ERROR / len(CLAIMS)
    rows = pd.concat([arm("single_network", "recall", lag, 5, runs=24) for lag in RECALL])
    more = pd.concat([arm("lstm", "recall", lag, 11, runs=24) for lag in RECALL])
    late = verdict(1, rows, more)
    assert later < late.contrasts[0].p < first
    assert late.verdict == "inconclusive"
    assert f"limit {later:.3g}" in late.why


def test_one_search_of_an_arm_is_left_out_beside_others():
    rows = table({"single_network": 0, "lstm": 20}), table({"single_network": 0}, lags=(160,))
    single = table({"lstm": 20}, lags=(160,), searches=1)
    found = verdict(1, *rows, single).contrasts[0]
    assert found.left_out == ("recall lag 160: only one search was confirmed, its luck cannot be told from the cell's",)


def test_one_search_of_one_cell_everywhere_makes_runs_the_units():
    rows = table({"single_network": 0}), table({"lstm": 20}, searches=1)
    assert verdict(1, *rows).verdict == "refuted"
    assert "luck in tuning is not in these intervals" in verdict(1, *rows).why


def test_a_task_with_options_counts_in_its_group():
    """Only the group decides; at a short lag the task's base name does, unless it is a control."""
    lags = {"copy+symbols=3": (10, 20, 40), "adding+terms=3": (10, 20), "n_back+reset": (1,)}
    tables = [table({"gru": 20, "lstm": 20}, own, task) for task, own in lags.items()]
    groups = {str(stratum): group for stratum, group in evidence(pd.concat(tables)).groups.items()}
    assert groups == {
        **dict.fromkeys((f"copy+symbols=3 lag {lag}" for lag in (10, 20, 40)), "capacity"),
        "adding+terms=3 lag 10": "short",
        "adding+terms=3 lag 20": "latch",
        "n_back+reset lag 1": "control",
    }
    found = contrast(verdict(9, *tables), "capacity")
    assert (found.outcome, found.tasks) == ("equivalent", ("copy+symbols=3",))


def test_sizes_are_strata_but_no_lags():
    """Three lags are three distances, not one at three sizes."""
    both = {"single_network": 0, "lstm": 20}
    one = verdict(1, *(table(both, size=size) for size in (5000, 40000)))
    assert (one.verdict, len(one.contrasts[0].lags)) == ("refuted", 6)
    assert "lags 20, 40, 80 at size 5000; lags 20, 40, 80 at size 40000" in one.why
    shallow = verdict(1, *(table(both, lags=(20,), size=size) for size in (5000, 40000, 80000)))
    assert (shallow.verdict, len(shallow.contrasts[0].lags)) == ("inconclusive", 3)
    assert "undecided: 1 informative lag, and a decision needs 3" in shallow.why
    deep, flat = forget(2, 20)
    sides = [deep, flat[flat["lag"] == 20], flat[flat["lag"] == 20].assign(size=9), flat[flat["lag"] == 40]]
    assert contrast(verdict(4, *sides), "interaction").outcome == "undecided"


@pytest.mark.parametrize(
    ("plain", "lead", "expected"),
    [
        (0, "better", "not_tested"),
        (16, "not worse", "not_tested"),
        (19, "equivalent", "inconclusive"),
    ],
)
def test_a_premise_that_may_come_true_does_not_hide_missing_arms(plain, lead, expected):
    """Claim 10 without its larger networks, where the lead it takes for granted is there, is open, and is not there."""
    one = verdict(10, table({"lstm": 19, "rnn": plain}), tuned({"lstm": 30, "rnn": 30}))
    assert (one.contrasts[0].outcome, one.verdict) == (lead, expected)
    assert bool(one.how_to_test) is (expected == "not_tested")


def test_what_is_missing_is_said_once():
    erase, latch = forget(2, 20)
    both = "No lag has confirmation runs of both lstm and lstm_no_forget on"
    assert verdict(4, erase).why.startswith(f"{both} latch tasks. lstm solves 90 points more")
    assert verdict(4, latch).why.startswith(f"{both} erase tasks. lstm_no_forget and lstm solve equally many")
    assert verdict(4, table({"rnn": 20})).why == f"{both} erase or latch tasks."


def test_size_and_search_may_be_missing():
    rows = table({"single_network": 0, "lstm": 20}, searches=0)
    assert verdict(1, rows.drop(columns=["size", "search"])).effect == verdict(1, rows).effect


@pytest.mark.parametrize("parts", [(True, True), (True, False), (False, None), (True, None), (None, None)])
def test_rules_know_what_they_do_not_know(parts):
    found = {str(n): {True: "better", False: "worse", None: "missing"}[part] for n, part in enumerate(parts)}
    rules = tuple(Is(name, ("better",)) for name in found)
    assert Every(rules).holds(found) is (False if False in parts else None if None in parts else True)
    assert Some(rules).holds(found) is (True if True in parts else None if None in parts else False)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"claim {claim.id}")
def test_claims_are_declared_in_full(claim):
    names = [compare.name for compare in claim.compares]
    leaves = [
        leaf.contrast for rule in (claim.supported, claim.refuted, claim.premise) if rule for leaf in rule.leaves()
    ]
    assert len(set(names)) == len(names)
    assert set(leaves) == set(names)
    assert not set(names) & {compare.name for compare in claim.described}
    assert claim.expects in ("", "supported", "refuted")
    assert claim.decisive in ("", *names)
    assert set(claim.truth) == set(WORLDS)
    assert set(claim.truth.values()) <= {"supported", "refuted", "inconclusive"}
    assert all(text for text in (claim.statement, claim.origin, claim.preset))
    assert "[R]" in claim.literature or "[M]" in claim.literature
    assert bool(claim.premise) == bool(claim.premise_in_words)
    with pytest.raises(dataclasses.FrozenInstanceError):
        claim.delta = 0.1


def test_shares_that_do_not_count():
    assert CEILING == 0.95
    edge = tuned({"single_network": 38, "lstm": 38})  # 95 % is still informative
    assert len(verdict(1, table({"single_network": 0, "lstm": 20}), edge).contrasts[0].lags) == 3
