"""The verdict on each claim, from studies without chance whose correct verdict is obvious."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from reports.calibration.worlds import TRUTH, WORLDS
from reports.claims import CLAIMS
from reports.claims.comparisons import KEEPING, LATCH, LINEAR, NORMALISED, PLAIN, UNGATED
from tests.reports.tables_by_hand import DISTINGUISHED, ERASES, HOLDING, contrast, full_study, less_far, verdict


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (less_far(UNGATED, HOLDING), "refuted"),
        (less_far(UNGATED, ["recall"]), "refuted"),  # one task on which every member fails is enough
        (
            less_far(set(UNGATED) - {"identity_rnn"}, HOLDING) | DISTINGUISHED,
            "supported",
        ),  # one member keeps up everywhere
        (DISTINGUISHED, "supported"),
        ({}, "inconclusive"),  # everybody is equal: the tasks do not tell cells apart
        (less_far(UNGATED[:5], ["recall"]) | less_far(UNGATED[5:], ["adding"]) | DISTINGUISHED, "inconclusive"),
    ],
)
def test_claim_1(factors, expected):
    assert verdict(1, full_study(factors, 1)).verdict == expected


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (less_far(KEEPING, ["continual_adding"]), "refuted"),
        (less_far(KEEPING[:2], ["recall"]) | less_far(KEEPING[2:], ["continual_adding"]), "refuted"),
        (less_far(KEEPING[1:], ["recall"]) | DISTINGUISHED | ERASES, "supported"),
        (less_far(KEEPING[1:], ["recall"]), "inconclusive"),
    ],
)
def test_claim_2(factors, expected):
    assert verdict(2, full_study(factors, 2)).verdict == expected


@pytest.mark.parametrize(
    ("norm", "score", "reset", "expected"),
    [
        (8, 0.2, 0.9, "supported"),
        (1, 0.2, 0.9, "refuted"),  # the state does not grow
        (8, 0.5, 0.5, "refuted"),  # a reset changes nothing, although the cell fails without one
        (8, -3, 0.9, "supported"),  # scores are clipped at 0
        (8, 0.9, 0.2, "inconclusive"),  # a reset that lowers the score is neither
        (1.6, 0.2, 0.9, "inconclusive"),
    ],
)
def test_claim_3(norm, score, reset, expected):
    rows = full_study(ERASES, 3)
    own = rows["cell"] == "lstm_no_forget"
    rows.loc[own, "state_norm_10"] *= norm
    rows.loc[own & (rows["task"] == "continual_adding"), "score"] = score
    rows.loc[own & (rows["task"] == "continual_adding+reset"), "score"] = reset
    rows.loc[~own, "score"] = 0.95
    one = verdict(3, rows)
    assert one.verdict == expected
    assert contrast(one, "growth").effect == pytest.approx(norm * 1.02, rel=0.02)
    assert contrast(one, "reset").effect == pytest.approx(reset - max(score, 0), abs=0.01)


def test_claim_3_is_not_refuted_by_tasks_that_nobody_fails():
    rows = full_study({}, 3)
    rows["state_norm_10"] *= 8
    assert verdict(3, rows.assign(score=0.95)).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("erase", "latch", "expected"),
    [(1 / 8, 1, "supported"), (1 / 8, 1 / 8, "refuted"), (1, 1, "inconclusive"), (1, 1 / 8, "inconclusive")],
)
def test_claim_4(erase, latch, expected):
    factors = (
        less_far(["lstm_no_forget"], LATCH, latch) | {("lstm_no_forget", "continual_adding"): erase} | DISTINGUISHED
    )
    one = verdict(4, full_study(factors, 4))
    assert one.verdict == expected
    assert contrast(one, "erase").effect == pytest.approx(1 / erase, rel=0.2)
    assert one.why.startswith("These runs contradict the premise") == (expected == "inconclusive")


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (less_far(["lstm_static_leak"], ["continual_adding"]), "refuted"),
        (less_far(["lstm_static_leak"], ["recall"]), "refuted"),
        (DISTINGUISHED | ERASES, "supported"),
        # It fails where constant gates are enough: the cell is bad at everything, not at erasing.
        (less_far(["lstm_static_leak"], ["continual_adding", PLAIN]), "inconclusive"),
    ],
)
def test_claim_5(factors, expected):
    assert verdict(5, full_study(factors, 5)).verdict == expected


@pytest.mark.parametrize(
    ("network", "matched", "decay", "expected"),
    [
        (1 / 8, 1, 0.98, "supported"),
        (1 / 8, 1 / 8, 0.98, "refuted"),
        (1 / 2, 1, 0.98, "inconclusive"),  # the lead is below four times
        (1 / 8, 1, 0.96, "inconclusive"),  # the decays are not matched
    ],
)
def test_claim_6(network, matched, decay, expected):
    factors = {("single_network", "recall"): network, ("single_network+matched", "recall"): matched}
    rows = full_study(factors, 6)
    rows.loc[rows["cell"] == "single_network+matched", "decay_init"] = decay
    one = verdict(6, rows)
    assert one.verdict == expected
    assert one.effect == pytest.approx(np.log(matched / network) / np.log(1 / network), abs=0.15)
    if network == 1 / 8:
        assert verdict(6, rows.drop(columns="decay_init")).verdict == "not_tested"
    if decay != 0.98:
        assert "Initial decay of the gradient: lstm+matched / single_network+matched on recall: 1.021 to" in one.why
        assert one.would_change.endswith("the manipulation check failed, so its arms have to be set up again.")


@pytest.mark.parametrize(
    ("cell", "task", "expected"),
    [
        ("lstm_sigmoid_cell", "temporal_order", "refuted"),
        ("lstm_sigmoid_cell", "counting", "refuted"),
        ("lstm_network_readout", "temporal_order", "supported"),  # the other way round
        ("", "", "supported"),
    ],
)
def test_claim_7(cell, task, expected):
    rows = full_study(DISTINGUISHED | ERASES | {(cell, task): 1 / 8}, 7)
    if task == "counting":
        rows.loc[(rows["cell"] == cell) & (rows["task"] == task), "largest_n"] = rows["lag"]
    assert verdict(7, rows).verdict == expected


@pytest.mark.parametrize(
    ("other", "flops", "expected"),
    [(1500, 1, "supported"), (600, 1, "inconclusive"), (500, 1 / 3, "refuted"), (900, 1 / 3, "refuted")],
)
def test_claim_8(other, flops, expected):
    rows = full_study(dict.fromkeys(DISTINGUISHED, 1.0), 8)
    ungated = ~rows["cell"].isin(["lstm", "gru"])
    steps = np.where(ungated, float(other), 500.0) + rows.index % 7
    rows = rows.assign(steps_to_solve=np.where(rows["solved"], steps, 2000.0))
    rows["flops_per_step"] = np.where(ungated, flops, 1.0)
    rows["solved"] = True
    one = verdict(8, rows.assign(steps_to_solve=steps))
    assert one.verdict == expected
    assert one.effect == pytest.approx(other * flops / 500, rel=0.05)


def test_claim_8_counts_the_whole_budget_of_unsolved_runs_and_takes_the_gated_cell_that_tunes_better():
    rows = full_study({}, 8)
    half = rows["search"] % 2 == 0
    rows = rows.assign(solved=(rows["cell"] == "lstm") | half, steps_to_solve=500.0)
    one = contrast(verdict(8, rows), "rnn on recall")
    assert one.effect == pytest.approx((500 + 2000) / 2 / 500)
    assert one.a == "lstm"
    assert {stratum.lag >= 20 for stratum in one.lags} == {True}
    gru = rows[rows["cell"] == "lstm"].assign(cell="gru")
    trials = pd.concat([rows, gru]).assign(phase="tune")
    better = trials.assign(solved=(trials["cell"] == "gru") & trials["solved"])
    assert contrast(verdict(8, rows, gru, better), "rnn on recall").a == "gru"


@pytest.mark.parametrize(("claim", "cell"), [(9, "gru"), (12, "lstm_coupled")])
@pytest.mark.parametrize(
    ("task", "factor", "expected"),
    [
        ("", 1, "supported"),
        ("temporal_order", 1 / 8, "refuted"),
        ("counting", 0, "refuted"),
        ("recall", 4, "inconclusive"),  # better is not equal
    ],
)
def test_claims_9_and_12(claim, cell, task, factor, expected):
    rows = full_study(DISTINGUISHED | ERASES | {(cell, task): factor}, claim)
    if task == "counting":
        rows.loc[(rows["cell"] == cell) & (rows["task"] == task), "largest_n"] = rows["lag"]
    assert verdict(claim, rows).verdict == expected
    rows.loc[rows["cell"] == "rnn", "largest_n"] = 8 * rows["lag"]  # then counting tells no cells apart
    assert verdict(claim, rows).verdict == ("inconclusive" if expected == "supported" else expected)


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [(1 / 8, 1, "supported"), (1 / 8, 1 / 8, "refuted"), (1, 1, "inconclusive")],
)
def test_claim_10(small, large, expected):
    def reach(cell: str, task: str, is_large: bool) -> float:
        return 1.0 if cell == "lstm" else large if is_large else small

    rows = full_study(reach, 10)
    one = verdict(10, rows)
    assert one.verdict == expected
    if expected == "refuted":
        assert "The reach of rnn at 8 × the size on recall is 0.1" in one.why
    assert {stratum.size for found in one.contrasts for stratum in found.lags} == {1500}
    assert verdict(10, rows[rows["size"] == 1500]).verdict == ("inconclusive" if small == 1 else "not_tested")


@pytest.mark.parametrize(
    ("mean", "event", "plain", "expected"),
    [
        (0.2, 0.95, 0.98, "supported"),
        (0.97, 0.98, 0.98, "refuted"),
        (0.2, 0.25, 0.98, "inconclusive"),
        (0.2, 0.95, 0.2, "inconclusive"),  # clamping costs as much where constant gates are enough
    ],
)
def test_claim_11(mean, event, plain, expected):
    rows = full_study({}, 11)
    noise = 0.002 * (rows.index % 5)
    rows["clamp_mean"] = np.where(rows["task"] == PLAIN, plain, mean) + noise
    rows["clamp_event"] = event + noise
    assert verdict(11, rows).verdict == expected
    assert verdict(11, rows.assign(solved=False)).verdict == "not_tested"
    assert verdict(11, rows.drop(columns=["clamp_mean"])).verdict == "not_tested"
    assert verdict(11, rows[rows["search"] < 4]).verdict == "inconclusive"


@pytest.mark.parametrize(("reach", "expected"), [(1.0, "supported"), (0.01, "refuted")])
def test_claim_13_takes_short_distances_only(reach, expected):
    rows = full_study(DISTINGUISHED, 13)
    short = {"recall": 5, "adding": 10, "n_back": 4}
    is_short = rows["lag"] <= rows["task"].map(short)
    rows.loc[is_short, "solved"] = (rows["cell"] == "lstm") | (reach == 1)
    one = verdict(13, rows)
    assert one.verdict == expected
    assert {str(s) for s in contrast(one, "rnn on recall").lags} == {f"recall lag {lag}" for lag in (1, 2, 5)}


@pytest.mark.parametrize(
    ("coupled_counts", "erases", "expected"),
    [(False, True, "supported"), (True, True, "inconclusive"), (False, False, "inconclusive"), (None, True, "refuted")],
)
def test_claim_14(coupled_counts, erases, expected):
    rows = full_study(ERASES if erases else {}, 14)
    loser = {False: "lstm_coupled", None: "lstm_no_forget"}.get(coupled_counts)
    rows.loc[(rows["cell"] == loser) & (rows["task"] == "counting"), "largest_n"] = rows["lag"]
    assert verdict(14, rows).verdict == expected


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (less_far(LINEAR, ["continual_adding"]), "refuted"),
        (less_far(LINEAR[:1], ["recall"]) | less_far(LINEAR[1:], ["parity"]), "refuted"),
        (less_far(LINEAR[:3], ["recall"]) | DISTINGUISHED | ERASES, "supported"),
        (less_far(LINEAR[1:], ["recall"]), "inconclusive"),
    ],
)
def test_claim_15(factors, expected):
    assert verdict(15, full_study(factors, 15)).verdict == expected


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (less_far(NORMALISED, ["adding"]), "refuted"),
        (less_far(NORMALISED[:1], LATCH) | DISTINGUISHED, "supported"),
        (less_far(NORMALISED[:1], LATCH), "inconclusive"),
    ],
)
def test_claim_16(factors, expected):
    assert verdict(16, full_study(factors, 16)).verdict == expected


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"claim {claim.id}")
def test_claims_are_declared_in_full(claim):
    names = [comparison.name for comparison in claim.comparisons]
    leaves = [
        leaf.contrast for rule in (claim.supported, claim.refuted, claim.premise) if rule for leaf, _ in rule.leaves()
    ]
    assert len(set(names)) == len(names)
    assert set(leaves) == set(names)
    assert not set(names) & {comparison.name for comparison in claim.descriptive}
    assert claim.expects in ("", "supported", "refuted")
    assert set(TRUTH[claim.id]) == set(WORLDS)
    assert set(TRUTH[claim.id].values()) <= {"supported", "refuted", "inconclusive"}
    assert all(text for text in (claim.statement, claim.origin, claim.preset))
    assert "[R]" in claim.literature or "[M]" in claim.literature
    assert bool(claim.premise) == bool(claim.premise_in_words)
    with pytest.raises(dataclasses.FrozenInstanceError):
        claim.statement = ""
