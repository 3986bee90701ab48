"""Engines run a cell over a sequence, forward and backward.

`eager` loops over time in Python and is differentiated by autograd; it is the reference, and runs on every device. `fused`
compiles the cell's step to a native kernel for the CPU, `triton` to a kernel for the GPU.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch

from ablations.cells import Cell
from ablations.engines import eager
from ablations.engines.device import CPU
from ablations.errors import InputError, lookup

ENGINES = ("auto", "eager", "fused", "triton")


class Sizes(NamedTuple):
    """The sizes of the tensors of a scan, apart from the number of steps."""

    members: int
    batch: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.hidden} units, {self.inputs} inputs, {self.batch} sequences and {self.members} members"


class Engine(NamedTuple):
    """The engine chosen for a cell."""

    name: str
    scan: eager.Scan
    linear: eager.Linear
    reason: str
    """The reason for the choice, as printed to the user."""


def choose(name: str, cell: Cell, sizes: Iterable[Sizes] = (), device: torch.device = CPU) -> Engine:
    """Return an engine for a cell on a device; its kernel, if it needs one, is compiled here unless it is cached.

    A kernel is compared with the eager engine at the `sizes` of the scans it is to run. `auto` is the fused engine on the CPU
    and the triton engine on a GPU, or the eager engine where that one cannot run the cell; `reason` then says why.
    Raises InputError for an unknown name, and for `fused` or `triton` where it cannot run the cell.
    """
    lookup("engine", name, dict.fromkeys(ENGINES))
    if name == "eager":
        return Engine("eager", eager.scan, eager.linear, "as requested")
    if name == "triton" or (name == "auto" and device.type != "cpu"):
        return _triton(name, cell, sizes, device)
    if device.type != "cpu":
        raise InputError("the fused engine runs on the CPU only; give --device cpu, or --engine triton")
    from ablations.engines import fused  # here, because importing torch.fx is slow

    try:
        fused.prepare(cell, sizes)
    except (fused.Untraceable, fused.NotBuilt) as error:
        if name == "fused":
            raise InputError(
                f"the fused engine cannot run the cell {cell.name!r}: {error}; "
                "with --engine auto, such cells run on the eager engine"
            ) from error
        return Engine("eager", eager.scan, eager.linear, f"no fused kernel: {error}")
    return Engine("fused", fused.scan, fused.linear, "compiled from the cell's step")


def _triton(name: str, cell: Cell, sizes: Iterable[Sizes], device: torch.device) -> Engine:
    """The triton engine, or the eager one for `auto` where it cannot run the cell."""
    from ablations.engines import fused, triton

    try:
        triton.prepare(cell, sizes, device)
    except (fused.Untraceable, triton.Unavailable) as error:
        if name == "triton":
            raise InputError(f"the triton engine cannot run the cell {cell.name!r}: {error}") from error
        return Engine("eager", eager.scan, eager.linear, f"no triton kernel: {error}")
    return Engine("triton", triton.scan, eager.linear, "compiled from the cell's step")


def choose_all(
    name: str,
    cells: Mapping[str, tuple[Cell, Iterable[Sizes]]],
    on_ready: Callable[[int], None] = lambda _: None,
    device: torch.device = CPU,
) -> list[str]:
    """Return one printable line per outcome of `choose` for several cells by label, compiling their kernels in parallel.

    :param on_ready: called with the number of cells that are ready, after each of them.
    Raises InputError for the first cell that `choose` refuses.
    """
    pool = ThreadPoolExecutor(os.cpu_count())
    engines: dict[str, Engine] = {}
    try:
        for label, engine in zip(
            cells, pool.map(lambda cell: choose(name, cell[0], cell[1], device), cells.values()), strict=True
        ):
            engines[label] = engine
            on_ready(len(engines))
    finally:  # an interrupt does not wait for a cell that hangs
        pool.shutdown(wait=False, cancel_futures=True)
    labels_by_outcome: dict[str, list[str]] = {}
    where = "" if device.type == "cpu" else f" on {device.type}"
    for label, engine in engines.items():
        labels_by_outcome.setdefault(f"engine {engine.name}{where} ({engine.reason})", []).append(label)
    return [f"{outcome}: {', '.join(labels)}" for outcome, labels in labels_by_outcome.items()]
