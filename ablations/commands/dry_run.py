"""`whygates sweep --dry-run`: the arms of a study, their sizes, and a time estimate from a few training steps."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ablations.engines import choose
from ablations.studies.study import Arm, Study
from ablations.sweeps.arm import build_model, phase_sizes, scan_sizes
from ablations.sweeps.search import PHASES
from ablations.training import torch_state
from ablations.training.population import Population
from ablations.training.result import Budget, Member
from reports.format import duration

STEPS = 3
"""Training steps that are timed."""


def print_plan(study: Study, arms: Sequence[Arm], engine: str, workers: int, out: Console) -> None:
    """Print the arms with their members, hidden sizes and maximal training time, in which every member uses all its steps."""
    table = Table(title=f"{study.name}: {study.train.steps} steps of {study.train.batch} sequences")
    for column in ("cell", "task"):
        table.add_column(column, overflow="fold")
    for column in ("lag", "size", "hidden", "parameters", *PHASES, "at most"):
        table.add_column(column, justify="right")
    seconds_per_time_step: dict[tuple[str, str, int], float] = {}  # of one member, by cell, task and size
    members, seconds = 0, 0.0
    for arm in arms:
        model = build_model(arm)
        counts = phase_sizes(arm)
        horizon = arm.task.build().steps(arm.lag)
        key = (arm.cell.label, arm.task.label, arm.size)
        if key not in seconds_per_time_step:
            seconds_per_time_step[key] = _seconds_per_step(arm, engine) / horizon
        most = sum(counts.values()) * study.train.steps * horizon * seconds_per_time_step[key]
        table.add_row(
            arm.cell.label, arm.task.label, str(arm.lag), str(arm.size), str(model.hidden), f"{model.parameters:,}",
            *(str(counts[phase]) for phase in PHASES), duration(most),
        )  # fmt: skip
        members += sum(counts.values())
        seconds += most
    out.print(table)
    out.print(
        f"{len(arms)} arms, {members} members; training takes at most about {duration(seconds / workers)} on {workers} "
        "workers. The time of an arm is that of one core. Members stop training when they solve the task; probes and "
        "start-up take additional time.",
        soft_wrap=True,
    )


def _seconds_per_step(arm: Arm, engine: str) -> float:
    """The seconds of one gradient step of one member, in a population as large as the arm's largest, evaluations included."""
    count = max(phase_sizes(arm).values())
    members = [Member(seed, arm.settings({})) for seed in range(count)]
    budget = Budget(**arm.train.model_dump())
    with torch_state.standard():
        model = build_model(arm, choose(engine, arm.cell.build(), scan_sizes(arm)))
        population = Population(model, arm.task.build(), arm.lag, members, budget)
        population.train_step()  # the first step is slower than the others
        start = time.perf_counter()
        for _ in range(STEPS):
            population.train_step()
        trained = time.perf_counter()
        population.validate()
        validated = time.perf_counter()
    return ((trained - start) / STEPS + (validated - trained) / arm.train.eval_every) / count
