"""Engines: how a cell's step becomes a scan over time, forward and backward."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ablations.cells import Cell
from ablations.engines import eager
from ablations.errors import known


def choose_all(name: str, cells: dict[str, Cell]) -> list[str]:
    """Choose for several cells by label, side by side, as kernels take a few seconds to compile; a line for each outcome."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chosen = dict(zip(cells, pool.map(lambda cell: choose(name, cell), cells.values()), strict=True))
    outcomes: dict[str, list[str]] = {}
    for label, engine in chosen.items():
        outcomes.setdefault(f"engine {engine.name} ({engine.why})", []).append(label)
    return [f"{outcome}: {', '.join(labels)}" for outcome, labels in outcomes.items()]


ENGINES = ("auto", "eager", "fused")


class Engine(NamedTuple):
    """An engine for a cell, and why it is the one."""

    name: str
    scan: eager.Scan
    linear: eager.Linear
    why: str


def choose(name: str, cell: Cell) -> Engine:
    """The engine of a name for a cell; `auto` is the fastest that works here. A kernel is compiled here, once.

    Where `fused` cannot run the cell, the eager engine does, and `why` says so. InputError for a name that does not exist.
    """
    known("engine", name, dict.fromkeys(ENGINES))
    if name == "eager":
        return Engine("eager", eager.scan, eager.linear, "as asked")
    from ablations.engines import fused  # torch's tracer takes its time to load

    try:
        fused.prepare(cell)
    except (fused.Untraceable, fused.NotBuilt) as error:
        return Engine("eager", eager.scan, eager.linear, f"no fused kernel: {error}")
    return Engine("fused", fused.scan, fused.linear, "compiled from the cell's own step")
