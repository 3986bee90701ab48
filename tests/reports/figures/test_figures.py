"""Figures show what they are given, tell cells apart, and are the same each time."""

import itertools

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from reports.aggregates import lattice
from reports.aggregates import outcomes as summary
from reports.aggregates.tuning import best_of, expected_best, importance
from reports.exhibits import calibration
from reports.exhibits.csv_data import csv_text
from reports.figures import effects, outcomes, style, tree
from reports.statistics.contrasts import Contrast, Estimate
from tests.reports import synthetic_study as synthetic

CELLS = list(synthetic.CELLS)


@pytest.fixture(scope="module")
def confirm() -> pd.DataFrame:
    results = synthetic.study({"recall": [10, 20, 40], "continual_adding": [20]}).results
    results = results.assign(solved=results["solved"].astype(bool), diverged=results["diverged"].astype(bool))
    return summary.pick(results, phase="confirm")


def luminance(color: str) -> float:
    return float(np.dot(matplotlib.colors.to_rgb(color), [0.299, 0.587, 0.114]))


def test_a_cell_looks_the_same_whatever_stands_beside_it() -> None:
    assert style.palette(["gru", "lstm"])["lstm"] == style.palette(["new", *CELLS])["lstm"]


def test_thirty_cells_are_told_apart_also_in_greyscale() -> None:
    looks = style.palette([f"cell{i}" for i in range(30)])
    assert len({(look.marker, look.line) for look in looks.values()}) == 30
    assert all(luminance(look.color) < 0.75 for look in looks.values())  # visible on white


def test_solve_rates_are_drawn_where_they_are(confirm: pd.DataFrame) -> None:
    rates = summary.solve_rates(confirm)
    with style.style():
        figure = outcomes.solve_rates(rates, style.palette(CELLS))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    drawn = sorted(tuple(np.asarray(line.get_ydata())) for line in lines.values())
    expected = sorted(
        tuple(own.sort_values("lag")["rate"]) for _, own in rates[rates["task"] == "recall"].groupby("cell")
    )
    assert drawn == expected
    assert figure.axes[1].get_title(loc="left") == "continual_adding · lag 20"


def test_every_network_has_its_point(confirm: pd.DataFrame) -> None:
    with style.style():
        figure = outcomes.scores(confirm, style.palette(CELLS))
    points = sum(len(np.asarray(dots.get_offsets())) for ax in figure.axes for dots in ax.collections)
    assert points == len(confirm)


def test_a_figure_is_the_same_each_time(confirm: pd.DataFrame) -> None:
    def drawn() -> str:
        with style.style():
            return style.svg(outcomes.scores(confirm, style.palette(CELLS)))

    first = drawn()
    assert first == drawn()
    assert "<dc:date>" not in first


def test_stopped_members_keep_their_score_and_diverged_ones_lose_it() -> None:
    members = pd.DataFrame(
        {"hash": ["a", "b"], "task": "recall", "lag": 10, "cell": ["lstm", "rnn"], "diverged": [False, True]}
    )
    curves = pd.DataFrame(
        [("a", 0, 0.1), ("a", 25, 1.0), ("b", 0, 0.2), ("b", 25, 0.4), ("b", 50, 0.5), ("other", 75, 0.3)],
        columns=["hash", "step", "value"],
    ).assign(metric="eval/score")
    quartiles = summary.curve_quartiles(pd.concat([curves, curves.assign(metric="x", step=75)]), members, "eval/score")
    middle = quartiles.pivot_table(index="cell", columns="step", values="middle")
    assert middle.loc["lstm"].tolist() == [0.1, 1.0, 1.0]
    assert middle.loc["rnn"].tolist() == [0.2, 0.4, 0.5]
    longer = pd.concat([curves, pd.DataFrame({"hash": ["a"], "step": [75], "value": [1.0], "metric": ["eval/score"]})])
    fallen = summary.curve_quartiles(longer, members, "eval/score").set_index(["cell", "step"])["middle"]
    assert fallen["rnn", 75] == 0.0


