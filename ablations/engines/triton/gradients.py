"""The gradients of the weights, Σ Aᵀ G over steps and sequences, as batched products after the backward pass. A part of `run`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ablations.engines.fused.graph import Value
from ablations.engines.fused.plan import Plan


class Steps(NamedTuple):
    """The tensors of all steps, `[members, time, batch, columns]`."""

    x: Tensor
    sequences: Sequence[Tensor]
    """The parts of the state, with a step more than the others: the state before the first one."""
    saved: Sequence[Tensor]
    """The values that the forward pass saved."""
    gradients: Sequence[Tensor]
    """The values G, those of one width side by side."""
    reset: Tensor | None

    def left_operands(self, plan: Plan) -> dict[Value, Callable[[], Tensor]]:
        """How to get each left operand A of all steps, `[members, time · batch, columns]`."""

        def before(sequence: Tensor) -> Tensor:
            rows = sequence[:, :-1]
            return (rows if self.reset is None else rows.masked_fill(self.reset.unsqueeze(-1), 0)).flatten(1, 2)

        lefts: dict[Value, Callable[[], Tensor]] = {
            value: lambda rows=rows: rows.flatten(1, 2) for value, rows in zip(plan.saved, self.saved, strict=True)
        }
        for value, rows in zip(plan.trace.new_state.values(), self.sequences, strict=True):
            lefts[value] = lambda rows=rows: rows[:, 1:].flatten(1, 2)
        for value, rows in zip(plan.trace.state.values(), self.sequences, strict=True):
            lefts[value] = lambda rows=rows: before(rows)
        return {**lefts, plan.trace.x: lambda: self.x.flatten(1, 2)}


def weight_gradients(
    plan: Plan,
    groups: Sequence[Sequence[Value]],
    outer_products: Sequence[tuple[Value, list[Value]]],
    w: Sequence[Tensor],
    steps: Steps,
) -> list[Tensor]:
    """Return the gradient of every weight.

    :param groups: the values G of each tensor in `steps.gradients`.
    :param outer_products: each A with a run of adjacent G, which are one product.
    """
    flat = [rows.flatten(1, 2) for rows in steps.gradients]
    width = {G: flat[i].shape[-1] // len(group) for i, group in enumerate(groups) for G in group}
    place = {G: (i, position * width[G]) for i, group in enumerate(groups) for position, G in enumerate(group)}
    left, outer, sums = steps.left_operands(plan), dict[tuple[Value, Value], Tensor](), dict[int, Tensor]()
    for A, run in outer_products:
        i, first = place[run[0]]
        product = left[A]().mT @ flat[i][:, :, first : first + len(run) * width[run[0]]]
        outer |= {(A, G): part for G, part in zip(run, product.split(width[run[0]], -1), strict=True)}

    def term(A: Value | None, G: Value) -> Tensor:
        if A is not None:
            return outer[A, G]
        i, first = place[G]
        if i not in sums:
            sums[i] = flat[i].sum(1, keepdim=True)
        return sums[i][:, :, first : first + width[G]]

    gradients = []
    for weight, terms in zip(w, plan.weight_terms, strict=True):
        parts = [term(A, G) for A, G in terms]
        gradients.append(torch.stack(parts).sum(0) if parts else torch.zeros_like(weight))
    return gradients
