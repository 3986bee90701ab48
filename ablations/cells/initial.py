"""Initialisers of weights. Some are hyperparameters (`ablations.hyperparameters`): a study searches or fixes them for
every cell alike. The others are chosen by the cell.

Searchable, by the name that a `Weight` gives:

- `recurrent_init`: square matrices of the recurrence: `uniform`, `orthogonal` (Saxe et al. 2014) or `identity` (Le,
  Jaitly & Hinton 2015)
- `forget_bias`: bias of the gate that keeps the memory (f of the LSTM, z of the GRU): a number, or `chrono`:
  log U(1, lag − 1), with a lag of at least 3 (Tallec & Ollivier 2018)
- `input_bias`: bias of the gate that writes (i of the LSTM; the only gate of cells that keep 1 − gate): a number, or
  `chrono`: minus the same draw

Chosen by the cell: `zeros`, `ones`, `uniform` (U(−1/√rows, 1/√rows)), `near_zero` (a hundredth of that), `normal`
(N(0, 1/rows)) and `identity`; a number, which is the value of every element; `Normal(std)` and `Uniform(low, high)`; or a function
of the cell's own, which takes the shape and the generator and returns the weight, in any floating-point type.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ablations.cells.base import Cell, Weight, Weights
from ablations.errors import nearest
from ablations.hyperparameters import DEFAULTS, Setting, entering

CHOSEN = ("zeros", "ones", "uniform", "near_zero", "normal", "identity")
"""The names of the initialisers that are not hyperparameters."""


class Normal(NamedTuple):
    """The initialiser N(0, std²)."""

    std: float

    def __call__(self, shape: tuple[int, int], generator: Generator) -> Tensor:
        return self.std * torch.randn(shape, generator=generator)


class Uniform(NamedTuple):
    """The initialiser U(low, high)."""

    low: float
    high: float

    def __call__(self, shape: tuple[int, int], generator: Generator) -> Tensor:
        return self.low + (self.high - self.low) * torch.rand(shape, generator=generator)


def searchable_initialisers(cell: Cell) -> tuple[str, ...]:
    """The initialisers of this cell's weights that are hyperparameters, in the order of the registry."""
    used = [weight.initialiser for weight in cell.weights(1, 1).values()]
    return tuple(name for name in entering("initialiser") if name in used)


def fixable_initialisers(cell: Cell) -> tuple[str, ...]:
    """What `init` of a study may fix for this cell: its searchable initialisers, and `decay` if the cell declares the
    weights that set it (`Cell.decay_by`)."""
    matched = bool(cell.decay_by) and set(cell.decay_by) <= cell.weights(1, 1).keys()
    return (*searchable_initialisers(cell), *(("decay",) if matched else ()))


def initialise(
    weights: Mapping[str, Weight], settings: Mapping[str, Setting], lag: int, generator: Generator
) -> Weights:
    """Draw the weights of one layer of one network: `[rows, columns]` each, in the default dtype.

    :param settings: hyperparameters that differ from their defaults.
    :param lag: the task's lag, for chrono biases.
    :raises ValueError: for an initialiser or a setting that does not exist, and for a function that returns no tensor of
        the weight's shape.
    """
    settings = {**DEFAULTS, **settings}
    hidden = max(weight.columns for weight in weights.values())
    # Always drawn, so that the other weights of a seed do not depend on whether a bias is chrono.
    chrono = torch.log(1 + torch.rand(1, hidden, generator=generator) * (max(lag - 1, 2) - 1))
    return {name: _draw(name, weight, settings, chrono, generator) for name, weight in weights.items()}


def _draw(name: str, weight: Weight, settings: Mapping[str, Setting], chrono: Tensor, generator: Generator) -> Tensor:
    shape, initialiser = (weight.rows, weight.columns), weight.initialiser
    if callable(initialiser):
        value = initialiser(shape, generator)
        if not isinstance(value, Tensor) or value.shape != shape or not value.is_floating_point():
            what = f"{list(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"weight {name!r}: {weight.initialiser_name} returns {what}: expected floating-point numbers, {list(shape)}"
            )
        return value.detach().to(torch.get_default_dtype())
    if isinstance(initialiser, int | float) and not isinstance(initialiser, bool):
        return torch.full(shape, float(initialiser))
    if not isinstance(initialiser, str) or initialiser not in (*CHOSEN, *entering("initialiser")):
        known = (*CHOSEN, *entering("initialiser"), "a number", "a function of (shape, generator)")
        raise ValueError(f"weight {name!r}: unknown initialiser {initialiser!r}{nearest(initialiser, known)}")
    match initialiser, settings.get(initialiser):
        case "zeros", _:
            return torch.zeros(shape)
        case "ones", _:
            return torch.ones(shape)
        case "normal", _:
            return torch.randn(shape, generator=generator) / math.sqrt(weight.rows)
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
    raise ValueError(f"unknown initialiser {initialiser} = {settings.get(initialiser)!r}")
