"""Running a kernel under autograd: tensors in, tensors out, memory kept between calls."""

import ctypes
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ablations.cells import Cell, State, Weights
from ablations.engines import eager
from ablations.engines.eager import Scanned
from ablations.engines.fused.build import build, pointer, pointers
from ablations.engines.fused.emit import emit
from ablations.engines.fused.graph import Untraceable
from ablations.engines.fused.layout import sizes
from ablations.engines.fused.linear import library
from ablations.engines.fused.plan import plan
from ablations.engines.fused.trace import trace

TILE = 24
"""Rows that run through the sequence together, their state and gates in cache. From 12 to 64 it makes no difference."""


class Kernel:
    """A cell's compiled step."""

    def __init__(self, cell: Cell, double: bool) -> None:
        """Raises Untraceable or NotBuilt."""
        try:
            planned = plan(trace(cell))
        except Untraceable as error:
            raise Untraceable(f"{cell.name}: {error}") from error
        self.trace = planned.trace
        self.sizes = sizes(planned)
        self.library = build(emit(planned, cell.name), double)
        self.dtype = torch.float64 if double else torch.float32
        self.spare: list[Tensor] = []

    def numbers(self, w: tuple[Tensor, ...], x: Tensor, s: tuple[Tensor, ...]) -> Any:
        """The sizes by their names' order, as the kernel wants them. ValueError where two tensors disagree: it sees memory."""
        known = {"K": x.shape[0], "B": x.shape[2], "1": 1, self.trace.x.columns: x.shape[3]}
        values = [*self.trace.state.values(), *self.trace.weights]
        for name, value, tensor in zip([*self.trace.state, *self.trace.seen], values, (*s, *w), strict=True):
            roles = ("K", value.rows, value.columns)
            fits = tensor.ndim == 3 and all(
                known.setdefault(r, n) == n for r, n in zip(roles, tensor.shape, strict=True)
            )
            if not fits:
                expected = [known.get(role, role) for role in roles]
                raise ValueError(
                    f"{name} is {list(tensor.shape)}, and beside the other tensors it has to be {expected}"
                )
        return (ctypes.c_int * len(self.sizes))(*(known[name] for name in self.sizes))

    def borrow(self, count: int) -> Tensor:
        """Memory for `count` numbers: what was given back before, if it fits. New memory is slow: it comes page by page."""
        fitting = [memory for memory in self.spare if memory.numel() >= count]
        memory = min(fitting or self.spare, key=Tensor.numel, default=None)
        self.spare = [other for other in self.spare if other is not memory]  # what is too small makes room
        return memory if fitting and memory is not None else torch.empty(count, dtype=self.dtype)

    def give_back(self, memory: Tensor) -> None:
        self.spare.append(memory)


_kernels: dict[tuple[Any, ...], Kernel] = {}


def _kernel(cell: Cell, dtype: torch.dtype) -> Kernel:
    """The kernel of a cell: one for all cells of its class with the same options."""
    key = (type(cell), tuple(sorted(vars(cell).items())), dtype)
    if not all(isinstance(option, Hashable) for option in vars(cell).values()):
        raise Untraceable(
            f"{cell.name}: its options can be changed after they are given, so no kernel can be kept for them"
        )
    if key not in _kernels:
        _kernels[key] = Kernel(cell, double=dtype == torch.float64)
    return _kernels[key]


def prepare(cell: Cell) -> None:
    """Have a cell's kernel ready. Raises Untraceable or NotBuilt, with a sentence that says why."""
    _kernel(cell, torch.float32)
    library(torch.float32)


