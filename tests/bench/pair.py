"""One pair, ours and a peer's, in a process of their own: `python pair.py '{"cell": ..., "peer": ..., "shapes": ...}'`.

Both run on one core, in turns, so that what disturbs one disturbs the other. Prints a JSON row per shape.
"""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from packed import Packed
from peers import PEERS, TORCH, Problem, cell, ours

from ablations.engines.fused.build import FLAGS, compiler

INPUTS = 2


def interleaved(runs: list[Callable[[], Any]], seconds: float, least: int = 5) -> list[float]:
    """The median milliseconds of each, in turns until the time is up."""
    once = []
    for run in runs:
        run()
        begun = time.perf_counter()
        run()
        once.append(time.perf_counter() - begun)
    repeats = [
        max(1, int(0.02 / each)) for each in once
    ]  # a reading takes at least 20 ms: the clock is not what is read
    times: list[list[float]] = [[] for _ in runs]
    until = time.perf_counter() + seconds
    while len(times[0]) < least or time.perf_counter() < until:
        for run, count, into in zip(runs, repeats, times, strict=True):
            begun = time.perf_counter()
            for _ in range(count):
                run()
            into.append((time.perf_counter() - begun) * 1e3 / count)
    return [statistics.median(readings) for readings in times]


def limit(size: int = 768) -> dict[str, float]:
    """GFLOP/s of one core by three ways: MKL's product, oneDNN's, and multiply-adds in registers."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    inner, weight = a.to_mkldnn(), b.to_mkldnn()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "limit.so"
        source = Path(__file__).with_name("limit.cpp")
        subprocess.run([compiler(), *FLAGS, "-o", str(library), str(source)], check=True)
        loop = ctypes.CDLL(str(library))
    loop.operations.restype, loop.operations.argtypes = ctypes.c_long, [ctypes.c_long]
    loop.multiply_add.restype, loop.multiply_add.argtypes = ctypes.c_double, [ctypes.c_long, ctypes.c_float]
    rounds = 100_000
    ways: dict[str, tuple[Callable[[], Any], float]] = {
        "MKL": (lambda: a @ b, 2 * size**3),
        "oneDNN": (lambda: torch.ops.aten.mkldnn_linear(inner, weight), 2 * size**3),
        "multiply-add loop": (lambda: loop.multiply_add(rounds, 0.5), loop.operations(rounds)),
    }
    return {
        name: max(operations / interleaved([run], 0.1)[0] / 1e6 for _ in range(3))
        for name, (run, operations) in ways.items()
    }


def agree(mine: tuple[Any, list[Any]], theirs: tuple[Any, list[Any]]) -> None:
    """Refuse to race against something else: the loss and the size of the matrices' gradients have to be ours."""

    def numbers(result: tuple[Any, list[Any]]) -> tuple[float, float]:
        loss, gradients = result
        arrays = [np.asarray(g.detach() if isinstance(g, torch.Tensor) else g) for g in gradients if g is not None]
        total = loss.detach() if isinstance(loss, torch.Tensor) else loss
        return float(np.asarray(total).sum()), sum(float(np.square(a).sum(dtype=np.float64)) for a in arrays) ** 0.5

    np.testing.assert_allclose(numbers(mine), numbers(theirs), rtol=1e-3)


def row(asked: dict[str, Any], shape: dict[str, int], best: float) -> dict[str, Any]:
    """Time one shape."""
    members, peer = asked.get("members", 1), None
    if asked["peer"]:
        peer = PEERS[asked["peer"]]
        members = peer.members
    problem = Problem(cell(asked["cell"]), members, shape["steps"], shape["batch"], INPUTS, shape["hidden"])
    mine = ours(problem)
    runs = [mine]
    if peer:
        theirs = peer.make(problem)
        agree(mine(), theirs())
        runs.append(theirs)
    times = [each / members for each in interleaved(runs, asked["seconds"])]
    flops = Packed(problem.cell, TORCH).flops(problem.draw()[0]) * shape["steps"] * shape["batch"]
    gflops = flops / times[0] / 1e6
    return {
        "cell": asked["cell"],
        "engine": "fused",
        "peer": asked["peer"],
        **shape,
        "members": members,
        "ms": times[0],
        "peer_ms": times[1] if peer else None,
        "ratio": times[1] / times[0] if peer else None,
        "gflops": gflops,
        "limit_share": gflops / best,
    }


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    asked = json.loads(sys.argv[1])
    limits = limit()
    print(json.dumps({"limits": limits}), flush=True)
    for shape in asked["shapes"]:
        members = shape.pop("members", None)
        if members:
            asked["members"] = members
        print(json.dumps(row(asked, shape, max(limits.values()))), flush=True)


if __name__ == "__main__":
    main()
