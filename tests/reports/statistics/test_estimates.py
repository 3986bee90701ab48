"""Weights of strata, and the manipulation check."""

import math

import pytest

from reports.statistics.arms import evidence
from reports.statistics.comparison import Comparison, Margins
from reports.statistics.contrasts import measure
from reports.statistics.estimates import stratum_weights
from reports.statistics.quantities import DECAY, SOLVED
from reports.statistics.strata import Stratum, Where
from tests.reports.tables_by_hand import table

RECALL_TASK = (Where(task="recall"),)


def test_weights_are_shares_of_a_mean_or_widths_of_lags():
    strata = [Stratum("recall", lag) for lag in (5, 10, 20)]
    assert stratum_weights(Comparison("", "a", "b", RECALL_TASK, quantity=SOLVED), strata) == dict.fromkeys(
        strata, 1 / 3
    )
    reach = stratum_weights(Comparison("", "a", "b", RECALL_TASK), strata)
    assert list(reach.values()) == pytest.approx([math.log(2)] * 3)
    both = [*strata, *(Stratum("adding", lag) for lag in (10, 20, 40, 80))]
    assert list(stratum_weights(Comparison("", "a", "b", RECALL_TASK), both).values()) == pytest.approx(
        [math.log(2) / 2] * 7
    )
    assert stratum_weights(Comparison("", "a", "b", RECALL_TASK), []) == {}


def test_manipulation_check_is_the_range_over_strata():
    rows = table({"a": 10, "b": 10}, (20, 40, 80), decay_init=0.98)
    rows.loc[(rows["cell"] == "a") & (rows["lag"] == 80), "decay_init"] = 0.99
    margins = Margins(equivalence=(math.log(0.995), math.log(1.005)), inferential=False)
    check = Comparison("matched", "a", "b", RECALL_TASK, informative_only=False, quantity=DECAY, margins=margins)
    measurement = measure(check, evidence(rows))
    assert measurement.estimate
    assert measurement.estimate.natural
    assert measurement.estimate.natural[1:] == pytest.approx((1, 0.99 / 0.98))
    assert [stratum.lag for stratum in measurement.worse_at] == [80]
