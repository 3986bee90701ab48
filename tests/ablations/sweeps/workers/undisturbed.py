"""Sweeps in processes of their own that are disturbed, and the comparison of their stores with that of one that is not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_process import digests

PLUGIN = Path(__file__).parents[4] / "examples" / "ugrnn.py"
LONGER = ["train.steps=60", "train.eval_every=5", "sizes=[100]", "tune.rerank=1", 'confirm.probes=["flow", "gates"]']
MEMBERS = 4 * (4 + 2 + 4)


def start(folder: Path, store: str, plugin: bool = False) -> subprocess.Popen[str]:
    """:param plugin: whether one of the two cells is a plug-in's, whose checks take seconds."""
    options = ["--plugin", str(PLUGIN), "--set", 'cells=["rnn", "ugrnn"]'] if plugin else []
    options += [word for change in LONGER for word in ("--set", change)]
    command = [sys.executable, "-m", "ablations", "sweep", "tiny.toml", *options, "--store", store, "--workers", "2"]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


def finished(store: Path) -> int:
    """The number of members whose results are stored."""
    return len(list((store / "members").glob("[!.]*.json")))


def table(store: Path, study: str = "tiny") -> pd.DataFrame:
    """The networks of a study, with how many points their curves have and their sum, and without the time taken."""
    tracker = Tracker(Store.open(store), study)
    results = tracker.results(tracker.manifest())
    curves = tracker.curves(tracker.manifest())
    assert curves.groupby(["hash", "metric", "step"]).size().max() == 1
    return results.drop(columns="seconds").merge(curves.groupby("hash").value.agg(["size", "sum"]), on="hash")


def wait_for_members(store: Path, members: int, process: subprocess.Popen[str]) -> None:
    """Wait until the results of so many members are stored."""
    deadline = time.monotonic() + 120
    while finished(store) < members and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def assert_undisturbed(folder: Path, name: str = "disturbed") -> tuple[pd.Series, pd.Series]:
    """Two stores have equal tables, weights and findings, but for the time taken; no run is left running. Returns the hashes of
    both tables."""
    undisturbed, disturbed = table(folder / "undisturbed"), table(folder / name)
    assert len(undisturbed) == MEMBERS
    assert undisturbed.hash.is_unique
    pd.testing.assert_frame_equal(undisturbed, disturbed, check_exact=True)
    assert (undisturbed.decay_end.notna() == (undisturbed.phase == "confirm")).all()
    for part in ("weights", "probes"):
        expected, files = digests(folder / "undisturbed" / part), digests(folder / name / part)
        assert expected == files, expected.items() ^ files.items()
        assert len(files) >= 16
    tracker = Tracker(Store.open(folder / name), "tiny")
    assert not list(tracker.client.search_runs([str(tracker.experiment)], "attributes.status = 'RUNNING'"))
    return undisturbed.hash, disturbed.hash
