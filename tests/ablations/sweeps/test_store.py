"""The store folder: creation, refusals, atomic writes, the queue."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ablations.errors import InputError
from ablations.sweeps.store import MARKER, Store, write


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


def test_store_admits_one_sweep_at_a_time(tmp_path: Path) -> None:
    first, second = Store.create(tmp_path), Store.open(tmp_path)
    assert not second.busy
    with first.sweeping():
        assert second.busy
        with pytest.raises(InputError, match="another sweep is using this store"), second.sweeping():
            pass
    with second.sweeping():
        assert first.busy


def test_queue_returns_whole_records_by_study(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    assert store.get("a") is None
    for name, study in (("b", "one"), ("a", "one"), ("c", "two")):
        store.put(name, {"score": 0.5})
        store.enqueue(study, name, {"phase": "tune"})
    assert [record for _, record in store.queued("one")] == [
        {"hash": name, "study": "one", "phase": "tune", "score": 0.5} for name in "ab"
    ]
    for path, _ in store.queued("one"):
        path.unlink()
    assert [record["hash"] for _, record in store.queued("two")] == ["c"]
    assert store.get("a") == {"score": 0.5}


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
    store.put("a", {})
    for probe in ("flow", "clamp"):
        store.add_findings("a", probe, {"metrics": {probe: 1.0}, "curves": {}})
    store.enqueue("plain", "a", {"phase": "confirm"}, ["flow"])
    ((_, record),) = store.queued("plain")
    assert record == {
        "hash": "a",
        "study": "plain",
        "phase": "confirm",
        "findings": {"flow": {"metrics": {"flow": 1.0}, "curves": {}}},
    }
