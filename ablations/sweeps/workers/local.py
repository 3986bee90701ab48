"""Local worker processes with one thread each. Only the parent process uses the tracker.

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
from ctypes import c_bool
from multiprocessing import active_children, get_context, parent_process
from typing import Any

import torch

from ablations.contract import plugins, siblings
from ablations.contract.isolation import isolated
from ablations.engines.device import CPU
from ablations.errors import InputError
from ablations.studies.study import Arm
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Context, Event, Interrupted, Logged
from ablations.sweeps.probing import probe_arm
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.store import Store
from ablations.sweeps.workers.outcome import (
    MAX_DEATHS,
    ArmOutcome,
    TimeLimit,
    any_solved,
    failure,
    out_of_time,
    source_changed,
    time_limit,
)
from ablations.sweeps.workers.signals import SIGNALS, signal_handlers

QUEUED = 2
"""Arms per worker that are handed to the pool at a time, so that no worker waits for its next one."""


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
    progress = _progress_queue(context)
    stop = context.RawValue(c_bool)  # not an Event: a worker that is killed could hold its lock
    deaths, said = Counter[str](), False

    def request_stop(number: int, _: object) -> None:  # raises nothing: it may interrupt the queue with its lock held
        if not stop.value:
            stop.value = True
        elif number != signal.SIGHUP:  # which a shell and the system may both send for one closed terminal
            kill_workers()

    def kill_workers() -> None:
        for worker in active_children():  # a cell may hang; files are written atomically, so that this is safe
            worker.kill()

    def drain() -> None:
        """Pass on progress for a tenth of a second, and that a signal came."""
        nonlocal said
        if stop.value and not said:
            said = True
            on_stop()
        until = time.monotonic() + 0.1
        while (remaining := until - time.monotonic()) > 0:
            try:
                event = progress.get(timeout=remaining)
            except queue.Empty:
                break
            started.add(event.arm)
            on_progress(event)
        on_idle()

    with signal_handlers(request_stop):
        while schedule.waiting:
            started: set[str] = set()
            initial = (progress, stop, logged, plugins.loaded(), siblings.texts)
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
                                if not stop.value:
                                    broken.append(arm)
                                    continue
                                outcome = ArmOutcome(arm, "interrupted")
                            schedule.ended(arm, outcome.solved)
                            yield outcome
                    if broken:  # the pool waits for the other workers, which ignore its signal, to end whole arms
                        kill_workers()
                except BaseException:  # raised here or by the caller: the pool would wait for whole arms
                    stop.value = True
                    while not all(future.done() or future.cancel() for future in pending):
                        with suppress(queue.Empty):  # a worker that reports waits until it is heard
                            progress.get(timeout=0.1)
                    raise
            if stop.value:
                yield from (
                    ArmOutcome(arm, "interrupted" if arm in broken else "waiting")
                    for arm in [*broken, *schedule.waiting]
                )
                return
            # A worker died, which breaks the pool, and may have held the lock of the queue. Any arm that had started may be the cause: each gets one more try.
            suspects = [arm for arm in broken if arm.hash in started] or broken[:workers]
            deaths.update(arm.hash for arm in suspects)
            schedule.waiting[:0] = [arm for arm in broken if deaths[arm.hash] < MAX_DEATHS]
            for arm in [arm for arm in broken if deaths[arm.hash] >= MAX_DEATHS]:
                schedule.ended(arm, solved=True)
                yield ArmOutcome(arm, "failed", "its worker process died: killed from outside, or out of memory")
            progress = _progress_queue(context)


def _progress_queue(context: Any) -> Any:
    """The queue on which workers report. Raises InputError where there are no semaphores."""
    try:
        # The first queue starts Python's resource tracker, which inherits the mask: SIGHUP, of a closed terminal, would else end
        # it before the workers. It ignores the other signals by itself.
        with _blocked_signals():
            return context.Queue()
    except OSError as error:
        raise InputError(
            f"worker processes cannot be started: they need semaphores, as in a writable /dev/shm ({error.strerror})"
        ) from None


@contextmanager
def _blocked_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _initialise(
    progress: Any, stop: Any, logged: dict[str, Logged], files: dict[str, str], imported: dict[str, str]
) -> None:
    """Initialise a worker process: it ignores signals, ends with its parent, and runs the plug-ins."""
    _Worker.progress, _Worker.stop, _Worker.logged = progress, stop, logged
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def end_with_parent() -> None:
        if parent := parent_process():
            parent.join()
        os._exit(1)  # safe at any moment, as files are written atomically

    threading.Thread(target=end_with_parent, daemon=True).start()
    plugins.replay(files, imported)


def _work_on(arm: Arm, hash_: str, store: Store, engine: str, device: torch.device) -> ArmOutcome:
    if _Worker.stop.value:
        return ArmOutcome(arm, "waiting")
    if arm.hash != hash_:
        return ArmOutcome(arm, "failed", source_changed(arm))
    context = Context(store, engine, _Worker.logged, _Worker.progress.put, lambda: _Worker.stop.value, device)
    try:
        # The worker runs other arms after this one.
        with time_limit(arm.train.time_limit), isolated() if plugins.loaded() else nullcontext():
            members = run_arm(arm, context)
            probe_arm(arm, members, context)
    except Interrupted:
        return ArmOutcome(arm, "interrupted")
    except TimeLimit:
        return ArmOutcome(arm, "failed", f"{traceback.format_exc()}\n{out_of_time(arm)}")
    except Exception as error:
        return failure(arm, error)
    return ArmOutcome(arm, "done", solved=any_solved(arm, members, store))
