"""Timing on a machine that others use: steps are timed in turns, in processor time, and compared by their medians.

A peak speed is the best of many short runs.
"""

import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ablations.engines.fused.build import compiler

WARM_UP = 2
"""Calls of each step that are not timed: compilation, caches, memory from the system."""
LEAST = 3
"""Fewest timed calls of each step."""


def settle() -> None:
    """One thread, and no subnormal numbers, as in a worker of a sweep."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


class Timed(NamedTuple):
    """A step, and the clock of its processor time.

    time.thread_time for a step that runs on its own thread alone: the threads of another library wait actively for some time after
    their work, which time.process_time counts. That clock is for a library that uses threads of its own.
    """

    step: Callable[[], object]
    clock: Callable[[], float]


def interleaved(steps: Sequence[Timed], seconds: float) -> list[float]:
    """Return the median milliseconds of each step. They are called in turns, so that all meet the same noise.

    :param seconds: how long each step is timed, at least; every step is called at least LEAST times.
    """
    return [statistics.median(measured) for measured in _times(steps, seconds)]


def best(step: Callable[[], object], seconds: float) -> float:
    """Return the fewest milliseconds of a step, in processor time."""
    return min(_times([Timed(step, time.process_time)], seconds)[0])


def _times(steps: Sequence[Timed], seconds: float) -> list[list[float]]:
    for step, _ in steps:
        for _ in range(WARM_UP):
            step()
    times: list[list[float]] = [[] for _ in steps]
    until = time.perf_counter() + seconds * len(steps)
    while time.perf_counter() < until or len(times[0]) < LEAST:
        for (step, clock), measured in zip(steps, times, strict=True):
            start = clock()
            step()
            measured.append(1e3 * (clock() - start))
    return times


def limit() -> dict[str, float]:
    """Return the speed of one core in Gflop/s: of multiply-adds on registers, and of a large product by torch."""
    size = 1024
    a, b = torch.randn(size, size), torch.randn(size, size)
    product = best(lambda: a @ b, 0.3)
    return {"multiply-add": _multiply_add(), "torch.mm": 2 * size**3 / product / 1e6}


def _multiply_add(rounds: int = 20_000) -> float:
    source = Path(__file__).with_name("limit.cpp")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "limit.so"
        flags = ["-std=c++17", "-O2", "-march=native", "-fPIC", "-shared"]
        subprocess.run([*compiler(), *flags, "-o", library, source], check=True)
        loaded = ctypes.CDLL(str(library))
        loaded.multiply_add.argtypes, loaded.multiply_add.restype = (ctypes.c_long, ctypes.c_float), ctypes.c_double
        loaded.operations.argtypes, loaded.operations.restype = (ctypes.c_long,), ctypes.c_long
        ms = best(lambda: loaded.multiply_add(rounds, 0.5), 0.3)
        return loaded.operations(rounds) / ms / 1e6
