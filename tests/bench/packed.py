"""Any cell as an expert would write it for a peer: one product per left operand, the input's share before the loop.

The peers get what the fused engine has from its plan, so that it is not the packing which is compared.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch

from ablations.cells import Cell
from ablations.engines.fused.plan import Plan, plan
from ablations.engines.fused.trace import Value, trace

Array = Any
"""A tensor of torch or an array of JAX."""


Products = list[tuple[list[Array], Array | None]]
"""Of each packed product the matrices, one per left operand, and the bias."""
ARITHMETIC: dict[str, Callable[..., Array]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "rsub": lambda a, b: b - a,
    "neg": operator.neg,
    "zeros_like": lambda: 0.0,
}


class Packed:
    """A cell's recurrence over arrays: `weights`, then `drive`, then `step` by step."""

    def __init__(self, cell: Cell, functions: dict[str, Callable[..., Array]]) -> None:
        """`functions` are the library's elementary functions by name."""
        self.plan: Plan = plan(trace(cell))
        self.functions = ARITHMETIC | functions
        self.trace = self.plan.trace
        used = {arg for level in self.plan.forward.levels for value in level.compute for arg in self._args(value)}
        self.vectors = [value for value in self.trace.weights if value in used]
        self.groups = [group for level in self.plan.forward.levels for group in level.products]

    def lifted(self, w: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """The weights as the step sees them, `[members, rows, columns]`."""
        lift = torch.func.vmap(self.trace.lift) if self.trace.lift_computes else self.trace.lift
        return [part.contiguous() for part in lift(*(w[name] for name in self.trace.names))]

    def weights(self, w: dict[str, torch.Tensor]) -> tuple[list[torch.Tensor], Products]:
        """The vectors that are used elementwise, and for every product its packed matrices and bias; members first."""
        known = dict(zip(self.trace.weights, self.lifted(w), strict=True))
        packed = []
        for group in self.groups:
            matrices = []
            for s in range(len(group[0].terms)):
                sides = [(known[linear.terms[s][1]], linear.terms[s][2]) for linear in group]
                matrices.append(torch.cat([w.mT if aside else w for w, aside in sides], -1))
            each = matrices[0].shape[-1] // len(group)
            nothing = matrices[0].new_zeros(len(matrices[0]), 1, each)
            biases = [sum((known[b] for b in linear.biases), start=nothing) for linear in group]
            packed.append((matrices, torch.cat(biases, -1) if any(linear.biases for linear in group) else None))
        return [known[vector] for vector in self.vectors], packed

    def drive(self, packed: Products, x: Array) -> dict[str, Array]:
        """What the input adds to products, for the whole sequence at once: rows `[..., inputs]`."""
        driven: dict[str, Array] = {"x": x}
        for number, (group, (matrices, bias)) in enumerate(zip(self.groups, packed, strict=True)):
            shares = [x @ w for left, w in zip(group[0].lefts, matrices, strict=True) if left is self.trace.x]
            if shares:
                driven[str(number)] = sum(shares[1:], start=shares[0] if bias is None else shares[0] + bias)
        return driven

    def step(
        self, vectors: list[Array], packed: Products, driven: dict[str, Array], state: dict[str, Array]
    ) -> dict[str, Array]:
        """The state after a step, from what the input adds at that step."""
        values: dict[Value, Array] = dict(zip(self.vectors, vectors, strict=True))
        values[self.trace.x] = driven["x"]
        values |= {value: state[name] for name, value in self.trace.state.items()}
        number = 0
        for level in self.plan.forward.levels:
            for group in level.products:
                matrices, bias = packed[number]
                total = driven.get(str(number), bias)
                for left, matrix in zip(group[0].lefts, matrices, strict=True):
                    if left is not self.trace.x:
                        product = values[left] @ matrix
                        total = product if total is None else total + product
                each = total.shape[-1] // len(group)
                for m, linear in enumerate(group):
                    values[linear.result] = total[..., m * each : (m + 1) * each]
                number += 1
            for value in level.compute:
                values[value] = self._apply(
                    value, [values[a] if isinstance(a, Value) else a for a in self._args(value)]
                )
        return {name: values[value] for name, value in self.trace.new_state.items()}

    def _args(self, value: Value) -> tuple[Value | float, ...]:
        return self.plan.forward.linears.get(value, value.args)

    def _apply(self, value: Value, args: list[Any]) -> Array:
        if value in self.plan.forward.linears:
            return sum(args[1:], start=args[0])
        return self.functions[value.op](*args)

    def flops(self, w: dict[str, torch.Tensor]) -> int:
        """Of the products of one row in one gradient step: forward, to the state, to the weights; none to the input."""
        known = dict(zip(self.trace.weights, self.lifted(w), strict=True))
        total = 0
        for group in self.groups:
            for linear in group:
                for left, weight, _ in linear.terms:
                    total += 2 * known[weight][0].numel() * (2 if left is self.trace.x else 3)
        return total
