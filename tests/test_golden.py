"""Golden numbers: tiny populations whose weights, curves and results were recorded once, in golden.json.

A change of the code that is meant to change no number must pass this test as it stands. A change that is meant to change
numbers raises `RESULTS_VERSION`, so that stores train their networks again, and then records the numbers anew:
`python tests/test_golden.py` rewrites golden.json, and refuses to if the numbers have changed and the version has not.

float64 on the eager engine is compared to rounding (other processors sum in another order), float32 on the fused engine
to the error of a few training steps in single precision.
"""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from ablations.engines import choose
from ablations.networks.model import Model
from ablations.studies.hashing import RESULTS_VERSION
from ablations.studies.loading import load
from ablations.studies.study import Study
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Context
from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from ablations.training.population import Finished, Population
from ablations.training.result import Budget, Member
from tasks import Batch, Stream, Task
from tasks.adding import Adding
from tasks.continual_adding import ContinualAdding

FILE = Path(__file__).with_name("golden.json")
BUDGET = Budget(steps=12, batch=4, eval_every=4, patience=3, test=40)
MEMBERS = [
    Member(11, {"learning_rate": 0.003, "clip_norm": 10.0, "forget_bias": "chrono", "recurrent_init": "uniform"}),
    Member(22, {"learning_rate": 0.03, "clip_norm": 0.3, "forget_bias": 3.0}),
    Member(33, {"learning_rate": 0.01, "clip_norm": 0.05, "recurrent_init": "identity", "input_bias": -1.0}),
]
CELLS = {choice.label: choice for choice in load("why-gates").cells if not choice.init}
CHAOTIC = ("continual", "layer_norm_single_network")
"""Not recorded: along this stream the error of rounding grows to the size of the numbers, differently on every processor."""
PROJECTIONS = 4
TOLERANCE = {"eager": {"rel": 1e-9, "abs": 1e-11}, "fused": {"rel": 2e-3, "abs": 2e-4}}


class ShortStream(ContinualAdding):
    """`continual_adding`, evaluated on fewer windows."""

    def evaluation(self, sequences: int, final: bool) -> tuple[int, int, int]:
        return (6, 1, 2) if final else (5, 1, 1)


TASKS: dict[str, tuple[Callable[[], Task], int]] = {"episodic": (Adding, 6), "continual": (ShortStream, 5)}


@contextmanager
def float64() -> Iterator[None]:
    """Weights, states and settings in double precision."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def in_float64(task: Task) -> Task:
    """The task with its batches in double precision."""
    make = task.stream

    def stream(*arguments: Any) -> Stream:
        made = make(*arguments)
        draw = made.next
        made.next = lambda: Batch(*(_double(field) for field in draw()[:3]), {})
        return made

    task.stream = stream
    return task


def _double(field: Any) -> Any:
    return field.double() if field.is_floating_point() else field


def population(engine: str, kind: str, cell: str, layers: int = 1) -> Population:
    make, lag = TASKS[kind]
    task, built = make(), CELLS[cell].build()
    chosen = choose(engine, built)
    assert chosen.name == engine, chosen.reason
    model = Model(built, *task.sizes(lag), 5, chosen.scan, layers, chosen.linear)
    task = in_float64(task) if engine == "eager" else task
    return Population(model, task, lag, MEMBERS, BUDGET, save_weights=True)


def trained(engine: str, kind: str, cell: str, layers: int = 1, resumed: bool = False) -> list[dict[str, Any]]:
    """Each member's final and half-way weights, curves and result, as numbers."""
    with float64() if engine == "eager" else tempfile.TemporaryDirectory():
        running = population(engine, kind, cell, layers)
        if resumed:
            next(running.run())
            file = io.BytesIO()
            torch.save(running.save(), file)
            file.seek(0)
            running = population(engine, kind, cell, layers)
            running.load(torch.load(file, weights_only=True))
        ended = sorted((event for event in running.run() if isinstance(event, Finished)), key=lambda left: left.member)
    return [_numbers(left) for left in ended]


