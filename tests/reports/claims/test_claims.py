"""The verdict on each claim, from small tables whose correct verdict is obvious."""

import dataclasses

import numpy as np
import pytest

from reports.claims import CLAIMS, WORLDS
from tests.reports.tables_by_hand import (
    EVERY_GROUP,
    STREAM,
    clamping_table,
    contrast,
    cost_table,
    equal_cells_table,
    forgetting_tables,
    growth_table,
    gru_tables,
    jittered,
    matched_flow_table,
    table,
    tuning_table,
    verdict,
)

SEARCHES = pytest.mark.parametrize("searches", [5, 0])


@SEARCHES
@pytest.mark.parametrize(
    ("norm", "score", "reset", "expected"),
    [
        (8, 0.2, 0.9, "supported"),
        (1, 0.2, 0.9, "refuted"),  # the state does not grow
        (8, 0.5, 0.5, "refuted"),  # a reset changes nothing
        (8, -3, 0.9, "supported"),  # scores are clipped at 0
        (8, 0.9, 0.2, "inconclusive"),  # a reset that lowers the score is neither
        (1.6, 0.2, 0.9, "inconclusive"),
    ],
)
def test_claim_3(searches, norm, score, reset, expected):
    one = verdict(3, growth_table(norm, score, reset, searches=searches))
    growth, without = one.contrasts
    assert one.verdict == expected
    assert one.effect == growth.effect == pytest.approx(norm)
    assert growth.ci_low < growth.effect < growth.ci_high
    assert without.effect == pytest.approx(reset - max(score, 0))
    assert (growth.scale, growth.matters, without.scale, without.matters) == ("ratio", 2, "difference", 0.1)


def test_claim_3_needs_the_reset():
    rows = growth_table(8, 0.2, 0.9)
    one = verdict(3, rows[rows["task"] == "continual_adding"])
    assert one.verdict == "not_tested"
    assert "No lag has the score of both lstm_no_forget and lstm_no_forget with +reset on erase tasks." in one.why
    assert one.how_to_test == "whygates sweep erase && whygates report erase  # missing: reset"


@SEARCHES
@pytest.mark.parametrize(
    ("erase", "latch", "expected"),
    [(2, 20, "supported"), (2, 2, "refuted"), (20, 20, "inconclusive"), (20, 2, "inconclusive")],
)
def test_claim_4(searches, erase, latch, expected):
    one = verdict(4, *forgetting_tables(erase, latch, searches=searches))
    assert one.verdict == expected
    assert one.effect == pytest.approx((latch - erase) / 20)
    assert one.effect == contrast(one, "interaction").effect
    assert one.why.startswith("These runs contradict the premise") == (expected == "inconclusive")


def test_claim_4_keeps_a_ceiling_on_latch_in_its_interaction():
    ceiling = tuning_table({"lstm": 40, "lstm_no_forget": 40})
    one = verdict(4, *forgetting_tables(2, 20), ceiling)
    assert one.verdict == "supported"
    assert len(contrast(one, "interaction").lags) == 6


@SEARCHES
@pytest.mark.parametrize(
    ("network", "matched", "expected", "share"),
    [(2, 20, "supported", 1), (2, 2, "refuted", 0), (0, 10, "inconclusive", 0.5), (14, 20, "inconclusive", 1)],
)
def test_claim_6(searches, network, matched, expected, share):
    one = verdict(6, matched_flow_table(network, matched, searches=searches))
    assert one.verdict == expected
    assert one.effect == pytest.approx(share)
    assert one.ci_low < share < one.ci_high
    assert one.contrasts[2].matters == 0.5
    assert ("do not establish the premise" in one.why) == (network == 14)


@pytest.mark.parametrize(("decay", "expected"), [(0.975, "supported"), (0.96, "inconclusive")])
def test_claim_6_requires_matched_decays(decay, expected):
    one = verdict(6, matched_flow_table(2, 20, decay=decay))
    assert one.verdict == expected
    if expected == "inconclusive":
        assert (
            "Initial decay of the gradient: lstm+matched / single_network+matched on recall: 1.021 to 1.021" in one.why
        )
        assert one.would_change.endswith("the manipulation check failed, so its arms have to be set up again.")
    unknown = verdict(6, matched_flow_table(2, 20).drop(columns="decay_init"))
    assert unknown.verdict == "not_tested"


@SEARCHES
@pytest.mark.parametrize(
    ("other", "expected"), [(900, "supported"), (300, "inconclusive"), (100, "refuted"), (420, "inconclusive")]
)
def test_claim_8(searches, other, expected):
    steps = {"lstm": 300, "rnn": other, "single_network": other}
    one = verdict(8, cost_table(steps, dict.fromkeys(steps, 7.0), searches=searches))
    assert one.verdict == expected
    assert one.effect == pytest.approx(other / 300)
    assert one.contrasts[0].question.startswith("FLOPs to solve: rnn / lstm on latch")


