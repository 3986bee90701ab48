"""Whatever the table, there are verdicts, and none that the table cannot carry."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.calibration.simulate import ARMS, Setting, studies
from reports.claims import CLAIMS, decide
from reports.statistics.contrasts import STRATA
from reports.statistics.strata import group_of
from reports.tables import LARGEST, LARGEST_MEASURED
from tests.reports.tables_by_hand import table

CELLS = [*ARMS, "janet", "nobody's cell"]
TASKS = ["recall", "continual_adding", "continual_adding+reset", "counting", "flip_flop", "n_back", "nobody's task"]
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
    found = decide(rows)
    assert [one.id for one in found] == [claim.id for claim in CLAIMS]
    json.dumps([dataclasses.asdict(one) for one in found], allow_nan=False)
    confirmed = rows[rows["phase"] == "confirm"]
    for one in found:
        assert one.verdict in ("supported", "refuted", "inconclusive", "not_tested")
        assert one.why
        assert one.would_change
        assert bool(one.how_to_test) == (one.verdict == "not_tested")
        if one.verdict in ("supported", "refuted"):
            assert len(confirmed[["task", "lag"]].drop_duplicates()) >= STRATA
            assert one.decisive
        for contrast in one.contrasts:
            if contrast.effect is not None:
                assert contrast.ci_low <= contrast.effect + 1e-9
                assert contrast.effect <= contrast.ci_high + 1e-9
                assert {contrast.a, contrast.b} <= {*confirmed["cell"], ""}


@settings(deadline=None, max_examples=30)
@given(tables(), st.randoms())
def test_rows_have_no_order_and_strangers_no_say(rows, random):
    """Shuffled, and with a cell, a task and a control that no claim names."""
    order = [*rows.index]
    random.shuffle(order)
    strangers = [
        table({"nobody's other cell": 7, "lstm": 7}, (20, 40, 80), "nobody's other task"),
        table({"nobody's other cell": 7}, (20, 40, 80)),
    ]
    more = pd.concat([rows.loc[order], *(one.drop(columns={"size", "search"} - {*rows}) for one in strangers)])
    assert [_numbers(one) for one in decide(more)] == [_numbers(one) for one in decide(rows)]


def _numbers(verdict):
    return verdict.verdict, pytest.approx(verdict.effect, rel=1e-6) if verdict.effect is not None else None


@pytest.fixture(scope="module")
def study() -> pd.DataFrame:
    return next(studies("erase", Setting(0.9, 0.2, 3), 1, np.random.default_rng(0)))


ONE = {
    "one cell": lambda t: t[t["cell"] == "lstm"],
    "one seed": lambda t: t[t["phase"] == "confirm"].groupby(["cell", "task", "lag", "size"], observed=True).head(1),
    "one lag": lambda t: t[t["lag"] == 20],
    "no confirmation": lambda t: t[t["phase"] == "tune"],
    "another group": lambda t: t.assign(group="elsewhere", task="recall+plain"),
    "controls only": lambda t: t.assign(group="control", task="recall+reset"),
}


@pytest.mark.parametrize("change", ONE.values(), ids=ONE)
def test_what_is_too_little_decides_nothing(change, study):
    found = decide(change(study.astype({"cell": str, "task": str, "group": str})))
    decided = {one.id for one in found if one.verdict in ("supported", "refuted")}
    assert decided <= ({11} if change is ONE["one cell"] else set())  # one cell against itself


@pytest.mark.parametrize("solved", [True, False])
def test_all_alike_is_never_a_difference(solved, study):
    """All solved or all unsolved, with no column but the required ones."""
    bare = study[["phase", "cell", "task", "lag", "size", "group", "search", "diverged", "score", "steps_to_solve"]]
    found = {one.id: one for one in decide(bare.assign(solved=solved, score=float(solved)))}
    rates = [1, 2, 4, 5, 10, 13]
    right = "supported" if solved else "inconclusive"
    assert [found[number].verdict for number in rates] == [right, right, "inconclusive", right, "inconclusive", right]
    assert all(found[number].verdict == "not_tested" for number in (8, 11, 14))
    # No lead, whatever the decays that are not known; where nobody solves, the decays and the lead are wanted.
    assert found[6].verdict == ("inconclusive" if solved else "not_tested")
    assert found[3].verdict == ("refuted" if solved else "not_tested")  # a reset that cannot help, or changes nothing
    diverged = decide(bare.assign(solved=True, diverged=True))
    assert not any(one.verdict in ("supported", "refuted") for one in diverged)


def test_groups_are_known():
    assert group_of("nobody's task") == ""
