"""Worker processes: a sweep that is killed repeatedly ends with the table of an uninterrupted one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from ablations.errors import InputError
from ablations.sweeps import probing
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from ablations.sweeps.workers import local
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_process import digests
from tests.ablations.sweeps.small_arms import small_arm

PLUGIN = Path(__file__).parents[4] / "examples" / "ugrnn.py"
LONGER = ["train.steps=60", "train.eval_every=5", "sizes=[100]", "tune.rerank=1"]
MEMBERS = 4 * (4 + 2 + 4)


def start(folder: Path, store: str, plugin: bool = False) -> subprocess.Popen[str]:
    """:param plugin: whether one of the two cells is a plug-in's, whose checks take seconds."""
    options = ["--plugin", str(PLUGIN), "--set", 'cells=["rnn", "ugrnn"]'] if plugin else []
    options += [word for change in LONGER for word in ("--set", change)]
    command = [sys.executable, "-m", "ablations", "sweep", "tiny.toml", *options, "--store", store, "--workers", "2"]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


def finished(store: Path) -> int:
    """The number of members whose results are stored."""
    return len(list((store / "members").glob("[!.]*.json")))


def table(store: Path) -> pd.DataFrame:
    tracker = Tracker(Store.open(store), "tiny")
    results = tracker.results(tracker.manifest())
    curves = tracker.curves(tracker.manifest())
    assert curves.groupby(["hash", "metric", "step"]).size().max() == 1
    return results.drop(columns="seconds").merge(curves.groupby("hash").value.agg(["size", "sum"]), on="hash")


@pytest.mark.faults
def test_killed_sweep_ends_with_the_table_of_an_uninterrupted_one(tiny: Path) -> None:
    done = start(tiny, "uninterrupted", plugin=True)
    output, errors = done.communicate(timeout=300)
    assert done.returncode == 0, output + errors

    exits, seen = [], []
    for kill in (signal.SIGKILL, signal.SIGINT):
        process = start(tiny, "interrupted", plugin=True)
        enough = (seen or [0])[-1] + 1
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            if finished(tiny / "interrupted") >= enough:
                whole = kill == signal.SIGINT  # as a terminal sends it
                (os.killpg if whole else os.kill)(process.pid, kill)
                break
        output, _ = process.communicate(timeout=60)
        exits.append(process.returncode)
        seen.append(finished(tiny / "interrupted"))
        if process.returncode == 130:
            assert f"Continue with:  whygates sweep tiny.toml --plugin {PLUGIN} --set" in output
            assert " --store interrupted" in output
    assert exits == [-signal.SIGKILL, 130]
    assert seen == sorted(seen), "what was finished stays finished"
    assert seen[0] < MEMBERS, "the first kill came too late to test anything"

    done = start(tiny, "interrupted", plugin=True)
    output, errors = done.communicate(timeout=300)
    assert done.returncode == 0, output + errors
    uninterrupted, resumed = table(tiny / "uninterrupted"), table(tiny / "interrupted")
    assert len(uninterrupted) == MEMBERS
    assert uninterrupted.hash.is_unique
    pd.testing.assert_frame_equal(uninterrupted, resumed, check_exact=True)
    assert (uninterrupted.decay_end.notna() == (uninterrupted.phase == "confirm")).all()
    for part in ("weights", "probes"):
        assert digests(tiny / "uninterrupted" / part) == digests(tiny / "interrupted" / part)
        assert len(digests(tiny / "uninterrupted" / part)) >= 16


