"""A cell's plan together with what it needs at the sizes of a scan; the base of an engine's kernel of a cell.

Input: a cell. Output: a `Planned`. A part of `run`.
"""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from ablations.cells import Cell, State, Weights
from ablations.engines.fused.graph import ONE, Untraceable
from ablations.engines.fused.layout import size_names
from ablations.engines.fused.plan import plan
from ablations.engines.fused.trace import AtSizes, at_sizes, trace
from ablations.engines.noise import widths


class Planned:
    """The plan of a cell, and its sizes and numbers by the shapes of tensors."""

    def __init__(self, cell: Cell, dtype: torch.dtype) -> None:
        """Raises Untraceable."""
        self.cell, self.dtype = cell, dtype
        self.plan = plan(trace(cell, dtype))
        self.trace = self.plan.trace
        self.size_names = size_names(self.plan)
        self.verified: set[Any] = set()
        """The sizes at which the kernel gives the results of the eager engine."""
        self.traced_at: dict[tuple[torch.Size, ...], AtSizes] = {}
        """What depends on the sizes, by the shapes of the input, the state and the weights."""

    def at(self, x: Tensor, state: State, w: Weights) -> AtSizes:
        """Return what of the trace depends on the sizes. Raises Untraceable."""
        if not (self.trace.hoisted_at_sizes or self.plan.derived_sizes or self.trace.lowered.numbers):
            return AtSizes(self.trace.hoisted, {}, [])
        shapes = tuple(tensor.shape for tensor in (x, *state.values(), *w.values()))
        if shapes not in self.traced_at:
            sizes = {part: rows.shape[-1] for part, rows in state.items()}
            inputs = x.shape[-1] - sum(widths(self.cell, sizes))
            declared = {name: tuple(weight.shape[1:]) for name, weight in w.items()}
            for hidden in range(1, 1 + max(max(sizes.values()), *(max(shape) for shape in declared.values()))):
                weights = self.cell.weights(inputs, hidden).items()
                if self.cell.state_sizes(hidden) == sizes and declared == {n: (s.rows, s.columns) for n, s in weights}:
                    self.traced_at[shapes] = at_sizes(self.cell, self.trace, inputs, hidden, self.dtype)
                    break
            else:
                raise ValueError("no number of units gives the shapes of the weights and the state")
        return self.traced_at[shapes]

    def sizes(self, derived: dict[str, int], w: tuple[Tensor, ...], x: Tensor, s: tuple[Tensor, ...]) -> dict[str, int]:
        """Return the sizes by their name in `size_names`; `derived` are those that no tensor has.

        Raises ValueError for a tensor whose shape does not match the others': a kernel gets bare addresses.
        """
        known = {"K": x.shape[0], "B": x.shape[2], ONE: 1, self.trace.x.columns: x.shape[3]}
        values = [*self.trace.state.values(), *self.trace.weights]
        for name, value, tensor in zip(
            [*self.trace.state, *self.trace.step_weight_names], values, (*s, *w), strict=True
        ):
            shape = ("K", value.rows, value.columns)
            matches = tensor.ndim == 3 and all(
                known.setdefault(size, n) == n for size, n in zip(shape, tensor.shape, strict=True)
            )
            if not matches:
                expected = [known.get(size, size) for size in shape]
                raise ValueError(f"{name} has shape {list(tensor.shape)}; the other tensors require {expected}")
        known = {**derived, **known}
        return {name: known[name] for name in self.size_names}


def cache_key(cell: Cell) -> tuple[Any, ...]:
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
