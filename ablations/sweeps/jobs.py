"""Jobs: what is computed for an arm in a worker. A job opens no store and no database.

The process that owns the store makes the jobs of an arm one after the other, and records what each of them yields.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import torch

from ablations.engines.device import CPU
from ablations.probes import Findings
from ablations.studies.study import Arm
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.store import Store, write

T = TypeVar("T")


class Interrupted(Exception):
    """Raised when the sweep is to stop, after the population in training was saved."""


class TrainingProgress(NamedTuple):
    """Progress of an arm's population."""

    arm: str
    phase: str
    step: int
    active: int
    """Members that are still training."""
    best: float
    """The best latest validation score."""


class ProbeProgress(NamedTuple):
    """The probe that starts on an arm's confirmed members."""

    arm: str
    probe: str
    done: int
    of: int


class Warned(NamedTuple):
    """A failure that does not stop the arm."""

    arm: str
    message: str


Event = TrainingProgress | ProbeProgress | Warned
"""What an arm reports while it runs."""


class Trained(NamedTuple):
    """A member that finished."""

    member: str
    """Its content hash."""
    result: dict[str, Any]
    weights: bytes | None
    """A safetensors file; None for a member that is not confirmed, or diverged."""
    tags: dict[str, Any]
    """Its position in the study."""


class Saved(NamedTuple):
    """The checkpoint of a population, from which its job continues."""

    content: bytes


class Found(NamedTuple):
    """The findings of a probe about a member."""

    member: str
    probe: str
    findings: Findings


class Drawn(NamedTuple):
    """The figure of a member, as SVG."""

    member: str
    figure: str


Output = Trained | Saved | Found | Drawn
"""What a job yields to be stored."""


class Job(Protocol):
    """Picklable data from which a worker computes."""

    @property
    def arm(self) -> Arm: ...

    @property
    def name(self) -> str:
        """Which of its arm's jobs it is."""
        ...

    def run(self, stopping: Callable[[], bool]) -> Iterator[Event | Output]:
        """Compute.

        :raises Interrupted: when `stopping` becomes true, after what has to be stored was yielded.
        """
        ...


class Logged(NamedTuple):
    """What the tracker has of a member."""

    arm: str
    """Hash of the arm that its run belongs to."""
    probes: frozenset[str] | None = None
    """The probes whose findings its run has; None before it was probed."""


class Context(NamedTuple):
    """What an arm needs from the process that owns its store."""

    store: Store
    engine: str
    logged: dict[str, Logged]
    """Members of the study that the tracker has, by hash."""
    report: Callable[[Event], None]
    stopping: Callable[[], bool]
    device: torch.device = CPU


def run_jobs(jobs: Generator[Job, None, T], context: Context) -> T:
    """Run the jobs of an arm in this process, recording what they yield; returns what their generator returns."""
    while True:
        try:
            job = next(jobs)
        except StopIteration as end:
            return end.value
        for event in job.run(context.stopping):
            record(job, event, context)


def record(job: Job, event: Event | Output, context: Context) -> None:
    """Store what a job yielded, or report its progress."""
    store = context.store
    match event:
        case Trained(member, result, weights, tags):
            if weights:  # before the result: a confirmed member that has one is complete
                write(store.weights_path(member), weights)
            store.put(member, result)
            store.enqueue(job.arm.study, member, tags)
        case Saved(content):
            write(checkpoint_path(store, job.arm, job.name), content)
        case Found(member, probe, findings):
            store.add_findings(member, probe, findings._asdict())
        case Drawn(member, figure):
            write(store.figure_path(member), figure)
        case _:
            context.report(event)


def checkpoint_path(store: Store, arm: Arm, name: str) -> Path:
    """The file of the population in training that a job of this name has."""
    return store.checkpoints / f"{arm.hash}-{name}.pt"


def read_checkpoint(store: Store, arm: Arm, name: str) -> bytes | None:
    """The content of that file; None if it cannot be read, so that the population starts again."""
    try:
        return checkpoint_path(store, arm, name).read_bytes()
    except OSError:
        return None


def member_tags(arm: Arm, member: MemberSpec) -> dict[str, Any]:
    """A member's position in a study, as the tracker's tags and params have it."""
    return {
        "arm": arm.hash,
        "phase": member.phase,
        "cell": arm.cell.label,
        "task": arm.task.label,
        "lag": arm.lag,
        "size": arm.size,
        "search": member.search,
        "trial": member.trial,
        "network": member.position,
    }
