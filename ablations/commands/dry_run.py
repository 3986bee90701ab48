"""`whygates sweep --dry-run`: what a study would train, and at most how much time and disk that takes on this machine."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from ablations.commands.sweep import default_workers
from ablations.commands.table import fitted
from ablations.engines import choose
from ablations.engines.device import CPU
from ablations.studies.study import Arm, Study
from ablations.sweeps.search import PHASES
from ablations.sweeps.sizes import build_model, phase_sizes, scan_sizes
from ablations.training import torch_state
from ablations.training.population import Population
from ablations.training.result import Budget, Member
from reports.format import count, duration

STEPS, MEMBERS = 3, 16
"""Training steps and networks, at most, that are timed."""
CURVES = 4
"""Curves of a network in training, with a point for each evaluation."""
STORE_BYTES, POINT_BYTES, NETWORK_BYTES, PROBED_BYTES, WEIGHT_BYTES = 1_000_000, 320, 20_000, 145_000, 16
"""Disk, as measured, for an empty store; for a point of a curve, in the result and in MLflow's database; for the rest of a network;
for the findings and the figure of a confirmed one; and for each of its parameters: two snapshots, in the store and as artifact."""


class Plan(NamedTuple):
    """What an arm trains, and what that takes at most."""

    arm: Arm
    hidden: int
    parameters: int
    networks: dict[str, int]
    """By phase."""
    seconds: float
    """On one core or the GPU, if every network uses all its steps."""
    bytes: int


def print_plan(
    study: Study, arms: Sequence[Arm], engine: str, workers: int | None, out: Console, device: torch.device = CPU
) -> None:
    """Print a summary of the arms, then a row for each cell and task. `workers`: by default those of this machine."""
    workers = workers or default_workers(device)
    plans = list(_plans(arms, engine, out, device))
    networks = sum(sum(plan.networks.values()) for plan in plans)
    seconds, disk = sum(plan.seconds for plan in plans), STORE_BYTES + sum(plan.bytes for plan in plans)
    out.print(f"{study.name}: {count(len(arms), 'arm')}, {count(networks, 'network')}", soft_wrap=True)
    out.print(
        f"Training: at most about {duration(seconds / workers)} on {count(workers, 'worker')} ({study.train.steps:,} steps of "
        f"{study.train.batch} sequences). A network that solves its task stops earlier; start-up and probes come on top.",
        soft_wrap=True,
    )
    out.print(f"Disk:     at most about {_size(disk)}", soft_wrap=True)
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
            duration(sum(p.seconds for p in group)),
        )
    out.print(fitted(table, out, ("hidden", "parameters", "rerank", "size", "tune", "confirm")))


def _plans(arms: Sequence[Arm], engine: str, out: Console, device: torch.device) -> Iterable[Plan]:
    seconds: dict[tuple[str, str, int], float] = {}  # of one network, per time step of its sequences
    with out.status("timing training steps") as status:
        for number, arm in enumerate(arms, 1):
            status.update(f"timing training steps: {arm.cell.label} · {arm.task.label} ({number} of {len(arms)} arms)")
            model, networks, horizon = build_model(arm), phase_sizes(arm), arm.task.build().steps(arm.lag)
            key = (arm.cell.label, arm.task.label, arm.size)
            if key not in seconds:
                seconds[key] = _seconds_per_step(arm, engine, device) / horizon
            total, steps = sum(networks.values()), arm.train.steps
            points = total * CURVES * -(-steps // arm.train.eval_every)
            confirmed = networks["confirm"] * (PROBED_BYTES + WEIGHT_BYTES * model.parameters)
            disk = POINT_BYTES * points + NETWORK_BYTES * total + confirmed
            yield Plan(arm, model.hidden, model.parameters, networks, total * steps * horizon * seconds[key], disk)


def _values(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted({*values})))


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _size(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


def _seconds_per_step(arm: Arm, engine: str, device: torch.device) -> float:
    """The seconds of one gradient step of one member, evaluations included."""
    largest = max(phase_sizes(arm).values())
    count = min(largest, MEMBERS) if device == CPU else largest  # a GPU trains many in the time of a few
    members = [Member(seed, arm.settings({})) for seed in range(count)]
    budget = Budget(**arm.train.model_dump())
    with torch_state.standard():
        model = build_model(arm, choose(engine, arm.cell.build(), scan_sizes(arm), device))
        population = Population(model, arm.task.build(), arm.lag, members, budget, device=device)
        _step(population, 2)  # the first steps are slower than the others
        start = time.perf_counter()
        _step(population, STEPS)
        trained = time.perf_counter()
        population.validate()
        validated = time.perf_counter()
    return ((trained - start) / STEPS + (validated - trained) / arm.train.eval_every) / count


def _step(population: Population, steps: int) -> None:
    """Take training steps, and wait for them if they run on a GPU."""
    for _ in range(steps):
        population.train_step()
    population.weights.sum().item()
