"""The weights of members before training: drawn from their seeds and, where `decay` is set, matched in gradient decay.

With `init = { decay = 0.98 }` one number per network is chosen so that, before training, the gradient shrinks by a factor of
0.98 per step backwards (`decay_init`, as the probe `flow` measures it on the arm's task). The number is added to a bias (of
the LSTM's forget gate) or scales matrices (those between old and new memory of `single_network`): see `Cell.decay_by`.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ablations.cells import Weights
from ablations.hyperparameters import Setting
from ablations.networks.evaluation import member_chunks
from ablations.networks.model import Model
from ablations.probes import SAVED_FLOATS_PER_UNIT, flow
from ablations.probes.base import double, sequences
from tasks import Task

GRID_LOW, GRID_HIGH, GRID_POINTS = -9.0, 7.0, 17
"""The bracketing grid for the bisection, in numbers that are added to biases; matrices are multiplied by 2^(number / 3)."""
BISECTIONS = 8
TOLERANCE = 0.01
"""Largest relative deviation from the requested decay."""


def initial_weights(
    model: Model, task: Task, lag: int, seeds: Sequence[int], settings: Sequence[Mapping[str, Setting]]
) -> Weights:
    """The members' weights before training, `[members, rows, columns]` each.

    :raises ValueError: for a `decay` that the cell cannot reach on this task.
    """
    members = [
        model.initialise(member, lag, Generator().manual_seed(seed))
        for member, seed in zip(settings, seeds, strict=True)
    ]
    w = {name: torch.stack([weights[name] for weights in members]) for name in model.shapes}
    to_match = [k for k, member in enumerate(settings) if "decay" in member]
    if to_match:
        floats = task.steps(lag) * flow.SEQUENCES * (model.inputs + SAVED_FLOATS_PER_UNIT * model.hidden * model.layers)
        for rows in member_chunks(len(to_match), floats):
            chunk = to_match[rows]
            decay = [float(settings[k]["decay"]) for k in chunk]
            for name, x in _match_decay(model, task, lag, {n: x[chunk] for n, x in w.items()}, decay).items():
                w[name][chunk] = x
    return w


def _match_decay(model: Model, task: Task, lag: int, w: Weights, decay: list[float]) -> Weights:
    """Shift or scale the weights so that gradients decay as requested: bisection between the two points of a grid where the
    measured decay first rises above the requested one. Where it does not, because its largest value is a little below, the
    point of the nearest value."""
    data, target = sequences(task, lag, flow.SEQUENCES).double(), torch.tensor(decay).double()

    def measure(number: Tensor) -> Tensor:
        ratios = flow.gradient_ratios(model, task, lag, double(_adjusted(model, w, number)), data)
        return torch.tensor(flow.decay_per_step(ratios, len(decay))).double()

    grid = torch.linspace(GRID_LOW, GRID_HIGH, GRID_POINTS).double()
    measured = torch.stack([measure(number.expand(len(decay))) for number in grid])
    rises = (measured[:-1] < target) & (measured[1:] >= target)
    crossing, nearest = rises.int().argmax(0), grid[(measured - target).abs().argmin(0)]
    low, high = (points.where(rises.any(0), nearest) for points in (grid[crossing], grid[crossing + 1]))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = measure(middle) < target
        low, high = middle.where(below, low), high.where(below, middle)
    for k, value in enumerate(measure(high).tolist()):
        if not abs(value / decay[k] - 1) <= TOLERANCE:  # out of range, or discontinuous there
            raise ValueError(
                f"{model.cell.name} cannot start with decay = {decay[k]:g} at lag {lag}: the nearest decay found is "
                f"{value:.3g}; a different recurrent_init, fixed together with decay, may make it possible"
            )
    return _adjusted(model, w, high)


def _adjusted(model: Model, w: Weights, number: Float[Tensor, " members"]) -> Weights:
    """The weights with each member's number applied in every layer: added to biases, as a factor 2^(number / 3) of
    matrices."""
    adjusted, number = dict(w), number.float().view(-1, 1, 1)
    for layer in range(model.layers):
        for name in model.cell.decay_by:
            weight = w[f"{layer}.{name}"]
            adjusted[f"{layer}.{name}"] = weight + number if weight.shape[1] == 1 else weight * 2 ** (number / 3)
    return adjusted
