"""Networks that are not trained because none solves the next shorter lag: in the tables, the decisions and the report."""

import pandas as pd
import pytest

from reports.statistics.arms import evidence
from reports.statistics.strata import Stratum
from reports.untrained import NOT_TRAINED, trained, with_untrained
from tests.reports.tables_by_hand import arm

PHASES = {"tune": 6, "rerank": 2, "confirm": 4}


def study(*lags: int, cells=("rnn",), **changes):
    """A manifest of recall at these lags, with the rule."""
    entry = {"task": "recall", "size": 1500, "hidden_size": 20, "parameters": 1501, "until_unsolved": True} | PHASES
    arms = [
        entry | {"hash": f"{c}{lag}", "cell": c, "lag": lag, "flops_per_step": 10 * lag} for c in cells for lag in lags
    ]
    return {
        "study": "s",
        "arms": [one | changes for one in arms],
        "definition": {"train": {"steps": 500}, "tune": {"searches": 2}},
    }


def networks(lag: int, solved: int = 0, cell: str = "rnn", **columns):
    """All networks of an arm; of the first phase, `solved` solved it."""
    return pd.concat(
        [
            arm(cell, "recall", lag, solved if phase == "tune" else 0, runs=n, searches=2, phase=phase, **columns)
            for phase, n in PHASES.items()
        ],
        ignore_index=True,
    )


def added(results: pd.DataFrame, manifest) -> dict[tuple[str, int], int]:
    """The number of rows that are added, by cell and lag."""
    results = results.assign(status="unsolved", score=0.1, flops_per_step=1.0, steps=500.0, parameters=1501)
    rows = with_untrained(results, manifest)
    pd.testing.assert_frame_equal(trained(rows), results)
    return rows[rows["status"] == NOT_TRAINED].groupby(["cell", "lag"]).size().to_dict()


def test_longer_lags_count_as_unsolved_once_no_network_solves_one():
    assert added(networks(5), study(5, 10, 20)) == {("rnn", 10): 12, ("rnn", 20): 12}


def test_one_tuned_network_that_solves_is_enough_to_go_on():
    assert added(networks(5, solved=1), study(5, 10, 20)) == {}
    table = pd.concat([networks(5, solved=1), networks(10)], ignore_index=True)
    assert added(table, study(5, 10, 20)) == {("rnn", 20): 12}


def test_a_diverged_network_solves_nothing():
    assert added(networks(5, solved=6).assign(diverged=True), study(5, 10)) == {("rnn", 10): 12}


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_follows_from_an_arm_that_is_not_complete(phase):
    table = networks(5)
    assert added(table.drop(table.index[table["phase"] == phase][0]), study(5, 10)) == {}


def test_nothing_follows_without_the_rule_or_from_a_lag_that_is_not_the_next():
    assert added(networks(5), study(5, 10, until_unsolved=False)) == {}
    assert added(networks(5), {}) == {}
    table = pd.concat([networks(5, solved=1), networks(20)], ignore_index=True)
    assert added(table, study(5, 10, 20, 40)) == {("rnn", 40): 12}, (
        "lag 10 is missing, and nothing says what it would be"
    )
    assert added(networks(10), study(5, 10, 20)) == {("rnn", 20): 12}, "the shortest lag may be missing"


def test_cells_do_not_decide_about_each_other():
    table = pd.concat([networks(5), networks(5, solved=6, cell="lstm")], ignore_index=True)
    assert added(table, study(5, 10, cells=("rnn", "lstm"))) == {("rnn", 10): 12}


def test_the_added_networks_are_unsolved_in_every_search_of_every_phase():
    results = networks(5).assign(status="unsolved", score=0.1, flops_per_step=1.0, steps=500.0, parameters=1501)
    rows = with_untrained(results, study(5, 10))
    there = rows[rows["lag"] == 10]
    assert there[["flops_per_step", "steps", "parameters"]].drop_duplicates().to_numpy().tolist() == [[100, 500, 1501]]
    assert there["score"].isna().all()
    counts = evidence(rows)
    stratum = Stratum("recall", 10.0, 1500.0)
    assert counts.confirmed["rnn", stratum].mean == 0
    assert counts.confirmed["rnn", stratum].runs.tolist() == [2, 2]
    assert counts.tuned["rnn", stratum] == (0, 8)
