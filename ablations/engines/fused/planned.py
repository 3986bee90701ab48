"""What a kernel of a cell needs at the sizes of a scan; the base of an engine's kernel.

Input: a cell. Output: a `Planned`. A part of `run`.
"""

from collections.abc import Hashable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ablations.cells import Cell, State, Weights
from ablations.engines.fused.graph import ONE, Untraceable
from ablations.engines.fused.interface import Interface
from ablations.engines.fused.trace import AtSizes, Trace, at_sizes, trace
from ablations.engines.noise import mean, widths


class Planned:
    """How the kernel of a cell is called, and its sizes and numbers by the shapes of tensors."""

    interface: Interface

    def __init__(self, cell: Cell, dtype: torch.dtype) -> None:
        self.cell, self.dtype = cell, dtype
        self.verified: set[Any] = set()
        """The sizes at which the kernel gives the results of the eager engine."""
        self.traced_at: dict[tuple[torch.Size, ...], AtSizes] = {}
        """What depends on the sizes, by the shapes of the input, the state and the weights."""

    @cached_property
    def trace(self) -> Trace:
        """The cell's step, traced when it is first needed. Raises Untraceable."""
        return trace(self.cell, self.dtype)

    def at_sizes(self, inputs: int, hidden: int) -> AtSizes:
        """What of the trace depends on the sizes, at some of them. Raises Untraceable."""
        return at_sizes(self.cell, self.trace, inputs, hidden, self.dtype)

    def at(self, x: Tensor, state: State, w: Weights) -> AtSizes:
        """Return what of the trace depends on the sizes, at those of the tensors. Raises Untraceable."""
        if not self.interface.depends_on_sizes:
            return AtSizes(self.interface.hoisted, {}, [])
        shapes = tuple(tensor.shape for tensor in (x, *state.values(), *w.values()))
        if shapes not in self.traced_at:
            sizes = {part: rows.shape[-1] for part, rows in state.items()}
            inputs = x.shape[-1] - sum(widths(self.cell, sizes))
            declared = {name: tuple(weight.shape[1:]) for name, weight in w.items()}
            for hidden in range(1, 1 + max(max(sizes.values()), *(max(shape) for shape in declared.values()))):
                weights = self.cell.weights(inputs, hidden).items()
                if self.cell.state_sizes(hidden) == sizes and declared == {n: (s.rows, s.columns) for n, s in weights}:
                    self.traced_at[shapes] = self.at_sizes(inputs, hidden)
                    break
            else:
                raise ValueError("no number of units gives the shapes of the weights and the state")
        return self.traced_at[shapes]

    def sizes(self, derived: dict[str, int], w: tuple[Tensor, ...], x: Tensor, s: tuple[Tensor, ...]) -> dict[str, int]:
        """Return the sizes by their name in `interface.size_names`; `derived` are those that no tensor has.

        Raises ValueError for a tensor whose shape does not match the others': a kernel gets bare addresses.
        """
        known = {"K": x.shape[0], "B": x.shape[2], ONE: 1, self.interface.inputs: x.shape[3]}
        for (name, rows, columns), tensor in zip(
            [*self.interface.state, *self.interface.weights], (*s, *w), strict=True
        ):
            shape = ("K", rows, columns)
            matches = tensor.ndim == 3 and all(
                known.setdefault(size, n) == n for size, n in zip(shape, tensor.shape, strict=True)
            )
            if not matches:
                expected = [known.get(size, size) for size in shape]
                raise ValueError(f"{name} has shape {list(tensor.shape)}; the other tensors require {expected}")
        known = {**derived, **known}
        return {name: known[name] for name in self.interface.size_names}


def cache_key(cell: Cell) -> tuple[type[Cell], tuple[tuple[str, type, Any], ...]]:
    """What cells of the same kernel have in common: their class and options. Raises Untraceable."""
    slots = [slot for kind in type(cell).__mro__ for slot in kind.__dict__.get("__slots__", ())]
    options = {name: getattr(cell, name) for name in (*vars(cell), *slots) if hasattr(cell, name)}
    values = [(name, type(value), value) for name, value in sorted(options.items())]
    if not all(isinstance(value, Hashable) for _, _, value in values):
        raise Untraceable(
            "an option of the cell is mutable, so its kernel cannot be cached; make it hashable, such as a tuple for a list"
        )
    return type(cell), tuple(values)


def require_matching(x: Tensor, reset: Tensor | None, named: dict[str, Tensor]) -> None:
    """Raise TypeError or ValueError unless the weights, state and resets of a scan match its input `x`."""
    for name, tensor in named.items():
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise TypeError(f"{name} is {tensor.dtype} on {tensor.device}, but the input is {x.dtype} on {x.device}")
    if reset is not None and (reset.dtype != torch.bool or reset.shape != x.shape[:3] or reset.device != x.device):
        raise ValueError(
            f"reset is {reset.dtype} with shape {list(reset.shape)}; it has to be torch.bool with shape {list(x.shape[:3])}"
        )


def with_noise(cell: Cell, x: Tensor, state: State, noise: Tensor | None) -> Tensor:
    """The rows that a kernel reads: the input `x [.., inputs]`, then the cell's noise `[.., sizes]`, by default its mean."""
    if not cell.noise():
        return x
    sizes = {part: rows.shape[-1] for part, rows in state.items()}
    return torch.cat([x, mean(cell, sizes, x) if noise is None else noise], -1)
