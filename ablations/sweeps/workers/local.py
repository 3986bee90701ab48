"""Where arms run: local worker processes, one thread each. The parent alone talks to the tracker.

A worker leaves finished members in the store; the parent delivers them to MLflow between two looks at its workers. So
training never waits for the tracker, never dies of it, and the database has one writer.
"""

import os
import queue
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple

from ablations.contract import plugins
from ablations.studies.study import Arm
from ablations.sweeps import arm as sweep
from ablations.sweeps import probing
from ablations.sweeps.store import Store

SIGNALS = (signal.SIGINT, signal.SIGTERM)
DEATHS = 2
"""An arm whose worker dies this often has failed; the first time it is taken for bad luck."""


class ArmOutcome(NamedTuple):
    """How an arm ended: `done`, `failed` (with the traceback) or `interrupted`."""

    arm: Arm
    status: str
    error: str = ""


class _Worker:
    """What a worker process holds; set once, when it starts."""

    progress: Any
    stop: Any
    told: dict[str, sweep.Logged]


def run(
    arms: Sequence[Arm],
    store: Store,
    workers: int,
    engine: str,
    told: dict[str, sweep.Logged],
    on_progress: Callable[[sweep.TrainingProgress | sweep.ProbeProgress], None],
    on_idle: Callable[[], None],
    on_stop: Callable[[], None],
) -> Iterator[ArmOutcome]:
    """Run arms on `workers` processes; yields each as it ends.

    `told` holds what the tracker knows of members. `on_idle` is called several times a second.
    Ctrl-C and SIGTERM call `on_stop` and make the workers save their populations; what they were at ends `interrupted`.
    """
    context = get_context("spawn")  # torch's threads do not survive a fork
    progress, stop = context.Queue(), context.Event()
    waiting, deaths = list(arms), Counter[str]()

    def stopping(*_: object) -> None:
        if not stop.is_set():
            stop.set()
            on_stop()

    def drain() -> None:
        until = time.monotonic() + 0.1
        while (left := until - time.monotonic()) > 0:
            try:
                seen = progress.get(timeout=left)
            except queue.Empty:
                break
            begun.add(seen.arm)
            on_progress(seen)
        on_idle()

    with _handling(stopping):
        while waiting:
            begun: set[str] = set()
            with ProcessPoolExecutor(
                workers, context, initializer=_start, initargs=(progress, stop, told, os.getpid(), plugins.loaded())
            ) as pool:
                with _blocked():  # a worker inherits this, and unblocks when it is ready to ignore them
                    pending: dict[Future[ArmOutcome], Arm] = {
                        pool.submit(_arm, arm, store, engine): arm for arm in waiting
                    }
                waiting = []
                while pending:
                    drain()
                    for future in [future for future in pending if future.done()]:
                        arm = pending.pop(future)
                        try:
                            yield future.result()
                        except BrokenProcessPool:
                            if stop.is_set():
                                yield ArmOutcome(arm, "interrupted")
                            else:
                                waiting.append(arm)
            # A worker died, and took the pool with it. Whoever may have been its death is given one more chance.
            suspects = [arm for arm in waiting if arm.hash in begun] or waiting[:workers]
            deaths.update(arm.hash for arm in suspects)
            for arm in [arm for arm in waiting if deaths[arm.hash] >= DEATHS]:
                waiting.remove(arm)
                yield ArmOutcome(arm, "failed", "its worker process died: killed from outside, or out of memory")


@contextmanager
def _handling(handler: Callable[..., None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _blocked() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _start(progress: Any, stop: Any, told: dict[str, sweep.Logged], parent: int, files: dict[str, str]) -> None:
    """A worker begins: it leaves signals to its parent, does not outlive it, and has its plug-ins."""
    _Worker.progress, _Worker.stop, _Worker.told = progress, stop, told
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)  # whatever it was writing appears whole or not at all

    threading.Thread(target=watch, daemon=True).start()
    for path, text in files.items():
        plugins.run(path, text)


def _arm(arm: Arm, store: Store, engine: str) -> ArmOutcome:
    if _Worker.stop.is_set():
        return ArmOutcome(arm, "interrupted")
    context = sweep.Context(store, engine, _Worker.told, _Worker.progress.put, _Worker.stop.is_set)
    try:
        probing.run(arm, sweep.run(arm, context), context)
    except sweep.Interrupted:
        return ArmOutcome(arm, "interrupted")
    except Exception:  # any cell may be broken in any way: it fails its own arm, and the others go on
        return ArmOutcome(arm, "failed", traceback.format_exc())
    return ArmOutcome(arm, "done")
