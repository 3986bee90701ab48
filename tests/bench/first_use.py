"""How long a process's first use of a cell takes, its kernel being compiled: `python tests/bench/first_use.py [CELL ...]`.

Each is that of a new process, from the cell to a kernel that can be called, without the imports: seconds, and seconds of processor
time, the compiler's answer to which processor this is included. `traced` is without a
plan on disk, `stored` with it. Timed in a cache of its own, with the kernels of the user's.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ablations.cells import catalogue
from ablations.engines.fused.build import cache_folder

RUNS = 2
"""Processes with a plan on disk; the fastest is reported, as others may use the machine."""
PREPARE = """
import json, os, sys, time
from ablations.cells import catalogue
from ablations.engines import fused
cell = catalogue()[sys.argv[1]]()
start, before = time.perf_counter(), os.times()
fused.prepare(cell)
print(json.dumps([time.perf_counter() - start, sum(os.times()[:4]) - sum(before[:4])]))
"""


def first_use(cell: str) -> dict[str, list[float]]:
    """Return the seconds of a cell's first use, and those of processor time, without and with a plan on disk."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "whygates"
        cache.mkdir()
        for kernel in cache_folder().glob("*.so"):
            (cache / kernel.name).symlink_to(kernel)

        def seconds() -> list[float]:
            done = subprocess.run(
                [sys.executable, "-P", "-c", PREPARE, cell],
                env=os.environ | {"WHYGATES_CACHE": folder, "OMP_NUM_THREADS": "1"},
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            return json.loads(done.stdout)

        traced = seconds()
        if list(cache.glob("*.cpp")):  # a kernel was compiled: again without its plan
            for plan in cache.glob("*.json"):
                plan.unlink()
            traced = seconds()
        return {"traced": traced, "stored": min(seconds() for _ in range(RUNS))}


if __name__ == "__main__":
    for name in sys.argv[1:] or catalogue():
        print(json.dumps({"cell": name} | first_use(name)), flush=True)
