"""Run a cell's kernels as an autograd function.

Input: a cell and its tensors; the kernels are traced, planned, emitted and loaded at the first call. Output: the scan. This is
the last stage.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.fx import GraphModule

from ablations.cells import Cell, State, Weights
from ablations.engines import Sizes, eager
from ablations.engines.eager import Scanned
from ablations.engines.fused.interface import interface_of
from ablations.engines.fused.layout import Layout
from ablations.engines.fused.plan import plan
from ablations.engines.fused.planned import Planned, cache_key, require_matching, with_noise
from ablations.engines.fused.trace import AtSizes
from ablations.engines.fused.verify import require_agreement
from ablations.engines.triton.build import Unavailable, load, require_available
from ablations.engines.triton.emit import emit, gradient_groups
from ablations.engines.triton.gradients import Steps, weight_gradients

TILE = 16
"""Sequences of a tile, the fewest that a matrix product of Triton takes."""
NARROW_WARPS, WIDE_WARPS = 4, 8
"""Groups of 32 threads that run a program: for rows of at most 32 numbers, and for wider ones, which need more registers."""
PRECISION = "tf32x3"
"""Matrix products in single precision on tensor cores: each factor is the sum of two tf32 numbers. `ieee` does without them."""
STRIP = 16
"""Rows of the weights that are multiplied at a time, if they do not fit on chip together."""
MAX_COLUMNS = 256
"""The largest size of a row: the blocks of wider ones do not fit in registers."""
BYTES_PER_FLOAT = {"forward": 9, "backward": 13, "backward_x": 13}
"""Shared memory that a kernel takes for a number of its weights, as the compiler reports it for Hopper: both parts of a number in
tf32x3, and a copy where blocks are transposed."""
OTHER_BYTES = 12_000
"""Shared memory that a kernel takes for the rest."""


class Kernel(Planned):
    """A cell's kernels."""

    def __init__(self, cell: Cell) -> None:
        """Raises Untraceable or Unavailable."""
        super().__init__(cell, torch.float32)
        self.plan = plan(self.trace)
        self.interface = interface_of(self.plan, emit(self.plan, cell.name))
        self.module = load(self.interface.source)
        self.groups = gradient_groups(self.plan)
        self.outer_products = Layout(self.plan).outer_products()

    def constants(self, here: AtSizes, sizes: dict[str, int]) -> dict[str, Any]:
        """The constants that a kernel is compiled for. Raises Unavailable for sizes that are too large."""
        require_narrow(max(sizes.values()))
        constants: dict[str, Any] = {f"n_{name}": size for name, size in sizes.items()}
        constants |= {f"P_{name}": padded(size) for name, size in sizes.items()}
        constants |= dict(zip(self.trace.lowered.numbers.values(), here.numbers, strict=True))
        return constants | {"TILE": TILE, "STRIP": STRIP, "PRECISION": PRECISION}

    def weights_on_chip(self, name: str, constants: dict[str, Any]) -> tuple[int, int]:
        """The numbers in a kernel's weights, padding included, and the bytes that each takes on chip."""
        blocks = getattr(self.module, f"MATRICES_{name}")
        return sum(constants[f"P_{rows}"] * constants[f"P_{columns}"] for rows, columns in blocks), BYTES_PER_FLOAT[
            name
        ]

    def launch(self, name: str, members: int, batch: int, tensors: list[Tensor], **constants: Any) -> None:
        """Run a kernel; `tensors` are its arguments before the scratch memory."""
        tiles, device = -(-batch // TILE), tensors[0].device
        constants["RESIDENT"] = is_resident(*self.weights_on_chip(name, constants), device)
        columns = sum(constants.get(f"P_{size}", 1) for size in getattr(self.module, f"SCRATCH_{name}"))
        scratch = tensors[0].new_empty(members * tiles * TILE * columns)
        steps, warps = tensors[0].shape[1], NARROW_WARPS if max_columns(constants) <= 32 else WIDE_WARPS
        getattr(self.module, name)[members, tiles](*tensors, scratch, steps, batch, **constants, num_warps=warps)


def require_narrow(columns: int) -> None:
    """Raise Unavailable for a row that is too wide."""
    if columns > MAX_COLUMNS:
        raise Unavailable(f"a row of {columns} numbers is too wide for it; at most {MAX_COLUMNS}")


def is_resident(floats: int, bytes_per_float: int, device: torch.device) -> bool:
    """Whether the weights of a kernel fit in the shared memory of a multiprocessor (227 KiB on Hopper) for a whole sequence."""
    shared = (
        torch.cuda.get_device_properties(device).shared_memory_per_block_optin if device.type == "cuda" else 232_448
    )
    return floats * bytes_per_float + OTHER_BYTES <= shared


def max_columns(constants: dict[str, Any]) -> int:
    """The widest block of rows."""
    return max(size for name, size in constants.items() if name.startswith("P_"))


def padded(size: int) -> int:
    """The columns of a block of rows: a power of two that a matrix product takes."""
    return max(16, 1 << (size - 1).bit_length())


_kernels: dict[tuple[Any, ...], Kernel] = {}


def _kernel(cell: Cell) -> Kernel:
    """The kernels of a cell, shared by all cells of its class with the same options. Raises Untraceable or Unavailable."""
    key = cache_key(cell)
    if key not in _kernels:
        _kernels[key] = Kernel(cell)
    return _kernels[key]


def prepare(cell: Cell, sizes: Iterable[Sizes], device: torch.device) -> None:
    """Build the kernels of a cell, and verify them at `sizes` on a device (see `ablations.engines.fused.verify`).

    Raises Untraceable or Unavailable, with the reason.
    """
    require_available(device)
    kernel = _kernel(cell)
    for one in sizes:
        if (one, device) not in kernel.verified:
            require_narrow(
                max(max(one.inputs, *weight[:2]) for weight in cell.weights(one.inputs, one.hidden).values())
            )
            # Only the first layer has an input of another width than its state, and it needs no input gradient.
            require_agreement(cell, scan, one, device, input_gradient=one.inputs == one.hidden)
            kernel.verified.add((one, device))


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
    """Compute `ablations.engines.eager.scan`, without `after`; it runs there if gates are recorded or overridden, if the state
    is reset to a learned initial value, and in other precisions than float32.

    Raises TypeError or ValueError for tensors that do not match, and Unavailable for sizes that are too large.
    """
    resets_to_weights = reset is not None and cell.initial_state
    if record or override or resets_to_weights or not x.numel() or x.dtype != torch.float32:
        return eager.scan(cell, w, x, state, reset, record, override, noise=noise)
    require_matching(x, reset, {**w, **state})
    x = with_noise(cell, x, state, noise)
    kernel = _kernel(cell)
    here = kernel.at(x, state, w)
    function = cast("GraphModule", here.hoisted)  # traced in this process
    weights = hoisted(function, [w[name] for name in kernel.trace.weight_names])
    tensors = (x, *weights, *(state[part] for part in cell.state))
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    outputs, *last = _Scan.apply(kernel, here, reset, save, len(weights), *tensors)
    return Scanned(outputs, dict(zip(cell.state, last, strict=True)), {})


def hoisted(function: GraphModule, weights: list[Tensor]) -> list[Tensor]:
    """The step's weights from the cell's weights, for all members at once, on the weights' device."""
    if not any(node.op == "call_function" for node in function.graph.nodes):
        return list(function(*weights))
    move_constants(function, weights[0].device)
    return [part.to(weights[0].dtype) for part in torch.func.vmap(lambda *one: tuple(function(*one)))(*weights)]


def move_constants(function: GraphModule, device: torch.device) -> None:
    """Move the tensors of a traced function that are no arguments to a device, and create new ones there."""
    moved = False
    for node in function.graph.nodes:
        if node.kwargs.get("device", device) != device:
            node.kwargs = {**node.kwargs, "device": device}
            moved = True
        elif node.op == "get_attr" and getattr(function, node.target).device != device:
            setattr(function, node.target, getattr(function, node.target).to(device))
    if moved:
        function.recompile()


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
        sizes = kernel.sizes(here.sizes, w, x, s)
        constants = kernel.constants(here, sizes) | {"RESET": reset is not None}
        trace, saves = kernel.trace, kernel.plan.saved if save else []
        kept = {name: save or name == trace.output for name in trace.state}
        sequences = [
            part.new_empty(K, T + 1, B, part.shape[-1]) if kept[n] else part for n, part in zip(kept, s, strict=True)
        ]
        saved = [x.new_empty(K, T, B, sizes.get(value.columns, 1)) for value in saves]
        last = [torch.empty_like(part) for part in s]
        mask = x if reset is None else reset.contiguous().view(torch.uint8)
        unused = [x] * (len(kernel.plan.saved) - len(saved))
        tensors = [x, *w, *s, *sequences, *last, *saved, *unused, mask]
        kernel.launch("forward", K, B, tensors, SAVE=save, **constants)
        if save:
            ctx.kernel, ctx.constants, ctx.reset, ctx.x_requires_grad = (
                kernel,
                constants,
                reset,
                ctx.needs_input_grad[5],
            )
            ctx.counts = len(w), len(sequences)
            ctx.save_for_backward(x, *w, *sequences, *saved)
        ctx.mark_non_differentiable(*last)
        outputs = sequences[list(trace.state).index(trace.output)][:, 1:]
        return outputs.clone() if save else outputs, *last

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        kernel, (weights, parts) = ctx.kernel, ctx.counts
        x, *rest = ctx.saved_tensors
        w, sequences, saved = rest[:weights], rest[weights : weights + parts], rest[weights + parts :]
        K, T, B, _ = x.shape
        widths = [sum(ctx.constants.get(f"n_{G.columns}", 1) for G in group) for group in kernel.groups]
        gradients = [x.new_empty(K, T, B, width) for width in widths]
        ds = [part.new_empty(K, B, part.shape[-1]) for part in sequences]
        dx = torch.empty_like(x) if ctx.x_requires_grad else None
        mask = x if ctx.reset is None else ctx.reset.contiguous().view(torch.uint8)
        tensors = [
            x,
            *w,
            *sequences,
            *saved,
            d_outputs.contiguous(),
            *ds,
            *gradients,
            *([] if dx is None else [dx]),
            mask,
        ]
        kernel.launch("backward" if dx is None else "backward_x", K, B, tensors, **ctx.constants)
        steps = Steps(x, sequences, saved, gradients, ctx.reset)
        dw = weight_gradients(kernel.plan, kernel.groups, kernel.outer_products, w, steps)
        return None, None, None, None, None, dx, *dw, *ds
