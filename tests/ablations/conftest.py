from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Generator, Tensor


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass
class Problem:
    """All that a scan needs, random and in double precision: a wrong bias or a lost state shows."""

    cell: Any
    w: dict[str, Tensor]
    x: Tensor
    state: dict[str, Tensor]

    @property
    def leaves(self) -> list[Tensor]:
        return [*self.w.values(), self.x, *self.state.values()]

    def scan(self, **options: Any):
        from ablations.engines.eager import scan  # here, so that a run may check types: it imports before anyone else

        return scan(self.cell, self.w, self.x, self.state, **options)

    def gradients(self, outputs: Tensor) -> tuple[Tensor, ...]:
        """Of one random direction of the outputs, to weights, inputs and initial state."""
        direction = torch.randn(outputs.shape, generator=Generator().manual_seed(99), dtype=outputs.dtype)
        return torch.autograd.grad((outputs * direction).sum(), self.leaves)


@pytest.fixture(scope="session")
def draw():
    """Draw a problem for a cell class; `K`, `T`, `B`, `I`, `H` are members, time, batch, inputs and units."""

    def draw(cls: Any, K: int = 2, T: int = 4, B: int = 3, I: int = 3, H: int = 5, seed: int = 0) -> Problem:  # noqa: E741 (inputs)
        cell, generator = cls(), Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        w = {n: normal(K, v.rows, v.columns) / max(v.rows, 4) ** 0.5 for n, v in cell.weights(I, H).items()}
        state = {n: normal(K, B, size) for n, size in cell.state_sizes(H).items()}
        problem = Problem(cell, w, normal(K, T, B, I), state)
        for leaf in problem.leaves:
            leaf.requires_grad_()
        return problem

    return draw
