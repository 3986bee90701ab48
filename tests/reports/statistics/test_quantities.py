"""Verdicts on other scales than the solve rate, from small tables whose right answer is plain."""

import numpy as np
import pandas as pd
import pytest

from reports.claims import CLAIMS, decide
from reports.claims import findings as words
from reports.statistics.contrasts import Contrast
from tests.reports.tables_by_hand import RECALL, arm, contrast, table, tuned, verdict

STREAM = (10, 20, 40)
SEARCHES = pytest.mark.parametrize("searches", [5, 0])


def jittered(rows: pd.DataFrame, column: str, factor: float = 1.05) -> pd.DataFrame:
    """Every other network this much above, the rest as much below."""
    up = np.where(np.arange(len(rows)) % 2, factor, 1 / factor)
    return rows.assign(**{column: rows[column] * up})


def stream(norm: float, score: float, reset: float, **options) -> pd.DataFrame:
    """Rows of lstm_no_forget: how its state grows, how it scores without and with an external reset."""
    rows = table({"lstm_no_forget": 10}, STREAM, "continual_adding", score=score, state_norm_first=2.0, **options)
    grown = jittered(rows.assign(state_norm_10=2 * norm), "state_norm_10")
    return pd.concat([grown, table({"lstm_no_forget": 10}, STREAM, "continual_adding+reset", score=reset, **options)])


@SEARCHES
@pytest.mark.parametrize(
    ("norm", "score", "reset", "expected"),
    [
        (8, 0.2, 0.9, "supported"),
        (1, 0.2, 0.9, "refuted"),  # the state does not grow
        (8, 0.5, 0.5, "refuted"),  # a reset changes nothing
        (8, -3, 0.9, "supported"),  # worse than trivial is trivial
        (8, 0.9, 0.2, "inconclusive"),  # a reset that harms is neither
        (1.6, 0.2, 0.9, "inconclusive"),
    ],
)
def test_claim_3(searches, norm, score, reset, expected):
    one = verdict(3, stream(norm, score, reset, searches=searches))
    growth, without = one.contrasts
    assert one.verdict == expected
    assert one.effect == growth.effect == pytest.approx(norm)
    assert growth.ci_low < growth.effect < growth.ci_high
    assert without.effect == pytest.approx(reset - max(score, 0))
    assert (growth.scale, growth.matters, without.scale, without.matters) == ("ratio", 2, "difference", 0.1)


def test_claim_3_needs_the_reset():
    rows = stream(8, 0.2, 0.9)
    one = verdict(3, rows[rows["task"] == "continual_adding"])
    assert one.verdict == "not_tested"
    assert "No lag has the score of both lstm_no_forget and lstm_no_forget with +reset on erase tasks." in one.why
    assert one.how_to_test == "whygates sweep erase && whygates report erase  # missing: reset"


def flow(network: int, matched: int, lstm: int = 20, decay: float = 0.98, **options) -> pd.DataFrame:
    """Runs solved by the single network as it is and started alike; lstm solves 19 of 20 of either kind."""
    other = {"lstm+matched": lstm, "single_network+matched": matched}
    both = table(other, (20, 40, 80, 160), decay_init=0.98, **options)
    both.loc[both["cell"] == "single_network+matched", "decay_init"] = decay
    return pd.concat([table({"lstm": lstm, "single_network": network}, (20, 40, 80, 160), **options), both])


@SEARCHES
@pytest.mark.parametrize(
    ("network", "matched", "expected", "share"),
    [(2, 20, "supported", 1), (2, 2, "refuted", 0), (0, 10, "inconclusive", 0.5), (14, 20, "inconclusive", 1)],
)
def test_claim_6(searches, network, matched, expected, share):
    one = verdict(6, flow(network, matched, searches=searches))
    assert one.verdict == expected
    assert one.effect == pytest.approx(share)
    assert one.ci_low < share < one.ci_high
    assert one.contrasts[2].matters == 0.5
    assert ("do not establish" in one.why) == (network == 14)


@pytest.mark.parametrize(("decay", "expected"), [(0.975, "supported"), (0.96, "inconclusive")])
def test_claim_6_checks_that_decays_are_matched(decay, expected):
    one = verdict(6, flow(2, 20, decay=decay))
    assert one.verdict == expected
    if expected == "inconclusive":
        assert (
            "Initial decay of the gradient: lstm+matched / single_network+matched on recall: 1.021 to 1.021" in one.why
        )
        assert one.would_change.endswith("the arms have to be made again.")
    unknown = verdict(6, flow(2, 20).drop(columns="decay_init"))
    assert unknown.verdict == "not_tested"


def cost(steps: dict[str, float], flops: dict[str, float], solved: int = 20, **options) -> pd.DataFrame:
    rows = table(dict.fromkeys(steps, solved), RECALL, steps=1000.0, **options)
    rows["steps_to_solve"] = np.where(rows["solved"], rows["cell"].map(steps), 1000)
    return rows.assign(flops_per_step=rows["cell"].map(flops))


