"""The readout of the fused engine, y = x V + b, with the matrix product of the recurrence (`kernel.hpp`).

A member's result does not depend on the other members, bit by bit, as it may in a batched product of torch.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ablations.engines.fused import memory
from ablations.engines.fused.build import build, pointer

TILE = 192
"""Rows per tile; their inputs and outputs fit in the second-level cache."""


def linear(
    x: Float[Tensor, "members rows inputs"],
    V: Float[Tensor, "members inputs outputs"],
    b: Float[Tensor, "members 1 outputs"],
) -> Float[Tensor, "members rows outputs"]:
    """Compute `ablations.engines.eager.linear`.

    Raises ValueError for shapes that do not match and TypeError for dtypes that differ: the kernel gets bare addresses.
    """
    (K, _, inputs), outputs = x.shape, V.shape[-1]
    if V.shape != (K, inputs, outputs) or b.shape != (K, 1, outputs):
        raise ValueError(
            f"V has shape {list(V.shape)} and b {list(b.shape)}, which do not match x with shape {list(x.shape)}"
        )
    if not x.dtype == V.dtype == b.dtype or x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x is {x.dtype}, V {V.dtype}, b {b.dtype}; all have to be float32, or all float64")
    return _Linear.apply(x, V, b)


@cache
def library(dtype: torch.dtype) -> ctypes.CDLL:
    """Return the loaded kernel of the readout, in float64 or float32. Raises NotBuilt."""
    folder = Path(__file__).parent
    source = "\n".join((folder / name).read_text(encoding="utf-8") for name in ("kernel.hpp", "linear.hpp"))
    built = build(source, double=dtype == torch.float64)
    built.needs.restype = ctypes.c_long
    return built


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, V: Tensor, b: Tensor) -> Tensor:
        x, V, b = x.contiguous(), V.contiguous(), b.contiguous()
        sizes = (*x.shape, V.shape[-1], TILE)
        y = memory.empty(*x.shape[:2], V.shape[-1], dtype=x.dtype)
        library(x.dtype).forward(*sizes, torch.get_num_threads(), pointer(x), pointer(V), pointer(b), pointer(y))
        ctx.save_for_backward(x, V)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        x, V = ctx.saved_tensors
        dy = memory.contiguous(dy)
        sizes = (*x.shape, V.shape[-1], TILE)
        kernel = library(x.dtype)
        workspace = memory.empty(kernel.needs(*sizes), dtype=x.dtype)
        dx, dV, db = memory.empty(*x.shape, dtype=x.dtype), torch.zeros_like(V), V.new_zeros(V.shape[0], 1, V.shape[2])
        kernel.backward(
            *sizes,
            torch.get_num_threads(),
            pointer(x),
            pointer(V),
            pointer(dy),
            pointer(dx),
            pointer(dV),
            pointer(db),
            pointer(workspace),
        )
        return dx, dV, db
