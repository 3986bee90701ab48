"""Worker processes: errors, signals, cells that hang."""

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ablations.engines.device import CPU
from ablations.errors import InputError
from ablations.sweeps import probing
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from ablations.sweeps.workers import local
from ablations.training.population import Population
from tests.ablations.sweeps.small_arms import small_arm


def test_probe_that_raises_fails_its_arm_and_keeps_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ArithmeticError("the gradient is not defined")

    store = Store.create(tmp_path / "store")
    storage(store)
    monkeypatch.setattr(probing, "measure", broken)
    monkeypatch.setattr(local, "_Worker", worker())
    outcome = local._work_on(small_arm(1), small_arm(1).hash, store, "eager", CPU)
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

    monkeypatch.setattr(local, "get_context", lambda _: SimpleNamespace(Queue=fail))
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
def test_a_cell_that_hangs_is_interrupted_and_its_sweep_continues(
    tiny: Path, where: str, interrupts: int, tried: Callable[..., None]
) -> None:
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
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Continue with:  whygates sweep tiny.toml --plugin mine.py" in output
    (tiny / f"hang-in-{where}").unlink()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tiny, timeout=300)
    assert done.returncode == 0, done
    assert "4 of 4 arms done" in done.stdout
    tried(f"a cell that hangs in a {where}, interrupted by Ctrl-C", interrupts)


CELL_OF_A_BAD_WORKER = """
import glob, multiprocessing, os, signal, time

import torch
from ablations.cells.gru import GRU
from ablations.sweeps.workers import local


class Mine(GRU):
    '''Fails in a worker, as a file says.

        z  = σ(W_z x + U_z h + b_z)

    Test.
    '''

    name, parent, change = "mine", "gru", "it fails"

    def step(self, w, drive, state, tap):
        if multiprocessing.parent_process() is not None:
            if os.path.exists("die"):
                while len(glob.glob("whygates-store/checkpoints/*.pt")) < 2:
                    time.sleep(0.05)
                local._Worker.progress._wlock.acquire()
                os.remove("die")
                os.kill(os.getpid(), signal.SIGKILL)
            if os.path.exists("allocate"):
                torch.empty(2**34)
        return super().step(w, drive, state, tap)
"""


def sweep_of_a_bad_worker(folder: Path, fault: str, *changes: str) -> subprocess.CompletedProcess[str]:
    """A sweep of `rnn` and of `mine`, whose worker fails as `fault` says. Each process has 8 GiB of addresses."""
    (folder / "mine.py").write_text(CELL_OF_A_BAD_WORKER)
    (folder / fault).touch()
    changes = ('cells=["rnn", "mine"]', "tune.trials=1", "confirm.probes=[]", *changes)
    options = ["--plugin", "mine.py", "--only", "task:recall", "--workers", "2", "--engine", "eager"]
    options += [word for change in changes for word in ("--set", change)]
    command = shlex.join([sys.executable, "-m", "ablations", "sweep", "tiny.toml", *options])
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    limited = ["bash", "-c", f"ulimit -v {8 * 2**20}; exec {command}"]
    return subprocess.run(limited, env=environment, capture_output=True, text=True, cwd=folder, timeout=300)


@pytest.mark.faults
def test_a_worker_killed_while_it_writes_to_the_progress_queue_stops_no_other(
    tiny: Path, tried: Callable[..., None]
) -> None:
    """It dies with the lock of the queue, while the other worker is at an arm that would report many more times."""
    done = sweep_of_a_bad_worker(tiny, "die", "train.steps=300", "train.eval_every=1", "train.patience=1000")
    assert done.returncode == 0, done
    assert not (tiny / "die").exists()
    assert "2 of 2 arms done" in done.stdout
    tried("a worker killed with the lock of the progress queue", 1)


@pytest.mark.faults
def test_an_arm_for_which_memory_does_not_suffice_fails_and_the_others_are_trained(
    tiny: Path, tried: Callable[..., None]
) -> None:
    done = sweep_of_a_bad_worker(tiny, "allocate")
    assert done.returncode == 1, done
    assert "1 of 2 arms done" in done.stdout
    assert re.search(r"^failed mine · recall .*allocate", done.stdout, re.MULTILINE), done.stdout
    (tiny / "allocate").unlink()
    assert sweep_of_a_bad_worker(tiny, "nothing").returncode == 0, "the same command tries it again"
    tried("memory exhausted (`ulimit -v`)", 1)


def hang(_: Population) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.1)  # what was left of the time limit
    time.sleep(3600)


@pytest.mark.parametrize("hangs", [False, True])
def test_an_arm_that_exceeds_its_time_limit_fails_and_is_tried_again_by_the_next_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """It trains for hours, or its cell hangs. The next sweep has no limit and a cell that does not hang."""
    budget = {"batch": 4, "eval_every": 2, "patience": 1000, "test": 20}
    limit = 1000 if hangs else 2
    arm = small_arm(1, train={**budget, "steps": 8 if hangs else 10**7, "time_limit": limit})
    store = Store.create(tmp_path / "store")
    storage(store)
    with monkeypatch.context() as patch:
        patch.setattr(local, "_Worker", worker())
        if hangs:
            patch.setattr(Population, "train_step", hang)
        started = time.monotonic()
        outcome = local._work_on(arm, arm.hash, store, "eager", CPU)
        assert time.monotonic() - started < 60
        assert outcome.status == "failed"
        assert outcome.error.splitlines()[-1] == f"it took longer than train.time_limit = {limit} seconds"
        assert ("time.sleep(3600)" in outcome.error) == hangs, "the traceback says where it was"
        patch.undo()
        monkeypatch.setattr(local, "_Worker", worker())
        again = small_arm(1, train={**budget, "steps": 8})
        assert local._work_on(again, again.hash, store, "eager", CPU).status == "done"


def worker() -> SimpleNamespace:
    """The state of a worker process that is not stopped."""
    return SimpleNamespace(logged={}, progress=SimpleNamespace(put=lambda _: None), stop=SimpleNamespace(value=False))


LAUNCHER = """
import fcntl, os, signal, sys, termios
if sys.argv[1] == "terminal":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
else:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
os.execv(sys.executable, [sys.executable, "-m", "ablations", *sys.argv[2:]])
"""


@pytest.mark.parametrize("where", ["terminal", "nohup"])
def test_a_closed_terminal_saves_the_populations_unless_the_signal_is_ignored(tiny: Path, where: str) -> None:
    changes = ("train.steps=1000000", "train.patience=100000", "train.eval_every=5")
    options = [word for change in changes for word in ("--set", change)]
    command = ["sweep", "tiny.toml", *options, "--workers", "1", "--engine", "eager", "--only", "cell:rnn"]
    parent, terminal = pty.openpty()
    ends: dict[str, Any] = {"stdin": terminal, "stdout": terminal, "stderr": terminal, "start_new_session": True}
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, where, *command], cwd=tiny, **ends)
    os.close(terminal)
    output, deadline = "", time.monotonic() + 120
    while "best score" not in output and time.monotonic() < deadline:
        output += os.read(parent, 10_000).decode(errors="replace")
    os.close(parent)
    if where == "nohup":
        os.killpg(process.pid, signal.SIGHUP)
        time.sleep(2)
        assert process.poll() is None
        process.terminate()
    assert process.wait(timeout=60) == 130, output
    (checkpoint,) = (tiny / "whygates-store" / "checkpoints").glob("*.pt")
    assert torch.load(checkpoint, weights_only=True)["population"]["step"] > 0
