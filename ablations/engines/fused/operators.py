"""The aten operators that a kernel can compute, and how other operators are decomposed into them.

Elementwise operators are C++ expressions on SIMD vectors (see `kernel.hpp`). A condition is a vector of ones and zeros. Row
operators reduce, scan, repeat or reorder the numbers of a row, seen as an array `[outer, n, inner]`.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, decomposition_table
from torch._ops import OpOverload


class Elementwise(NamedTuple):
    """An elementwise operator."""

    arity: int
    code: str
    """Its value in C++: `{0}` is an argument, `{v0}` an argument that is a vector even if it is a number."""
    is_saved: bool = False
    """Whether its result is saved for the backward pass; cheap arithmetic is computed again."""


def _function(name: str, arity: int = 1) -> Elementwise:
    return Elementwise(arity, f"{name}_({', '.join(f'{{v{i}}}' for i in range(arity))})", is_saved=True)


def _condition(code: str, arity: int = 2) -> Elementwise:
    return Elementwise(arity, f"({code}) ? all(1) : all(0)")


_FUNCTIONS = """
    relu exp exp2 expm1 log log1p log2 log10 sqrt sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc
    """
ELEMENTWISE = {
    "add": Elementwise(2, "{0} + {1}"),
    "sub": Elementwise(2, "{0} - {1}"),
    "rsub": Elementwise(2, "{1} - {0}"),
    "mul": Elementwise(2, "{0} * {1}"),
    "div": Elementwise(2, "{0} / {1}"),
    "neg": Elementwise(1, "-{0}"),
    "reciprocal": Elementwise(1, "(real)1 / {0}"),
    "rsqrt": Elementwise(1, "(real)1 / sqrt_({0})"),
    "full": Elementwise(1, "{v0}"),
    "copy": Elementwise(1, "{v0}"),
    "power0": Elementwise(1, "all(1)"),
    "power1": Elementwise(1, "{0}"),
    "power2": Elementwise(1, "{0} * {0}"),
    "power3": Elementwise(1, "{0} * {0} * {0}"),
    "abs": Elementwise(1, "abs_({0})"),
    "sign": Elementwise(1, "sign_({0})"),
    "maximum": Elementwise(2, "maximum_({v0}, {v1})"),
    "minimum": Elementwise(2, "minimum_({v0}, {v1})"),
    "floor": Elementwise(1, "floor_({0})"),
    "ceil": Elementwise(1, "ceil_({0})"),
    "trunc": Elementwise(1, "trunc_({0})"),
    "round": Elementwise(1, "round_({0})"),
    "where": Elementwise(3, "{v0} != 0 ? {v1} : {v2}"),
    "eq": _condition("{v0} == {v1}"),
    "ne": _condition("{v0} != {v1}"),
    "lt": _condition("{v0} < {v1}"),
    "le": _condition("{v0} <= {v1}"),
    "gt": _condition("{v0} > {v1}"),
    "ge": _condition("{v0} >= {v1}"),
    "logical_and": _condition("({v0} != 0) & ({v1} != 0)"),
    "logical_or": _condition("({v0} != 0) | ({v1} != 0)"),
    "logical_xor": _condition("({v0} != 0) ^ ({v1} != 0)"),
    "logical_not": _condition("{v0} == 0", 1),
    **{name: _function(name) for name in _FUNCTIONS.split()},
    "sigmoid": _function("sigmoid"),
    "tanh": _function("tanh"),
    "pow": _function("pow", 2),
    "remainder": _function("remainder", 2),
    "fmod": _function("fmod", 2),
    "atan2": _function("atan2", 2),
    "hypot": _function("hypot", 2),
    "sigmoid_backward": Elementwise(2, "sigmoid_backward_({0}, {1})"),
    "tanh_backward": Elementwise(2, "tanh_backward_({0}, {1})"),
    "threshold_backward": Elementwise(3, "threshold_backward_({0}, {1}, {2})"),
    "zeros_like": Elementwise(0, "V{{}}"),
}
"""Elementwise operators by name. `powerN` is the N-th power, `full` one number for all columns, `copy` repeats one column."""

REDUCTIONS = {"sum": "row_sum", "amax": "row_amax", "amin": "row_amin"}
SCANS = {"cumsum": "row_cumsum", "flip": "row_flip"}
ROW = {*REDUCTIONS.values(), *SCANS.values(), "row_repeat", "row_transpose"}
"""Row operators; `row_repeat` repeats an axis of length 1, `row_transpose` exchanges the axes n and inner."""

ALIASES = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "bitwise_not": "logical_not",
    "sgn": "sign",
    "clone": "alias",
    "detach": "alias",
    "contiguous": "alias",
    "scalar_tensor": "full",
    "new_full": "full",
    "full_like": "full",
    "zeros": "zeros_like",
    "new_zeros": "zeros_like",
    "new_ones": "ones",
    "ones_like": "ones",
    "_efficientzerotensor": "zeros_like",
    "empty_like": "zeros_like",
    "empty_permuted": "zeros_like",
}
"""Operators that are computed as another one, of the same arguments; conditions are the only integers."""
SLICES = {"split", "split_with_sizes", "getitem", "slice"}
CONCATENATIONS = {"cat", "slice_backward"}
SHAPES = {
    "alias",
    "view",
    "_unsafe_view",
    "reshape",
    "unsqueeze",
    "squeeze",
    "expand",
    "_to_copy",
    "lift_fresh_copy",
    "copy",
}
"""Operators that change the shape or the type of a tensor and not its numbers."""
CONSTANTS = {"full", "ones", "zeros_like"}
"""Operators whose result is one number for all columns. Memory that is not initialised is overwritten before it is read."""
SUPPORTED = {
    *ELEMENTWISE, *REDUCTIONS, *SCANS, *ALIASES, *SLICES, *CONCATENATIONS, *SHAPES, *CONSTANTS,
    "clamp", "permute", "transpose", "mm", "t", "input", "output",
}  # fmt: skip
"""All operators that a kernel can compute, after decomposition."""


def _count(x: Tensor, dim: Any) -> int:
    return math.prod(x.shape[axis] for axis in dim)


def _mean(x: Tensor, dim: Any, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return x.sum(dim, keepdim) / _count(x, dim)


def _mean_of_all(x: Tensor, *, dtype: Any = None) -> Tensor:
    return x.sum() / x.numel()


def _lerp(start: Tensor, end: Tensor, weight: Any) -> Tensor:
    """As torch computes it: from the nearer end."""
    return start + weight * (end - start) if abs(weight) < 0.5 else end - (end - start) * (1 - weight)


def _select(x: Tensor, dim: int, index: int) -> Tensor:
    index %= x.shape[dim]
    return torch.ops.aten.slice(x, dim, index, index + 1).squeeze(dim)


def _select_backward(d: Tensor, input_sizes: Any, dim: int, index: int) -> Tensor:
    index %= input_sizes[dim]
    return torch.ops.aten.slice_backward(d.unsqueeze(dim), input_sizes, dim, index, index + 1, 1)


def _rounded_quotient(a: Any, b: Any, *, rounding_mode: str | None) -> Tensor:
    if rounding_mode is None:
        return a / b
    return torch.trunc(a / b) if rounding_mode == "trunc" else torch.round((a - torch.remainder(a, b)) / b)


def _roll(x: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    for shift, dim in zip(shifts, dims, strict=True):
        size = x.shape[dim]
        first = -shift % size
        x = torch.cat([x.narrow(dim, first, size - first), x.narrow(dim, 0, first)], dim) if first else x
    return x


def _variance(x: Tensor, dim: Any, *, correction: Any = None, keepdim: bool = False) -> Tensor:
    deviation = x - x.mean(dim, keepdim=True)
    degrees_of_freedom = _count(x, dim) - (1 if correction is None else correction)
    return (deviation * deviation).sum(dim, keepdim) / degrees_of_freedom


def _variance_and_mean(x: Tensor, dim: Any, *, correction: Any = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    return _variance(x, dim, correction=correction, keepdim=keepdim), x.mean(dim, keepdim)


def _batched_product(a: Tensor, b: Tensor) -> Tensor:
    if b.shape[2] == 1:
        return (a * b.mT).sum(2, keepdim=True)
    if a.shape[1] == 1:
        return (a.mT * b).sum(1, keepdim=True)
    if a.shape[2] == 1:
        return a * b
    return (a.unsqueeze(3) * b.unsqueeze(1)).sum(2)


def _shrink_backward(d: Tensor, x: Tensor, limit: Any) -> Tensor:
    return torch.where(x.abs() <= limit, 0.0, d)


def _norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    axes = list(range(x.ndim)) if dim is None else dim
    if ord == 2:
        return (x * x).sum(axes, keepdim).sqrt()
    if ord == float("inf"):
        return x.abs().amax(axes, keepdim)
    return (x.abs() ** ord).sum(axes, keepdim) ** (1 / ord)


@cache
def decompositions() -> dict[OpOverload, Callable[..., Any]]:
    """Return a decomposition for each operator that torch or this module expresses in other operators, unless it is supported."""
    aten = torch.ops.aten
    further = [
        aten.elu, aten.gelu, aten.hardtanh, aten.leaky_relu, aten._softmax, aten._log_softmax, aten.native_layer_norm,
    ]  # fmt: skip
    table = {operator: how for operator, how in core_aten_decompositions().items() if isinstance(operator, OpOverload)}
    table |= {packet.default: decomposition_table[packet.default] for packet in further}
    table = {operator: how for operator, how in table.items() if name(operator) not in SUPPORTED - {"clamp"}}
    return table | {
        aten.mean.dim: _mean,
        aten.mean.default: _mean_of_all,
        aten.lerp.Scalar: _lerp,
        aten.select.int: _select,
        aten.select_backward.default: _select_backward,
        aten.div.Tensor_mode: _rounded_quotient,
        aten.div.Scalar_mode: _rounded_quotient,
        aten.roll.default: _roll,
        aten.isnan.default: lambda x: x != x,
        aten.var.correction: _variance,
        aten.var_mean.correction: _variance_and_mean,
        aten.bmm.default: _batched_product,
        aten.linalg_vector_norm.default: _norm,
        aten.softshrink_backward.default: _shrink_backward,
        aten.hardshrink_backward.default: _shrink_backward,
    }


def name(operator: Any) -> str:
    """Return an operator's name: `add` for `aten.add.Tensor`."""
    if isinstance(operator, OpOverload):
        return str(operator).split(".")[1]
    return getattr(operator, "__name__", str(operator))
