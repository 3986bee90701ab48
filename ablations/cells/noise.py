"""Noise: random numbers that a step takes as an input, as dropout and zoneout do.

A cell declares them (`Cell.noise`). In training every network draws them from a generator of its own; everywhere else, in
evaluations and probes, they have their expected value, so that results are deterministic.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Bernoulli(NamedTuple):
    """1 with a probability, otherwise 0; independent for every unit, step and sequence."""

    part: str
    """The part of the state that has the same size."""
    probability: float

    @property
    def mean(self) -> float:
        return self.probability

    def draw(self, *shape: int, generator: Generator) -> Tensor:
        return (torch.rand(shape, generator=generator) < self.probability).to(torch.get_default_dtype())


class Gaussian(NamedTuple):
    """N(0, std²); independent for every unit, step and sequence."""

    part: str
    """The part of the state that has the same size."""
    std: float

    @property
    def mean(self) -> float:
        return 0.0

    def draw(self, *shape: int, generator: Generator) -> Tensor:
        return self.std * torch.randn(shape, generator=generator)


Noise = Bernoulli | Gaussian
