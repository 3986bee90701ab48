"""Run a kernel as an autograd function.

Input: a cell and its tensors; the kernel is traced, planned, emitted and built at the first call. Output: the scan. This is the
last stage.
"""

import ctypes
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ablations.cells import Cell, State, Weights
from ablations.engines import Sizes, eager
from ablations.engines.eager import Scanned
from ablations.engines.fused import memory
from ablations.engines.fused.build import build, pointer, pointers
from ablations.engines.fused.graph import ONE, Untraceable
from ablations.engines.fused.interface import Interface, at_sizes_from, interface_from, interface_of
from ablations.engines.fused.linear import library
from ablations.engines.fused.plan import plan
from ablations.engines.fused.stored import Options, Store
from ablations.engines.fused.trace import AtSizes, Trace, at_sizes, trace
from ablations.engines.fused.verify import require_agreement
from ablations.engines.noise import mean, widths

TILE = 24
"""Rows per tile. A tile runs through the whole sequence with its state and gates in cache; 12 to 64 rows are equally fast."""


class Kernel:
    """A cell's kernel, with its buffers for reuse by later calls."""

    def __init__(self, cell: Cell, double: bool, options: Options = ()) -> None:
        """Raises Untraceable or NotBuilt."""
        self.cell, self.dtype = cell, torch.float64 if double else torch.float32
        self.store = Store(cell, options, self.dtype)
        self.trace: Trace | None = None
        """None if it has not been needed: the plan is stored."""
        self.interface = self.store.read(interface_from) or self._traced_interface()
        self.library = build(self.interface.source, double)
        self.free_buffers: list[Tensor] = []
        self.verified: set[Sizes] = set()
        """The sizes at which it gives the results of the eager engine."""
        self.traced_at: dict[tuple[torch.Size, ...], AtSizes] = {}
        """What depends on the sizes, by the shapes of the input, the state and the weights."""

    def _traced_interface(self) -> Interface:
        self.trace = trace(self.cell, self.dtype)
        interface = interface_of(plan(self.trace), self.cell.name)
        self.store.write(interface)
        return interface

    def at(self, x: Tensor, state: State, w: Weights) -> AtSizes:
        """Return what of the trace depends on the sizes. Raises Untraceable."""
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
                    self.traced_at[shapes] = self._at_sizes(inputs, hidden)
                    break
            else:
                raise ValueError("no number of units gives the shapes of the weights and the state")
        return self.traced_at[shapes]

    def _at_sizes(self, inputs: int, hidden: int) -> AtSizes:
        if stored := self.store.read(at_sizes_from, inputs, hidden):
            return stored
        self.trace = self.trace or trace(self.cell, self.dtype)
        here = at_sizes(self.cell, self.trace, inputs, hidden, self.dtype)
        self.store.write(here, inputs, hidden)
        return here

    def size_arguments(self, derived: dict[str, int], w: tuple[Tensor, ...], x: Tensor, s: tuple[Tensor, ...]) -> Any:
        """Return the sizes as the kernel's argument, in the order of `size_names`; `derived` are those that no tensor has.

        Raises ValueError for a tensor whose shape does not match the others': the kernel gets bare addresses.
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
        names = self.interface.size_names
        return (ctypes.c_int * len(names))(*(known[name] for name in names))

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
    values = [(name, type(value), value) for name, value in sorted(_options(cell).items())]
    if not all(isinstance(value, Hashable) for _, _, value in values):
        raise Untraceable(
            "an option of the cell is mutable, so its kernel cannot be cached; make it hashable, such as a tuple for a list"
        )
    key = (type(cell), tuple(values), dtype)
    if key not in _kernels:
        _kernels[key] = Kernel(cell, dtype == torch.float64, values)
    return _kernels[key]


def _options(cell: Cell) -> dict[str, Any]:
    """The attributes of a cell by name, including those that its class keeps in `__slots__`."""
    slots = [slot for kind in type(cell).__mro__ for slot in kind.__dict__.get("__slots__", ())]
    return {name: getattr(cell, name) for name in (*vars(cell), *slots) if hasattr(cell, name)}


def prepare(cell: Cell, sizes: Iterable[Sizes] = ()) -> None:
    """Build or load the kernels that training needs for a cell, in float32, and verify them at `sizes` (see `verify`).

    Raises Untraceable or NotBuilt, with the reason.
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
    for name, tensor in {**w, **state}.items():
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise TypeError(f"{name} is {tensor.dtype} on {tensor.device}, but the input is {x.dtype} on {x.device}")
    if reset is not None and (reset.dtype != torch.bool or reset.shape != x.shape[:3] or reset.device != x.device):
        raise ValueError(
            f"reset is {reset.dtype} with shape {list(reset.shape)}; it has to be torch.bool with shape {list(x.shape[:3])}"
        )
    if cell.noise():
        sizes = {part: rows.shape[-1] for part, rows in state.items()}
        x = torch.cat([x, mean(cell, sizes, x) if noise is None else noise], -1)
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
        n = kernel.size_arguments(here.sizes, w, x, s)
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
