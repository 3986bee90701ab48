"""The kernels compile for a GPU, on a machine without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARED_MEMORY = 227 * 1024
"""Bytes of shared memory that a program may have on Hopper."""


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("cells", [("rnn",), ("rg_lru",)], ids=" ".join)
def test_kernels_compile_and_fit_on_chip(cells):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    root = str(Path(__file__).parents[4])
    done = subprocess.run(
        [sys.executable, "-P", str(Path(__file__).with_name("compile_for_hopper.py")), "20", *cells],
        env=environment | {"PYTHONPATH": root}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["kernel"] for row in rows] == ["forward", "backward", "backward_x"] * len(cells)
    assert all(row["shared"] <= SHARED_MEMORY and row["resident"] for row in rows), rows
