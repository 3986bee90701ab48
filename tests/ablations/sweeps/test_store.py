"""The store folder: creation, refusals, atomic writes, the queue."""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ablations.errors import InputError
from ablations.sweeps.search import storage
from ablations.sweeps.store import LONGEST_PATH, MARKER, Store, atomic_file, write
from ablations.tracking.mlflow_db import create_database

FINISHED = {"seed": 1, "status": "solved", "settings": {}, "metrics": {"score": 1.0}, "curves": {}}
"""The result of a member."""


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without studies; creating one takes seconds."""
    store = Store.create(tmp_path_factory.mktemp("empty") / "store")
    create_database(store)
    return store.mlflow


def test_store_is_created_in_a_new_or_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new/below", "empty"):
        Store.create(tmp_path / name)
        assert (tmp_path / name / MARKER).is_file()
        assert Store.open(tmp_path / name).folder == tmp_path / name


def test_folder_with_other_files_is_refused_and_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(InputError, match="is not a whygates store"):
        Store.create(tmp_path)
    with pytest.raises(InputError, match="is not a whygates store"):
        Store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_file_and_missing_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a whygates store"):
        Store.create(tmp_path / "file")
    with pytest.raises(InputError, match="there is no such folder"):
        Store.open(tmp_path / "missing")


def test_damaged_database_is_named(tmp_path: Path) -> None:
    Store.create(tmp_path)
    (tmp_path / "optuna.db").write_text("not sqlite, and long enough to tell: " + "x" * 100)
    with pytest.raises(InputError, match=r"optuna\.db is not a usable database"):
        Store.create(tmp_path)


def test_queue_returns_whole_records_by_study(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    assert store.get("a") is None
    for name, study in (("b", "one"), ("a", "one"), ("c", "two")):
        store.put(name, FINISHED)
        store.enqueue(study, name, {"phase": "tune", "arm": "x"})
    assert [record for _, record in store.queued("one")] == [
        {"hash": name, "study": "one", "phase": "tune", "arm": "x"} | FINISHED for name in "ab"
    ]
    for path, _ in store.queued("one"):
        path.unlink()
    assert [record["hash"] for _, record in store.queued("two")] == ["c"]
    assert store.get("a") == FINISHED


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write(path, json.dumps([1]))
    with pytest.raises(UnicodeEncodeError):
        write(path, "part \ud800")
    assert json.loads(path.read_text()) == [1]


def test_database_of_a_writer_killed_in_a_transaction_opens(tmp_path: Path) -> None:
    """The unfinished transaction is rolled back."""
    store = Store.create(tmp_path / "store")
    killed = f"""
import os, signal, sqlite3
database = sqlite3.connect({str(store.mlflow)!r})
database.execute("create table t(x)")
database.executemany("insert into t values (?)", [("a" * 1000,)] * 1000)
database.commit()
database.execute("pragma cache_size = 5")
database.execute("update t set x = 'b' || x")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert store.mlflow.with_name("mlflow.db-journal").stat().st_size > 0
    Store.open(store.folder)
    with sqlite3.connect(store.mlflow) as database:
        assert database.execute("select count(*) from t where x like 'a%'").fetchone() == (1000,)


def test_queue_has_the_findings_of_the_studys_own_probes(tmp_path: Path) -> None:
    """Findings of another study about the same network are left out."""
    store = Store.create(tmp_path / "store")
    store.put("a", FINISHED)
    for probe in ("flow", "clamp"):
        store.add_findings("a", probe, {"metrics": {probe: 1.0}, "curves": {}})
    store.enqueue("plain", "a", {"phase": "confirm", "arm": "x"}, ["flow"])
    ((_, record),) = store.queued("plain")
    assert record == {
        "hash": "a",
        "study": "plain",
        "phase": "confirm",
        "arm": "x",
        **FINISHED,
        "findings": {"flow": {"metrics": {"flow": 1.0}, "curves": {}}},
    }


