"""Workers on a Ray cluster. The process that runs the sweep owns the store, Optuna and MLflow.

Each job of an arm is a Ray task that yields what it computes while it runs, so that a node that dies loses no finished network.
Ray does not retry these tasks, since it would start them with their first arguments: the driver starts them again from what was
recorded, a population from its last checkpoint.
"""

import hashlib
import logging
import os
import platform
import signal
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from ablations.contract import plugins, siblings
from ablations.contract.isolation import isolated
from ablations.errors import InputError, first_line
from ablations.studies.study import Arm
from ablations.sweeps.arm import Training, training_jobs
from ablations.sweeps.jobs import Context, Event, Job, Logged, Output, Saved, TrainingProgress, record
from ablations.sweeps.probing import probing_jobs
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.store import Store
from ablations.sweeps.workers import shared
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
from ablations.sweeps.workers.signals import signal_handlers
from ablations.training import torch_state

try:
    import ray  # pyright: ignore[reportMissingImports]: an extra
    from ray.exceptions import RayError, RayTaskError  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError:
    raise InputError('--ray needs Ray, which is not installed: pip install "whygates[cluster]"') from None

PROGRESS_SECONDS = 1.0
"""Of one task, progress is sent at most this often."""
RECORD_SECONDS = 1.0
"""How long what tasks yield is recorded at most before the tracker gets its turn."""
PACKAGES = ("torch", "numpy")
"""Packages whose version may change numbers, besides this one."""


class MixedVersions(InputError):
    """A node has another version of what determines numbers than the driver."""


class Setup(NamedTuple):
    """What every task of a sweep needs."""

    environment: dict[str, str]
    plugins: dict[str, str]
    """The text of plug-ins by absolute path, which need not exist where they run."""
    imported: dict[str, str]
    """Likewise of the files that they import."""
    checkpoints: str
    """The fsspec address of the folder of checkpoints that all nodes reach; empty if they are sent to the driver."""


