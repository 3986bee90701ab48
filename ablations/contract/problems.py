"""Random arguments of a scan on which the checks of cells run."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from ablations.cells import Cell
from ablations.cells.base import initial_state
from ablations.cells.initial import initialise
from ablations.engines import eager
from ablations.engines.noise import draw as draw_noise
from ablations.engines.noise import step_input


def unchanged(_: str, value: Tensor) -> Tensor:
    """A tap that changes no gate."""
    return value


@dataclass
class Problem:
    """The arguments of a scan, random and in double precision. Biases and initial states are not 0."""

    cell: Cell
    w: dict[str, Tensor]
    x: Tensor
    state: dict[str, Tensor]
    noise: Tensor | None

    @property
    def trained(self) -> dict[str, Tensor]:
        """The weights that are trained."""
        return {name: weight for name, weight in self.w.items() if weight.requires_grad}

    @property
    def leaves(self) -> list[Tensor]:
        """What gradients are computed for."""
        return [*self.trained.values(), self.x, *self.state.values()]

    @property
    def start(self) -> dict[str, Tensor]:
        """The state before the first step: the random one, but for the parts whose initial value is a weight."""
        sizes = {part: rows.shape[-1] for part, rows in self.state.items()}
        return self.state | {
            part: rows
            for part, rows in initial_state(self.cell, self.w, sizes, self.x.shape[2]).items()
            if part in self.cell.initial_state
        }

    def scan(self, engine: eager.Scan = eager.scan, **options: Any) -> eager.Scanned:
        return engine(self.cell, self.w, self.x, self.start, noise=self.noise, **options)

    def gradients(self, outputs: Tensor) -> tuple[Tensor, ...]:
        """The gradients of a fixed random projection of the outputs, by leaf."""
        direction = torch.randn(outputs.shape, generator=Generator().manual_seed(99), dtype=outputs.dtype)
        return torch.autograd.grad((outputs * direction).sum(), self.leaves, materialize_grads=True)

    def loop(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Outputs and final state, computed by a loop over members and steps, without a member axis."""
        outputs, finals = [], []
        for k in range(len(self.x)):
            w = {name: weight[k] for name, weight in self.w.items()}
            state = {name: part[k] for name, part in self.start.items()}
            steps = []
            for t, x in enumerate(self.x[k]):
                noise = None if self.noise is None else self.noise[k, t]
                state = self.cell.step(w, step_input(self.cell, w, x, state, noise), state, unchanged)
                steps.append(state[self.cell.output])
            outputs.append(torch.stack(steps))
            finals.append(state)
        return torch.stack(outputs), {name: torch.stack([f[name].detach() for f in finals]) for name in self.state}


def draw(cls: type[Cell], K: int = 2, T: int = 4, B: int = 3, I: int = 3, H: int = 5, seed: int = 0) -> Problem:  # noqa: E741 (inputs)
    """Draw a problem for a cell; `K`, `T`, `B`, `I`, `H` are the numbers of members, steps, rows, inputs and units."""
    cell, generator = cls(), Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    declared = cell.weights(I, H)
    w = {n: normal(K, v.rows, v.columns) / max(v.rows, 4) ** 0.5 for n, v in declared.items()}
    fixed = {n: v for n, v in declared.items() if not v.trained}  # these never have other values than the initial ones
    for n in fixed:
        w[n] = torch.stack([initialise(fixed, {}, 10, generator)[n].double() for _ in range(K)])
    state = {n: normal(K, B, size) for n, size in cell.state_sizes(H).items()}
    sizes = cell.state_sizes(H)
    noise = torch.stack([draw_noise(cell, sizes, T, B, generator).double() for _ in range(K)]) if cell.noise() else None
    problem = Problem(cell, w, normal(K, T, B, I), state, noise)
    for leaf in (*(w[n] for n in declared if n not in fixed), problem.x, *state.values()):
        leaf.requires_grad_()
    return problem
