"""What a sweep would do: its arms, their sizes, and about how long it takes, measured on two training steps."""

import time

from rich.console import Console
from rich.table import Table

from ablations import sweep
from ablations.listing import duration
from ablations.study import Arm, Study
from ablations.train import Budget, Member, Population


def plan(study: Study, engine: str, workers: int, out: Console) -> None:
    """Print the arms with their members and hidden sizes, and the time if no member solves its task early."""
    table = Table(title=f"{study.name}: {study.train.steps} steps of {study.train.batch} sequences")
    for column in ("cell", "task", "lag", "size", "hidden", "parameters", "tune", "confirm", "at most"):
        table.add_column(column, justify="left" if column in ("cell", "task") else "right")
    pace: dict[tuple[str, str, int], float] = {}
    members, seconds = 0, 0.0
    for arm in study.arms():
        model = sweep.build(arm, engine)
        counts = dict(sweep.phases(arm))
        key = (arm.cell.label, arm.task.label, arm.size)
        if key not in pace:
            pace[key] = _seconds_per_step(arm, engine) / arm.task.build().steps(arm.lag)
        most = sum(counts.values()) * study.train.steps * pace[key] * arm.task.build().steps(arm.lag)
        table.add_row(
            arm.cell.label, arm.task.label, str(arm.lag), str(arm.size), str(model.hidden), f"{model.parameters:,}",
            str(counts["tune"]), str(counts["confirm"]), duration(most / workers),
        )  # fmt: skip
        members += sum(counts.values())
        seconds += most
    out.print(table)
    out.print(
        f"{len(study.arms())} arms, {members} members; at most about {duration(seconds / workers)} on {workers} workers "
        "(members that solve their task leave early)"
    )


def _seconds_per_step(arm: Arm, engine: str) -> float:
    """Seconds of a member's gradient step in a population as large as the arm's, evaluations shared out."""
    count = max(dict(sweep.phases(arm)).values())
    members = [Member(seed, arm.settings({})) for seed in range(count)]
    steps = 3
    budget = Budget(steps, arm.train.batch, steps, arm.train.patience, test=1)
    population = Population(sweep.build(arm, engine), arm.task.build(), arm.lag, members, budget)
    begun = time.perf_counter()
    for _ in range(steps):
        population.train_step()
    trained = (time.perf_counter() - begun) / steps
    begun = time.perf_counter()
    population.validate()
    return (trained + (time.perf_counter() - begun) / arm.train.eval_every) / count
