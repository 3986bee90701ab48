"""Compare a kernel with the eager engine at the sizes of a population.

A cell is traced at two small sizes. A step that depends on sizes in Python, such as `if hidden > 20`, may do something else
at other sizes, which its trace does not show. A kernel is therefore used only at sizes at which it was compared.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from ablations.cells import Cell
from ablations.cells.initial import initialise
from ablations.engines import Sizes, eager
from ablations.engines.fused.graph import Untraceable
from ablations.errors import first_line

STEPS, LAG = 3, 10
"""The length of the sequence that is compared, and the lag for which chrono biases are drawn."""
TOLERANCE = 1e-4
"""Largest relative difference of a tensor, in the Euclidean norm, beyond a multiple of the eager engine's own rounding error."""
ROUNDING = 16
"""That multiple: the order of additions differs between the engines."""

Tensors = dict[str, Tensor]


def require_agreement(cell: Cell, scan: Callable[..., eager.Scanned], sizes: Sizes) -> None:
    """Compare outputs, final state and all gradients in float32 with those of the eager engine in float32 and float64.

    :raises Untraceable: if they differ.
    """
    w, x, state, d_outputs = _draw(cell, sizes)
    try:
        exact = _results(eager.scan, cell, w, x, state, d_outputs, torch.float64)
        single = _results(eager.scan, cell, w, x, state, d_outputs, torch.float32)
        fused = _results(scan, cell, w, x, state, d_outputs, torch.float32)
    except Exception as error:  # a cell may raise anything
        raise Untraceable(f"the step raises {type(error).__name__} with {sizes}: {first_line(error)}") from error
    for name, expected in exact.items():
        finite = expected.isfinite() & single[name].isfinite()
        difference = (fused[name].double() - expected)[finite].norm()
        allowed = TOLERANCE * expected[finite].norm() + ROUNDING * (single[name].double() - expected)[finite].norm()
        if not difference <= allowed:
            raise Untraceable(
                f"its kernel and its step give different results with {sizes} ({name} differs by "
                f"{(difference / expected[finite].norm()).item():.1g}, relative): the step depends on the sizes in a way that "
                "its trace does not show"
            )


def _draw(cell: Cell, sizes: Sizes) -> tuple[Tensors, Tensor, Tensors, Tensor]:
    """Weights near their initial values, input, state and gradient of the outputs, in float64."""
    generator = Generator().manual_seed(0)
    declared, K, B = cell.weights(sizes.inputs, sizes.hidden), sizes.members, sizes.batch

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    drawn = [initialise(declared, {}, LAG, generator) for _ in range(K)]
    w = {
        name: torch.stack([one[name].double() for one in drawn])
        + 0.1 * normal(K, spec.rows, spec.columns) / spec.rows**0.5
        for name, spec in declared.items()
    }
    state = {name: 0.5 * normal(K, B, size) for name, size in cell.state_sizes(sizes.hidden).items()}
    return w, normal(K, STEPS, B, sizes.inputs), state, normal(K, STEPS, B, cell.state_sizes(sizes.hidden)[cell.output])


def _results(
    scan: Callable[..., eager.Scanned],
    cell: Cell,
    w: Tensors,
    x: Tensor,
    state: Tensors,
    d_outputs: Tensor,
    dtype: torch.dtype,
) -> Tensors:
    """The outputs, the final state and the gradients of weights, input and initial state."""
    leaves = {f"the gradient of {name}": part.to(dtype).requires_grad_() for name, part in {**w, "x": x}.items()}
    initial = {name: part.to(dtype).requires_grad_() for name, part in state.items()}
    weights = {name: leaves[f"the gradient of {name}"] for name in w}
    scanned = scan(cell, weights, leaves["the gradient of x"], initial)
    leaves |= {f"the gradient of the initial {name}": part for name, part in initial.items()}
    gradients = torch.autograd.grad(
        (scanned.outputs * d_outputs.to(dtype)).sum(), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    outputs = {"the output": scanned.outputs.detach()} | {
        f"the final {name}": part for name, part in scanned.state.items()
    }
    return outputs | dict(zip(leaves, gradients, strict=True))
