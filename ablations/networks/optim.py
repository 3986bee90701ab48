"""Adam with gradient clipping for a population, with separate hyperparameters for every member.

The weights of all members are one tensor `[members, parameters]`, so a step takes the same few operations for any number
of members.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ablations.hyperparameters import DEFAULTS, Setting

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015, and torch's defaults

SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda step, steps: 1.0,
    "cosine": lambda step, steps: (1 + math.cos(math.pi * step / steps)) / 2,
    "warmup": lambda step, steps: min((step + 1) / max(steps // 10, 1), 1.0),
}
"""The factor of the learning rate by `lr_schedule`, from the step (counted from 0) and the steps of the budget."""


class Adam:
    """Adam (Kingma & Ba 2015) after gradient clipping by norm (Pascanu et al. 2013), with settings per member.

    It reads the hyperparameters that enter the optimiser: `learning_rate`, `clip_norm`, `weight_decay` (decoupled: AdamW,
    Loshchilov & Hutter 2019) and `lr_schedule`.
    """

    def __init__(
        self, weights: Float[Tensor, "members parameters"], settings: Sequence[Mapping[str, Setting]], steps: int
    ) -> None:
        """
        :param settings: each member's hyperparameters; those that are missing take their defaults.
        :param steps: the training budget.
        """

        def setting(name: str) -> Float[Tensor, " members"]:
            values = [float({**DEFAULTS, **member}[name]) for member in settings]
            return torch.tensor(values, dtype=weights.dtype, device=weights.device)

        self.learning_rate, self.clip_norm = setting("learning_rate"), setting("clip_norm")
        self.weight_decay = setting("weight_decay")
        schedules = [list(SCHEDULES).index(str({**DEFAULTS, **member}["lr_schedule"])) for member in settings]
        self.schedule = torch.tensor(schedules, dtype=torch.int64, device=weights.device)
        self.first_moment = torch.zeros_like(weights)
        self.second_moment = torch.zeros_like(weights)
        self.decays = any(member.get("weight_decay", DEFAULTS["weight_decay"]) for member in settings)
        self.step_count = 0
        self.budget = steps

    def next_factors(self) -> Float[Tensor, " factors"]:
        """Count a step; returns the numbers that it takes beside the gradient, on the CPU: the factor of the learning rate
        by schedule, and the corrections of the two moments.

        All members have taken equally many steps, so they share the step count.
        """
        factors = [schedule(self.step_count, self.budget) for schedule in SCHEDULES.values()]
        self.step_count += 1
        corrections = [1 - BETA1**self.step_count, 1 - BETA2**self.step_count]
        return torch.tensor([*factors, *corrections], dtype=self.learning_rate.dtype)

    def step(
        self,
        weights: Float[Tensor, "members parameters"],
        gradient: Float[Tensor, "members parameters"],
        trained: Float[Tensor, " parameters"],
        factors: Float[Tensor, " factors"] | None = None,
    ) -> Float[Tensor, " members"]:
        """Update `weights` in place; returns the gradient norms before clipping.

        :param trained: 0 for entries that are not trained, whose gradient has to be 0; they do not decay. 1 for the others.
        :param factors: what `next_factors` returned for this step, on the device of the weights; by default it is called here.
        """
        factors = self.next_factors() if factors is None else factors
        gradient, norm = clip(gradient, self.clip_norm)
        learning_rate = self.learning_rate * factors[self.schedule]
        if self.decays:
            weights.mul_(1 - (learning_rate * self.weight_decay).unsqueeze(1) * trained)
        self.first_moment.lerp_(gradient, 1 - BETA1)
        self.second_moment.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        rate = learning_rate / factors[-2]
        scale = (self.second_moment / factors[-1]).sqrt_().add_(EPSILON)
        weights.sub_(rate.unsqueeze(1) * self.first_moment / scale)
        return norm

    def select(self, rows: Tensor) -> None:
        """Keep only the members at these rows."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value[rows])

    def save(self) -> dict[str, Any]:
        """The whole state, as tensors and numbers."""
        return vars(self).copy()

    def load(self, saved: dict[str, Any]) -> None:
        """Restore a state that `save` returned, perhaps on another device."""
        device = self.first_moment.device
        vars(self).update({name: x.to(device) if isinstance(x, Tensor) else x for name, x in saved.items()})


def clip(
    gradient: Float[Tensor, "members parameters"], limit: Float[Tensor, " members"]
) -> tuple[Float[Tensor, "members parameters"], Float[Tensor, " members"]]:
    """Scale each member's gradient to at most `limit` in norm, as `torch.nn.utils.clip_grad_norm_` does.

    Returns the gradient, and its norm before clipping.
    """
    norm = gradient.norm(dim=1)
    return gradient * (limit / (norm + 1e-6)).clamp(max=1).unsqueeze(1), norm
