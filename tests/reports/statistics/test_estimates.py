"""Estimates of contrasts: their projection to more seeds, and the manipulation check."""

import math

import pytest
from scipy import stats as distributions

from reports.statistics.comparison import Comparison, Margins
from reports.statistics.contrasts import evidence, measure
from reports.statistics.estimates import LEVEL, LEVEL_QUANTILE
from reports.statistics.quantities import DECAY
from reports.statistics.strata import Where
from tests.reports.tables_by_hand import RECALL, table

RECALL_TASK = (Where(task="recall"),)


def test_projection_to_four_times_the_seeds_halves_the_interval():
    comparison = Comparison("recall", "single_network", "lstm", RECALL_TASK)
    estimate = measure(comparison, evidence(table({"single_network": 9, "lstm": 13}))).with_ceiling
    assert estimate
    projected = estimate.projected(80)
    assert (projected.effect, projected.seeds, projected.networks) == (estimate.effect, 80, 80)
    assert projected.effect - projected.low == pytest.approx((estimate.effect - estimate.low) / 2)
    assert projected.high - projected.effect == pytest.approx((estimate.high - estimate.effect) / 2)
    stderr = (projected.high - projected.low) / (2 * LEVEL_QUANTILE)
    assert projected.p == pytest.approx(2 * distributions.norm.sf(abs(estimate.effect) / stderr))
    assert distributions.norm.cdf(LEVEL_QUANTILE) - distributions.norm.cdf(-LEVEL_QUANTILE) == pytest.approx(LEVEL)


def test_projection_to_fewer_seeds_changes_no_limit():
    comparison = Comparison("recall", "single_network", "lstm", RECALL_TASK)
    estimate = measure(comparison, evidence(table({"single_network": 9, "lstm": 13}))).with_ceiling
    assert estimate
    assert estimate.projected(10)[:3] == estimate[:3]


def test_manipulation_check_is_the_range_over_strata():
    rows = table({"a": 10, "b": 10}, RECALL, decay_init=0.98)
    rows.loc[(rows["cell"] == "a") & (rows["lag"] == 80), "decay_init"] = 0.99
    margins = Margins(equivalence=(math.log(0.995), math.log(1.005)), inferential=False)
    check = Comparison("matched", "a", "b", RECALL_TASK, informative_only=False, quantity=DECAY, margins=margins)
    measurement = measure(check, evidence(rows))
    assert measurement.with_ceiling
    assert measurement.with_ceiling.natural
    assert measurement.with_ceiling.natural[1:] == pytest.approx((1, 0.99 / 0.98))
    assert [stratum.lag for stratum in measurement.heterogeneous] == [80]
    assert measurement.without_ceiling is None
