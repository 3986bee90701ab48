"""The sentences of findings state the numbers."""

import pytest

from reports.claims import findings
from reports.claims.comparisons import LATCH, NORMALISED
from reports.statistics.contrasts import LEVEL, Contrast
from tests.reports.tables_by_hand import DISTINGUISHED, ERASES, contrast, curve, full_study, verdict


def test_a_finding_states_its_numbers():
    one = verdict(4, full_study(DISTINGUISHED | ERASES, 4))
    erase = contrast(one, "erase")
    assert (
        f"The reach of lstm on continual_adding is {erase.effect:.1f} times that of lstm_no_forget "
        f"({100 * LEVEL:.0f} % interval {erase.ci_low:.1f} to {erase.ci_high:.0f}, 20 seeds each from 10 searches, "
        "lags 5, 10, 20, 40, 80), significant (p < 0.0001, α = 0.05)."
    ) in one.why
    assert "a tie: the interval lies within a factor of 2" in one.why


def test_a_cell_that_keeps_up_to_the_longest_lag_only():
    factors = {("lstm_no_forget", task): 8.0 for task in LATCH} | {("lstm", task): 8.0 for task in LATCH}
    one = verdict(4, full_study(factors | DISTINGUISHED | ERASES, 4))
    assert one.verdict == "inconclusive"
    assert "so lstm_no_forget keeps up to lag 320; lstm still solves half there, so longer lags are needed" in one.why
    assert one.would_change.endswith("Longer lags are needed, at which the reference fails, not more seeds.")


def test_a_cell_that_may_reach_half_as_far_where_the_other_never_fails_needs_longer_lags_and_a_narrower_interval():
    factors = {(cell, task): 8.0 for cell in ("lstm_no_forget", "lstm") for task in LATCH}
    one = verdict(4, full_study(factors | {("lstm_no_forget", "recall"): 2.5} | DISTINGUISHED | ERASES, 4))
    below = contrast(one, "lstm_no_forget on recall")
    assert below.ci_low < 0.5 < below.effect
    required = "Required: a lag at which lstm solves less than half, for reach: lstm_no_forget / lstm on recall"
    assert f"{required}, and its interval above ×0.5; observed: " in one.would_change
    assert one.would_change.endswith("Longer lags are needed, at which the reference fails, before more seeds help.")


def test_cells_that_are_led_by_the_same_other_share_a_sentence():
    short = {("layer_norm_rnn", "recall"): 0.2, ("layer_norm_single_network", "recall"): 0.1}
    one = verdict(16, full_study(DISTINGUISHED | short, 16))
    worse = [contrast(one, f"{cell} on recall") for cell in NORMALISED]
    low, high = min(one.effect for one in worse), max(one.effect for one in worse)
    assert one.verdict == "refuted"
    assert one.why.startswith(
        f"The reach of layer_norm_rnn and layer_norm_single_network on recall is {low:.2f} to {high:.2f} times that of lstm "
        f"(95 % intervals within {min(one.ci_low for one in worse):.2f} to {max(one.ci_high for one in worse):.2f}, "
        "20 seeds each from 10 searches), all significant (p < 0.0001, α = 0.05)."
    )


def test_a_share_of_nothing_is_unknown():
    rows = full_study({}, 11)
    lost = 0.5 * (rows["task"] == "recall") + 0.001 * (rows.index % 5 - 2)
    one = verdict(11, rows.assign(clamp_mean=rows["clamp_none"] - lost))
    assert one.verdict == "inconclusive"
    unknown = "The share recovered on flip_flop is unknown, as the whole is not significantly above 0 (60 networks, lags 3, 6, 12), "
    assert f"{unknown}undecided." in one.why


def test_missing_arms_are_stated_once():
    one = verdict(4, curve("rnn", 20))
    assert one.why == (
        "No lag has confirmation runs of both lstm and lstm_no_forget on continual_adding, recall or adding. "
        "No lag has confirmation runs of both lstm and rnn on recall or adding."
    )


@pytest.mark.parametrize(
    ("measure", "scale", "interval", "text"),
    [
        ("solve rate", "difference", (-0.42, -0.6, -0.24), "−42 points (−60 to −24)"),
        ("rate of counting to twice the trained length", "difference", (0.01, -0.004, 0.02), "+1 point (0 to +2)"),
        ("reach", "ratio", (2.3, 1.8, 3.1), "×2.3 (1.80 to 3.1)"),
        ("FLOPs to solve", "ratio", (0.987, 0.9, 14.2), "×0.99 (0.90 to 14)"),
        ("FLOPs to solve", "ratio", (1e9, 1e-5, 1e12), "×1e+09 (1e-05 to 1e+12)"),
        ("score", "difference", (0.31, 0.22, 0.4), "+0.31 (+0.22 to +0.40)"),
        ("share recovered", "difference", (0.62, 0.48, 0.75), "62 % (48 to 75)"),
        ("score", "difference", (None, None, None), "–"),
    ],
)
def test_effects_are_shown_on_their_natural_scale(measure, scale, interval, text):
    found = Contrast("", "a", "b", (), (), *interval, None, 20, "undecided", (), measure, scale)
    assert findings.shown(found) == text