ODD_NAMES = [
    "exp#2", "exp?2", "exp%2F2", "a b", "it's", 'say "x"', "Größe", "🎉", "two\nlines", "back\\slash", "-x", "?mode=memory",
    "#", ":memory:", "%(here)s", "a&b=c;d", "n" * 255,
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_of_a_store_works_and_nothing_beside_it_is_touched(
    tmp_path: Path, name: str, empty_mlflow: Path
) -> None:
    store = Store.create(tmp_path / name)
    shutil.copy(empty_mlflow, store.mlflow)
    storage(store)
    client = MlflowClient(store.tracking_uri)
    experiment = client.create_experiment("tiny", artifact_location=(store.artifacts / "tiny").as_uri())
    run = client.create_run(experiment).info.run_id
    client.log_dict(run, {"a": 1}, "study.json")
    store = Store.open(tmp_path / name)
    downloaded = Path(MlflowClient(store.tracking_uri).download_artifacts(run, "study.json"))
    assert json.loads(downloaded.read_text()) == {"a": 1}
    assert [path.read_text() for path in store.artifacts.rglob("study.json")] == [downloaded.read_text()]
    assert store.optuna.stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_store_behind_a_link_has_one_address(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    Store.create(tmp_path / "link" / "below" / ".." / "store")
    stores = [Store.open(tmp_path / name / "store") for name in ("real", "link")]
    assert {store.folder for store in stores} == {(tmp_path / "real" / "store").resolve()}


def test_a_path_that_sqlite_cannot_open_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["d" * 200] * 3)
    with pytest.raises(InputError, match=r"its path has \d+ bytes; at most 470"):
        Store.create(folder)
    assert not list(tmp_path.iterdir())
    longest = tmp_path.joinpath("d" * 200, "d" * (LONGEST_PATH - len(str(tmp_path)) - 202))
    store = Store.create(longest)
    assert len(str(store.folder)) == LONGEST_PATH
    with atomic_file(store.optuna) as scratch, contextlib.closing(sqlite3.connect(scratch)) as database, database:
        database.execute("create table t(x)")  # with a journal, whose name is longer
    Store.open(longest)


def test_where_runs_are_on_a_server_a_store_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000/")
    store = Store.open(tmp_path / "nowhere")
    assert (store.local, store.tracking_uri) == (False, "http://localhost:5000")
    assert store.get("a") is None
    assert store.findings("a") == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["file:///mlruns", "databricks", "http://me@host", "http://", "mlruns"])
def test_an_address_that_is_no_server_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    for use in (Store.create, Store.open):
        with pytest.raises(InputError, match="MLFLOW_TRACKING_URI="):
            use(tmp_path / "store")
    assert not list(tmp_path.iterdir())


DAMAGED = {
    "empty": b"",
    "cut": b'{"status": "solved", "met',
    "not UTF-8": b'{"status": "\xff"}',
    "a list": b"[1, 2]",
    "a number": b"7",
    "without its keys": b"{}",
    "nested too deeply": b"[" * 100_000,
    "zeros": bytes(500),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_counts_as_missing(tmp_path: Path, damage: str) -> None:
    store = Store.create(tmp_path)
    store.put("a", FINISHED)
    store.add_findings("a", "flow", {"metrics": {}, "curves": {}})
    store.enqueue("tiny", "a", {"arm": "x"}, probes=["flow"])
    assert [record["status"] for _, record in store.queued("tiny")] == ["solved"]
    (tmp_path / "spool" / "tiny" / "b.json").write_bytes(DAMAGED[damage])
    (tmp_path / "probes" / "a.json").write_bytes(DAMAGED[damage])
    assert [record["findings"] for _, record in store.queued("tiny")] == [{}]
    (tmp_path / "members" / "a.json").write_bytes(DAMAGED[damage])
    assert (store.get("a"), store.findings("a"), list(store.queued("tiny"))) == (None, {}, [])
    store.put("a", FINISHED)
    store.add_findings("a", "flow", {"metrics": {}, "curves": {}})
    assert (store.get("a"), list(store.findings("a"))) == (FINISHED, ["flow"])


def test_a_store_of_a_newer_format_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    Store.create(tmp_path)
    (tmp_path / MARKER).write_text('{"format": 2}')
    for use in (Store.create, Store.open):
        with pytest.raises(InputError, match=r"written by a newer whygates \(format 2; this one reads 1\)"):
            use(tmp_path)
    assert (tmp_path / MARKER).read_text() == '{"format": 2}'


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_marker_is_written_again_and_a_good_one_is_not(tmp_path: Path, damage: str) -> None:
    Store.create(tmp_path)
    good = (tmp_path / MARKER).stat().st_mtime_ns
    Store.create(tmp_path)
    assert (tmp_path / MARKER).stat().st_mtime_ns == good
    (tmp_path / MARKER).write_bytes(DAMAGED[damage])
    Store.open(tmp_path)
    Store.create(tmp_path)
    assert json.loads((tmp_path / MARKER).read_text()) == {"format": 1}


def test_a_database_that_another_program_has_locked_is_named(tmp_path: Path, empty_mlflow: Path) -> None:
    Store.create(tmp_path)
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(InputError, match=r"mlflow\.db is locked by another program"):
            Store.open(tmp_path)
