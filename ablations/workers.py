"""Where arms run: local worker processes, one thread each. The parent alone talks to the tracker.

A worker leaves finished members in the store's spool; the parent delivers them to MLflow between two looks at its
workers. So training never waits for the tracker, never dies of it, and the database has one writer.
"""

import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple

from ablations import sweep
from ablations.store import Store
from ablations.study import Arm


class Ended(NamedTuple):
    """How an arm ended: `done`, `failed` (with the traceback) or `interrupted`."""

    arm: Arm
    status: str
    members: list[str]
    error: str = ""


class _Worker:
    """What a worker process holds; set once, when it starts."""

    progress: Any
    stop: Any
    finished: frozenset[str]


def run(
    arms: Sequence[Arm],
    store: Store,
    workers: int,
    engine: str,
    finished: frozenset[str],
    on_progress: Callable[[sweep.Progress], None],
    on_idle: Callable[[], None],
) -> Iterator[Ended]:
    """Run arms on `workers` processes; yields each as it ends.

    `finished` holds the hashes of members whose results are safe. `on_idle` is called several times a second. Ctrl-C and
    SIGTERM make the workers save their populations; the arms they were at end as `interrupted`.
    """
    context = get_context("spawn")  # torch's threads do not survive a fork
    progress, stop = context.Queue(), context.Event()
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(progress, stop, finished, os.getpid()))
    with _stopping(stop), pool:
        pending: dict[Future[tuple[str, list[str], str]], Arm] = {
            pool.submit(_arm, arm, store, engine): arm for arm in arms
        }
        while pending:
            try:
                while True:
                    on_progress(progress.get(timeout=0.1))
            except queue.Empty:
                on_idle()
            for future in [future for future in pending if future.done()]:
                yield _ended(future, pending.pop(future))


def _ended(future: Future[tuple[str, list[str], str]], arm: Arm) -> Ended:
    try:
        status, members, error = future.result()
    except BrokenProcessPool:
        return Ended(arm, "failed", [], "a worker process died: killed from outside, or out of memory")
    return Ended(arm, status, members, error)


@contextmanager
def _stopping(stop: Any) -> Iterator[None]:
    """While inside, Ctrl-C and SIGTERM ask the workers to save and stop."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(progress: Any, stop: Any, finished: frozenset[str], parent: int) -> None:
    """A worker begins: it leaves Ctrl-C to its parent, and does not outlive it."""
    _Worker.progress, _Worker.stop, _Worker.finished = progress, stop, finished
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)  # whatever it was writing appears whole or not at all

    threading.Thread(target=watch, daemon=True).start()


def _arm(arm: Arm, store: Store, engine: str) -> tuple[str, list[str], str]:
    if _Worker.stop.is_set():
        return "interrupted", [], ""
    context = sweep.Context(store, engine, _Worker.finished, _Worker.progress.put, _Worker.stop.is_set)
    try:
        return "done", sweep.run(arm, context), ""
    except sweep.Interrupted:
        return "interrupted", [], ""
    except Exception:  # any cell may be broken in any way: it fails its own arm, and the others go on
        return "failed", [], traceback.format_exc()
