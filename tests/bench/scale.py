"""How the time and memory of a sweep's driver grow with the number of networks: made-up results through the real path.

    python -P tests/bench/scale.py --members 1000 10000 --databases sqlite postgresql

from the root of the source. Nothing is trained; everything else is what a sweep does: searches are asked and told, results and
weights are stored, runs are uploaded to MLflow, and a report is written. With `postgresql`, searches and MLflow's server use one
that is started here. Times are by the clock, and in parentheses those of the driver's process on a core. Prints the rows of the table in docs/scale.md, one as soon as it is measured.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice, product
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from rich.console import Console

from ablations.commands.report import write_report
from ablations.engines import eager  # noqa: F401  imported before anything is timed
from ablations.studies.study import Study
from ablations.sweeps import arm as arm_module
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Context
from ablations.sweeps.search import Search, storage
from ablations.sweeps.store import Store
from ablations.tracking.delivery import Delivery
from ablations.tracking.manifest import manifest
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.tracker import Tracker
from ablations.training.population import Finished
from ablations.training.result import Budget, Member, Result, objective
from ablations.training.snapshots import SavedWeights
from tests.ablations.servers import mlflow_server, postgres

PER_ARM = 100
"""Networks of an arm with the default budget: 60 of tuning, 20 trained again, 20 confirmed."""
CELLS = ["rnn", "gru", "lstm", "lstm_no_forget", "lstm_no_output"]
TASKS = ["recall", "adding", "copy", "parity"]
WEIGHTS = 1500


class MadeUp:
    """In place of a population: results that are drawn, with the curves of the default budget."""

    def __init__(
        self, model: Any, task: Any, lag: int, members: list[Member], budget: Budget, save_weights: bool, device: Any
    ) -> None:
        self.members, self.budget, self.save_weights = members, budget, save_weights

    def save(self) -> dict[str, Any]:
        return {"weights": torch.zeros(len(self.members), WEIGHTS)}

    def run(self) -> Iterator[Finished]:
        for k, member in enumerate(self.members):
            random, steps = Random(member.seed), self.budget.steps
            result = Result("solved" if random.random() < 0.5 else "unsolved", random.randrange(50, steps, 50))
            result.score = result.loss = random.random()
            for metric, step in product(
                ("train/loss", "grad/norm", "eval/loss", "eval/score"), range(50, steps + 1, 50)
            ):
                result.log(metric, step, random.random())
            result.objective, result.seconds = objective(result, self.budget), 1.0
            half, end = ({"W": torch.full((1, WEIGHTS), random.random())} for _ in range(2))
            yield Finished(k, result, SavedWeights(1, half, end) if self.save_weights else None)


class Spent(NamedTuple):
    """Seconds: by the clock, and of this process on a core. The difference is what databases, disk and other processes take."""

    clock: float
    core: float

    @classmethod
    def now(cls) -> "Spent":
        return cls(time.perf_counter(), time.process_time())

    def __add__(self, other: Any) -> "Spent":
        return Spent(self.clock + other.clock, self.core + other.core)

    def __sub__(self, other: Any) -> "Spent":
        return Spent(self.clock - other.clock, self.core - other.core)

    def text(self, scale: float = 1.0) -> str:
        return f"{scale * self.clock:.3g} ({scale * self.core:.3g})"


class Stopwatch:
    """Adds up the time that calls of a function take."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call, self.spent = call, Spent(0.0, 0.0)

    def __get__(self, owner: Any, kind: type) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = Spent.now()
            try:
                return self.call(owner, *arguments)
            finally:
                self.spent += Spent.now() - started

        return timed


class Silent:
    """Discards what a delivery observes."""

    def delivered(self, record: dict[str, Any]) -> None: ...

    def warn(self, message: str) -> None:
        raise RuntimeError(message)


def made_up_study(members: int) -> Study:
    """A study of so many networks."""
    lags = -(-members // (PER_ARM * len(CELLS) * len(TASKS)))
    tasks = [{"name": name, "lags": [10 * (k + 1) for k in range(lags)]} for name in TASKS]
    budget = {"confirm": {"probes": []}}
    return Study.model_validate({"name": "scale", "cells": CELLS, "task": tasks, **budget})


def measure(members: int, database: str, folder: Path, server: Any) -> dict[str, str]:
    """A row of the table."""
    with ExitStack() as stack:
        store = Store.create(folder / "store")
        if server:
            store.optuna_url = server.create(f"searches{members}")
            runs = stack.enter_context(mlflow_server(server.create(f"runs{members}"), folder))
            os.environ["MLFLOW_TRACKING_URI"] = runs.address
        study = made_up_study(members)
        arms = list(islice(study.arms(), members // PER_ARM))
        storage(store)
        create_database(store)
        context = Context(store, "eager", {}, lambda _: None, lambda: False)

        watches = {name: Stopwatch(getattr(Search, name)) for name in ("ask", "tell")}
        for name, watch in watches.items():
            setattr(Search, name, watch)
        sweep = timed("search and store", lambda: [run_arm(arm, context) for arm in arms])
        for name, watch in watches.items():
            setattr(Search, name, watch.call)
        trials = len(arms) * 60
        again = timed("finished arms again", lambda: [run_arm(arm, context) for arm in arms])

        tracker = Tracker(store, study.name)
        tracker.begin(manifest(study))
        upload = timed("upload", Delivery(store, tracker, Silent()).flush)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begin = timed("runs read at the start", lambda: Tracker(store, study.name).begin(manifest(study)))
        quiet, target = Console(quiet=True), folder / "report"
        report = timed("report", lambda: write_report([study.name], [], store.folder, target, False, quiet))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        points = len(arms) * PER_ARM * (4 * 40 + 16)
        asked = watches["ask"].spent + watches["tell"].spent
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        return {
            "networks": f"{members:,}",
            "database": database,
            "ask and tell, ms per trial": asked.text(1000 / trials),
            "store, ms per network": (sweep - asked).text(1000 / members),
            "upload, ms per network": upload.text(1000 / members),
            "rows of metrics": f"{points:,}",
            "finished arms again, s": again.text(),
            "runs read at the start, s": begin.text(),
            "report, s": report.text(),
            "driver, MiB": f"{memory:.0f}",
            "with report, MiB": f"{peak:.0f}",
        }


def timed(step: str, call: Callable[[], Any]) -> Spent:
    """What a call takes; said at once on the error output, as a row takes hours at 10⁵ networks."""
    print(f"{step} …", end=" ", file=sys.stderr, flush=True)
    started = Spent.now()
    call()
    spent = Spent.now() - started
    print(f"{spent.text()} s", file=sys.stderr, flush=True)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="+", default=[1000, 10000], metavar="N", help="multiples of 100")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite"])
    options = parser.parse_args()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    arm_module.Population = MadeUp  # pyright: ignore[reportAttributeAccessIssue]
    head = True
    for database, members in product(options.databases, options.members):
        # A process of its own for each, as memory is a peak.
        if child := os.fork():
            status = os.waitpid(child, 0)[1]
            if status:
                raise SystemExit(1)
            head = False
            continue
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            server = stack.enter_context(postgres()) if database == "postgresql" else None
            row = measure(members, database, Path(folder), server)
        if head:
            print("| " + " | ".join(row) + " |\n|" + "--:|" * len(row))
        print("| " + " | ".join(row.values()) + " |", flush=True)
        raise SystemExit(0)


if __name__ == "__main__":
    main()
