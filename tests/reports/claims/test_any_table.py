"""`decide` on arbitrary tables: every claim gets a well-formed verdict, and none without enough data."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.calibration.simulate import Setting, arms, studies
from reports.claims import CLAIMS, decide
from reports.statistics.contrasts import MIN_LAGS
from reports.tables import LARGEST, LARGEST_MEASURED
from tests.reports.tables_by_hand import table

CELLS = [*dict.fromkeys(cell for cell, _, _ in arms()), "janet", "unknown cell"]
TASKS = ["recall", "continual_adding", "continual_adding+reset", "counting", "flip_flop", "n_back", "unknown task"]
MEASURED = ("score", "state_norm_first", "state_norm_10", "decay_init", "flops_per_step", "clamp_none", "clamp_mean")
MEASURED += ("clamp_event",)
COUNTED = ("steps_to_solve", "steps", "largest_n")

measurements = st.sampled_from([math.nan, 0.0, -1.0, 0.5, 0.97, 3.0, 1e-30, LARGEST_MEASURED, -LARGEST_MEASURED])
numbers = st.sampled_from([math.nan, 0.0, -2.0, 1.0, 30.0, LARGEST, -LARGEST])


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Any cells, tasks, lags, sizes and searches, with every number as `tables.read` lets it through."""
    arms = draw(
        st.lists(
            st.tuples(st.sampled_from(CELLS), st.sampled_from(TASKS), st.sampled_from([1, 10, 20, 40, 80])),
            min_size=1,
            max_size=12,
        )
    )
    runs, searches = draw(st.sampled_from([1, 2, 12])), draw(st.sampled_from([0, 1, 3]))
    options = {name: draw(measurements) for name in draw(st.sets(st.sampled_from(MEASURED)))}
    options |= {name: draw(numbers) for name in draw(st.sets(st.sampled_from(COUNTED)))}
    rows = pd.concat(
        [
            table(
                {cell: draw(st.integers(0, runs))}, (lag,), task, runs=runs, searches=searches,
                size=draw(st.sampled_from([math.nan, 5000.0, 40000.0])), phase=draw(st.sampled_from(["confirm", "tune"])),
                diverged=draw(st.booleans()), **options,
            )
            for cell, task, lag in arms
        ],
        ignore_index=True,
    )  # fmt: skip
    holes = [name for name in options if draw(st.booleans())]
    rows.loc[rows.index % 3 == 1, holes] = math.nan
    return rows.drop(columns=draw(st.sets(st.sampled_from(["size", "search"]))))


@settings(deadline=None, max_examples=60)
@given(tables())
def test_every_table_has_verdicts(rows):
    assert_well_formed(decide(rows), rows)


def test_a_large_study_has_decided_verdicts(study):
    rows = study.astype({"cell": str, "task": str, "group": str})
    found = decide(rows)
    assert_well_formed(found, rows)
    assert {"supported", "refuted"} <= {one.verdict for one in found}
    assert [contrast for one in found for contrast in one.contrasts if contrast.effect is not None]


def assert_well_formed(found, rows):
    assert [one.id for one in found] == [claim.id for claim in CLAIMS]
    json.dumps([dataclasses.asdict(one) for one in found], allow_nan=False)
    confirmed = rows[rows["phase"] == "confirm"]
    for one in found:
        assert one.verdict in ("supported", "refuted", "inconclusive", "not_tested")
        assert one.why
        assert one.would_change
        assert bool(one.how_to_test) == (one.verdict == "not_tested")
        if one.verdict in ("supported", "refuted"):
            assert len(confirmed[["task", "lag"]].drop_duplicates()) >= MIN_LAGS
            assert one.decisive
        for contrast in one.contrasts:
            if contrast.effect is not None:
                assert contrast.ci_low <= contrast.effect + 1e-9
                assert contrast.effect <= contrast.ci_high + 1e-9
                assert {contrast.a, contrast.b} <= {*confirmed["cell"], ""}


@settings(deadline=None, max_examples=30)
@given(tables(), st.randoms())
def test_row_order_and_unknown_cells_and_tasks_have_no_effect(rows, random):
    """Shuffled, and with a cell and a task that no claim names."""
    order = [*rows.index]
    random.shuffle(order)
    unknown = [
        table({"another unknown cell": 7, "lstm": 7}, (20, 40, 80), "another unknown task"),
        table({"another unknown cell": 7}, (20, 40, 80)),
    ]
    more = pd.concat([rows.loc[order], *(one.drop(columns={"size", "search"} - {*rows}) for one in unknown)])
    assert [_verdict_and_effect(one) for one in decide(more)] == [_verdict_and_effect(one) for one in decide(rows)]


def _verdict_and_effect(verdict):
    return verdict.verdict, pytest.approx(verdict.effect, rel=1e-6) if verdict.effect is not None else None


@pytest.fixture(scope="module")
def study() -> pd.DataFrame:
    return next(studies("literature", Setting(trials=1), 1, np.random.default_rng(0)))


REDUCTIONS = {
    "one cell": lambda t: t[(t["cell"] == "lstm") & (t["task"] != "flip_flop")],
    "one seed": lambda t: t[t["phase"] == "confirm"].groupby(["cell", "task", "lag", "size"], observed=True).head(1),
    "one lag": lambda t: t[t["lag"] == 20],
    "no confirmation": lambda t: t[t["phase"] == "tune"],
    "another task": lambda t: t.assign(group="elsewhere", task="recall+alphabet=9"),
    "controls only": lambda t: t.assign(group="control", task="recall+reset"),
}


@pytest.mark.parametrize("change", REDUCTIONS.values(), ids=REDUCTIONS)
def test_too_little_data_decides_nothing(change, study):
    found = decide(change(study.astype({"cell": str, "task": str, "group": str})))
    assert not [one.id for one in found if one.verdict in ("supported", "refuted")]


@pytest.mark.parametrize("solved", [True, False])
def test_equal_cells_are_never_better_or_worse(solved, study):
    """All solved or all unsolved, with no column but the required ones."""
    bare = study[["phase", "cell", "task", "lag", "size", "group", "search", "diverged", "score", "steps_to_solve"]]
    found = decide(bare.assign(solved=solved, score=float(solved)))
    assert not [one.id for one in found if one.verdict in ("supported", "refuted")]
    outcomes = {contrast.outcome for one in found for contrast in one.contrasts}
    assert not outcomes & {"better", "worse"}
