"""`whygates sweep`: train every arm of a study and upload the results to the tracker."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from ablations.cells import Cell
from ablations.commands.invocation import CORES, shell_command
from ablations.commands.progress import Display
from ablations.engines import Sizes, choose_all
from ablations.engines.device import CPU
from ablations.errors import INTERRUPTED, InputError
from ablations.studies.study import Arm, Study
from ablations.sweeps.arm import CHECKPOINT_SECONDS
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.search import storage
from ablations.sweeps.server_lock import locked
from ablations.sweeps.sizes import scan_sizes
from ablations.sweeps.store import Store
from ablations.sweeps.workers import local
from ablations.sweeps.workers.outcome import ArmOutcome, RunArms
from ablations.sweeps.workers.shared import check
from ablations.sweeps.workers.signals import handled_signals
from ablations.tracking.delivery import Delivery
from ablations.tracking.manifest import manifest
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.tracker import Tracker
from reports.format import count

DONE, FAILED, NOT_UPLOADED = 0, 1, 3
"""Exit codes of a sweep. NOT_UPLOADED: every arm is done, but results wait in the queue, as the tracker cannot be reached."""


def run_sweep(
    study: Study,
    arms: Sequence[Arm],
    folder: Path,
    workers: int | None,
    engine: str,
    resume: str,
    out: Console,
    whole: str = "",
    wait: bool = False,
    optuna_url: str = "",
    ray: str = "",
    shared: str = "",
    device: torch.device = CPU,
) -> int:
    """Run arms of a study, at most `workers` at a time; returns the exit code. Ctrl-C, SIGTERM and a closed
    terminal stop it.

    `resume` is the command line that continues the sweep, and `whole` the one that runs every arm of the study, if that is
    another. `wait`: whether to wait for another sweep on this store instead of being refused; `optuna_url`: the
    database of the searches, by default one in the store; `ray`: the address of a Ray cluster that trains instead of this
    machine, and `shared`: its folder of checkpoints. Raises InputError.
    """
    for number in handled_signals():
        signal.signal(number, signal.default_int_handler)
    outcomes = None
    try:
        with _workers(ray, shared, device) as (run_arms, cores):
            every, number = len(study.arms()), workers or cores
            arm_count = count(every, "arm") if len(arms) == every else f"{len(arms)} of {count(every, 'arm')}"
            where = f" on Ray ({ray})" if ray else ""
            out.print(f"{study.name}: {arm_count}, {count(number, 'worker')}{where}", soft_wrap=True)
            # Before the store is created: a cell that the engine refuses leaves the disk untouched.
            for line in _choose_engines(engine, arms, out, device):
                out.print(line, soft_wrap=True)
            store = Store.create(folder)
            store.optuna_url = optuna_url
            with store.sweeping(wait), Display(arms, out) as display:
                storage(store)
                with locked(store.optuna_url, study.name, wait):
                    outcomes = _run_arms(study, arms, store, run_arms, number, engine, whole or resume, display)
        display.summary(outcomes)
    except KeyboardInterrupt:  # before the workers have started, or after they have ended
        pass
    if outcomes is None or any(outcome.status in ("interrupted", "waiting") for outcome in outcomes):
        saved = f"all but the last {CHECKPOINT_SECONDS:g} seconds of training" if ray else "all progress"
        out.print(f"Interrupted; {saved} is saved. Continue with:  {resume}", soft_wrap=True)
        return INTERRUPTED
    store = Store(folder)
    if queued := len(store.queued_arms(study.name)):
        out.print(f"{count(queued, 'result')} wait in {store.spool}. Upload with:  {resume}", soft_wrap=True)
    out.print(f"Report:      {shell_command('report', study.name, store=folder)}", soft_wrap=True)
    out.print(f"Browse:      {shell_command('ui', store=folder)}", soft_wrap=True)
    if any(outcome.status == "failed" for outcome in outcomes):
        out.print(f"Try failed arms again with:  {resume}", soft_wrap=True)
        return FAILED
    return NOT_UPLOADED if queued else DONE


def default_workers(device: torch.device) -> int:
    """How many workers this machine has for a device: one for each core, or one for a GPU."""
    return CORES if device == CPU else 1


@contextmanager
def _workers(address: str, shared: str, device: torch.device) -> Iterator[tuple[RunArms, int]]:
    """The workers of this machine, or of a Ray cluster if there is an address; and how many cores they have. Raises InputError."""
    if not address:
        if shared:
            raise InputError("--shared is the folder of a Ray cluster: give --ray too")
        yield partial(local.run_arms, device=device), default_workers(device)
        return
    if device != CPU:
        raise InputError("--ray trains on the CPUs of a cluster: leave out --device cuda")
    from ablations.sweeps.workers import cluster  # Ray is an extra, and slow to import

    if shared:
        check(shared)
    with cluster.connected(address) as cores:
        yield partial(cluster.run_arms, checkpoints=shared), cores


def _choose_engines(engine: str, arms: Sequence[Arm], out: Console, device: torch.device) -> list[str]:
    """The lines of `choose_all`; a terminal shows how many kernels are ready."""
    cells, text = _cells_with_sizes(arms), "compiling or loading kernels ({} of {})"
    with out.status(text.format(0, len(cells))) as status:
        return choose_all(engine, cells, lambda ready: status.update(text.format(ready, len(cells))), device)


def _cells_with_sizes(arms: Sequence[Arm]) -> dict[str, tuple[Cell, list[Sizes]]]:
    """The cells of arms by label, each with the sizes of its scans in all of them."""
    cells = {arm.cell.label: (arm.cell.build(), list[Sizes]()) for arm in arms}
    for arm in arms:
        cells[arm.cell.label][1].extend(scan_sizes(arm))
    return cells


def _run_arms(
    study: Study,
    arms: Sequence[Arm],
    store: Store,
    run_arms: RunArms,
    workers: int,
    engine: str,
    command: str,
    display: Display,
) -> list[ArmOutcome]:
    """Run arms and upload their members. Raises InputError when the tracker cannot be reached."""
    create_database(store)
    description = manifest(study) | {"command": command}
    tracker = Tracker(store, study.name)
    logged = tracker.begin(description)
    display.add_solved(tracker.solved(description))
    delivery = Delivery(store, tracker, display)
    delivery.work()
    outcomes = []
    callbacks = (display.progress, delivery.work, display.stopping)
    # Closed at once if this fails, so that the workers save their populations.
    with closing(run_arms(Schedule(arms, study.arms()), store, workers, engine, logged, *callbacks)) as running:
        for outcome in running:
            delivery.end_arm(outcome)
            display.ended(outcome)
            outcomes.append(outcome)
    delivery.flush()
    return outcomes