@SEARCHES
@pytest.mark.parametrize(
    ("other", "expected"), [(900, "supported"), (300, "inconclusive"), (100, "refuted"), (420, "inconclusive")]
)
def test_claim_8(searches, other, expected):
    steps = {"lstm": 300, "rnn": other, "single_network": other}
    one = verdict(8, cost(steps, dict.fromkeys(steps, 7.0), searches=searches))
    assert one.verdict == expected
    assert one.effect == pytest.approx(other / 300)
    assert one.contrasts[0].question.startswith("FLOPs to solve: rnn / lstm on latch")


def test_claim_8_counts_operations_and_the_whole_budget():
    """By hand: lstm 300 steps × 4; rnn, half of whose runs solve at 600 of 1,000, (600 + 1000)/2 × 1."""
    steps, flops = {"lstm": 300, "rnn": 600, "single_network": 600}, {"lstm": 4.0, "rnn": 1.0, "single_network": 1.0}
    rows = cost(steps, flops)
    late = (rows["cell"] == "rnn") & (np.arange(len(rows)) % 2 == 0)
    rows.loc[late, "diverged"] = True
    found = verdict(8, rows).contrasts
    assert found[0].effect == pytest.approx(800 / 1200)
    assert found[1].effect == pytest.approx(600 / 1200)
    assert verdict(8, rows.assign(lag=rows["lag"] / 10)).verdict == "not_tested"  # from lag 20 on


def test_claim_8_takes_the_gated_cell_that_tuned_better():
    steps = {"lstm": 300, "gru": 300, "rnn": 900, "single_network": 900}
    rows = cost(steps, dict.fromkeys(steps, 1.0))
    for lstm, gru, chosen in ((30, 20, "lstm"), (20, 30, "gru")):
        trials = tuned({"lstm": lstm, "gru": gru, "rnn": 9, "single_network": 9})
        assert {found.a for found in verdict(8, rows, trials).contrasts} == {chosen}
    assert verdict(8, rows).contrasts[0].a == "lstm"
    assert verdict(8, rows[rows["cell"] != "lstm"]).contrasts[0].a == "gru"


def everywhere(cell: str, n: float, **options) -> pd.DataFrame:
    """A cell and the lstm alike in every group, but in how far they count."""
    tasks = {"n_back": (1, 2), "adding": (5, 10, 20, 40, 80), "recall": RECALL, "continual_adding": STREAM}
    tasks |= {"temporal_order": RECALL, "copy": RECALL}
    rows = [table({cell: 19, "lstm": 19}, lags, task, **options) for task, lags in tasks.items()]
    counting = table({cell: 19, "lstm": 19}, (6, 9, 12), "counting", **options)
    reach = jittered(counting.assign(largest_n=np.where(counting["cell"] == cell, n, 30.0)), "largest_n")
    return pd.concat([*rows, reach])


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
def test_counting_is_compared_by_how_far(searches, claim, cell, n, expected, outcome):
    one = verdict(claim, everywhere(cell, n, searches=searches))
    count = contrast(one, "count")
    assert (one.verdict, count.outcome) == (expected, outcome)
    assert count.effect == pytest.approx(n / 30)
    assert (count.measure, count.scale, count.matters) == ("largest n", "ratio", pytest.approx(2))
    if expected == "refuted":
        assert one.decisive == count.question
        assert f"{cell} counts to 0.20 times the n of lstm on count tasks" in one.why


def test_who_cannot_count_does_not_tie():
    rows = everywhere("gru", 1)
    rows.loc[rows["task"] == "counting", ["largest_n", "solved"]] = [1, False]
    assert contrast(verdict(9, rows), "count").outcome == "undecided"


