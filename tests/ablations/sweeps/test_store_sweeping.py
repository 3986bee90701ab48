"""One sweep at a time on a store: its lock, and what killed writers left."""

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ablations.errors import InputError
from ablations.sweeps.store import Store


def test_store_admits_one_sweep_at_a_time(tmp_path: Path) -> None:
    first, second = Store.create(tmp_path), Store.open(tmp_path)
    assert not second.busy
    with first.sweeping():
        assert second.busy
        holder = rf"another sweep is using this store \(process {os.getpid()} on {re.escape(socket.gethostname())}, since 2\d\d\d-"
        with pytest.raises(InputError, match=holder), second.sweeping():
            pass
    with second.sweeping():
        assert first.busy


def test_a_sweep_removes_what_killed_writers_left_when_it_starts_and_when_it_ends(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    path = store.weights_path("1")
    killed = (
        "import os, sys; from pathlib import Path; from ablations.sweeps.store import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as scratch: scratch.write_text('half'); os.kill(os.getpid(), 9)"
    )

    def kill_a_writer() -> None:
        assert subprocess.run([sys.executable, "-c", killed, str(path)]).returncode == -9
        assert len(list(store.weights.iterdir())) == 1

    kill_a_writer()
    with store.sweeping():
        assert not list(store.weights.iterdir())
        kill_a_writer()
    assert not list(store.weights.iterdir())


def test_a_sweep_may_wait_for_another(tmp_path: Path) -> None:
    first, second = Store.create(tmp_path), Store.open(tmp_path)
    order = []

    def wait() -> None:
        with second.sweeping(wait=True):
            order.append("second")

    with first.sweeping():
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(timeout=1.5)  # longer than a sweep that does not wait tries
        order.append("first")
    waiting.join(timeout=30)
    assert order == ["first", "second"]
    assert not (tmp_path / "sweep.json").exists()


@pytest.mark.parametrize(
    "error", [NotImplementedError("no flock"), OSError(37, "No locks available"), OSError(38, "Function not implemented"), PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")]
)  # fmt: skip
def test_without_locks_a_sweep_is_refused_and_reading_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    store = Store.create(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", fail)
    assert Store.open(tmp_path).busy is False
    with pytest.raises(InputError, match="its lock cannot be acquired"), store.sweeping():
        pass
