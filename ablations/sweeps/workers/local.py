"""Local worker processes with one thread each. Only the parent process talks to the tracker.

A worker writes finished members to the store, and the parent uploads them to MLflow while it waits for its workers. So
training neither waits for the tracker nor fails with it, and MLflow's database has a single writer.
"""

import os
import queue
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import active_children, get_context
from typing import Any, NamedTuple

import torch

from ablations.contract import plugins, siblings
from ablations.contract.isolation import isolated
from ablations.engines.device import CPU
from ablations.errors import InputError
from ablations.studies.study import Arm
from ablations.sweeps.arm import Context, Event, Interrupted, Logged, run_arm
from ablations.sweeps.probing import probe_arm
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.store import Store

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop a sweep; the last is that of a closed terminal."""


def handled_signals() -> list[signal.Signals]:
    """SIGNALS, without that of a closed terminal where it is ignored, as under nohup."""
    return [one for one in SIGNALS if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]


MAX_DEATHS = 2
"""Deaths of its worker process after which an arm counts as failed; it is tried again after the first."""


QUEUED = 2
"""Arms per worker that are handed to the pool at a time, so that no worker waits for its next one."""


class ArmOutcome(NamedTuple):
    """How the work on an arm ended."""

    arm: Arm
    status: str
    """`done`, `failed`, `interrupted`, `waiting`: the sweep was interrupted before it began, or `skipped`: not trained, as no
    network solved the task at the next shorter lag."""
    error: str = ""
    """The traceback of a failure."""
    solved: bool = True
    """Whether any network of the arm solved its task; true where that is not known."""


class TimeLimit(BaseException):
    """Raised in a worker whose arm exceeds its time limit. Not an Exception, so that a cell does not catch it."""


class _Worker:
    """The state of a worker process; set once, when it starts."""

    progress: Any
    stop: Any
    logged: dict[str, Logged]


def run_arms(
    schedule: Schedule,
    store: Store,
    workers: int,
    engine: str,
    logged: dict[str, Logged],
    on_progress: Callable[[Event], None],
    on_idle: Callable[[], None],
    on_stop: Callable[[], None],
    device: torch.device = CPU,
) -> Generator[ArmOutcome]:
    """Run the arms of a schedule on `workers` processes; yields the outcome of each as it ends.

    SIGNALS call `on_stop` and make the workers save their populations; their arms end as `interrupted`. A second signal kills
    the workers, which continue from their last checkpoints.

    :param logged: members that the tracker has, by hash.
    :param on_idle: called several times a second.
    """
    context = get_context("spawn")  # torch's thread pools do not survive a fork
    try:
        with (
            _blocked_signals()
        ):  # Python's process that tracks semaphores, which starts here, ignores the others by itself
            progress, stop = context.Queue(), context.Event()
    except OSError as error:
        raise InputError(
            f"worker processes cannot be started: they need semaphores, as in a writable /dev/shm ({error.strerror})"
        ) from None
    deaths = Counter[str]()

    def request_stop(number: int, _: object) -> None:
        if not stop.is_set():
            stop.set()
            on_stop()
        elif number != signal.SIGHUP:  # which a shell and the system may both send for one closed terminal
            kill_workers()

    def kill_workers() -> None:
        for worker in active_children():  # a cell may hang; files are written atomically, so that this is safe
            worker.kill()

    def drain() -> None:
        """Pass on progress for a tenth of a second."""
        until = time.monotonic() + 0.1
        while (remaining := until - time.monotonic()) > 0:
            try:
                event = progress.get(timeout=remaining)
            except queue.Empty:
                break
            started.add(event.arm)
            on_progress(event)
        on_idle()

    with _signal_handlers(request_stop):
        while schedule.waiting:
            started: set[str] = set()
            initial = (progress, stop, logged, os.getpid(), plugins.loaded(), siblings.texts)
            broken: list[Arm] = []
            pending: dict[Future[ArmOutcome], Arm] = {}
            with ProcessPoolExecutor(workers, context, initializer=_initialise, initargs=initial) as pool:
                try:
                    while (schedule.waiting and not broken) or pending:
                        for arm in schedule.skipped():
                            yield ArmOutcome(arm, "skipped")
                        # Few at a time, since the end of an arm decides whether others are trained.
                        while not broken and len(pending) < QUEUED * workers and (arm := schedule.next()):
                            # Workers inherit the mask, and unblock once they ignore the signals.
                            with _blocked_signals():
                                try:
                                    pending[pool.submit(_work_on, arm, arm.hash, store, engine, device)] = arm
                                except BrokenProcessPool:
                                    broken.append(arm)
                        drain()
                        for future in [future for future in pending if future.done()]:
                            arm = pending.pop(future)
                            try:
                                outcome = future.result()
                            except BrokenProcessPool:
                                if not stop.is_set():
                                    broken.append(arm)
                                    continue
                                outcome = ArmOutcome(arm, "interrupted")
                            schedule.ended(arm, outcome.solved)
                            yield outcome
                except BaseException:  # raised here or by the caller: the pool would wait for whole arms
                    stop.set()
                    while not all(future.done() or future.cancel() for future in pending):
                        with suppress(queue.Empty):  # a worker that reports waits until it is heard
                            progress.get(timeout=0.1)
                    raise
            if stop.is_set():
                yield from (
                    ArmOutcome(arm, "interrupted" if arm in broken else "waiting")
                    for arm in [*broken, *schedule.waiting]
                )
                return
            # A worker died, which breaks the pool. Any arm that had started may be the cause: each gets one more try.
            suspects = [arm for arm in broken if arm.hash in started] or broken[:workers]
            deaths.update(arm.hash for arm in suspects)
            schedule.waiting[:0] = [arm for arm in broken if deaths[arm.hash] < MAX_DEATHS]
            for arm in [arm for arm in broken if deaths[arm.hash] >= MAX_DEATHS]:
                schedule.ended(arm, solved=True)
                yield ArmOutcome(arm, "failed", "its worker process died: killed from outside, or out of memory")


@contextmanager
def _signal_handlers(handler: Callable[..., None]) -> Iterator[None]:
    """Install a handler for the handled signals; afterwards the previous ones are restored."""
    previous = {number: signal.signal(number, handler) for number in handled_signals()}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


@contextmanager
def _blocked_signals() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _initialise(
    progress: Any, stop: Any, logged: dict[str, Logged], parent: int, files: dict[str, str], imported: dict[str, str]
) -> None:
    """Initialise a worker process: it ignores signals, ends with its parent, and runs the plug-ins."""
    _Worker.progress, _Worker.stop, _Worker.logged = progress, stop, logged
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def watch_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)  # safe at any moment, as files are written atomically

    threading.Thread(target=watch_parent, daemon=True).start()
    plugins.replay(files, imported)


def _work_on(arm: Arm, hash_: str, store: Store, engine: str, device: torch.device) -> ArmOutcome:
    if _Worker.stop.is_set():
        return ArmOutcome(arm, "waiting")
    if arm.hash != hash_:
        source = f"{arm.cell.cell}, {arm.task.name} or of what they use"
        return ArmOutcome(arm, "failed", f"the source of {source} was changed during the sweep: start it again")
    context = Context(store, engine, _Worker.logged, _Worker.progress.put, _Worker.stop.is_set, device)
    try:
        # The worker runs other arms after this one.
        with _time_limit(arm.train.time_limit), isolated() if plugins.loaded() else nullcontext():
            members = run_arm(arm, context)
            probe_arm(arm, members, context)
    except Interrupted:
        return ArmOutcome(arm, "interrupted")
    except TimeLimit:
        reason = f"it took longer than train.time_limit = {arm.train.time_limit:g} seconds"
        return ArmOutcome(arm, "failed", f"{traceback.format_exc()}\n{reason}")
    except Exception:  # a plug-in's cell may raise anything: it fails its own arm, and the others continue
        return ArmOutcome(arm, "failed", traceback.format_exc())
    results = [store.get(member.hash(arm)) for member in members]
    return ArmOutcome(arm, "done", solved=any(result["metrics"]["solved"] for result in results if result))


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeLimit in the block after this many seconds, wherever it is; None: never."""
    if seconds is None:
        yield
        return

    def fail(*_: object) -> None:
        raise TimeLimit

    signal.signal(signal.SIGALRM, fail)
    # Raised again every ten seconds, as a bare `except` or a destructor may have swallowed it.
    signal.setitimer(signal.ITIMER_REAL, seconds, 10.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
