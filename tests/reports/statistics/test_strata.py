"""Strata and the groups of tasks."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics.arms import evidence
from reports.statistics.strata import GROUPS, base_name, group_of, widths
from tasks import catalogue
from tests.reports.tables_by_hand import table


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


def test_an_unknown_task_has_no_group():
    assert group_of("unknown") == ""


def test_groups_are_those_that_the_tasks_declare():
    assert {name: task.group for name, task in catalogue().items()} == GROUPS


@given(base=st.text(alphabet="abc_", min_size=1), options=st.lists(st.text(alphabet="abc0", min_size=1)))
def test_base_name_of_a_label_drops_its_options(base: str, options: list[str]) -> None:
    assert base_name("+".join([base, *options])) == base


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ((5, 10, 20, 40), [2, 2, 2, 2]),
        ((5, 20, 80), [4, 4, 4]),
        ((1, 2, 5, 10), [2, 5**0.5, 5**0.5, 2]),  # half an octave on one side and half of log 2.5 on the other
        ((7,), [2]),
    ],
)
def test_widths_of_lags_are_factors_between_half_way_points(lags, expected):
    assert [math.exp(width) for width in widths(lags).values()] == pytest.approx(expected)
    assert widths([*reversed(lags), *lags]) == widths(lags)
