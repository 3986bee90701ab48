"""A sweep that is really killed, again and again, ends with the table of one that was left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ablations.store import Store
from ablations.tracking import Tracker

STUDY = """
name = "resumed"
cells = ["rnn", "gru"]
sizes = [100]
[[task]]
name = "recall"
alphabet = 2
label = "recall"
lags = [2, 8]
[train]
steps = 80
batch = 8
eval_every = 4
test = 50
[tune]
searches = 2
trials = 3
[confirm]
seeds = 4
"""
MEMBERS = 4 * (6 + 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "resumed.toml").write_text(STUDY)
    return tmp_path


def start(folder: Path, store: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ablations", "sweep", "resumed.toml", "--store", store, "--workers", "2"]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


def finished(store: Path) -> int:
    """Members whose results are safe."""
    return len(list((store / "members").glob("[!.]*.json")))


def table(store: Path) -> pd.DataFrame:
    tracker = Tracker(Store.open(store), "resumed")
    results = tracker.results(tracker.manifest())
    curves = tracker.curves(tracker.manifest())
    assert curves.groupby(["hash", "metric", "step"]).size().max() == 1
    return results.drop(columns="seconds").merge(curves.groupby("hash").value.agg(["size", "sum"]), on="hash")


def test_a_sweep_killed_at_any_point_ends_with_the_undisturbed_table(folder: Path) -> None:
    done = start(folder, "undisturbed")
    output, errors = done.communicate(timeout=300)
    assert done.returncode == 0, output + errors

    exits, seen = [], []
    for kill in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        process = start(folder, "disturbed")
        enough = (seen or [0])[-1] + 1
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            if finished(folder / "disturbed") >= enough:
                whole = kill in (signal.SIGINT, signal.SIGTERM)  # as a terminal or a batch system sends them
                (os.killpg if whole else os.kill)(process.pid, kill)
                break
        output, _ = process.communicate(timeout=60)
        exits.append(process.returncode)
        seen.append(finished(folder / "disturbed"))
        if process.returncode == 130:
            assert "Go on with:  whygates sweep resumed.toml --store disturbed" in output
    assert exits == [-signal.SIGKILL, 130, -signal.SIGKILL, 130]
    assert seen == sorted(seen), "what was finished stays finished"
    assert seen[0] < MEMBERS, "the first kill came too late to test anything"

    done = start(folder, "disturbed")
    output, errors = done.communicate(timeout=300)
    assert done.returncode == 0, output + errors
    undisturbed, disturbed = table(folder / "undisturbed"), table(folder / "disturbed")
    assert len(undisturbed) == MEMBERS
    assert undisturbed.hash.is_unique
    pd.testing.assert_frame_equal(undisturbed, disturbed, check_exact=True)


def test_a_worker_that_dies_costs_no_arm(folder: Path) -> None:
    process = start(folder, "store")
    deadline = time.monotonic() + 60
    while finished(folder / "store") == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    found = subprocess.run(["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors
    assert "4 of 4 arms done" in output
    results = table(folder / "store")
    assert len(results) == MEMBERS
    assert results.hash.is_unique
