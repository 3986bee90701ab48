"""Compile the kernels of cells for an NVIDIA GPU of compute capability 9.0, which needs none, and print what they use as JSON.

A program of its own, as Triton compiles only where its interpreter is off: `compile_for_hopper.py HIDDEN CELL…`.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler import compile as compile_source

from ablations.cells import catalogue
from ablations.engines.triton.run import NARROW_WARPS, WIDE_WARPS, Kernel, hoisted, is_resident, max_columns

INPUTS = 4


def kernels(name, hidden):
    """Compile the three kernels of a cell; yields what each takes of a multiprocessor."""
    cell = catalogue()[name]()
    kernel, x = Kernel(cell), torch.empty(1, 2, 2, INPUTS)
    w = {n: torch.empty(1, v.rows, v.columns) for n, v in cell.weights(INPUTS, hidden).items()}
    s = {n: torch.empty(1, 2, size) for n, size in cell.state_sizes(hidden).items()}
    here = kernel.at(x, s, w)
    weights = hoisted(here.hoisted, [w[n] for n in kernel.trace.weight_names])
    constants = kernel.constants(here, kernel.sizes(here.sizes, tuple(weights), x, tuple(s.values())))
    for which in ("forward", "backward", "backward_x"):
        function, given = getattr(kernel.module, which), constants | {"RESET": True, "SAVE": True}
        given["RESIDENT"] = is_resident(*kernel.weights_on_chip(which, constants), torch.device("cpu"))
        types = {"T": "i32", "B": "i32", "reset": "*u8"}
        signature = {n: "constexpr" if n in given else types.get(n, "*fp32") for n in function.arg_names}
        given = {n: value for n, value in given.items() if n in function.arg_names}
        warps = NARROW_WARPS if max_columns(constants) <= 32 else WIDE_WARPS
        source = ASTSource(function, signature, given)
        built = compile_source(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps})
        row = {"cell": name, "kernel": which, "resident": given["RESIDENT"], "warps": warps}
        yield row | {"shared": built.metadata.shared, **registers(built.asm["cubin"])}


def registers(binary):
    """The registers of a thread, and the bytes of its stack, which has the registers that are spilled."""
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary)
        file.flush()
        usage = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return {name: int(re.search(rf"{key}:(\d+)", usage)[1]) for name, key in (("registers", "REG"), ("stack", "STACK"))}


if __name__ == "__main__":
    for cell in sys.argv[2:]:
        for row in kernels(cell, int(sys.argv[1])):
            print(json.dumps(row), flush=True)
