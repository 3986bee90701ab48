"""Compare a kernel with the eager engine at the sizes of a population.

A cell is traced at two small sizes. A step that depends on sizes in Python, such as `if hidden > 20`, may do something else
at other sizes, which its trace does not show. A kernel is therefore used only at sizes at which it was compared.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ablations.cells import Cell
from ablations.cells.initial import initialise
from ablations.engines import Sizes, eager
from ablations.engines.device import CPU
from ablations.engines.fused.graph import Untraceable
from ablations.engines.noise import draw
from ablations.errors import first_line

STEPS, LAG = 3, 10
"""The length of the sequence that is compared, and the lag for which chrono biases are drawn."""
TOLERANCE = 1e-4
"""Largest relative difference of a tensor, in the Euclidean norm, beyond a multiple of the eager engine's own rounding error."""
ROUNDING = 16
"""That multiple: the order of additions differs between the engines."""

Tensors = dict[str, Tensor]


def require_agreement(
    cell: Cell,
    scan: Callable[..., eager.Scanned],
    sizes: Sizes,
    device: torch.device = CPU,
    input_gradient: bool = True,
) -> None:
    """Compare outputs, final state and all gradients in float32 with those of the eager engine in float32 and float64.

    :raises Untraceable: if they differ.
    """
    problem = _draw(cell, sizes).to(torch.float64, device)
    try:
        exact = _results(eager.scan, cell, problem, torch.float64, input_gradient)
        single = _results(eager.scan, cell, problem, torch.float32, input_gradient)
        fused = _results(scan, cell, problem, torch.float32, input_gradient)
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


class _Problem(NamedTuple):
    """The tensors of a scan, in float64."""

    trained: Tensors
    """Weights near their initial values."""
    fixed: Tensors
    """The weights that are not trained, at their initial values."""
    x: Tensor
    state: Tensors
    d_outputs: Tensor
    """The gradient of the outputs."""
    noise: Tensor | None

    def to(self, dtype: torch.dtype, device: torch.device | None = None) -> "_Problem":
        """The tensors in a precision, on a device; by default on that where they are."""
        device = device or self.x.device
        named = (
            {name: part.detach().to(device, dtype) for name, part in tensors.items()}
            for tensors in (self[0], self[1], self.state)
        )
        noise = None if self.noise is None else self.noise.to(device, dtype)
        return _Problem(
            next(named),
            next(named),
            self.x.detach().to(device, dtype),
            next(named),
            self.d_outputs.to(device, dtype),
            noise,
        )


def _draw(cell: Cell, sizes: Sizes) -> _Problem:
    generator = Generator().manual_seed(0)
    declared, K, B = cell.weights(sizes.inputs, sizes.hidden), sizes.members, sizes.batch

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    initial = [initialise(declared, {}, LAG, generator) for _ in range(K)]
    w = {name: torch.stack([one[name].double() for one in initial]) for name in declared}
    trained = {
        name: w[name] + 0.1 * normal(K, spec.rows, spec.columns) / spec.rows**0.5
        for name, spec in declared.items()
        if spec.trained
    }
    fixed = {name: w[name] for name in w if name not in trained}
    state = {name: 0.5 * normal(K, B, size) for name, size in cell.state_sizes(sizes.hidden).items()}
    x, d_outputs = normal(K, STEPS, B, sizes.inputs), normal(*(K, STEPS, B), state[cell.output].shape[-1])
    noise = None
    if cell.noise():
        sizes_of_state = cell.state_sizes(sizes.hidden)
        noise = torch.stack([draw(cell, sizes_of_state, STEPS, B, generator).double() for _ in range(K)])
    return _Problem(trained, fixed, x, state, d_outputs, noise)


def _results(
    scan: Callable[..., eager.Scanned], cell: Cell, problem: _Problem, dtype: torch.dtype, input_gradient: bool
) -> Tensors:
    """The outputs, the final state and the gradients of trained weights, initial state and, if wanted, input."""
    trained, fixed, x, state, d_outputs, noise = problem.to(dtype)
    leaves = {f"the gradient of {name}": part for name, part in trained.items()}
    leaves |= {"the gradient of x": x} if input_gradient else {}
    leaves |= {f"the gradient of the initial {name}": part for name, part in state.items()}
    for leaf in leaves.values():
        leaf.requires_grad_()
    scanned = scan(cell, {**trained, **fixed}, x, state, noise=noise)
    gradients = torch.autograd.grad(
        (scanned.outputs * d_outputs).sum(), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    outputs = {"the output": scanned.outputs.detach()} | {
        f"the final {name}": part for name, part in scanned.state.items()
    }
    return outputs | dict(zip(leaves, gradients, strict=True))
