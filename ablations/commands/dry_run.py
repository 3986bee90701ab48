"""`whygates sweep --dry-run`: what a study would train, and at most how much time and disk that takes on this machine."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from ablations.commands.estimates import (
    NETWORK_SECONDS,
    START_SECONDS,
    STORE_BYTES,
    Estimate,
    StepTimer,
    estimate,
    load_warning,
)
from ablations.commands.sweep import default_workers
from ablations.commands.table import fitted
from ablations.engines.device import CPU
from ablations.studies.study import Arm, Study
from ablations.sweeps.search import PHASES
from ablations.sweeps.sizes import build_model, phase_sizes
from reports.format import count, duration


class Plan(NamedTuple):
    """What an arm trains, and what that takes at most."""

    arm: Arm
    hidden: int
    parameters: int
    networks: dict[str, int]
    """By phase."""
    estimate: Estimate


def print_plan(
    study: Study, arms: Sequence[Arm], engine: str, workers: int | None, out: Console, device: torch.device = CPU
) -> None:
    """Print a summary of the arms, then a row for each cell and task. `workers`: by default those of this machine."""
    workers = workers or default_workers(device)
    plans = list(_plans(arms, engine, out, device))
    networks = sum(sum(plan.networks.values()) for plan in plans)
    training, probing, disk = (sum(parts) for parts in zip(*(plan.estimate for plan in plans), strict=True))
    other = START_SECONDS + NETWORK_SECONDS * networks
    out.print(f"{study.name}: {count(len(arms), 'arm')}, {count(networks, 'network')}", soft_wrap=True)
    out.print(
        f"Time:     at most about {duration((training + probing) / workers + other)} on {count(workers, 'worker')}: training "
        f"{duration(training / workers)}, probes {duration(probing / workers)}, start-up and report {duration(other)}",
        soft_wrap=True,
    )
    out.print(
        f"          {study.train.steps:,} steps of {study.train.batch} sequences; a network that solves its task stops earlier",
        soft_wrap=True,
    )
    if busy := load_warning():
        out.print(f"          {busy}", soft_wrap=True)
    out.print(f"Disk:     at most about {_size(STORE_BYTES + disk)}", soft_wrap=True)
    table = Table()
    for column in ("cell", "task"):
        table.add_column(column, overflow="fold")
    for column in ("lag", "size", "hidden", "parameters", *PHASES, "on one core" if device == CPU else "on the GPU"):
        table.add_column(column, justify="right", overflow="fold")
    rows: dict[tuple[str, str], list[Plan]] = {}
    for plan in plans:
        rows.setdefault((plan.arm.cell.label, plan.arm.task.label), []).append(plan)
    for names, group in rows.items():
        table.add_row(
            *names,
            *(_values(values) for values in ((p.arm.lag for p in group), (p.arm.size for p in group))),
            *(_range(values) for values in ([p.hidden for p in group], [p.parameters for p in group])),
            *(f"{sum(p.networks[phase] for p in group):,}" for phase in PHASES),
            duration(sum(p.estimate.training + p.estimate.probing for p in group)),
        )
    out.print(fitted(table, out, ("hidden", "parameters", "rerank", "size", "tune", "confirm")))


def _plans(arms: Sequence[Arm], engine: str, out: Console, device: torch.device) -> Iterable[Plan]:
    timer = StepTimer(engine, device)
    with out.status("timing training steps") as status:
        for number, arm in enumerate(arms, 1):
            status.update(f"timing training steps: {arm.cell.label} · {arm.task.label} ({number} of {len(arms)} arms)")
            model = build_model(arm)
            estimated = estimate(arm, timer.seconds(arm), model.parameters)
            yield Plan(arm, model.hidden, model.parameters, phase_sizes(arm), estimated)


def _values(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted({*values})))


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _size(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