def test_claim_8_counts_flops_and_the_whole_budget_of_unsolved_runs():
    """By hand: lstm 300 steps × 4; rnn, half of whose runs solve at 600 of 1,000, (600 + 1000)/2 × 1."""
    steps, flops = {"lstm": 300, "rnn": 600, "single_network": 600}, {"lstm": 4.0, "rnn": 1.0, "single_network": 1.0}
    rows = cost_table(steps, flops)
    late = (rows["cell"] == "rnn") & (np.arange(len(rows)) % 2 == 0)
    rows.loc[late, "diverged"] = True
    found = verdict(8, rows).contrasts
    assert found[0].effect == pytest.approx(800 / 1200)
    assert found[1].effect == pytest.approx(600 / 1200)
    assert verdict(8, rows.assign(lag=rows["lag"] / 10)).verdict == "not_tested"  # from lag 20 on


def test_claim_8_uses_the_gated_cell_with_the_higher_tuning_rate():
    steps = {"lstm": 300, "gru": 300, "rnn": 900, "single_network": 900}
    rows = cost_table(steps, dict.fromkeys(steps, 1.0))
    for lstm, gru, chosen in ((30, 20, "lstm"), (20, 30, "gru")):
        trials = tuning_table({"lstm": lstm, "gru": gru, "rnn": 9, "single_network": 9})
        assert {found.a for found in verdict(8, rows, trials).contrasts} == {chosen}
    assert verdict(8, rows).contrasts[0].a == "lstm"
    assert verdict(8, rows[rows["cell"] != "lstm"]).contrasts[0].a == "gru"


def test_claim_9():
    assert verdict(9, *gru_tables(**EVERY_GROUP)).verdict == "supported"
    refuted = verdict(9, *gru_tables(**EVERY_GROUP | {"order": 5}))
    assert (refuted.verdict, refuted.effect) == ("refuted", -0.75)
    assert "order" in refuted.why
    assert "recall" not in refuted.why
    assert verdict(9, *gru_tables(latch=5)).verdict == "refuted"


def test_claim_9_needs_every_group():
    some = verdict(9, *gru_tables(short=20, latch=20, order=20, count=20))
    assert (some.verdict, some.effect) == ("not_tested", None)
    assert some.how_to_test == "whygates sweep equals && whygates report equals  # missing: erase; capacity"
    assert some.would_change == "Runs of the missing arms: gru − lstm on erase; gru − lstm on capacity."
    unmeasured = verdict(9, *(rows.drop(columns="largest_n", errors="ignore") for rows in gru_tables(**EVERY_GROUP)))
    assert unmeasured.how_to_test.endswith("# missing: count")
    none = verdict(9, table({"rnn": 3}))
    assert none.how_to_test.endswith("# missing: short; latch; erase; order; capacity; count")


@SEARCHES
@pytest.mark.parametrize(("claim", "cell"), [(9, "gru"), (12, "lstm_coupled")])
@pytest.mark.parametrize(
    ("n", "expected", "outcome"),
    [
        (30, "supported", "equivalent"),
        (6, "refuted", "worse"),
        (300, "inconclusive", "better"),
    ],
)
def test_counting_is_compared_by_the_largest_n(searches, claim, cell, n, expected, outcome):
    one = verdict(claim, equal_cells_table(cell, n, searches=searches))
    count = contrast(one, "count")
    assert (one.verdict, count.outcome) == (expected, outcome)
    assert count.effect == pytest.approx(n / 30)
    assert (count.measure, count.scale, count.matters) == ("largest n", "ratio", pytest.approx(2))
    if expected == "refuted":
        assert one.decisive == count.question
        assert f"The largest n of {cell} is 0.20 times that of lstm on count tasks" in one.why


def test_cells_that_cannot_count_do_not_tie():
    rows = equal_cells_table("gru", 1)
    rows.loc[rows["task"] == "counting", ["largest_n", "solved"]] = [1, False]
    assert contrast(verdict(9, rows), "count").outcome == "undecided"


