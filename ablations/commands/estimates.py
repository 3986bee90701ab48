"""At most how much time and disk an arm takes on this machine, from training steps that are timed."""

import os
import time
from typing import NamedTuple

import torch

from ablations.engines import choose
from ablations.engines.device import CPU
from ablations.studies.study import Arm
from ablations.sweeps.probing import ONE_PER_SEARCH
from ablations.sweeps.sizes import build_model, phase_sizes, scan_sizes
from ablations.training import torch_state
from ablations.training.population import Population
from ablations.training.result import Budget, Member

STEPS, MEMBERS = 3, 16
"""Training steps and networks, at most, that are timed."""
PROBE_STEPS = {"flow": 50, "retention": 150, "gates": 5, "decode": 45, "clamp": 10_000, "distill": 4_000}
"""The time of a probe of one network, as measured with the lstm at lags of 20 to 80, in gradient steps of that network."""
START_SECONDS, NETWORK_SECONDS = 20.0, 0.01
"""Start-up and report, as measured: of any study, and for each network."""
CURVES = 4
"""Curves of a network in training, with a point for each evaluation."""
STORE_BYTES, POINT_BYTES, NETWORK_BYTES, PROBED_BYTES, WEIGHT_BYTES = 1_000_000, 320, 20_000, 145_000, 16
"""Disk, as measured, for an empty store; for a point of a curve, in the result and in MLflow's database; for the rest of a network;
for the findings and the figure of a confirmed one; and for each of its parameters: two snapshots, in the store and as artifact."""


class Estimate(NamedTuple):
    """What an arm takes at most: seconds on one core or the GPU, if every network uses all its steps, and bytes."""

    training: float
    probing: float
    bytes: int


class StepTimer:
    """Times gradient steps, once for each combination of cell, task, size and batch."""

    def __init__(self, engine: str, device: torch.device) -> None:
        self.engine, self.device = engine, device
        self._seconds: dict[tuple[object, ...], float] = {}

    def seconds(self, arm: Arm) -> float:
        """The seconds of a gradient step of one network for each time step of its sequences, evaluations included."""
        key = (arm.cell.label, arm.task.label, arm.size, arm.train.batch)
        if key not in self._seconds:
            self._seconds[key] = _seconds_per_step(arm, self.engine, self.device) / _horizon(arm)
        return self._seconds[key]


def estimate(arm: Arm, step_seconds: float, parameters: int) -> Estimate:
    """Estimate an arm.

    :param step_seconds: the seconds of a gradient step of one network for each time step of its sequences.
    """
    networks, per_step = phase_sizes(arm), step_seconds * _horizon(arm)
    total, confirmed = sum(networks.values()), networks["confirm"]
    probed = {name: arm.tune.searches if name in ONE_PER_SEARCH else confirmed for name in arm.confirm.probes}
    probing = sum(PROBE_STEPS[name] * probed[name] for name in probed)
    points = total * CURVES * -(-arm.train.steps // arm.train.eval_every)
    disk = POINT_BYTES * points + NETWORK_BYTES * total + confirmed * (PROBED_BYTES + WEIGHT_BYTES * parameters)
    return Estimate(total * arm.train.steps * per_step, probing * per_step, disk)


def load_warning() -> str:
    """A sentence if other programs use more than half of the cores, as what is timed is then too slow; or ""."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= cores / 2:
        return ""
    return f"This machine is busy (load {load:.1f}, {cores} cores): on a free one, all of it takes less time."


def _horizon(arm: Arm) -> int:
    return arm.task.build().steps(arm.lag)


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