@pytest.mark.parametrize(("janet", "said"), [(4, "worse"), (19, "equivalent")])
def test_described_contrasts_decide_nothing(janet, said):
    rows = everywhere("lstm_coupled", 30)
    other = rows[rows["cell"] == "lstm_coupled"].assign(cell="janet", solved=np.arange(len(rows) // 2) % 20 < janet)
    bare, described = verdict(12, rows), verdict(12, rows, other)
    assert (described.verdict, described.contrasts[: len(bare.contrasts)]) == (bare.verdict, bare.contrasts)
    assert described.contrasts[-1].outcome == said
    assert described.contrasts[-1].a == "janet"


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


def clamped(mean: float, event: float, probed: int = 5, **options) -> pd.DataFrame:
    """Some networks of each lstm arm with their gates held; the rest are not asked."""
    tables = []
    for task, lags in (("recall", RECALL), ("flip_flop", (3, 6, 12))):
        for lag in lags:
            rows = arm("lstm", task, lag, 18, **options)
            asked = np.arange(len(rows)) < probed
            held = {"clamp_none": 0.99, "clamp_mean": mean, "clamp_event": event}
            tables.append(rows.assign(**{name: np.where(asked, score, np.nan) for name, score in held.items()}))
    return pd.concat(tables)


@SEARCHES
@pytest.mark.parametrize(
    ("mean", "event", "expected"),
    [(0.2, 0.95, "supported"), (0.97, 0.98, "refuted"), (0.2, 0.25, "inconclusive"), (0.9, 0.95, "inconclusive")],
)
def test_claim_11(searches, mean, event, expected):
    one = verdict(11, clamped(mean, event, searches=searches))
    lost, recovered = one.contrasts
    if (mean, event) == (0.9, 0.95):  # the loss is less than matters and more than nothing
        assert lost.outcome in ("equivalent", "not worse", "undecided")
    else:
        assert one.verdict == expected
    assert lost.effect == pytest.approx(0.99 - mean)
    if recovered.effect is not None:
        assert recovered.effect == pytest.approx((event - mean) / (0.99 - mean))
    assert (one.seeds, one.preliminary) == (20, False)
    assert "30 networks" in one.why


def test_claim_11_asks_those_that_solved():
    rows = clamped(0.2, 0.95)
    unsolved = rows.assign(solved=False)
    assert verdict(11, unsolved).verdict == "not_tested"
    assert verdict(11, rows.drop(columns=["clamp_mean"])).verdict == "not_tested"
    assert verdict(11, clamped(0.2, 0.95, probed=0)).verdict == "not_tested"
    assert verdict(11, clamped(0.2, 0.95, probed=1)).verdict == "inconclusive"


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


def test_every_claim_can_be_supported_and_refuted_by_its_own_study():
    """Each verdict that a claim allows was reached above or in `test_claims`; here: none is out of reach in the worlds."""
    for claim in CLAIMS:
        assert {"supported", "refuted"} <= set(claim.truth.values())


@pytest.mark.parametrize(
    ("measure", "scale", "ends", "said"),
    [
        ("solve rate", "difference", (-0.42, -0.6, -0.24), "−42 points (−60 to −24)"),
        ("solve rate", "difference", (0.01, -0.004, 0.02), "+1 point (0 to +2)"),
        ("largest n", "ratio", (2.3, 1.8, 3.1), "×2.3 (1.80 to 3.1)"),
        ("FLOPs to solve", "ratio", (0.987, 0.9, 14.2), "×0.99 (0.90 to 14)"),
        ("FLOPs to solve", "ratio", (1e9, 1e-5, 1e12), "×1e+09 (1e-05 to 1e+12)"),
        ("score", "difference", (0.31, 0.22, 0.4), "+0.31 (+0.22 to +0.40)"),
        ("share recovered", "difference", (0.62, 0.48, 0.75), "62 % (48 to 75)"),
        ("score", "difference", (None, None, None), "–"),
    ],
)
def test_effects_are_told_on_their_scale(measure, scale, ends, said):
    found = Contrast("", "a", "b", (), (), *ends, None, 20, "undecided", (), measure, scale)
    assert words.shown(found) == said


def test_literature():
    rows = table({"single_network": 0, "lstm": 20})
    assert (verdict(1, rows).verdict, verdict(1, rows).literature) == ("refuted", "agrees")
    other = verdict(1, table({"single_network": 20, "lstm": 20}))
    assert (other.verdict, other.literature) == ("supported", "differs")
    assert verdict(1, table({"single_network": 9, "lstm": 12})).literature == ""
    assert verdict(6, flow(2, 20)).literature == "open"
    assert all(one.literature == "" for one in decide(table({"rnn": 3})))


def test_what_would_change_a_verdict():
    decided = verdict(1, table({"single_network": 4, "lstm": 16})).would_change
    assert decided.startswith("single_network − lstm on recall stands at −60 points (")
    assert decided.endswith("the claim would be open again above −20 points, or if that could be chance.")
    tie = verdict(1, table({"single_network": 20, "lstm": 20})).would_change
    assert "if the interval did not lie within ±20 points" in tie
    gap = verdict(1, table({"single_network": 8, "lstm": 10})).would_change
    assert gap.startswith(
        "Wanted: single_network − lstm on recall with its interval above −20 points; it stands at −10"
    )
    assert verdict(1, table({"rnn": 3})).would_change == "Runs of its missing arms: single_network − lstm on recall."
    worst = verdict(9, everywhere("gru", 6))
    assert worst.would_change.startswith("largest n: gru / lstm on count stands at ×0.20")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"claim {claim.id}")
def test_decisive_is_a_question_of_the_claim(claim):
    questions = {compare.question for compare in claim.compares}
    rows = pd.concat([flow(2, 20), stream(8, 0.2, 0.9), everywhere("gru", 6), clamped(0.2, 0.9)])
    one = verdict(claim.id, rows)
    assert one.decisive in questions | {""}
    shown = [found for found in one.contrasts if found.question == one.decisive]
    assert [found.effect for found in shown] == ([one.effect] if one.decisive else [])
