"""Sweeps whose processes are killed or interrupted end with the table of an undisturbed one."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.ablations.cli_process import TINY
from tests.ablations.sweeps.workers.undisturbed import (
    MEMBERS,
    PLUGIN,
    assert_undisturbed,
    finished,
    start,
    wait_for_members,
)


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
