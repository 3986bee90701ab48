"""The least time of a gradient step on one core: its multiply-adds and elementwise functions at their peak speeds, on registers.

Loads, stores and copies are not counted. A product and a sum that the compiler fuses count as two operations.
"""

import ctypes
import subprocess
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import torch
from clock import best
from packed import Packed
from peers import TORCH, Problem

from ablations.cells import Cell
from ablations.engines import fused
from ablations.engines.fused.build import FLAGS, compiler
from ablations.engines.fused.operators import ELEMENTWISE
from ablations.engines.fused.trace import at_sizes

VECTORS, ROUNDS = 8, 2_000
"""Independent vectors per round, and rounds per measurement."""
FUNCTION = """
extern "C" float {name}(long rounds, float seed) {{
  V x[{vectors}], a = all(seed);
  for (int i = 0; i < {vectors}; i++) x[i] = all(seed * (1 + i));
  for (long r = 0; r < rounds; r++) {{
#pragma GCC unroll {vectors}
    for (int i = 0; i < {vectors}; i++) x[i] = {code};
  }}
  V sum = x[0];
  for (int i = 1; i < {vectors}; i++) sum += x[i];
  return sum[0];
}}
"""


def operations(problem: Problem, packed: Packed) -> Counter[str]:
    """The elementwise operations of a gradient step per row (a step of a sequence): numbers computed, by operator.

    Counted are the forward pass and the gradients of the state and the weights, not that of the input.
    """
    sizes = {"one": 1, "I": problem.inputs, "H": problem.hidden}
    if packed.trace.lowered.depends_on_sizes:
        sizes |= at_sizes(problem.cell, packed.trace, problem.inputs, problem.hidden, torch.float32).sizes
    counts: Counter[str] = Counter()
    for program in (packed.plan.forward, packed.plan.backward):
        for level in program.levels:
            for value in level.compute:
                terms = program.addends.get(value)
                name, times = (value.op, 1) if terms is None else ("add", len(terms) - 1)
                counts[name] += times * sizes[value.columns]
    return counts


@cache
def nanoseconds(operators: tuple[str, ...]) -> dict[str, float]:
    """The time of each operator per number, at its peak."""
    header = Path(fused.__file__).with_name("kernel.hpp").read_text(encoding="utf-8")
    functions = [
        FUNCTION.format(
            name=f"peak_{name}",
            vectors=VECTORS,
            code=ELEMENTWISE[name].code.format("x[i]", "a", "(real)seed", v0="x[i]", v1="a", v2="a"),
        )
        for name in operators
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "peak.cpp", Path(folder) / "peak.so"
        source.write_text("\n".join([header, *functions, 'extern "C" int width() { return VL; }']), encoding="utf-8")
        subprocess.run([*compiler(), *FLAGS, "-o", library, source], check=True)
        loaded = ctypes.CDLL(str(library))
        numbers = VECTORS * ROUNDS * loaded.width()
        return {name: _milliseconds(loaded, name) * 1e6 / numbers for name in operators}


def _milliseconds(loaded: Any, name: str) -> float:
    function = loaded[f"peak_{name}"]
    function.argtypes, function.restype = (ctypes.c_long, ctypes.c_float), ctypes.c_float
    return best(lambda: function(ROUNDS, 0.5), 0.05)


@cache
def _packed(kind: type[Cell]) -> Packed:
    return Packed(kind(), TORCH)


def least_ms(problem: Problem, gflops: float) -> dict[str, float]:
    """The least milliseconds of a gradient step, per member, and those of its multiply-adds, whose peak is `gflops`."""
    rows, packed = problem.steps * problem.batch, _packed(type(problem.cell))
    counts = operations(problem, packed)
    per_number = nanoseconds(tuple(counts))
    products = rows * packed.flops(problem.draw()[0]) / gflops / 1e6
    elementwise = rows * sum(count * per_number[name] for name, count in counts.items()) / 1e6
    return {"least_ms": products + elementwise, "products_ms": products}
