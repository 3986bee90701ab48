"""The contract of a recurrent cell, and the registry every cell enters by being defined.

A cell is written once, in plain torch, for one time step, on rows. Engines turn it into a scan over time; populations
add a leading member axis to rows and weights alike, so that the same lines run for one network and for many.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

Weights = dict[str, Tensor]
"""Weights by name: matrices `[.., in, out]`, vectors `[.., 1, out]`."""

Drive = dict[str, Tensor]
"""What the input alone contributes, by name: rows `[.., size]`."""

State = dict[str, Tensor]
"""The recurrent state by name: rows `[.., size]`."""

Tap = Callable[[str, Tensor], Tensor]
"""A tap on the gates: is told each gate's name and value, and returns the value the cell goes on with. The value is rows
`[.., size]`, or one row for all where a gate is a constant."""


class Weight(NamedTuple):
    """One weight of a cell: its shape, and the name of the initialiser in `ablations.cells.initial` it starts from."""

    rows: int
    columns: int
    initialiser: str


class Cell(ABC):
    """One recurrent update rule: an abstract base; concrete cells set `name` and are registered by being defined.

    The rules that make a step traceable by every engine: products have a weight as right operand; rows never mix; no
    in-place operation, no random number, no branch on values or on the batch size, no captured tensor.

    Options are keyword arguments of the constructor, each with a default; it raises ValueError for a value that is not
    allowed. What it keeps of them is hashable and never changes, so that engines can tell two cells apart by it.
    """

    name: ClassVar[str]
    parent: ClassVar[str | None] = None
    """The cell this one differs from by exactly one change; None for a root."""
    change: ClassVar[str] = ""
    """That change in a few words."""
    reference: ClassVar[str]
    """Where the recurrence comes from: authors, year."""
    state: ClassVar[tuple[str, ...]] = ("h",)
    """Names of the state's parts."""
    output: ClassVar[str] = "h"
    """The part of the state that the next layer and the readout see."""
    gates: ClassVar[tuple[str, ...]] = ()
    """Names that `step` passes through its tap, in order."""
    decay_by: ClassVar[tuple[str, ...]] = ()
    """Weights that set how fast gradients decay: a bias of a gate that keeps, or the matrices on the memory's path. Where
    a cell has them, the setting `decay` moves them all by one number (see `ablations.training.initialisation`)."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            return  # an abstract class between the base and the cells
        taken = registry.get(cls.name)
        if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            places = " and ".join(f"{c.__qualname__} in {inspect.getfile(c)}" for c in (taken, cls))
            raise ValueError(f"two cells are called {cls.name!r}: {places}")
        registry[cls.name] = cls

    @abstractmethod
    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        """Every weight by name, for `inputs` input features and `hidden` units."""

    @abstractmethod
    def drive(self, w: Weights, x: Tensor) -> Drive:
        """All work that depends on the input alone, on rows `x [.., inputs]`; done for the whole sequence at once."""

    @abstractmethod
    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        """The recurrence: the state after one time step.

        Every gate is passed through `tap(name, value)` and the cell goes on with what comes back, so that a probe sees
        the very tensors that are used, and can put others in their place.
        """

    def state_sizes(self, hidden: int) -> dict[str, int]:
        """The size of each part of the state."""
        return dict.fromkeys(self.state, hidden)

    def parameters(self, inputs: int, hidden: int) -> int:
        """Trainable numbers of one layer."""
        return sum(weight.rows * weight.columns for weight in self.weights(inputs, hidden).values())

    @classmethod
    def equations(cls) -> str:
        """The recurrence as the docstring writes it: its indented lines."""
        lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
        return "\n".join(line.strip() for line in lines if line.startswith("    "))


def check_option(option: str, value: object, fits: bool, allowed: str) -> None:
    """Raise ValueError for an option's value that does not fit; `allowed` says in words what would."""
    if not fits:
        raise ValueError(f"option {option!r} is {value!r}; allowed: {allowed}")


registry: dict[str, type[Cell]] = {}
"""Every cell defined so far, by name."""
