"""Any cell in the form an expert would write it in for a peer library.

There is one packed product per left operand, and products of the input are computed before the loop over time. The packing
is taken from the fused engine's plan, so that engines are compared and not packings.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch

from ablations.cells import Cell
from ablations.engines.fused.graph import Number, Value
from ablations.engines.fused.plan import Plan, plan
from ablations.engines.fused.trace import at_sizes, trace

Array = Any
"""A tensor of torch or an array of JAX."""


Products = list[tuple[list[Array], Array | None]]
"""For each packed product: its matrices, one per left operand, and its bias."""
ARITHMETIC: dict[str, Callable[..., Array]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "rsub": lambda a, b: b - a,
    "neg": operator.neg,
    "zeros_like": lambda: 0.0,
    "row_sum": lambda row: row.sum(-1, keepdims=True),
}


class Packed:
    """A cell's recurrence over arrays: call `weights` once, `drive` once per sequence, `step` once per time step."""

    def __init__(self, cell: Cell, functions: dict[str, Callable[..., Array]]) -> None:
        """`functions` are the library's elementary functions by name."""
        self.cell = cell
        self.plan: Plan = plan(trace(cell))
        self.functions = ARITHMETIC | functions
        self.trace = self.plan.trace
        self.numbers: dict[str, float] = {}
        """Those that depend on the sizes, by name."""
        used = {arg for level in self.plan.forward.levels for value in level.compute for arg in self._args(value)}
        self.vectors = [value for value in self.trace.weights if value in used]
        self.groups = [group for level in self.plan.forward.levels for group in level.products]

    def at(self, inputs: int, hidden: int) -> "Packed":
        """Set the numbers that depend on the sizes."""
        if self.trace.lowered.depends_on_sizes:
            numbers = at_sizes(self.cell, self.trace, inputs, hidden, torch.float32).numbers
            self.numbers = dict(zip(self.trace.lowered.numbers.values(), numbers, strict=True))
        return self

    def hoisted(self, w: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return the step's weights, `[members, rows, columns]`, from the cell's."""
        hoisted = torch.func.vmap(self.trace.hoisted) if self.trace.hoisted_computes else self.trace.hoisted
        return [part.contiguous() for part in hoisted(*(w[name] for name in self.trace.weight_names))]

    def weights(self, w: dict[str, torch.Tensor]) -> tuple[list[torch.Tensor], Products]:
        """Return the vectors that are used elementwise, and the packed products; the first axis is members."""
        known = dict(zip(self.trace.weights, self.hoisted(w), strict=True))
        packed = []
        for group in self.groups:
            matrices = []
            for s in range(len(group[0].terms)):
                operands = [(known[linear.terms[s][1]], linear.terms[s][2]) for linear in group]
                matrices.append(torch.cat([w.mT if transposed else w for w, transposed in operands], -1))
            width = matrices[0].shape[-1] // len(group)
            zeros = matrices[0].new_zeros(len(matrices[0]), 1, width)
            biases = [sum((known[b] for b in linear.biases), start=zeros) for linear in group]
            packed.append((matrices, torch.cat(biases, -1) if any(linear.biases for linear in group) else None))
        return [known[vector] for vector in self.vectors], packed

    def drive(self, packed: Products, x: Array) -> dict[str, Array]:
        """Return the input, and its contribution to each product, for the whole sequence: `x` is `[..., inputs]`."""
        driven: dict[str, Array] = {"x": x}
        for number, (group, (matrices, bias)) in enumerate(zip(self.groups, packed, strict=True)):
            products = [x @ w for left, w in zip(group[0].lefts, matrices, strict=True) if left is self.trace.x]
            if products:
                driven[str(number)] = sum(products[1:], start=products[0] if bias is None else products[0] + bias)
        return driven

    def step(
        self, vectors: list[Array], packed: Products, driven: dict[str, Array], state: dict[str, Array]
    ) -> dict[str, Array]:
        """Return the state after a step; `driven` is the result of `drive` at that step."""
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
                width = total.shape[-1] // len(group)
                for m, linear in enumerate(group):
                    values[linear.result] = total[..., m * width : (m + 1) * width]
                number += 1
            for value in (*level.compute, *level.join):
                values[value] = self._apply(value, [self._operand(a, values) for a in self._args(value)])
        return {name: values[value] for name, value in self.trace.new_state.items()}

    def _args(self, value: Value) -> tuple[Value | Number | float, ...]:
        return self.plan.forward.addends.get(value, value.args)

    def _operand(self, arg: Value | Number | float, values: dict[Value, Array]) -> Array | float:
        if isinstance(arg, Value):
            return values[arg]
        return self.numbers[arg.name] if isinstance(arg, Number) else arg

    def _apply(self, value: Value, args: list[Any]) -> Array:
        if value in self.plan.forward.addends:
            return sum(args[1:], start=args[0])
        return self.functions[value.op](*args)

    def flops(self, w: dict[str, torch.Tensor]) -> int:
        """Return the floating point operations of the matrix products per row and gradient step.

        Counted are the forward pass and the gradients of the state and the weights, not that of the input.
        """
        known = dict(zip(self.trace.weights, self.hoisted(w), strict=True))
        total = 0
        for group in self.groups:
            for linear in group:
                for left, weight, _ in linear.terms:
                    total += 2 * known[weight][0].numel() * (2 if left is self.trace.x else 3)
        return total
