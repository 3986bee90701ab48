"""How the work on an arm ends, and its limit of time: what local workers and those of Ray have in common."""

import errno
import signal
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from ablations.errors import SweepFailed
from ablations.studies.study import Arm
from ablations.sweeps.jobs import Event, Logged
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.store import Store

MAX_DEATHS = 2
"""Deaths of its worker process after which an arm counts as failed; it is tried again after the first."""


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


UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors of a disk that is full, also of inodes or of a quota, or was remounted as read-only."""


def failure(arm: Arm, error: Exception) -> ArmOutcome:
    """The outcome of an arm whose training raised an error. To be called in its `except` block, as it records the traceback.

    :raises SweepFailed: if the error would be that of every other arm too.
    """
    if isinstance(error, SweepFailed):
        raise error
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        path = f"{error.filename}: " if error.filename else ""
        raise SweepFailed(
            f"{path}{error.strerror}: nothing that was saved is lost, and the same command continues once it can be written"
        ) from None
    return ArmOutcome(arm, "failed", traceback.format_exc())


class RunArms(Protocol):
    """Workers of some kind: runs the arms of a schedule, at most `workers` at a time; yields the outcome of each as it ends."""

    def __call__(
        self,
        schedule: Schedule,
        store: Store,
        workers: int,
        engine: str,
        logged: dict[str, Logged],
        on_progress: Callable[[Event], None],
        on_idle: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> Generator[ArmOutcome]: ...


def any_solved(arm: Arm, members: Iterable[MemberSpec], store: Store) -> bool:
    """Whether any of an arm's members solved its task."""
    results = [store.get(member.hash(arm)) for member in members]
    return any(result["metrics"]["solved"] for result in results if result)


def source_changed(arm: Arm) -> str:
    """The error of an arm whose hash is another one where it is to be trained."""
    source = f"{arm.cell.cell}, {arm.task.name} or of what they use"
    return f"the source of {source} was changed during the sweep: start it again"


def out_of_time(arm: Arm) -> str:
    """The error of an arm that exceeded its time limit."""
    return f"it took longer than train.time_limit = {arm.train.time_limit:g} seconds"


class TimeLimit(BaseException):
    """Raised in a worker whose arm exceeds its time limit. Not an Exception, so that a cell does not catch it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
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
