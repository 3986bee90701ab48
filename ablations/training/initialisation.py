"""The weights of members before training: drawn from their seeds and, where a study asks for it, matched in gradient decay.

With `init = { decay = 0.98 }` one number per network is chosen so that, before training, one step back leaves 0.98 of
the gradient: `decay_init`, as the probe of gradient flow measures it on the arm's own task. The number is added to a bias
(the LSTM's forget gate) or scales matrices (those on the memory's path of `single_network`): see `Cell.decay_by`.
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
"""Bracketing grid for the bisection: numbers that are added to biases; matrices are multiplied by 2^(number / 3)."""
BISECTIONS = 8
TOLERANCE = 0.01
"""Largest relative deviation from the decay asked for."""


def initial_weights(
    model: Model, task: Task, lag: int, seeds: Sequence[int], settings: Sequence[Mapping[str, Setting]]
) -> Weights:
    """The members' weights before training, `[members, rows, columns]` each.

    :raises ValueError: for a `decay` that the cell cannot reach on this task.
    """
    members = [model.initialise(own, lag, Generator().manual_seed(s)) for own, s in zip(settings, seeds, strict=True)]
    w = {name: torch.stack([member[name] for member in members]) for name in model.shapes}
    to_match = [k for k, own in enumerate(settings) if "decay" in own]
    if to_match:
        floats = task.steps(lag) * flow.SEQUENCES * (model.inputs + SAVED_FLOATS_PER_UNIT * model.hidden * model.layers)
        for rows in member_chunks(len(to_match), floats):
            chunk = to_match[rows]
            decay = [float(settings[k]["decay"]) for k in chunk]
            for name, x in _match_decay(model, task, lag, {n: x[chunk] for n, x in w.items()}, decay).items():
                w[name][chunk] = x
    return w


def _match_decay(model: Model, task: Task, lag: int, w: Weights, decay: list[float]) -> Weights:
    """Shift or scale the weights until gradients decay as asked for: a grid brackets the first upward crossing, then
    bisection."""
    data, target = sequences(task, lag, flow.SEQUENCES).double(), torch.tensor(decay).double()

    def measure(number: Tensor) -> Tensor:
        ratios = flow.gradient_ratios(model, task, lag, double(_adjusted(model, w, number)), data)
        return torch.tensor(flow.decay_per_step(ratios, len(decay))).double()

    grid = torch.linspace(GRID_LOW, GRID_HIGH, GRID_POINTS).double()
    measured = torch.stack([measure(number.expand(len(decay))) for number in grid])
    crossing = ((measured[:-1] < target) & (measured[1:] >= target)).int().argmax(0)
    low, high = grid[crossing], grid[crossing + 1]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = measure(middle) < target
        low, high = middle.where(below, low), high.where(below, middle)
    for k, value in enumerate(measure(high).tolist()):
        if not abs(value / decay[k] - 1) <= TOLERANCE:  # out of reach, or the decay jumps there
            raise ValueError(
                f"{model.cell.name} cannot start with decay = {decay[k]:g} at lag {lag}: the nearest it reaches is "
                f"{value:.3g}; another recurrent_init, fixed beside decay, may reach it"
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
