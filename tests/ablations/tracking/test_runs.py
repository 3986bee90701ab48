"""The connection to MLflow, the studies of a store, and the look-up of one member's run."""

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.runs import MemberRun, connect, experiments, find_member

CONFIRMED = {"kind": "member", "phase": "confirm", "status": "solved"}
TAGS = {
    "confirmed": CONFIRMED | {"hash": "abc1"},
    "unsolved": CONFIRMED | {"hash": "abc2", "status": "unsolved"},
    "diverged": CONFIRMED | {"hash": "d0", "status": "diverged"},
    "trial": CONFIRMED | {"hash": "e0", "phase": "tune"},
    "arm": {"kind": "arm"},
    "study": {"kind": "study"},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.create(tmp_path_factory.mktemp("runs") / "store")
    create_database(store)
    return store


@pytest.fixture(scope="module")
def runs(store: Store) -> dict[str, str]:
    """The ids of one run of every kind, by the names in `TAGS`."""
    client = MlflowClient(store.tracking_uri)
    experiment = client.create_experiment("tiny")
    return {name: client.create_run(experiment, tags=tags).info.run_id for name, tags in TAGS.items()}


def test_a_confirmed_member_is_found_by_the_start_of_its_hash_or_run_id(store: Store, runs: dict[str, str]) -> None:
    confirmed = MemberRun(runs["confirmed"], "abc1", solved=True)
    assert find_member(store, "abc1") == find_member(store, runs["confirmed"][:20]) == confirmed
    assert find_member(store, "abc2") == MemberRun(runs["unsolved"], "abc2", solved=False)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("diverged", "diverged members have no saved weights"),
        ("trial", "only confirmed members have saved weights"),
        ("arm", "is the run of an arm"),
        ("study", "is the run of a study"),
    ],
)
def test_runs_without_saved_weights_are_refused(store: Store, runs: dict[str, str], name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        find_member(store, runs[name])


def test_an_ambiguous_prefix_is_refused_with_the_hashes_that_match(store: Store, runs: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"'abc' is ambiguous: \d+ runs start with it: .*abc1, abc2"):
        find_member(store, "abc")


@pytest.mark.parametrize("prefix", ["", "x", "' or 1 = 1", "%", "f00f00f00"])
def test_a_prefix_that_matches_no_run_is_refused(store: Store, runs: dict[str, str], prefix: str) -> None:
    with pytest.raises(InputError, match=f"run {re.escape(repr(prefix))} is not in"):
        find_member(store, prefix)


def test_the_experiments_of_a_store_are_its_studies(store: Store, runs: dict[str, str]) -> None:
    assert experiments(store) == {"tiny": MlflowClient(store.tracking_uri).get_run(runs["arm"]).info.experiment_id}


def test_a_store_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study was swept into this store yet"):
        connect(Store.create(tmp_path / "store"))


def test_an_unreachable_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the MLflow server at http://127\.0\.0\.1:9 cannot be used"):
        connect(Store.create(tmp_path / "store"))
