"""How long a process's first use of a cell takes, its kernel being compiled: `python tests/bench/first_use.py [CELL ...]`.

Each time is that of a new process, from the cell to a kernel that can be called; imports are not part of it. `traced` is without a
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

RUNS = 3
"""Processes with a plan on disk; the fastest is reported, as others may use the machine."""
PREPARE = """
import sys, time
from ablations.cells import catalogue
from ablations.engines import fused
cell = catalogue()[sys.argv[1]]()
start = time.perf_counter()
fused.prepare(cell)
print(time.perf_counter() - start)
"""


def first_use(cell: str) -> dict[str, float]:
    """Return the seconds of a cell's first use without and with a plan on disk."""
    with tempfile.TemporaryDirectory() as folder:

        def seconds() -> float:
            done = subprocess.run(
                [sys.executable, "-P", "-c", PREPARE, cell],
                env=os.environ | {"WHYGATES_CACHE": folder, "OMP_NUM_THREADS": "1"},
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            return float(done.stdout)

        own = Path(folder) / "whygates"
        own.mkdir()
        for kernel in cache_folder().glob("*.so"):
            (own / kernel.name).symlink_to(kernel)
        seconds()  # compiles the kernel if it is new
        for plan in own.glob("*.json"):
            plan.unlink()
        return {"traced": seconds(), "stored": min(seconds() for _ in range(RUNS))}


if __name__ == "__main__":
    for name in sys.argv[1:] or catalogue():
        print(json.dumps({"cell": name} | first_use(name)), flush=True)
