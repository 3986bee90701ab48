"""Searches in PostgreSQL and runs on an MLflow server that uses it: the tables are those of the embedded databases."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablations.errors import SweepFailed
from ablations.studies.study import Study
from ablations.sweeps import search
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Context, Event
from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from ablations.tracking.delivery import Delivery
from ablations.tracking.manifest import manifest
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_process import SMOKE, SMOKE_NETWORKS, networks
from tests.ablations.cli_runner import whygates
from tests.ablations.servers import Postgres, mlflow_server, postgres
from tests.ablations.sweeps.small_arms import SMALL_STUDY, context, queued_records, small_arm
from tests.ablations.tracking.fake_server import answering


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.mark.faults
def test_the_smoke_study_on_servers_has_the_table_of_one_with_embedded_databases(
    database: Postgres, tmp_path: Path
) -> None:
    tables = []
    with mlflow_server(database.create("runs"), tmp_path) as server:
        servers = {"MLFLOW_TRACKING_URI": server.address, "WHYGATES_OPTUNA_STORAGE": database.create("searches")}
        for name, environment in (("embedded", {}), ("servers", servers)):
            outcome = whygates("sweep", *SMOKE, "--store", name, "--workers", "2", cwd=tmp_path, **environment)
            assert outcome.code == 0, outcome
            report = whygates(
                "report", "smoke", "--store", name, "--out", f"{name}-report", cwd=tmp_path, **environment
            )
            assert report.code == 0, report
            tables.append(networks(tmp_path / f"{name}-report").drop(columns="seconds"))
    assert list((tmp_path / "embedded").glob("*.db"))
    assert not list((tmp_path / "servers").glob("*.db")), "nothing is in embedded databases"
    assert len(tables[0]) == SMOKE_NETWORKS
    pd.testing.assert_frame_equal(*tables)


def test_searches_go_on_when_their_database_was_restarted(database: Postgres, tmp_path: Path) -> None:
    """It is stopped before a trial is told, and starts again two seconds later."""
    stores = [Store.create(tmp_path / name) for name in ("embedded", "server")]
    run_arm(small_arm(), context(stores[0]))
    stores[1].optuna_url = database.create("restarted")
    stopped = []

    def restart(_: Event) -> None:
        if not stopped:
            database.stop()
            stopped.append(threading.Timer(2, database.start))
            stopped[0].start()

    try:
        run_arm(small_arm(), Context(stores[1], "eager", {}, restart, lambda: False))
    finally:
        stopped[0].join()
    assert queued_records(stores[1]) == queued_records(stores[0])
    trials = search.Search(small_arm(), 0, storage(stores[1])).trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3


def test_searches_whose_database_does_not_return_stop_with_one_sentence_and_can_be_continued(
    database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [Store.create(tmp_path / name) for name in ("embedded", "server")]
    run_arm(small_arm(), context(stores[0]))
    stores[1].optuna_url = database.create("stopped")
    stopped = list[float]()

    def stop(_: Event) -> None:
        if not stopped:
            database.stop()
            stopped.append(time.monotonic())

    monkeypatch.setattr(search, "PATIENCE_SECONDS", 1.0)
    try:
        with pytest.raises(SweepFailed) as caught:
            run_arm(small_arm(), Context(stores[1], "eager", {}, stop, lambda: False))
    finally:
        database.start()
    assert str(caught.value).startswith("the database of the searches could not be reached for 1 seconds (")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    run_arm(small_arm(), context(stores[1]))
    assert queued_records(stores[1]) == queued_records(stores[0])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store whose only arm is trained, and not uploaded."""
    store = Store.create(tmp_path_factory.mktemp("trained") / "store")
    run_arm(small_arm(), context(store))
    return store


class Warnings:
    """The warnings of a delivery."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def delivered(self, record: dict[str, Any]) -> None: ...

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.mark.faults
@pytest.mark.parametrize("outage", ["stopped", "error 500", "no answer", "killed while it is used"])
def test_results_reach_an_mlflow_server_once_that_failed_for_a_while(
    trained: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outage: str, tried: Callable[..., None]
) -> None:
    store = Store(Path(shutil.copytree(trained.folder, tmp_path / "store")))
    study, observer = Study.model_validate(SMALL_STUDY), Warnings()
    queued = [record["hash"] for _, record in store.queued("tiny")]
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    with mlflow_server(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        tracker = Tracker(store, "tiny")
        tracker.begin(manifest(study))
        delivery = Delivery(store, tracker, observer)
        if outage == "killed while it is used":
            threading.Timer(0.1, server.stop).start()
            delivery.flush()
        server.stop()
        status = {"error 500": 500}.get(outage)
        with answering(status, b"", server.port) if outage in ("error 500", "no answer") else nullcontext():
            delivery.flush()
        assert observer.warnings
        assert all(
            warning.startswith("results cannot be uploaded, and stay on disk until they can: ")
            for warning in observer.warnings
        )
        assert list(store.queued("tiny"))
        server.start()
        delivery.flush()
        assert not list(store.queued("tiny"))
        results = tracker.results(tracker.manifest())
    assert results.hash.is_unique
    assert sorted(results.hash) == sorted(queued)
    tried(f"MLflow server: {outage}", 1, queued, results.hash)


@pytest.mark.faults
def test_a_server_that_lost_its_database_gets_all_runs_from_the_next_sweep(
    swept: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    (tmp_path / "tiny.toml").write_bytes((swept / "tiny.toml").read_bytes())
    shutil.copytree(swept / "whygates-store", tmp_path / "whygates-store")
    arguments = ("sweep", "tiny.toml", "--workers", "1")
    tables = []
    for database in ("first.db", "second.db"):
        with mlflow_server(f"sqlite:///{tmp_path / database}", tmp_path) as server:
            outcome = whygates(*arguments, cwd=tmp_path, MLFLOW_TRACKING_URI=server.address)
            assert outcome.code == 0, outcome
            report = whygates(
                "report", "tiny", "--out", database[:-3], cwd=tmp_path, MLFLOW_TRACKING_URI=server.address
            )
            assert report.code == 0, report
        tables.append(networks(tmp_path / database[:-3]))
    assert len(tables[0]) == 32
    pd.testing.assert_frame_equal(*tables)
    tried("MLflow server: started again with an empty database", 1, *(one.hash for one in tables))
