"""Figures of outcomes show the rates and scores that they are given."""

import numpy as np
import pandas as pd
import pytest

from reports.aggregates.outcomes import pick
from reports.aggregates.outcomes import solve_rates as aggregate_rates
from reports.aggregates.reach import reaches
from reports.figures.outcomes import scores, solve_rates
from reports.figures.style import cell_styles, figure_style
from reports.statistics.arms import evidence
from tests.reports import synthetic_study

STYLES = cell_styles(list(synthetic_study.CELLS))


@pytest.fixture(scope="module")
def confirm() -> pd.DataFrame:
    results = synthetic_study.study({"recall": [10, 20, 40], "continual_adding": [20]}).results
    results = results.assign(solved=results["solved"].astype(bool), diverged=results["diverged"].astype(bool))
    return pick(results, phase="confirm")


def test_lines_are_the_solve_rates(confirm: pd.DataFrame) -> None:
    rates = aggregate_rates(confirm)
    found = reaches(rates, evidence(confirm))
    assert set(found["task"]) == {"recall"}
    with figure_style():
        figure = solve_rates(rates, found, STYLES)
    lines = [tuple(np.asarray(line.get_ydata())) for line in figure.axes[0].get_lines()]
    for _, rows in rates[rates["task"] == "recall"].groupby("cell"):
        assert tuple(rows.sort_values("lag")["rate"]) in lines
    marked = {
        float(np.asarray(line.get_xdata())[0]) for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 1
    }
    assert marked == set(found["reach"])
    assert figure.axes[1].get_title(loc="left") == "continual_adding · lag 20"


def test_every_network_has_one_marker(confirm: pd.DataFrame) -> None:
    with figure_style():
        figure = scores(confirm, STYLES)
    markers = sum(len(np.asarray(markers.get_offsets())) for ax in figure.axes for markers in ax.collections)
    assert markers == len(confirm)