def test_nodes_step_over_what_was_not_run() -> None:
    study = {
        "cells": {"lstm+bias0": {"cell": "lstm"}},
        "lattice": [
            {"cell": "lstm", "parent": None, "change": ""},
            {"cell": "middle", "parent": "lstm", "change": "first"},
            {"cell": "leaf", "parent": "middle", "change": "second"},
            {"cell": "lost", "parent": "gone", "change": "third"},
        ],
    }
    assert lattice.nodes(["leaf", "lost", "lstm+bias0", "lstm"], study) == [
        lattice.Node("lost", None, "", 0),
        lattice.Node("lstm", None, "", 0),
        lattice.Node("leaf", "lstm", "first; second", 1),
        lattice.Node("lstm+bias0", "lstm", "bias0", 1),
    ]


def test_a_lattice_that_goes_in_a_circle_loses_no_cell() -> None:
    study = {"lattice": [{"cell": "a", "parent": "b", "change": ""}, {"cell": "b", "parent": "a", "change": ""}]}
    assert {node.cell for node in lattice.nodes(["a", "b"], study)} == {"a", "b"}


def estimate(effect: float, low: float, high: float) -> Estimate:
    return Estimate(effect, low, high, p=0.01, strata=(), n_lags=3, seeds=6, networks=6, searches=2, solve_rate=0.5)


NO_FORGET = lattice.Node("lstm_no_forget", "lstm", "no forget gate", 1)


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_a_large_lattice_shows_sign_size_and_certainty() -> None:
    placed = [lattice.Node("lstm", None, "", 0), NO_FORGET]
    rates = pd.DataFrame({"group": ["erase"] * 2 + ["latch"] * 2, "cell": ["lstm", "lstm_no_forget"] * 2, "rate": 0.5})
    found = {
        ("lstm_no_forget", "erase"): estimate(-0.834, -0.97, -0.6),
        ("lstm_no_forget", "latch"): estimate(0.1, -0.1, 0.3),
    }
    looks = style.palette(["lstm", "lstm_no_forget"])
    with style.style():
        figure = tree.compact(placed, rates, found, looks, {"erase": "", "latch": "", "state": ""})
    assert {"−83", "+10?", "50%", "·"} <= set(texts(figure))
    bold = {text.get_text() for ax in figure.axes for text in ax.texts if text.get_weight() == "bold"}
    assert "−83" in bold
    assert "+10?" not in bold


def test_effects_stand_on_their_own_scales() -> None:
    def contrast(effect: float, low: float, high: float, **kind) -> Contrast:
        return Contrast("q", "lstm", "gru", ("recall",), (), effect, low, high, 0.5, 20, "undecided", **kind)

    tested = [contrast(-0.4, -0.6, -0.2), contrast(3.0, 1.5, 6.0, measure="largest n", scale="ratio", matters=2.0)]
    with style.style():
        figure = effects.contrasts(tested, style.palette(["lstm", "gru"]))
    points, ratio = figure.axes
    assert (points.get_xscale(), ratio.get_xscale()) == ("linear", "log")
    marks = [
        float(np.ravel(line.get_xdata())[0])
        for ax in figure.axes
        for line in ax.get_lines()
        if line.get_marker() == "o"
    ]
    assert marks == [-40.0, 3.0]
    assert points.get_xlabel() == "solve rate, points"
    assert np.allclose(np.log10(ratio.get_xlim()).sum(), 0)  # 1 is in the middle


def test_what_decides_the_objective_is_found_and_noise_is_not() -> None:
    random = np.random.default_rng(1)
    tune = pd.DataFrame({"task": "recall", "cell": "lstm", "lag": [10, 20] * 40, "search": 0})
    tune["learning_rate"] = 10 ** random.uniform(-4, -1, 80)
    tune["clip_norm"] = 10 ** random.uniform(-1, 1, 80)
    tune["recurrent_init"] = random.choice(["uniform", "orthogonal"], 80)
    peak = np.exp(-((np.log10(tune["learning_rate"]) + 2.5) ** 2))
    tune["objective"] = peak + 5 * (tune["lag"] == 20)  # the lag is no hyperparameter
    shares = importance(tune).set_index("setting")
    assert shares.loc["learning_rate", "share"] > 0.75
    assert shares.loc["learning_rate", "share"] > shares.loc["learning_rate", "noise"]
    assert (shares.loc[["clip_norm", "recurrent_init"], "share"] < 0.2).all()


