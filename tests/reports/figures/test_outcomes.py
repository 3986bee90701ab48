"""Figures of outcomes show the rates and scores that they are given."""

import numpy as np
import pandas as pd
import pytest

from reports.aggregates.outcomes import costs_by_size, pick, time_to_solve
from reports.aggregates.outcomes import solve_rates as aggregate_rates
from reports.aggregates.reach import reaches
from reports.exhibits import outcomes as exhibits
from reports.figures.outcomes import costs, costs_that_differ, scores, solve_rates
from reports.figures.panels import series
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


def test_a_cost_that_is_equal_for_all_cells_has_no_panel(confirm: pd.DataFrame) -> None:
    points = costs_by_size(
        confirm.assign(seconds=confirm["cell"].map({cell: 2.0 + i for i, cell in enumerate(STYLES)}))
    )
    assert costs_that_differ(points) == ["seconds"]
    with figure_style():
        figure = costs(points, STYLES)
    assert [ax.get_xlabel() for ax in figure.axes] == ["seconds of training"]
    assert {text.get_text() for text in figure.axes[0].texts} == set(points["cell"])


def test_time_to_solve_shows_shares_in_percent_and_the_interval_of_each_median(confirm: pd.DataFrame) -> None:
    exhibit = exhibits.solving(confirm, STYLES)
    curves = time_to_solve(confirm)
    with figure_style():
        figure = series(curves, STYLES, "training step", exhibits.SHARE_SOLVED, stairs=True)
        figure.draw_without_rendering()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0 %", "50 %", "100 %"]
    reached = curves[curves["middle"] >= 0.5].groupby(["task", "lag", "cell"]).ngroups
    assert 0 < reached == sum(len(ax.collections) for ax in figure.axes)
    assert "interval" in exhibit.caption
