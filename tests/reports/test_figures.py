"""Figures show what they are given, tell cells apart, and are the same each time."""

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from reports import figures, lattice, prose, style, summary
from reports.contrasts import Contrast, Estimate
from tests.reports import synthetic

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
        figure = figures.solve_rates(rates, style.palette(CELLS))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    drawn = sorted(tuple(np.asarray(line.get_ydata())) for line in lines.values())
    expected = sorted(
        tuple(own.sort_values("lag")["rate"]) for _, own in rates[rates["task"] == "recall"].groupby("cell")
    )
    assert drawn == expected
    assert figure.axes[1].get_title(loc="left") == "continual_adding · lag 20"


def test_every_network_has_its_point(confirm: pd.DataFrame) -> None:
    with style.style():
        figure = figures.scores(confirm, style.palette(CELLS))
    points = sum(len(np.asarray(dots.get_offsets())) for ax in figure.axes for dots in ax.collections)
    assert points == len(confirm)


def test_a_figure_is_the_same_each_time(confirm: pd.DataFrame) -> None:
    def drawn() -> str:
        with style.style():
            return style.svg(figures.scores(confirm, style.palette(CELLS)))

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


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (-0.97, -0.6, "Without its forget gate, the lstm loses 83 points on erase tasks (60 to 97)."),
        (-0.97, 0.1, "Without its forget gate, the lstm shows no clear difference on erase tasks (−83, −97 to +10)."),
    ],
)
def test_an_effect_is_told_with_its_certainty(low: float, high: float, sentence: str) -> None:
    node = lattice.Node("lstm_no_forget", "lstm", "no forget gate", 1)
    effect = Estimate(-0.834, low, high, p=0.01, strata=(), depth=3, seeds=6, searches=2, share=0.5)
    assert prose.change(node, {("lstm_no_forget", "erase"): effect}) == sentence


def test_pairs_that_are_not_separated_are_named_once() -> None:
    def contrast(a: str, b: str, low: float, outcome: str) -> Contrast:
        return Contrast("", a, b, ("recall",), (), 0.1, low, 0.3, 0.5, 6, outcome)

    told = prose.not_separated(
        [
            contrast("gru", "lstm", -0.2, "undecided"),
            contrast("lstm", "gru", -0.2, "undecided"),
            contrast("rnn", "lstm", 0.05, "undecided"),
            contrast("rnn", "gru", -0.1, "equivalent"),
        ],
        6,
    )
    assert told == "6 seeds could not tell apart gru and lstm on recall."


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (0.01234, "0.0123"), (3.0, "3"), (12345.0, "12,345"), (7.7e7, "7.70 × 10⁷")],
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert prose.number(value) == text
