"""Searches in PostgreSQL and runs on an MLflow server that uses it: the tables are those of the embedded databases."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ablations.sweeps import search
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Context, Event
from ablations.sweeps.search import SearchesUnreachable, storage
from ablations.sweeps.store import Store
from tests.ablations.cli_process import networks
from tests.ablations.cli_runner import whygates
from tests.ablations.servers import Postgres, mlflow_server, postgres
from tests.ablations.sweeps.small_arms import context, queued_records, small_arm


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


def test_a_sweep_on_servers_has_the_table_of_one_with_embedded_databases(
    database: Postgres, swept: Path, reported: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_bytes((swept / "tiny.toml").read_bytes())
    with mlflow_server(database.create("runs"), tmp_path) as server:
        servers = {"MLFLOW_TRACKING_URI": server.address, "WHYGATES_OPTUNA_STORAGE": database.create("searches")}
        outcome = whygates("sweep", "tiny.toml", "--workers", "2", cwd=tmp_path, **servers)
        assert outcome.code == 0, outcome
        store = tmp_path / "whygates-store"
        assert not list(store.glob("*.db")), "nothing is in embedded databases"
        assert whygates("report", "tiny", "--out", "report", cwd=tmp_path, **servers).code == 0
    tables = [networks(folder).drop(columns="seconds") for folder in (reported, tmp_path / "report")]
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
        with pytest.raises(SearchesUnreachable) as caught:
            run_arm(small_arm(), Context(stores[1], "eager", {}, stop, lambda: False))
    finally:
        database.start()
    assert str(caught.value).startswith("the database of the searches could not be reached for 1 seconds (")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    run_arm(small_arm(), context(stores[1]))
    assert queued_records(stores[1]) == queued_records(stores[0])