def _numbers(left: Finished) -> dict[str, Any]:
    assert left.weights is not None
    result = {name: value for name, value in vars(left.result).items() if name != "seconds"}
    weights = {
        "half": _projected(left.weights.half),
        "end": _projected(left.weights.end),
        "half_step": left.weights.half_step,
    }
    return result | weights


def _projected(weights: dict[str, torch.Tensor]) -> list[float]:
    """The weights on a few fixed random directions."""
    flat = torch.cat([w.flatten() for w in weights.values()]).double()
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(PROJECTIONS, len(flat), generator=generator, dtype=torch.float64) @ flat).tolist()


def swept() -> list[dict[str, Any]]:
    """What the searches of a tiny arm propose, and the results of every network that they train and confirm."""
    study = {
        "name": "golden",
        "cells": ["lstm"],
        "sizes": [60],
        "task": [{"name": "recall", "lags": [2], "alphabet": 2}],
        "train": {"steps": 8, "batch": 4, "eval_every": 2, "patience": 1, "test": 20},
        "tune": {"searches": 2, "trials": 3},
        "confirm": {"seeds": 4},
    }
    (arm,) = Study.model_validate(study).arms()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "store")
        storage(store)
        run_arm(arm, Context(store, "eager", {}, lambda _: None, lambda: False))
        records = [record for _, record in store.queued("golden")]
    found = []
    for record in records:
        metrics = {name: record["metrics"][name] for name in ("score", "objective", "finished_at", "flops_per_step")}
        found.append({key: record[key] for key in ("phase", "search", "trial", "seed", "settings", "status")} | metrics)
    return sorted(found, key=lambda one: (one["phase"], one["search"], one["trial"], one["seed"]))


CASES = {
    f"{engine} {kind} {cell}": (engine, kind, cell)
    for engine in ("eager", "fused")
    for kind in TASKS
    for cell in CELLS
    if (kind, cell) != CHAOTIC
} | {
    "eager episodic lstm 2 layers": ("eager", "episodic", "lstm", 2),
    "fused continual gru 2 layers": ("fused", "continual", "gru", 2),
}  # fmt: skip


def assert_close(found: Any, expected: Any, tolerance: dict[str, float], path: str = "") -> None:
    """Equal but for floating-point numbers, which are equal within the tolerance."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key in expected:
            assert_close(found[key], expected[key], tolerance, f"{path}/{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for k, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_close(one, other, tolerance, f"{path}[{k}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, **tolerance), path
    else:
        assert found == expected, path


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_a_population_gives_the_recorded_numbers(golden: dict[str, Any], case: str) -> None:
    assert_close(_plain(trained(*CASES[case])), golden[case], TOLERANCE[CASES[case][0]])


@pytest.mark.parametrize("kind", TASKS)
def test_a_resumed_population_gives_the_recorded_numbers(golden: dict[str, Any], kind: str) -> None:
    assert_close(_plain(trained("eager", kind, "lstm", resumed=True)), golden[f"eager {kind} lstm"], TOLERANCE["eager"])


def test_a_sweep_gives_the_recorded_numbers(golden: dict[str, Any]) -> None:
    assert_close(_plain(swept()), golden["sweep"], TOLERANCE["fused"])


def test_the_numbers_were_recorded_with_the_current_version(golden: dict[str, Any]) -> None:
    assert golden["results_version"] == RESULTS_VERSION


def _plain(numbers: Any) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(numbers))


if __name__ == "__main__":
    torch.set_num_threads(1)
    recorded = {case: trained(*arguments) for case, arguments in CASES.items()} | {"sweep": swept()}
    before = json.loads(FILE.read_text(encoding="utf-8"))
    if before["results_version"] == RESULTS_VERSION:
        for case, numbers in recorded.items():
            assert_close(
                _plain(numbers),
                before[case],
                TOLERANCE["eager" if "eager" in case else "fused"],
                "raise RESULTS_VERSION first: ",
            )
    recorded = {"results_version": RESULTS_VERSION, **recorded}
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(numbers)}" for case, numbers in recorded.items())
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
