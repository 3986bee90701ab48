"""Sweeps whose processes are killed or interrupted end with the table of an undisturbed one."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_process import TINY, digests

PLUGIN = Path(__file__).parents[4] / "examples" / "ugrnn.py"
LONGER = ["train.steps=60", "train.eval_every=5", "sizes=[100]", "tune.rerank=1"]
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


def test_killed_sweep_ends_with_the_table_of_an_undisturbed_one(tiny: Path) -> None:
    """The driver is killed, and then a worker of the sweep that continues."""
    done = start(tiny, "undisturbed")
    output, errors = done.communicate(timeout=300)
    assert done.returncode == 0, output + errors

    process = start(tiny, "disturbed")
    wait_for_members(tiny / "disturbed", 1, process)
    process.kill()
    process.communicate(timeout=60)
    seen = finished(tiny / "disturbed")
    assert seen < MEMBERS, "the kill came too late to test anything"

    process = start(tiny, "disturbed")
    wait_for_members(tiny / "disturbed", seen + 1, process)
    os.kill(random.choice(workers(process)), signal.SIGKILL)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors
    assert "4 of 4 arms done" in output
    assert_undisturbed(tiny)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The store of a sweep with a plug-in that nothing disturbs, and the seconds it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.toml").write_text(TINY)
    started = time.monotonic()
    done = start(folder, "store", plugin=True)
    output, errors = done.communicate(timeout=600)
    assert done.returncode == 0, output + errors
    return folder / "store", time.monotonic() - started


@pytest.mark.faults
def test_sweep_killed_at_twenty_random_moments_ends_with_the_table_of_an_undisturbed_one(
    undisturbed: tuple[Path, float], tiny: Path, tried: Callable[..., None]
) -> None:
    """Kills of the driver, of a worker, and of both; an arm whose worker is killed twice fails, and is tried again."""
    store, taken = undisturbed
    shutil.copytree(store, tiny / "undisturbed")
    moments, names = random.Random(seed := time.time_ns()), (f"disturbed-{k}" for k in itertools.count())
    name, kills, in_training, compared = next(names), Counter[str](), 0, []
    process = start(tiny, name, plugin=True)
    while kills.total() < 20:
        time.sleep(moments.uniform(0, taken / 2))
        target = moments.choice(["driver", "worker", "both"])
        if kill(process, target, moments):
            kills[target] += 1
            in_training += finished(tiny / name) < MEMBERS
        if process.poll() is not None:
            process.communicate()  # closes its pipes
            if process.returncode == 0:
                compared.append(assert_undisturbed(tiny, name))
                name = next(names)
            process = start(tiny, name, plugin=True)
    process.kill()
    process.communicate(timeout=60)
    done = start(tiny, name, plugin=True)
    output, errors = done.communicate(timeout=600)
    assert done.returncode == 0, (seed, output, errors)
    compared.append(assert_undisturbed(tiny, name))
    fault = f"driver, a worker, or both killed (kill -9) at random moments, {in_training} of them in training"
    tried(fault, kills.total(), *map(pd.concat, zip(*compared, strict=True)))
    print(f"seed {seed}: {dict(kills)} in {len(compared)} sweeps")


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sweep_interrupted_by_a_signal_ends_with_the_table_of_an_undisturbed_one(
    undisturbed: tuple[Path, float], tiny: Path, number: signal.Signals, tried: Callable[..., None]
) -> None:
    shutil.copytree(undisturbed[0], tiny / "undisturbed")
    process = start(tiny, "disturbed", plugin=True)
    wait_for_members(tiny / "disturbed", 1, process)
    os.killpg(process.pid, number)  # as a terminal and a scheduler send it
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Continue with:  whygates sweep tiny.toml --plugin {PLUGIN} --set" in output
    assert " --store disturbed" in output
    done = start(tiny, "disturbed", plugin=True)
    output, errors = done.communicate(timeout=600)
    assert done.returncode == 0, output + errors
    tried(f"{number.name} to all processes of a sweep", 1, *assert_undisturbed(tiny))


def wait_for_members(store: Path, members: int, process: subprocess.Popen[str]) -> None:
    """Wait until the results of so many members are stored."""
    deadline = time.monotonic() + 120
    while finished(store) < members and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def kill(process: subprocess.Popen[str], target: str, moments: random.Random) -> bool:
    """Kill the driver of a sweep, a worker, or both; returns whether there was something to kill."""
    victims = workers(process)
    if process.poll() is not None or (target != "driver" and not victims):
        return False
    if target != "driver":
        os.kill(moments.choice(victims), signal.SIGKILL)
    if target != "worker":
        process.kill()
        process.wait(timeout=60)
    return True


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The ids of a sweep's worker processes."""
    found = subprocess.run(["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True)
    return [int(worker) for worker in found.stdout.split()]


def assert_undisturbed(folder: Path, name: str = "disturbed") -> tuple[pd.Series, pd.Series]:
    """Two stores have equal tables, weights and findings, but for the time taken; no run is left running. Returns the hashes of
    both tables."""
    undisturbed, disturbed = table(folder / "undisturbed"), table(folder / name)
    assert len(undisturbed) == MEMBERS
    assert undisturbed.hash.is_unique
    pd.testing.assert_frame_equal(undisturbed, disturbed, check_exact=True)
    assert (undisturbed.decay_end.notna() == (undisturbed.phase == "confirm")).all()
    for part in ("weights", "probes"):
        assert digests(folder / "undisturbed" / part) == digests(folder / name / part)
        assert len(digests(folder / "undisturbed" / part)) >= 16
    tracker = Tracker(Store.open(folder / name), "tiny")
    assert not list(tracker.client.search_runs([str(tracker.experiment)], "attributes.status = 'RUNNING'"))
    return undisturbed.hash, disturbed.hash
