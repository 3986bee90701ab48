"""The estimates of `--dry-run` and of the table of presets."""

import os
from pathlib import Path

import pytest

from ablations.commands import estimates
from ablations.commands.estimates import StepTimer, estimate, load_warning
from ablations.engines.device import CPU
from ablations.studies.loading import load


def test_the_estimate_of_an_arm_is_that_of_all_its_networks_steps_and_probes(tiny: Path) -> None:
    changes = ['confirm.probes=["flow", "distill"]', "tune.searches=3", "confirm.seeds=6", "tune.rerank=0"]
    arm = load(str(tiny / "tiny.toml"), changes).arms()[0]
    found = estimate(arm, 0.001, parameters=60)
    horizon = arm.task.build().steps(2)
    networks = 3 * 2 + 6  # searches × trials, and confirmed
    assert found.training == pytest.approx(networks * 20 * horizon * 0.001)
    assert found.probing == pytest.approx((6 * 50 + 3 * 4000) * horizon * 0.001)  # distill: once per search
    # 4 curves with 20 / 5 points each, weights and findings of confirmed networks
    assert found.bytes == networks * (16 * 320 + 20_000) + 6 * (145_000 + 60 * 16)


def test_a_cell_is_timed_once_for_each_task_and_its_time_grows_with_the_lag(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = load(str(tiny / "tiny.toml"), ["task.recall.lags=[2, 4]"]).arms()
    timed = []
    monkeypatch.setattr(estimates, "_seconds_per_step", lambda arm, engine, device: timed.append(arm) or 1.0)
    timer = StepTimer("eager", CPU)
    seconds = [timer.seconds(arm) for arm in arms]
    assert len(arms) == 6
    assert len(timed) == 4  # two cells on two tasks
    assert {1 / steps for steps in (arm.task.build().steps(arm.lag) for arm in timed)} == {*seconds}


@pytest.mark.parametrize(("load_average", "busy"), [(0.5, False), (2.0, False), (2.5, True)])
def test_a_load_warning_if_others_use_more_than_half_of_its_cores(
    monkeypatch: pytest.MonkeyPatch, load_average: float, busy: bool
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load_average, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert bool(load_warning()) == busy
    assert not busy or "load 2.5, 4 cores" in load_warning()
