"""Verdicts on simulated studies with known truth."""

import numpy as np
import pytest
from scipy.stats import binom

from reports.calibration.simulate import Setting, correct_verdict, is_false, studies, verdicts
from reports.claims import CLAIMS, WORLDS, decide
from reports.statistics.contrasts import TIE_SEEDS


@pytest.mark.parametrize("world", ["alike", "latch", "rnn"])
def test_few_seeds_are_inconclusive(world):
    """With two seeds, no solve rates tie, and a difference of 2Δ is rarely a lead."""
    assert TIE_SEEDS > 2
    rate_claims = {claim.id for claim in CLAIMS if not any(comparison.phrased for comparison in claim.comparisons)}
    simulated = verdicts(world, Setting(spread=None, seeds=2), 20)
    on_rates = [verdict for study in simulated for verdict in study.values() if verdict.id in rate_claims]
    decided = [verdict for verdict in on_rates if verdict.verdict != "inconclusive"]
    assert all(verdict.preliminary for verdict in on_rates)
    assert all(verdict.verdict == "refuted" == correct_verdict(verdict.id, world) for verdict in decided)
    assert len(decided) <= 0.1 * len(simulated)


def test_every_claim_is_supported_and_refuted_in_some_world():
    """One large study per world: 60 seeds, four lags, a planted difference of 3Δ and a solve rate of .97."""
    reached = {
        (verdict.id, verdict.verdict)
        for world in WORLDS
        for verdict in verdicts(world, Setting(0.97, None, 4, 60, 0.6), 1)[0].values()
        if verdict.verdict == correct_verdict(verdict.id, world)
    }
    assert reached >= {(claim.id, verdict) for claim in CLAIMS for verdict in ("supported", "refuted")}


def test_variance_between_searches_is_in_the_error_rate():
    """False verdicts stay rare with the `search` column, and are more frequent on the same tables without it."""
    with_searches, without = 0, 0
    for table in studies("alike", Setting(0.5, 0.35, 3), 30, np.random.default_rng(0)):
        with_searches += any(is_false(verdict, "alike") for verdict in decide(table))
        without += any(is_false(verdict, "alike") for verdict in decide(table.assign(search=np.nan)))
    assert with_searches <= binom.ppf(0.998, 30, 0.05)
    assert without > 2 * max(with_searches, 1)
