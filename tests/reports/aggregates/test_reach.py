"""The reach of cells, from curves whose limit is known."""

import pandas as pd
import pytest

from reports.aggregates.outcomes import solve_rates
from reports.aggregates.reach import reaches
from reports.statistics.arms import evidence
from tests.reports.tables_by_hand import curve, table


def reach_of(*rows: pd.DataFrame) -> pd.DataFrame:
    confirm = pd.concat(rows, ignore_index=True)
    return reaches(solve_rates(confirm), evidence(confirm)).set_index("cell")


def test_reach_is_between_the_last_lag_that_is_solved_and_the_next():
    found = reach_of(table({"a": 20}, (5, 10, 20)), table({"a": 0}, (40, 80)))
    assert found.loc["a", "reach"] == pytest.approx(20 * 2**0.5)
    assert found.loc["a", "relation"] == "="
    assert found.loc["a", "low"] < found.loc["a", "reach"] < found.loc["a", "high"]
    half = reach_of(table({"a": 20}, (5, 10)), table({"a": 10}, (20,)), table({"a": 0}, (40, 80)))
    assert half.loc["a", "reach"] == pytest.approx(20)


def test_searches_that_differ_widen_the_interval():
    spread, even = (
        reach_of(curve("a", 25)).loc["a"],
        reach_of(table({"a": 20}, (5, 10, 20)), table({"a": 0}, (40, 80, 160))).loc["a"],
    )
    assert spread["reach"] == pytest.approx(25, rel=0.15)
    assert spread["high"] / spread["low"] > even["high"] / even["low"]


def test_limits_outside_the_lags_are_marked():
    found = reach_of(curve("far", 1000), curve("near", 1))
    assert found["relation"].to_dict() == {"far": ">", "near": "<"}
    assert found.loc["far", "reach"] == pytest.approx(160 * 2**0.5)
    assert found.loc["near", "reach"] == pytest.approx(5 / 2**0.5)


def test_two_lags_are_too_few():
    assert reach_of(table({"a": 20}, (5, 10))).empty