@SEARCHES
@pytest.mark.parametrize(
    ("plain", "larger", "expected"), [(4, 19, "supported"), (4, 4, "refuted"), (19, 19, "inconclusive")]
)
def test_claim_10(searches, plain, larger, expected):
    small = table({"lstm": 19, "rnn": plain, "single_network": plain}, size=2000, searches=searches)
    middle = table({"lstm": 0, "rnn": 0, "single_network": 0}, size=4000, searches=searches)  # not asked for
    large = table({"rnn": larger, "single_network": larger}, size=16000, searches=searches)
    one = verdict(10, small, middle, large)
    assert one.verdict == expected
    assert one.effect == pytest.approx((larger - 19) / 20)
    assert {stratum.size for found in one.contrasts for stratum in found.lags} == {2000}
    assert verdict(
        10, small.drop(columns="size")
    ).how_to_test  # at which size is not known: nothing is 8 times as large
    without = verdict(10, small, middle)
    assert without.verdict == ("inconclusive" if plain == 19 else "not_tested")


@SEARCHES
@pytest.mark.parametrize(
    ("mean", "event", "expected"),
    [(0.2, 0.95, "supported"), (0.97, 0.98, "refuted"), (0.2, 0.25, "inconclusive"), (0.9, 0.95, "refuted")],
)
def test_claim_11(searches, mean, event, expected):
    one = verdict(11, clamping_table(mean, event, searches=searches))
    lost, recovered = one.contrasts
    assert one.verdict == expected
    assert (lost.outcome == "equivalent") == (expected == "refuted")
    assert lost.effect == pytest.approx(0.99 - mean)
    if recovered.effect is not None:
        assert recovered.effect == pytest.approx((event - mean) / (0.99 - mean))
    assert (one.seeds, one.preliminary) == (20, False)
    assert "30 networks" in one.why


def test_claim_11_is_measured_on_networks_that_solved():
    rows = clamping_table(0.2, 0.95)
    unsolved = rows.assign(solved=False)
    assert verdict(11, unsolved).verdict == "not_tested"
    assert verdict(11, rows.drop(columns=["clamp_mean"])).verdict == "not_tested"
    assert verdict(11, clamping_table(0.2, 0.95, probed=0)).verdict == "not_tested"
    assert verdict(11, clamping_table(0.2, 0.95, probed=1)).verdict == "inconclusive"


@pytest.mark.parametrize(("rnn", "expected"), [(20, "supported"), (4, "refuted")])
def test_claim_13_takes_short_distances_only(rnn, expected):
    rows = [
        table({"rnn": rnn, "lstm": 20}, (1, 2), "n_back"),
        table({"rnn": rnn, "lstm": 20}, (10,), "adding"),
        table({"rnn": rnn, "lstm": 20}, (10,), "recall"),
    ]
    long = [table({"rnn": 20 - rnn, "lstm": 20}, (8,), "n_back"), table({"rnn": 20 - rnn, "lstm": 20}, (11,), "adding")]
    floor = tuning_table({"rnn": 0, "lstm": 0}, lags=(10,))  # no share filter at short lags
    one = verdict(13, *rows, *long, floor)
    assert one.verdict == expected
    assert sorted(f"{stratum}" for stratum in one.contrasts[0].lags) == [
        "adding lag 10",
        "n_back lag 1",
        "n_back lag 2",
        "recall lag 10",
    ]


@pytest.mark.parametrize(
    ("no_forget", "forgets", "expected"),
    [(120, 4, "supported"), (30, 4, "inconclusive"), (6, 4, "refuted"), (120, 20, "inconclusive")],
)
def test_claim_14(no_forget, forgets, expected):
    counting = table({"lstm_no_forget": 19, "lstm_coupled": 19}, (6, 9, 12), "counting")
    reach = np.where(counting["cell"] == "lstm_no_forget", float(no_forget), 30.0)
    erase = table({"lstm_no_forget": forgets, "lstm_coupled": 20}, STREAM, "continual_adding")
    one = verdict(14, jittered(counting.assign(largest_n=reach), "largest_n"), erase)
    assert one.verdict == expected
    assert contrast(one, "count").effect == pytest.approx(no_forget / 30)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"claim {claim.id}")
def test_claims_are_declared_in_full(claim):
    names = [comparison.name for comparison in claim.comparisons]
    leaves = [
        leaf.contrast for rule in (claim.supported, claim.refuted, claim.premise) if rule for leaf in rule.leaves()
    ]
    assert len(set(names)) == len(names)
    assert set(leaves) == set(names)
    assert not set(names) & {comparison.name for comparison in claim.descriptive}
    assert claim.expects in ("", "supported", "refuted")
    assert claim.decisive in ("", *names)
    assert set(claim.truth) == set(WORLDS)
    assert set(claim.truth.values()) <= {"supported", "refuted", "inconclusive"}
    assert all(text for text in (claim.statement, claim.origin, claim.preset))
    assert "[R]" in claim.literature or "[M]" in claim.literature
    assert bool(claim.premise) == bool(claim.premise_in_words)
    with pytest.raises(dataclasses.FrozenInstanceError):
        claim.statement = ""
