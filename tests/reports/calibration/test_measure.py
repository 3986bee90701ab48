"""calibration.csv: complete, reproducible with other seeds, and with the error rate, coverage and power that are stated."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, fisher_exact

from reports.calibration import power
from reports.calibration.measure import ALL, STUDIES, STUDIES_VARIED, grid, table, tallies, true_value
from reports.calibration.simulate import ARMS, Setting, correct_verdict, lags
from reports.claims import CLAIMS, WORLDS, Claim
from reports.statistics.comparison import Comparison
from reports.statistics.strata import Stratum, group_at, group_of

KEYS = ["world", "base", "spread", "strata", "seeds", "effect"]


def pooled(rows: pd.DataFrame, share: str) -> float:
    """The mean of a share over rows of different numbers of studies."""
    return float((rows[share] * rows["studies"]).sum() / rows["studies"].sum())


def strata_of(comparison: Comparison) -> tuple[Stratum, ...]:
    """The strata of a simulated study that a comparison uses."""
    strata = [Stratum(task, lag) for task in dict.fromkeys(itertools.chain(*ARMS.values())) for lag in lags(4, task)]
    places = comparison.where + comparison.minus
    return tuple(s for s in strata if any((s, group_at(group_of(s.task), s)) in place for place in places))


def true_outcome(comparison: Comparison, world: str, setting: Setting) -> str:
    """The outcome that its margins assign to the true value of a comparison."""
    margins = comparison.margins
    if not margins.inferential:
        return "equivalent"
    value = true_value(comparison, strata_of(comparison), world, setting)
    value = value - 0.5 if comparison.is_share else value
    low, high = margins.equivalence or (math.inf, -math.inf)
    if value >= margins.superiority - 1e-9 and value > margins.null:
        return "better"
    if value <= margins.inferiority + 1e-9 and value < margins.null - 1e-9:
        return "worse"
    return "equivalent" if low < value < high else "not worse" if low < value else "undecided"


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"claim {claim.id}")
def test_declared_truths_follow_from_the_true_values(claim: Claim, world: str):
    """The rules, applied to the expected values of a world, give the verdict that the claim declares as correct."""
    for setting in (Setting(0.8, effect=0.4), Setting(0.97, effect=0.6)):
        outcomes = {comparison.name: true_outcome(comparison, world, setting) for comparison in claim.comparisons}
        premise = claim.premise is None or claim.premise.holds(outcomes)
        verdict = "refuted" if claim.refuted.holds(outcomes) else "supported" if claim.supported.holds(outcomes) else ""
        assert ((premise and verdict) or "inconclusive") == correct_verdict(claim.id, world)


def test_the_table_has_every_setting_and_claim():
    rows = power.read()
    planned = [(world, *setting[:5], count) for world, setting, count in grid()]
    settings = rows[rows["claim"] == ALL][[*KEYS, "studies"]].replace({np.nan: None}).itertuples(index=False)
    assert [tuple(setting) for setting in settings] == planned
    assert set(rows["studies"]) == {STUDIES, STUDIES_VARIED}
    assert set(rows["claim"]) == {ALL, *(claim.id for claim in CLAIMS)}
    assert len(rows) == len(planned) * (len(CLAIMS) + 1)
    declared = [
        correct_verdict(claim, world) if claim else ""
        for claim, world in zip(rows["claim"], rows["world"], strict=True)
    ]
    assert list(rows["right"].fillna("")) == declared


def test_false_verdicts_are_rare():
    """At most 5 % of studies have any false verdict: in all, and in each world, base rate, and number of seeds and lags.

    Not with a planted difference of Δ: the true value is then on the equivalence margin, where a tie is false in 5 %.
    """
    rows = power.read()
    every = rows[(rows["claim"] == ALL) & (rows["effect"] >= 0.4)]
    assert every["studies"].sum() > 2500
    assert pooled(every, "false") <= 0.05
    for key in ("world", "base", "seeds", "strata"):
        for _, own in every.groupby(key):
            n = own["studies"].sum()
            assert pooled(own, "false") <= binom.ppf(0.999, n, 0.05) / n


def test_intervals_have_their_coverage():
    """At least 90 % over all claims, at least 85 % for each."""
    rows = power.read()
    for claim, own in rows.groupby("claim"):
        covered = float((own["covered"] * own["intervals"]).sum() / own["intervals"].sum())
        assert covered >= (0.9 if claim == ALL else 0.85)


def test_planted_effects_are_found_with_the_stated_power():
    """2Δ over three or four lags: the power of a lead is 90 % if only seeds vary."""
    rows = power.read()
    planted = rows[(rows["effect"] == 0.4) & (rows["seeds"] == 20) & rows["strata"].isin([3, 4])]
    leads = planted[planted["claim"].isin([1, 13]) & (planted["right"] == "refuted")]
    assert pooled(leads[leads["spread"].isna()], "found") >= 0.9
    assert pooled(leads[leads["spread"].notna() & (leads["strata"] == 4)], "found") >= 0.6
    more = rows[(rows["claim"] == 1) & (rows["world"] == "latch") & (rows["base"] == 0.8) & (rows["spread"] == 0.3)]
    by_seeds = more[(more["strata"] == 4) & (more["effect"] == 0.4)].set_index("seeds")["found"]
    by_effect = more[(more["strata"] == 4) & (more["seeds"] == 20)].set_index("effect")["found"]
    assert by_seeds[60] >= by_seeds[10]
    assert by_effect[0.6] >= by_effect[0.2]


def test_the_table_is_reproduced_with_other_seeds():
    """Three of its settings with other seeds: shares agree within binomial error."""
    again, count = np.random.default_rng(20).choice(len(grid()), 3, replace=False), 6
    rows = power.read()
    for number in again:
        world, setting, studies = grid()[number]
        old = rows.iloc[number * (len(CLAIMS) + 1) : (number + 1) * (len(CLAIMS) + 1)]
        new = table(tallies(world, setting, count, seed=1000 + number))
        assert list(new["claim"]) == list(old["claim"])
        for share in ("false", "found"):
            for before, after in zip(old[share].fillna(0), new[share].astype(float).fillna(0), strict=True):
                a, b = round(before * studies), round(after * count)
                assert fisher_exact([[a, studies - a], [b, count - b]]).pvalue > 1e-4
