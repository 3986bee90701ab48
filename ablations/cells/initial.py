"""How weights start. Some initialisers are hyperparameters: a study may search or fix them, for every cell alike."""

import math
from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from ablations.cells.base import Cell, Weight, Weights

Setting = float | str

DEFAULTS: dict[str, Setting] = {"recurrent_init": "orthogonal", "forget_bias": 1.0, "input_bias": 0.0}
"""The searchable initialisers and the setting each takes where a study says nothing.

- `recurrent_init`: the square matrices of the recurrence: `uniform`, `orthogonal` (Saxe et al. 2014) or `identity`
  (Le, Jaitly & Hinton 2015).
- `forget_bias`: the bias of the gate that keeps the memory (the LSTM's f, the GRU's z): a number (Gers et al. 2000;
  Jozefowicz et al. 2015 recommend 1), or `chrono`: log U(1, lag − 1) (Tallec & Ollivier 2018), where the lag counts as 3 at least.
- `input_bias`: the bias of the gate that writes (the LSTM's i; the only gate of cells that keep what they do not write):
  a number, or `chrono`: minus the same draw.

`decay` has no usual value: a study may fix it for a cell (`init = { decay = 0.98 }`), and its weights are then moved once
they are drawn (see `ablations.training.initialisation`).

The other initialisers belong to the cell: `zeros`, `uniform` (within 1/√rows of 0), `near_zero` (within a hundredth of
that) and `identity`.
"""

RECURRENT = ("uniform", "orthogonal", "identity")


def hyperparameters(cell: Cell) -> tuple[str, ...]:
    """The searchable initialisers that this cell has a weight for, in the order of `DEFAULTS`."""
    starts = {weight.initialiser for weight in cell.weights(1, 1).values()}
    return tuple(name for name in DEFAULTS if name in starts)


def fixable(cell: Cell) -> tuple[str, ...]:
    """What a study may fix for this cell: its searchable initialisers, and `decay` where the cell can be matched in it."""
    matched = bool(cell.decay_by) and set(cell.decay_by) <= cell.weights(1, 1).keys()
    return (*hyperparameters(cell), *(("decay",) if matched else ()))


def initialise(
    weights: Mapping[str, Weight], settings: Mapping[str, Setting], lag: int, generator: Generator
) -> Weights:
    """Draw one network's weights: `[rows, columns]` each, float32.

    `settings` override `DEFAULTS`; `lag` is what a chrono bias is told about the task.
    Raises ValueError for an initialiser or setting that does not exist.
    """
    settings = {**DEFAULTS, **settings}
    hidden = max(weight.columns for weight in weights.values())
    # Drawn whether used or not, so that the other weights of a seed do not depend on the choice of a bias.
    chrono = torch.log(1 + torch.rand(1, hidden, generator=generator) * (max(lag - 1, 2) - 1))
    return {name: _start(weight, settings, chrono, generator) for name, weight in weights.items()}


def _start(weight: Weight, settings: Mapping[str, Setting], chrono: Tensor, generator: Generator) -> Tensor:
    shape = (weight.rows, weight.columns)
    match weight.initialiser, settings.get(weight.initialiser):
        case "zeros", _:
            return torch.zeros(shape)
        case ("uniform", _) | ("recurrent_init", "uniform"):
            return (2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(weight.rows)
        case "near_zero", _:
            return 0.01 * (2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(weight.rows)
        case "recurrent_init", "orthogonal":
            return torch.nn.init.orthogonal_(torch.empty(shape), generator=generator)
        case ("identity", _) | ("recurrent_init", "identity"):
            return torch.eye(*shape)
        case "forget_bias", "chrono":
            return chrono[:, : weight.columns].clone()
        case "input_bias", "chrono":
            return -chrono[:, : weight.columns]
        case (("forget_bias" | "input_bias"), (int() | float()) as bias):
            return torch.full(shape, float(bias))
    raise ValueError(f"no way to start a weight with {weight.initialiser} = {settings.get(weight.initialiser)!r}")