def test_arm_survives_the_death_of_its_worker(tiny: Path) -> None:
    process = start(tiny, "store")
    deadline = time.monotonic() + 60
    while finished(tiny / "store") == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    found = subprocess.run(["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors
    assert "4 of 4 arms done" in output
    results = table(tiny / "store")
    assert len(results) == MEMBERS
    assert results.hash.is_unique


def test_probe_that_raises_fails_its_arm_and_keeps_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ArithmeticError("the gradient is not defined")

    store = Store.create(tmp_path / "store")
    storage(store)
    monkeypatch.setattr(probing, "measure", broken)
    state = SimpleNamespace(
        logged={}, progress=SimpleNamespace(put=lambda _: None), stop=SimpleNamespace(is_set=lambda: False)
    )
    monkeypatch.setattr(local, "_Worker", state)
    outcome = local._work_on(small_arm(1), small_arm(1).hash, store, "eager")
    assert outcome.status == "failed"
    assert outcome.error.splitlines()[-1] == "ArithmeticError: the gradient is not defined"
    assert len([record for _, record in store.queued("tiny") if record["phase"] == "confirm"]) == 4


@pytest.mark.parametrize(
    "error", [OSError(38, "Function not implemented"), FileNotFoundError(2, "No such file or directory")]
)
def test_without_semaphores_a_sweep_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(local, "get_context", lambda _: SimpleNamespace(Queue=fail, Event=fail))
    schedule = Schedule([small_arm()], [small_arm()])
    outcomes = local.run_arms(schedule, Store.create(tmp_path / "s"), 1, "eager", {}, print, print, print)
    with pytest.raises(InputError, match="they need semaphores, as in a writable /dev/shm"):
        next(outcomes)


def test_an_error_in_the_sweep_stops_the_workers_and_saves_their_populations(tmp_path: Path) -> None:
    """The arm would train for hours; the error is raised while its worker reports without being heard."""
    store = Store.create(tmp_path / "store")
    storage(store)
    endless = small_arm(train={"steps": 10**7, "batch": 4, "eval_every": 2, "patience": 1000, "test": 20})

    def fail(_: object) -> None:
        raise ArithmeticError("in the display")

    with pytest.raises(ArithmeticError, match="in the display"):
        list(local.run_arms(Schedule([endless], [endless]), store, 1, "eager", {}, fail, lambda: None, lambda: None))
    assert list(store.checkpoints.glob(f"{endless.hash}-tune-0.pt"))


HANGING_CELL = """
import multiprocessing, os, threading, time

from ablations.cells.gru import GRU


class Mine(GRU):
    '''Hangs where a file says so.

        z  = σ(W_z x + U_z h + b_z)

    Test.
    '''

    name, parent, change = "mine", "gru", "it hangs"

    def step(self, w, drive, state, tap):
        in_worker = multiprocessing.parent_process() is not None
        in_thread = threading.current_thread() is not threading.main_thread()
        if (in_worker and os.path.exists("hang-in-worker")) or (in_thread and os.path.exists("hang-in-thread")):
            open("hangs", "w").close()
            time.sleep(3600)
        return super().step(w, drive, state, tap)
"""


@pytest.mark.parametrize(("where", "interrupts"), [pytest.param("worker", 2, marks=pytest.mark.faults), ("thread", 1)])
def test_a_cell_that_hangs_is_interrupted_and_its_sweep_continues(tiny: Path, where: str, interrupts: int) -> None:
    (tiny / "mine.py").write_text(HANGING_CELL)
    (tiny / f"hang-in-{where}").touch()
    options = ["--plugin", "mine.py", "--set", 'cells=["rnn", "mine"]', "--set", "tune.trials=1", "--workers", "1"]
    command = [sys.executable, "-m", "ablations", "sweep", "tiny.toml", *options, "--set", "confirm.probes=[]"]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": tiny}
    process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    deadline = time.monotonic() + 120
    while process.poll() is None and not (tiny / "hangs").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    for _ in range(interrupts):
        time.sleep(1)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130, output
    assert "Continue with:  whygates sweep tiny.toml --plugin mine.py" in output
    (tiny / f"hang-in-{where}").unlink()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tiny, timeout=300)
    assert done.returncode == 0, done
    assert "4 of 4 arms done" in done.stdout
