"""The base class of recurrent cells, and the registry of those defined so far.

A cell is written in plain torch for one time step, on rows `[.., size]`. Engines scan it over time. Populations add a
leading member axis to rows and weights, so the same code runs for one network and for many.
"""

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from torch import Generator, Tensor

from ablations.cells.noise import Noise

Weights = dict[str, Tensor]
"""Weights by name: matrices `[.., in, out]`, vectors `[.., 1, out]`."""

Drive = dict[str, Tensor]
"""The terms of a step that depend on the input alone, by name: rows `[.., size]`."""

State = dict[str, Tensor]
"""The recurrent state by name: rows `[.., size]`."""

Tap = Callable[[str, Tensor], Tensor]
"""A hook on the gates: receives a gate's name and value and returns the value that the cell uses. The value is rows
`[.., size]`, or a single row `[.., 1, size]` for a gate that is a constant."""


Initialiser = str | float | Callable[[tuple[int, int], Generator], Tensor]
"""How a weight is initialised: a name of `ablations.cells.initial`, a number for a constant, or a function of the shape and the
generator that returns the weight."""


class Weight(NamedTuple):
    """The declaration of one weight: its shape and its initialiser."""

    rows: int
    columns: int
    initialiser: Initialiser
    trained: bool = True
    """Whether training changes it. One that is not trained keeps its initial value, which is drawn for each network."""

    @property
    def initialiser_name(self) -> str:
        """The initialiser in words: its name, its number, or the name of its function."""
        return str(getattr(self.initialiser, "__name__", self.initialiser))


class Cell(ABC):
    """One recurrent update rule. A subclass that sets `name` is registered when it is defined.

    So that every engine can trace a step: matrix products have a weight as right operand; rows do not mix; no in-place
    operations, no random numbers but declared ones (`noise`), no branches on values or on the batch size, no captured tensors.

    Options are keyword arguments of the constructor, each with a default; it raises ValueError for a value that is not
    allowed. Attributes of an instance are hashable and never change: engines compare cells by them.
    """

    name: ClassVar[str]
    parent: ClassVar[str | None] = None
    """The name of the cell that this one differs from by one change; None for a root."""
    change: ClassVar[str] = ""
    """The change from the parent, in a few words."""
    reference: ClassVar[str]
    """The source of the recurrence: authors, year."""
    state: ClassVar[tuple[str, ...]] = ("h",)
    """The names of the parts of the state."""
    output: ClassVar[str] = "h"
    """The part of the state that is the layer's output."""
    gates: ClassVar[tuple[str, ...]] = ()
    """The names that `step` passes through its tap, in order."""
    custom_gradient: ClassVar[bool] = False
    """Whether the gradient is meant to differ from the derivative, as a straight-through estimator's does."""
    initial_state: ClassVar[dict[str, str]] = {}
    """By part of the state, the weight `[1, size]` that is its value before the first step, and after a reset; 0 for other parts."""
    decay_by: ClassVar[tuple[str, ...]] = ()
    """The weights that determine how fast gradients decay: the bias of the gate on the old state, or the matrices on the
    memory's path. With the setting `decay`, one number per network shifts the bias or scales the matrices (see
    `ablations.training.initialisation`)."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            return  # an abstract class
        taken = registry.get(cls.name)
        if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            places = " and ".join(f"{c.__qualname__} in {inspect.getfile(c)}" for c in (taken, cls))
            raise ValueError(f"two cells are named {cls.name!r}: {places}")
        registry[cls.name] = cls

    @abstractmethod
    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        """Declare every weight by name, for `inputs` input features and `hidden` units."""

    @abstractmethod
    def drive(self, w: Weights, x: Tensor) -> Drive:
        """Compute the terms that depend on the input alone, from rows `x [.., inputs]`. Called once for a whole sequence."""

    @abstractmethod
    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        """Compute the state after one time step.

        Every gate is passed through `tap(name, value)` and replaced by the returned tensor, so that a probe can record
        and override gates.
        """

    def noise(self) -> dict[str, Noise]:
        """Declare the random numbers that `step` takes, by the name that they have in its `drive` (see `ablations.cells.noise`)."""
        return {}

    def state_sizes(self, hidden: int) -> dict[str, int]:
        """The size of each part of the state."""
        return dict.fromkeys(self.state, hidden)

    def parameters(self, inputs: int, hidden: int) -> int:
        """The number of entries of all weights of one layer; `trained_parameters` counts those that are trained."""
        return sum(weight.rows * weight.columns for weight in self.weights(inputs, hidden).values())

    @classmethod
    def equations(cls) -> str:
        """The equations of the docstring: its indented lines."""
        lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
        indented = [line.strip() for line in lines if line.startswith("    ")]
        # If every line after the first is an equation, their indentation counts as the docstring's own and is removed.
        return "\n".join(indented or [line for line in lines[1:] if re.match(r"\w+'? *= ", line)])


def initial_state(cell: Cell, w: Weights, sizes: dict[str, int], batch: int) -> State:
    """The state before the first step, `[members, batch, size]` each: the weights that `Cell.initial_state` names, else zeros.

    :param w: weights of one layer, with a leading member axis.
    :param sizes: the size of each part of the state.
    """
    members = next(iter(w.values()))
    zeros = {part: members.new_zeros(len(members), batch, size) for part, size in sizes.items()}
    return zeros | {part: w[weight].expand(-1, batch, -1) for part, weight in cell.initial_state.items()}


def trained_parameters(weights: dict[str, Weight]) -> int:
    """The number of trained parameters among weights."""
    return sum(weight.rows * weight.columns for weight in weights.values() if weight.trained)


def check_option(option: str, value: object, valid: bool, allowed: str) -> None:
    """Raise ValueError unless the value of an option is valid; `allowed` describes the valid values."""
    if not valid:
        raise ValueError(f"option {option!r} is {value!r}; allowed: {allowed}")


registry: dict[str, type[Cell]] = {}
"""Every cell defined so far, by name."""
