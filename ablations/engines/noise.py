"""The noise of cells (`ablations.cells.noise`) as tensors: all noise of a cell side by side, in the order of its declaration."""

import torch
from torch import Generator, Tensor

from ablations.cells import Cell, Drive, State, Weights


def widths(cell: Cell, state_sizes: dict[str, int]) -> list[int]:
    """The size of each noise of a cell, in the order of its declaration."""
    return [state_sizes[noise.part] for noise in cell.noise().values()]


def draw(cell: Cell, state_sizes: dict[str, int], steps: int, batch: int, generator: Generator) -> Tensor:
    """Draw a cell's noise for a scan, `[time, batch, sizes]`."""
    declared = zip(cell.noise().values(), widths(cell, state_sizes), strict=True)
    return torch.cat([noise.draw(steps, batch, size, generator=generator) for noise, size in declared], -1)


def mean(cell: Cell, state_sizes: dict[str, int], x: Tensor) -> Tensor:
    """The expected value of a cell's noise, `[.., sizes]`, for the rows `x [.., inputs]`."""
    declared = zip(cell.noise().values(), widths(cell, state_sizes), strict=True)
    return torch.cat([x.new_full((size,), noise.mean) for noise, size in declared]).expand(*x.shape[:-1], -1)


def step_input(cell: Cell, w: Weights, x: Tensor, state: State, noise: Tensor | None = None) -> Drive:
    """What `Cell.step` takes as `drive`: the drive of the rows `x [.., inputs]`, and the noise by name.

    :param noise: `[.., sizes]`, as `draw` returns it; by default its mean.
    """
    drive = cell.drive(w, x)
    if declared := cell.noise():
        sizes = {part: rows.shape[-1] for part, rows in state.items()}
        noise = mean(cell, sizes, x) if noise is None else noise
        drive = drive | dict(zip(declared, noise.split(widths(cell, sizes), -1), strict=True))
    return drive
