"""Adam and gradient clipping for a population: every member has its own learning rate, clip norm and step count.

All members' weights lie in one flat tensor `[members, parameters]`, so that a step is a handful of operations.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015, and torch's defaults


def clip(
    gradient: Float[Tensor, "members parameters"], limit: Float[Tensor, " members"]
) -> tuple[Float[Tensor, "members parameters"], Float[Tensor, " members"]]:
    """Scale each member's gradient to at most its `limit` in norm, as `clip_grad_norm_` does; also its norm before."""
    norm = gradient.norm(dim=1)
    return gradient * (limit / (norm + 1e-6)).clamp(max=1).unsqueeze(1), norm


class Adam:
    """Adam (Kingma & Ba 2015) with a learning rate per member."""

    def __init__(self, weights: Float[Tensor, "members parameters"], rate: Float[Tensor, " members"]) -> None:
        self.rate = rate
        self.mean = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        self.steps = 0

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        """Update `weights` in place. Members have trained equally long, so they share the step count."""
        self.steps += 1
        self.mean.lerp_(gradient, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        rate = self.rate / (1 - BETA1**self.steps)
        scale = (self.square / (1 - BETA2**self.steps)).sqrt_().add_(EPSILON)
        weights.sub_(rate.unsqueeze(1) * self.mean / scale)

    def select(self, members: Tensor) -> None:
        """Go on with some of the members: indices into the present ones."""
        self.rate, self.mean, self.square = self.rate[members], self.mean[members], self.square[members]

    def save(self) -> dict[str, Any]:
        return vars(self).copy()

    def load(self, saved: dict[str, Any]) -> None:
        vars(self).update(saved)
