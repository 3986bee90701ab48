"""The weights that members start from: drawn, and where a study asks for it, matched in how fast gradients decay.

With `init = { decay = 0.98 }` one number per network is set so that, before training, one step back leaves 0.98 of the
gradient: `decay_init`, as the probe of gradient flow measures it on the arm's own task. The number is added to a bias (the
LSTM's forget gate) or multiplies matrices (those on the memory's path of `single_network`): see `Cell.decay_by`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from ablations.cells import Weights
from ablations.cells.initial import Setting
from ablations.networks.evaluation import member_chunks
from ablations.networks.model import Model
from ablations.probes import SAVED_FLOATS_PER_UNIT, flow
from ablations.probes.base import double, sequences
from tasks import Task

LEAST, MOST, LOOKS = -9.0, 7.0, 17
"""What is looked at first: so many numbers, evenly spaced. Biases are moved by them, matrices multiplied by 2^(number/3)."""
HALVINGS = 8
TOLERANCE = 0.01


def start(
    model: Model, task: Task, lag: int, seeds: Sequence[int], settings: Sequence[Mapping[str, Setting]]
) -> Weights:
    """The members' weights before training, `[members, rows, columns]`. ValueError for a decay that cannot be had."""
    members = [model.initialise(own, lag, Generator().manual_seed(s)) for own, s in zip(settings, seeds, strict=True)]
    w = {name: torch.stack([member[name] for member in members]) for name in model.shapes}
    asked = [k for k, own in enumerate(settings) if "decay" in own]
    if asked:
        each = task.steps(lag) * flow.SEQUENCES * (model.inputs + SAVED_FLOATS_PER_UNIT * model.hidden * model.layers)
        for rows in member_chunks(len(asked), each):
            some = asked[rows]
            decay = [float(settings[k]["decay"]) for k in some]
            for name, x in _match(model, task, lag, {n: x[some] for n, x in w.items()}, decay).items():
                w[name][some] = x
    return w


def _match(model: Model, task: Task, lag: int, w: Weights, decay: list[float]) -> Weights:
    """Weights from which gradients decay so fast. The first place is taken where the decay passes it, from below."""
    data, aim = sequences(task, lag, flow.SEQUENCES).double(), torch.tensor(decay).double()

    def at(number: Tensor) -> Tensor:
        left = flow.gradient_ratios(model, task, lag, double(_changed(model, w, number)), data)
        return torch.tensor(flow.decay_per_step(left, len(decay))).double()

    numbers = torch.linspace(LEAST, MOST, LOOKS).double()
    seen = torch.stack([at(number.expand(len(decay))) for number in numbers])
    place = ((seen[:-1] < aim) & (seen[1:] >= aim)).int().argmax(0)
    low, high = numbers[place], numbers[place + 1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = at(middle) < aim
        low, high = middle.where(below, low), high.where(below, middle)
    for k, value in enumerate(at(high).tolist()):
        if not abs(value / decay[k] - 1) <= TOLERANCE:  # out of reach, or skipped where a network tips over
            raise ValueError(
                f"{model.cell.name} cannot start with a decay of {decay[k]:g} at lag {lag}: {value:.3g} is what it comes to; "
                "another recurrent_init may be able to, fixed beside it"
            )
    return _changed(model, w, high)


def _changed(model: Model, w: Weights, number: Tensor) -> Weights:
    """Weights of members with their numbers put in, in every layer."""
    changed, number = dict(w), number.float().view(-1, 1, 1)
    for layer in range(model.layers):
        for name in model.cell.decay_by:
            own = w[f"{layer}.{name}"]
            changed[f"{layer}.{name}"] = own + number if own.shape[1] == 1 else own * 2 ** (number / 3)
    return changed
