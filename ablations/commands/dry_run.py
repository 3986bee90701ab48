"""What a sweep would do: its arms, their sizes, and about how long it takes, measured on a few training steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from rich.console import Console
from rich.table import Table

from ablations.engines import choose
from ablations.studies.study import Arm, Study
from ablations.sweeps.arm import build_model, phase_sizes
from ablations.training.population import Population
from ablations.training.result import Budget, Member
from reports.format import duration

STEPS = 3


def plan(study: Study, engine: str, workers: int, out: Console) -> None:
    """Print the arms with their members and hidden sizes, and the time if no member solves its task early."""
    table = Table(title=f"{study.name}: {study.train.steps} steps of {study.train.batch} sequences")
    for column in ("cell", "task"):
        table.add_column(column, overflow="fold")
    for column in ("lag", "size", "hidden", "parameters", "tune", "confirm", "at most"):
        table.add_column(column, justify="right")
    arms = study.arms()
    pace: dict[tuple[str, str, int], float] = {}  # of a time step of a member
    members, seconds = 0, 0.0
    for arm in arms:
        model = build_model(arm)
        counts = phase_sizes(arm)
        horizon = arm.task.build().steps(arm.lag)
        key = (arm.cell.label, arm.task.label, arm.size)
        if key not in pace:
            pace[key] = _seconds_per_step(arm, engine) / horizon
        most = sum(counts.values()) * study.train.steps * horizon * pace[key]
        table.add_row(
            arm.cell.label, arm.task.label, str(arm.lag), str(arm.size), str(model.hidden), f"{model.parameters:,}",
            str(counts["tune"]), str(counts["confirm"]), duration(most),
        )  # fmt: skip
        members += sum(counts.values())
        seconds += most
    out.print(table)
    out.print(
        f"{len(arms)} arms, {members} members; at most about {duration(seconds / workers)} on {workers} workers "
        "of training (an arm's time is that of one core; members that solve their task leave early); probes, start-up and whatever "
        "else the machine does come on top",
        soft_wrap=True,
    )


def _seconds_per_step(arm: Arm, engine: str) -> float:
    """Seconds of a member's gradient step in a population as large as the arm's, evaluations shared out."""
    count = max(phase_sizes(arm).values())
    members = [Member(seed, arm.settings({})) for seed in range(count)]
    budget = Budget(**arm.train.model_dump())
    model = build_model(arm, choose(engine, arm.cell.build()))
    population = Population(model, arm.task.build(), arm.lag, members, budget)
    with _one_thread():
        population.train_step()  # the first one is slower than those to come
        begun = time.perf_counter()
        for _ in range(STEPS):
            population.train_step()
        trained = time.perf_counter()
        population.validate()
        validated = time.perf_counter()
    return ((trained - begun) / STEPS + (validated - trained) / arm.train.eval_every) / count


@contextmanager
def _one_thread() -> Iterator[None]:
    """As a worker trains."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
