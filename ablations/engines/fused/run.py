"""Run a kernel as an autograd function.

Input: a cell and its tensors; the kernel is traced, planned, emitted and built at the first call. Output: the scan. This is the
last stage.
"""

import ctypes
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ablations.cells import Cell, State, Weights
from ablations.engines import Sizes, eager
from ablations.engines.eager import Scanned
from ablations.engines.fused import memory
from ablations.engines.fused.build import build, pointer, pointers
from ablations.engines.fused.emit import emit
from ablations.engines.fused.interface import Interface, at_sizes_from, interface_from, interface_of
from ablations.engines.fused.linear import library
from ablations.engines.fused.plan import plan
from ablations.engines.fused.planned import Planned, cache_key, require_matching, with_noise
from ablations.engines.fused.stored import Options, Store
from ablations.engines.fused.trace import AtSizes
from ablations.engines.fused.verify import require_agreement

TILE = 24
"""Rows per tile. A tile runs through the whole sequence with its state and gates in cache; 12 to 64 rows are equally fast."""


class Kernel(Planned):
    """A cell's kernel, with its buffers for reuse by later calls."""

    def __init__(self, cell: Cell, dtype: torch.dtype, options: Options = ()) -> None:
        """Raises Untraceable or NotBuilt."""
        super().__init__(cell, dtype)
        self.store = Store(cell, options, dtype)
        self.interface = self.store.read(interface_from) or self._traced_interface()
        self.library = build(self.interface.source, dtype == torch.float64)
        self.free_buffers: list[Tensor] = []

    def _traced_interface(self) -> Interface:
        planned = plan(self.trace)
        interface = interface_of(planned, emit(planned, self.cell.name))
        self.store.write(interface)
        return interface

    def at_sizes(self, inputs: int, hidden: int) -> AtSizes:
        """From the file if there is one."""
        if stored := self.store.read(at_sizes_from, inputs, hidden):
            return stored
        here = super().at_sizes(inputs, hidden)
        self.store.write(here, inputs, hidden)
        return here

    def acquire(self, count: int) -> Tensor:
        """Return a buffer of at least `count` numbers, a released one if possible: page faults make new memory slow."""
        large_enough = [buffer for buffer in self.free_buffers if buffer.numel() >= count]
        buffer = min(large_enough or self.free_buffers, key=Tensor.numel, default=None)
        self.free_buffers = [other for other in self.free_buffers if other is not buffer]  # a small one is replaced
        return buffer if large_enough and buffer is not None else torch.empty(count, dtype=self.dtype)

    def release(self, buffer: Tensor) -> None:
        self.free_buffers.append(buffer)


_kernels: dict[tuple[Any, ...], Kernel] = {}


def _kernel(cell: Cell, dtype: torch.dtype) -> Kernel:
    """The kernel of a cell, shared by all cells of its class with the same options. Raises Untraceable or NotBuilt."""
    kind, options = cache_key(cell)
    key = (kind, options, dtype)
    if key not in _kernels:
        _kernels[key] = Kernel(cell, dtype, options)
    return _kernels[key]


def prepare(cell: Cell, sizes: Iterable[Sizes] = ()) -> None:
    """Build the kernels of a cell in float32, or load them from the disk, and compare them with the eager engine at each of `sizes`.

    :raises Untraceable: if the cell's `step` cannot be compiled, or the two engines differ.
    :raises NotBuilt: if there is no compiler, or it failed.
    """
    kernel = _kernel(cell, torch.float32)
    library(torch.float32)
    for one in sizes:
        if one not in kernel.verified:
            require_agreement(cell, scan, one)
            kernel.verified.add(one)