@contextmanager
def connected(address: str) -> Iterator[int]:
    """Connect to a running Ray cluster, `auto` for that of this machine or of a Ray job; yields its number of CPUs.

    :raises InputError: if there is none.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of many types: Ray's, those of gRPC and of sockets
        reason = "none runs here; start one with `ray start --head`" if address == "auto" else first_line(error)
        raise InputError(f"--ray {address}: no Ray cluster can be reached: {reason}") from None
    signal.signal(signal.SIGTERM, handler)  # Ray's own exits at once
    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 0)))
    finally:
        ray.shutdown()


def run_arms(
    schedule: Schedule,
    store: Store,
    workers: int,
    engine: str,
    logged: dict[str, Logged],
    on_progress: Callable[[Event], None],
    on_idle: Callable[[], None],
    on_stop: Callable[[], None],
    checkpoints: str = "",
) -> Generator[ArmOutcome]:
    """Run the arms of a schedule on the connected cluster, at most `workers` at a time; yields the outcome of each as it ends.

    A signal cancels the tasks at once, without `on_stop`. What they trained since their last checkpoints, at most
    CHECKPOINT_SECONDS, is lost.

    :param checkpoints: see Setup.
    :raises InputError: if a node has other versions.
    """
    context = Context(store, engine, logged, on_progress, lambda: False)
    files = {os.path.abspath(path): text for path, text in plugins.loaded().items()}
    setup = ray.put(Setup(environment(), files, dict(siblings.texts), checkpoints))
    tasks: dict[Any, _RunningArm] = {}
    signals: list[int] = []
    with signal_handlers(lambda number, _: signals.append(number)):
        try:
            while (schedule.waiting or tasks) and not signals:
                yield from (ArmOutcome(arm, "skipped") for arm in schedule.skipped())
                ended = []
                while len(tasks) < workers and (arm := schedule.next()):
                    ended.append(_follow(_RunningArm(arm, context, setup, checkpoints), tasks))
                until = time.monotonic() + RECORD_SECONDS
                while not any(ended) and time.monotonic() < until and (ready := _ready(tasks)):
                    ended += [_follow(tasks.pop(task), tasks, task) for task in ready]
                for outcome in filter(None, ended):
                    schedule.ended(outcome.arm, outcome.solved)
                    yield outcome
                on_idle()
        finally:
            for task in tasks:
                ray.cancel(task, force=True)
    yield from (ArmOutcome(running.arm, "interrupted") for running in tasks.values())
    yield from (ArmOutcome(arm, "waiting") for arm in schedule.waiting)


def _follow(running: "_RunningArm", tasks: "dict[Any, _RunningArm]", task: Any = None) -> ArmOutcome | None:
    """Start an arm, or receive what its task has yielded; returns its outcome if it ended."""
    found = running.start() if task is None else running.receive(task)
    if isinstance(found, ArmOutcome):
        return found
    tasks[found] = running
    return None


def _ready(tasks: Collection[Any]) -> list[Any]:
    """The tasks that have yielded something, or ended; waits a tenth of a second for the first of them."""
    if not tasks or not ray.wait([*tasks], num_returns=1, timeout=0.1)[0]:
        return []
    return ray.wait([*tasks], num_returns=len(tasks), timeout=0)[0]


class _RunningArm:
    """An arm whose jobs run on the cluster, one at a time."""

    def __init__(self, arm: Arm, context: Context, setup: Any, checkpoints: str) -> None:
        self.arm, self.context, self.setup, self.checkpoints = arm, context, setup, checkpoints
        self.jobs, self.job = _jobs(arm, context), None
        self.deaths = 0
        """Of its tasks, since one of them yielded something to be stored."""
        self.seconds = 0.0
        """That its jobs took."""

    def start(self) -> Any:
        """Start the next job as a task; returns the task, or the outcome of the arm if there are no more jobs."""
        try:
            self.job = next(self.jobs)
        except StopIteration as end:
            shared.remove(self.checkpoints, self.arm.hash)
            return ArmOutcome(self.arm, "done", solved=any_solved(self.arm, end.value, self.context.store))
        except Exception as error:  # such as damaged weights
            return failure(self.arm, error)
        limit = self.arm.train.time_limit and max(self.arm.train.time_limit - self.seconds, 0.001)
        return _task.options(name=f"{self.arm}: {self.job.name}").remote(self.job, self.arm.hash, limit, self.setup)

    def receive(self, task: Any) -> Any:
        """Record what a task has yielded; returns the task to wait for, or the outcome of the arm."""
        assert self.job is not None
        try:
            output: Any = ray.get(next(task))
            if isinstance(output, float):
                self.seconds += output
                return task
            record(self.job, output, self.context)
        except StopIteration:
            return self.start()
        except RayTaskError as error:  # raised by the job
            if isinstance(error.cause, MixedVersions):
                raise error.cause from None
            return ArmOutcome(self.arm, "failed", str(error))
        except RayError as error:  # its process or its node died
            self.deaths += 1
            if self.deaths == MAX_DEATHS:
                return ArmOutcome(self.arm, "failed", f"its task died {MAX_DEATHS} times: {first_line(error)}")
            self.jobs = _jobs(self.arm, self.context)
            return self.start()
        except Exception as error:  # such as a full disk
            return failure(self.arm, error)
        if isinstance(output, Output):
            self.deaths = 0
        return task


def _jobs(arm: Arm, context: Context) -> Generator[Job, None, list[MemberSpec]]:
    """The jobs of an arm that are left to do; returns its members."""
    members = yield from training_jobs(arm, context)
    yield from probing_jobs(arm, members, context)
    return members


def _work(job: Job, hash_: str, limit: float | None, setup: Setup) -> Iterator[Event | Output | float]:
    """Run a job on a node; yields what it yields, and the seconds that it took."""
    _check_environment(setup.environment)
    if not plugins.loaded():
        plugins.replay(setup.plugins, setup.imported)
    if job.arm.hash != hash_:
        raise RuntimeError(source_changed(job.arm))
    if setup.checkpoints and isinstance(job, Training):
        job = job._replace(saved=shared.read(setup.checkpoints, job.arm.hash, job.name))
    started, sent_at = time.monotonic(), -PROGRESS_SECONDS
    try:
        with time_limit(limit), torch_state.standard(), isolated() if plugins.loaded() else nullcontext():
            for output in job.run(lambda: False):
                if isinstance(output, Saved) and setup.checkpoints:
                    shared.write(setup.checkpoints, job.arm.hash, job.name, output.content)
                elif not isinstance(output, TrainingProgress) or not output.active:
                    yield output
                elif time.monotonic() - sent_at > PROGRESS_SECONDS:
                    yield output
                    sent_at = time.monotonic()
    except TimeLimit as error:
        raise RuntimeError(out_of_time(job.arm)) from error
    yield time.monotonic() - started


_task: Any = ray.remote(num_cpus=1, max_retries=0, num_returns="streaming")(_work)


@cache
def environment() -> dict[str, str]:
    """The versions of what determines numbers: of this package, a digest of its source."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[3]
    # The headers are those of the compiled kernels.
    patterns = [f"{package}/**/*.{kind}" for package in ("ablations", "tasks") for kind in ("py", "hpp")]
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        digest.update(f"{path.relative_to(root)}\0{path.read_text(encoding='utf-8')}\0".encode())
    versions = {package: version(package) for package in PACKAGES}
    return {"whygates": digest.hexdigest()[:12], "python": platform.python_version(), **versions}


def _check_environment(expected: dict[str, str]) -> None:
    for name, here in environment().items():
        if here != expected[name]:
            what = f"{name} {here} on {platform.node()}, and {expected[name]} where the sweep runs"
            raise MixedVersions(f"--ray: {what}: install the same version on all nodes, as numbers depend on it")
