"""`nox -s bench`: the speed of the fused engine relative to its peers, side by side in one process per cell and peer.

Prints a table. Without `--quick` it also writes docs/performance.md with a figure and its numbers, performance.csv, after some
hours; a run of some cells or peers replaces only their rows.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from peers import PEERS
from rich.console import Console
from rich.progress import track
from rich.table import Table
from table import write_page

from ablations.cells import catalogue

SHAPES = [{"steps": 200, "batch": b, "hidden": h} for b, h in ((16, 32), (32, 32), (64, 64), (64, 128))]
QUICK = [{"steps": 50, "batch": 16, "hidden": 32}]
HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small shape, and no page")
    parser.add_argument("--cells", nargs="+", choices=list(catalogue()), default=list(catalogue()), metavar="CELL")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="PEER")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each step is timed")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "docs", help="folder of performance.md")
    options = parser.parse_args()
    pairs = [(cell, peer) for cell in options.cells for peer in options.peers if cell in (PEERS[peer].cells or (cell,))]
    shapes, out, numbers = QUICK if options.quick else SHAPES, Console(width=140), options.out / "performance.csv"
    table = pd.DataFrame()
    for cell, peer in track(pairs, "timing", console=Console(stderr=True)):
        rows = pd.DataFrame(timed(cell, peer, shapes, options.seconds)).assign(
            machine=machine(), load=os.getloadavg()[1]
        )
        table = pd.concat([table, rows])
        if not options.quick:  # after every pair, so that an interrupted run leaves what it has measured
            merge(rows, numbers).to_csv(numbers, index=False, float_format="%.4g")
    out.print(f"{machine()}; one thread, torch {torch.__version__}", highlight=False)
    out.print(printable(table))
    if not options.quick:
        out.print(f"Page: {write_page(pd.read_csv(numbers), options.out)}", highlight=False)
    return int("ratio" not in table or table["ratio"].isna().all())


def merge(rows: pd.DataFrame, numbers: Path) -> pd.DataFrame:
    """The rows of a file with those of a pair replaced, in the order of cells and peers."""
    numbers.parent.mkdir(parents=True, exist_ok=True)
    if numbers.exists():
        before = pd.read_csv(numbers)
        is_pair = (before["cell"] == rows["cell"].iloc[0]) & (before["peer"] == rows["peer"].iloc[0])
        rows = pd.concat([before[~is_pair], rows])
    order = {name: i for i, name in enumerate([*catalogue(), *PEERS])}
    return rows.sort_values(["cell", "peer"], key=lambda names: names.map(order), kind="stable")


def timed(cell: str, peer: str, shapes: list[dict[str, int]], seconds: float) -> list[dict[str, Any]]:
    """Time one cell beside one peer in a process of their own: a row for each shape, with `failed` where that is the outcome."""
    arguments = json.dumps({"cell": cell, "peer": peer, "seconds": seconds, "shapes": shapes})
    done = subprocess.run(
        [sys.executable, str(HERE / "pair.py"), arguments],
        env=os.environ | PEERS[peer].environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    rows = lines[1:] or [
        shape | {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1]} for shape in shapes
    ]
    return [{"cell": cell, "peer": peer, **row} for row in rows]


def machine() -> str:
    """The processor's name, its widest vectors, and the number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    name = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    cores = os.cpu_count() or 1
    return f"{name or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {cores} cores"


def printable(table: pd.DataFrame) -> Table:
    """The rows as a table for a terminal."""
    shown = Table(title="milliseconds of a gradient step, per member")
    for column in ("cell", "peer", "T", "B", "H"):
        shown.add_column(column)
    for column in ("fused", "peer", "ratio", "fused alone", "least", "least / alone"):
        shown.add_column(column, justify="right")
    for row in table.to_dict("records"):
        names = [str(row[key]) for key in ("cell", "peer", "steps", "batch", "hidden")]
        if isinstance(row.get("failed"), str):
            shown.add_row(*names, row["failed"])
            continue
        numbers = (
            f"{row['ms']:.2f}",
            f"{row['peer_ms']:.2f}",
            f"{row['ratio']:.1f} ×",
            f"{row['alone_ms']:.2f}",
            f"{row['least_ms']:.2f}",
        )
        shown.add_row(*names, *numbers, f"{row['limit_share']:.0%}")
    return shown


if __name__ == "__main__":
    sys.exit(main())
