"""The command line in a process of its own, the study that its tests sweep, and digests of the files it writes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

TINY = """
name = "tiny"
cells = ["rnn", "gru"]
sizes = [60]
[[task]]
name = "recall"
alphabet = 2
label = "recall"
lags = [2]
[[task]]
name = "continual_adding"
lags = [3]
[train]
steps = 20
batch = 8
eval_every = 5
test = 50
[tune]
searches = 2
trials = 2
rerank = 0
[confirm]
seeds = 4
probes = []
"""
"""Without probes, which would take half of the time of a sweep."""
PROBED = TINY.replace("probes = []\n", "")

SMOKE = ("smoke", "--set", "train.steps=200")
"""All arms and networks of a preset, with fewer steps."""
SMOKE_NETWORKS = 360


def networks(report: Path) -> pd.DataFrame:
    """The networks of a report: of its confirmation and of its tuning."""
    return pd.concat([pd.read_csv(report / name) for name in ("results.csv", "trials.csv")], ignore_index=True)


def whygates_process(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m ablations` with the default tracker."""
    command = [sys.executable, "-m", "ablations", *map(str, arguments)]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by relative path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