def test_chance_passes_the_noise_floor_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    passed = []
    for _ in range(100):
        tune = pd.DataFrame({"task": "recall", "cell": "lstm", "lag": 10, "objective": random.random(24)})
        shares = importance(tune.assign(learning_rate=random.random(24)))
        passed.append(bool((shares["share"] > shares["noise"]).iloc[0]))
    assert np.mean(passed) == pytest.approx(0.05, abs=0.06)


def test_the_best_of_n_is_the_mean_over_all_choices() -> None:
    values = np.array([0.3, 0.9, 0.1, 0.5, 0.5])
    expected = [np.mean([max(chosen) for chosen in itertools.combinations(values, n)]) for n in range(1, 6)]
    assert np.allclose(expected_best(values), expected)


def test_the_best_of_n_spans_searches() -> None:
    tune = pd.DataFrame(
        {"task": "recall", "cell": "lstm", "lag": 10, "search": [0, 0, 1, 1], "objective": [0, 1, 0.5, 0.5]}
    )
    lines = best_of(tune)
    assert lines[["step", "low", "middle", "high"]].to_numpy().tolist() == [[1, 0.5, 0.5, 0.5], [2, 0.5, 0.75, 1]]


def test_a_trial_counts_once_however_many_networks_it_trained() -> None:
    """Two seeds each: the objective of a trial is their mean, and what was lucky is no better trial."""
    one = {"task": "recall", "cell": "lstm", "lag": 10, "search": 0}
    tune = pd.DataFrame([{**one, "trial": n, "objective": value} for n in range(3) for value in (0.0, 1.0)])
    assert best_of(tune)[["step", "middle"]].to_numpy().tolist() == [[1, 0.5], [2, 0.5], [3, 0.5]]


def test_time_to_solve_counts_those_that_do_not() -> None:
    confirm = pd.DataFrame({"task": "recall", "lag": 10, "cell": "lstm", "steps_to_solve": [100, 200, 600, 600]})
    stairs = summary.kaplan_meier(confirm.assign(solved=[True, True, False, False]))
    assert np.allclose(stairs[["step", "middle"]], [[0, 0], [100, 0.25], [200, 0.5], [600, 0.5]])
    grid = summary.on_grid(stairs).set_index("step")["middle"]
    assert grid.iloc[0] == 0
    assert np.isclose(grid[grid.index < 200].max(), 0.25)
    assert np.isclose(grid.iloc[-1], 0.5)


def test_numbers_of_a_figure_are_no_formulas() -> None:
    table = pd.DataFrame({"cell": ["=cmd()", "@x", "-y", "lstm"], "rate": [-0.5, 1.0, 0.123456789, np.nan]})
    assert csv_text(table) == "cell,rate\n'=cmd(),-0.5\n'@x,1\n'-y,0.123457\nlstm,\n"


def test_the_appendix_pools_what_was_simulated(tmp_path) -> None:
    assert calibration.exhibits(tmp_path / "calibration.csv") == {}
    usual = {"world": "latch", "base": 0.8, "spread": "", "strata": 4, "seeds": 20, "effect": 0.4, "claim": 1}
    usual |= {"right": "refuted", "studies": 10, "false": 0.0, "found": 0.9, "intervals": 20, "covered": 0.95}
    rows = [usual, usual | {"effect": 0.2, "found": 0.3}, usual | {"spread": 0.3, "found": 0.6}]
    rows += [usual | {"claim": 0, "right": "", "found": "", "false": share} for share in (0.0, 0.2)]
    pd.DataFrame(rows).to_csv(tmp_path / "calibration.csv", index=False)
    shown = calibration.exhibits(tmp_path / "calibration.csv")
    assert all(one.shown for one in shown.values())
    assert "10.0 % of studies in world latch" in shown["calibration_errors"].alt
    assert "30 % at 0.2 (seeds), 90 % at 0.4 (seeds)" in shown["calibration_power"].alt