def scan(
    cell: Cell,
    w: Weights,
    x: Float[Tensor, "members time batch inputs"],
    state: State,
    reset: Bool[Tensor, "members time batch"] | None = None,
    record: Collection[str] = (),
    override: Mapping[str, Tensor] | None = None,
    noise: Float[Tensor, "members time batch sizes"] | None = None,
) -> Scanned:
    """Compute `ablations.engines.eager.scan`, without `after`; it runs there if gates are recorded or overridden, and if
    the state is reset to a learned initial value.

    Raises TypeError or ValueError for tensors that do not match.
    """
    resets_to_weights = reset is not None and cell.initial_state
    if record or override or resets_to_weights or not x.numel():
        return eager.scan(cell, w, x, state, reset, record, override, noise=noise)
    if x.dtype not in (torch.float32, torch.float64) or x.device.type != "cpu":
        raise TypeError(
            f"the fused engine supports float32 and float64 on the CPU; the input is {x.dtype} on {x.device}"
        )
    require_matching(x, reset, {**w, **state})
    x = with_noise(cell, x, state, noise)
    kernel = _kernel(cell, x.dtype)
    here = kernel.at(x, state, w)
    weights = [w[name] for name in kernel.interface.cell_weights]
    if kernel.interface.hoisted_computes:  # member by member: torch's rounding depends on the position in memory
        by_member = [here.hoisted(*member) for member in zip(*weights, strict=True)]
        weights = [torch.stack(members).to(x.dtype) for members in zip(*by_member, strict=True)]
    else:
        weights = here.hoisted(*weights)
    tensors = (x, *weights, *(state[part] for part in cell.state))
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    outputs, *last = _Scan.apply(kernel, here, reset, save, len(weights), *tensors)
    return Scanned(outputs, dict(zip(cell.state, last, strict=True)), {})


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        here: AtSizes,
        reset: Tensor | None,
        save: bool,
        weights: int,
        x: Tensor,
        *rest: Tensor,
    ) -> tuple[Tensor, ...]:
        x, rest = x.contiguous(), tuple(tensor.contiguous() for tensor in rest)
        w, s = rest[:weights], rest[weights:]
        K, T, B, _ = x.shape
        sizes = kernel.sizes(here.sizes, w, x, s).values()
        n = (ctypes.c_int * len(sizes))(*sizes)
        numbers = (ctypes.c_double * len(here.numbers))(*here.numbers)
        mask = None if reset is None else reset.contiguous().view(torch.uint8)
        counts = [ctypes.c_long() for _ in range(3)]
        kernel.library.needs(K, T, B, n, numbers, TILE, int(save), int(mask is not None), *map(ctypes.byref, counts))
        saved, forward_workspace, backward_workspace = (count.value for count in counts)
        saved_buffer, workspace = kernel.acquire(saved), kernel.acquire(forward_workspace)
        outputs = memory.empty(K, T, B, s[kernel.interface.output].shape[-1], dtype=x.dtype)
        last = [torch.empty_like(part) for part in s]
        kernel.library.forward(
            K, T, B, n, numbers, TILE, int(save), pointer(mask), torch.get_num_threads(), pointer(x), pointers(w), pointers(s),
            pointer(outputs), pointers(last), pointer(saved_buffer), pointer(workspace),
        )  # fmt: skip
        kernel.release(workspace)
        if save:
            ctx.save_for_backward(*w)
            ctx.kernel, ctx.n, ctx.numbers, ctx.mask, ctx.saved_buffer = kernel, n, numbers, mask, saved_buffer
            ctx.workspace_size, ctx.x_requires_grad = backward_workspace, ctx.needs_input_grad[5]
            ctx.shape, ctx.state_shapes = (K, T, B), [part.shape for part in s]
        else:
            kernel.release(saved_buffer)
        ctx.mark_non_differentiable(*last)
        return outputs, *last

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        kernel, (K, T, B) = ctx.kernel, ctx.shape
        if ctx.saved_buffer is None:
            raise RuntimeError("the fused engine runs the backward pass once per scan; use the eager engine for more")
        w = ctx.saved_tensors
        d_outputs = memory.contiguous(d_outputs)
        dw = [torch.zeros_like(weight) for weight in w]
        dx = memory.empty(K, T, B, ctx.n[0], dtype=d_outputs.dtype) if ctx.x_requires_grad else None
        ds = [d_outputs.new_empty(shape) for shape in ctx.state_shapes]
        workspace = kernel.acquire(ctx.workspace_size)
        kernel.library.backward(
            K, T, B, ctx.n, ctx.numbers, TILE, pointer(ctx.mask), torch.get_num_threads(), pointers(w), pointer(d_outputs), pointers(dw),
            pointer(dx), pointers(ds), pointer(ctx.saved_buffer), pointer(workspace),
        )  # fmt: skip
        kernel.release(workspace)
        kernel.release(ctx.saved_buffer)
        ctx.saved_buffer = None
        return None, None, None, None, None, dx, *dw, *ds
