"""The registry of hyperparameters: everything that a study may search or fix for a network.

One entry says what a hyperparameter is called, which values it takes, its default, where it enters training and how it
is plotted. The study schema, the optimiser, the initialisers, tracking, the saved view of MLflow and, through
study.json, the report read this registry. A new hyperparameter is one more entry, and the code of the optimiser or
initialiser that uses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ablations.errors import lookup

Setting = float | str
"""The value of a hyperparameter."""

LARGEST = 1e6
"""Largest magnitude of a numeric setting."""


@dataclass(frozen=True)
class Hyperparameter:
    """A hyperparameter of a network's training."""

    name: str
    default: Setting | None
    """The value where a study neither searches nor fixes it; None: it has no effect unless a study sets it."""
    enters: Literal["optimiser", "initialiser", "matching"]
    """Where training uses it: the optimiser; the initial weights; or the matching of initial weights in gradient decay."""
    scale: Literal["log", "linear", "categories"]
    """How it is plotted."""
    sign: Literal["positive", "non-negative", "any"] | None = None
    """Which numbers it takes, up to LARGEST in magnitude; None: it takes no number."""
    words: tuple[str, ...] = ()
    """Which words it takes."""
    search: Mapping[str, Any] | list[Setting] | None = None
    """The search space of a study that does not declare its own: a range or a list of values; None: not searched."""

    def check(self, value: Setting) -> None:
        """Raise ValueError if the hyperparameter cannot take this value."""
        if isinstance(value, str):
            if self.sign is None:
                lookup(self.name, value, dict.fromkeys(self.words))
            elif value not in self.words:
                words = "".join(f", or {word!r}" for word in self.words)
                raise ValueError(f"{self.name} = {value!r}: allowed: a number{words}")
        elif self.sign is None:
            raise ValueError(f"{self.name} = {value}: allowed: {', '.join(self.words)}")
        elif not abs(value) <= LARGEST:  # also refuses NaN
            raise ValueError(f"{self.name} = {value} must lie between -1e6 and 1e6")
        elif self.sign == "positive" and value <= 0:
            raise ValueError(f"{self.name} = {value} must be above 0")
        elif self.sign == "non-negative" and value < 0:
            raise ValueError(f"{self.name} = {value} must not be below 0")


HYPERPARAMETERS = {
    one.name: one
    for one in (
        Hyperparameter(
            "learning_rate", 1e-3, "optimiser", "log", "positive", search={"low": 3e-5, "high": 3e-2, "log": True}
        ),
        Hyperparameter("clip_norm", 1.0, "optimiser", "log", "positive", search={"low": 0.1, "high": 10, "log": True}),
        # Decoupled (Loshchilov & Hutter 2019).
        Hyperparameter("weight_decay", 0.0, "optimiser", "log", "non-negative"),
        # Factor of the learning rate over the budget: 1, a half cosine to 0, or linear warm-up over the first tenth.
        Hyperparameter("lr_schedule", "constant", "optimiser", "categories", words=("constant", "cosine", "warmup")),
        # Square matrices of the recurrence: orthogonal (Saxe et al. 2014) or identity (Le, Jaitly & Hinton 2015).
        Hyperparameter(
            "recurrent_init",
            "orthogonal",
            "initialiser",
            "categories",
            words=("uniform", "orthogonal", "identity"),
            search=["uniform", "orthogonal", "identity"],
        ),
        # Bias of the gate that multiplies the old memory: a number (Gers et al. 2000; Jozefowicz et al. 2015 recommend 1), or
        # chrono: log U(1, lag − 1), with a lag of at least 3 (Tallec & Ollivier 2018).
        Hyperparameter(
            "forget_bias",
            1.0,
            "initialiser",
            "categories",
            "any",
            words=("chrono",),
            search=[0.0, 1.0, 3.0, 5.0, "chrono"],
        ),
        # Bias of the gate that multiplies the new input: a number, or chrono: minus the forget bias that chrono draws.
        Hyperparameter(
            "input_bias", 0.0, "initialiser", "categories", "any", words=("chrono",), search=[0.0, -1.0, -2.0, "chrono"]
        ),
        # Factor of the gradient norm per step backwards, before training (see ablations.training.initialisation).
        Hyperparameter("decay", None, "matching", "linear", "positive"),
    )
}
"""Every hyperparameter by name."""

DEFAULTS: dict[str, Setting] = {one.name: one.default for one in HYPERPARAMETERS.values() if one.default is not None}
"""The setting of every hyperparameter that a study neither searches nor fixes."""


def entering(where: Literal["optimiser", "initialiser"]) -> tuple[str, ...]:
    """The names of the hyperparameters that enter training there."""
    return tuple(one.name for one in HYPERPARAMETERS.values() if one.enters == where)


def changed(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """The settings that differ from their defaults."""
    return {name: value for name, value in settings.items() if value != DEFAULTS.get(name)}