def scan(
    cell: Cell,
    w: Weights,
    x: Float[Tensor, "members time batch inputs"],
    state: State,
    reset: Bool[Tensor, "members time batch"] | None = None,
    record: Collection[str] = (),
    override: Mapping[str, Tensor] | None = None,
) -> Scanned:
    """See `ablations.engines.eager.scan`, which this equals. Gates are recorded and overridden there."""
    if record or override or not x.numel():
        return eager.scan(cell, w, x, state, reset, record, override)
    if x.dtype not in (torch.float32, torch.float64) or x.device.type != "cpu":
        raise TypeError(
            f"the fused engine runs float32 and float64 on the CPU, and the input is {x.dtype} on {x.device}"
        )
    for name, tensor in {**w, **state}.items():
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise TypeError(f"{name} is {tensor.dtype} on {tensor.device}, and the input is {x.dtype} on {x.device}")
    if reset is not None and (reset.dtype != torch.bool or reset.shape != x.shape[:3] or reset.device != x.device):
        raise ValueError(f"reset is {reset.dtype} {list(reset.shape)}, and has to be bool {list(x.shape[:3])}")
    built = _kernel(cell, x.dtype)
    lifted = [w[name] for name in built.trace.names]
    if built.trace.lift_computes:  # member by member: torch rounds by where in memory a number lies
        each = [built.trace.lift(*one) for one in zip(*lifted, strict=True)]
        lifted = [torch.stack(parts) for parts in zip(*each, strict=True)]
    else:
        lifted = built.trace.lift(*lifted)
    tensors = (x, *lifted, *(state[part] for part in cell.state))
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    outputs, *last = _Scan.apply(built, reset, save, len(lifted), *tensors)
    return Scanned(outputs, dict(zip(cell.state, last, strict=True)), {})


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, built: Kernel, reset: Tensor | None, save: bool, weights: int, x: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        x, rest = x.contiguous(), tuple(tensor.contiguous() for tensor in rest)
        w, s = rest[:weights], rest[weights:]
        K, T, B, _ = x.shape
        n = built.numbers(w, x, s)
        mask = None if reset is None else reset.contiguous().view(torch.uint8)
        needs = [ctypes.c_long() for _ in range(3)]
        built.library.needs(K, T, B, n, TILE, int(save), int(mask is not None), *map(ctypes.byref, needs))
        kept, work = built.borrow(needs[0].value), built.borrow(needs[1].value)
        outputs = x.new_empty(K, T, B, s[list(built.trace.state).index(built.trace.output)].shape[-1])
        last = [torch.empty_like(part) for part in s]
        built.library.forward(
            K, T, B, n, TILE, int(save), pointer(mask), torch.get_num_threads(), pointer(x), pointers(w), pointers(s),
            pointer(outputs), pointers(last), pointer(kept), pointer(work),
        )  # fmt: skip
        built.give_back(work)
        if save:
            ctx.save_for_backward(*w)
            ctx.built, ctx.n, ctx.mask, ctx.kept, ctx.back = built, n, mask, kept, needs[2].value
            ctx.shape, ctx.states, ctx.wants_x = (K, T, B), [part.shape for part in s], ctx.needs_input_grad[4]
        else:
            built.give_back(kept)
        ctx.mark_non_differentiable(*last)
        return outputs, *last

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        built, (K, T, B) = ctx.built, ctx.shape
        if ctx.kept is None:
            raise RuntimeError("the fused engine runs back once; use the eager engine to differentiate twice")
        w = ctx.saved_tensors
        d_outputs = d_outputs.contiguous()
        dw = [torch.zeros_like(weight) for weight in w]
        dx = d_outputs.new_empty(K, T, B, ctx.n[0]) if ctx.wants_x else None
        ds = [d_outputs.new_empty(shape) for shape in ctx.states]
        work = built.borrow(ctx.back)
        built.library.backward(
            K, T, B, ctx.n, TILE, pointer(ctx.mask), torch.get_num_threads(), pointers(w), pointer(d_outputs), pointers(dw),
            pointer(dx), pointers(ds), pointer(ctx.kept), pointer(work),
        )  # fmt: skip
        built.give_back(work)
        built.give_back(ctx.kept)
        ctx.kept = None
        return None, None, None, None, dx, *dw, *ds
