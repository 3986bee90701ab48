"""Tuning and confirming an arm: every member is trained once, and an interruption changes no record."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from ablations.contract.isolation import isolated
from ablations.sweeps import arm as arm_module
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Interrupted, Logged
from ablations.sweeps.sizes import build_model
from ablations.sweeps.store import Store
from tests.ablations.sweeps.small_arms import context, queued_records, small_arm


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.mark.parametrize("index", [0, 1, 3])
def test_arm_trains_every_trial_and_every_confirmation_seed_once(store: Store, index: int) -> None:
    run_arm(small_arm(index), context(store))
    records = queued_records(store)
    phases = [record["phase"] for record in records.values()]
    assert {phase: phases.count(phase) for phase in phases} == {"tune": 6, "rerank": 4, "confirm": 4}
    seeds = {record["seed"] for record in records.values()}
    assert len(seeds) == 6 + 2 + 4, "the two trials of a search that are trained again share their seeds"
    assert not list(store.checkpoints.glob("*.pt"))


def test_confirmation_uses_the_best_trial_of_each_search(store: Store) -> None:
    run_arm(small_arm(), context(store))
    records = list(queued_records(store).values())
    for search in (0, 1):
        again = {r["trial"] for r in records if r["phase"] == "rerank" and r["search"] == search}
        trained = [r for r in records if r["phase"] != "confirm" and r["search"] == search and r["trial"] in again]
        best = max(
            trained, key=lambda one: sum(r["metrics"]["objective"] for r in trained if r["trial"] == one["trial"])
        )
        confirmed = [r for r in records if r["phase"] == "confirm" and r["search"] == search]
        assert [r["settings"] for r in confirmed] == [best["settings"]] * 2
        assert {r["trial"] for r in confirmed} == {best["trial"]}


def test_finished_arm_trains_nothing_and_enqueues_only_members_that_are_not_logged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_arm(small_arm(), context(store))
    before = queued_records(store)
    for path, _ in store.queued("tiny"):
        path.unlink()
    monkeypatch.setattr(arm_module, "Population", None)
    missing, *known = before
    run_arm(small_arm(), context(store, dict.fromkeys(known, Logged(small_arm().hash))))
    assert queued_records(store) == {missing: before[missing]}


def test_study_with_the_same_arms_reuses_their_members(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_arm(small_arm(), context(store))
    monkeypatch.setattr(arm_module, "Population", None)
    run_arm(small_arm(name="other"), context(store))
    assert queued_records(store, "other").keys() == queued_records(store).keys()
    assert {record["study"] for record in queued_records(store, "other").values()} == {"other"}


def test_more_trials_continue_the_existing_searches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_arm(small_arm(), context(store))
    few, sizes = queued_records(store), []
    original = arm_module.Population.__init__

    def counted(self: Any, model: Any, task: Any, lag: int, members: list[Any], budget: Any, **options: bool) -> None:
        sizes.append(len(members))
        original(self, model, task, lag, members, budget, **options)

    monkeypatch.setattr(arm_module.Population, "__init__", counted)
    more = small_arm(tune={"searches": 2, "trials": 5})
    run_arm(more, context(store))
    assert sizes[0] == 4, "two new trials for each of two searches"
    tuned = {name for name, record in queued_records(store).items() if record["phase"] == "tune"}
    assert {name for name, record in few.items() if record["phase"] == "tune"} < tuned
    assert len(tuned) == 10


@pytest.mark.parametrize(("index", "after"), [(1, 1), (1, 2), (1, 4), (1, 6), (3, 2), (3, 6)])
def test_interrupted_and_resumed_arm_equals_an_uninterrupted_one(tmp_path: Path, index: int, after: int) -> None:
    """Stopped at the n-th check for a stop: in tuning or confirming, an episodic and a continual arm."""
    uninterrupted, interrupted = Store.create(tmp_path / "a"), Store.create(tmp_path / "b")
    run_arm(small_arm(index), context(uninterrupted))
    checks = iter([False] * (2 * after) + [True] * 3)
    with pytest.raises(Interrupted):
        run_arm(small_arm(index), context(interrupted, stopping=lambda: next(checks)))
    run_arm(small_arm(index), context(interrupted))
    assert queued_records(interrupted) == queued_records(uninterrupted)


EASY: dict[str, Any] = {
    "cells": ["gru"],
    "sizes": [300],
    "task": [{"name": "recall", "lags": [1], "alphabet": 2}],
    "train": {"steps": 400, "batch": 16, "eval_every": 10, "patience": 1, "test": 50},
    "tune": {"searches": 1, "trials": 2, "space": {"learning_rate": [0.02, 0.01]}},
    "confirm": {"seeds": 6},
}


def test_population_is_resumed_with_all_members_after_some_have_finished(tmp_path: Path) -> None:
    """Members that have finished train again from the checkpoint before: a smaller population would round differently."""
    easy, stores = small_arm(**EASY), [Store.create(tmp_path / name) for name in "ab"]
    run_arm(easy, context(stores[0]))
    finished_at = {r["metrics"]["finished_at"] for r in queued_records(stores[0]).values() if r["phase"] == "confirm"}
    assert len(finished_at) > 1, "members must finish at different steps for this to test anything"

    def some_confirmed() -> bool:
        return 2 < len(list(stores[1].members.glob("[!.]*.json"))) < 8

    with pytest.raises(Interrupted):
        run_arm(easy, context(stores[1], stopping=some_confirmed))
    logged = dict.fromkeys(queued_records(stores[1]), Logged(easy.hash))
    run_arm(easy, context(stores[1], logged))
    assert queued_records(stores[1]) == queued_records(stores[0])


def test_damaged_checkpoint_is_replaced(tmp_path: Path) -> None:
    stores = [Store.create(tmp_path / name) for name in "ab"]
    run_arm(small_arm(), context(stores[0]))
    (stores[1].checkpoints / f"{small_arm().hash}-tune-0.pt").write_text("not a checkpoint")
    run_arm(small_arm(), context(stores[1]))
    assert queued_records(stores[1]) == queued_records(stores[0])


class Killed(BaseException):
    """In place of kill -9: the code under test does not catch it."""


@pytest.mark.parametrize(("where", "calls"), [("ask", 1), ("ask", 4), ("tell", 0), ("tell", 1), ("tell", 5)])
def test_arm_killed_between_two_trials_gives_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, calls: int
) -> None:
    uninterrupted, interrupted = Store.create(tmp_path / "a"), Store.create(tmp_path / "b")
    run_arm(small_arm(), context(uninterrupted))
    original, count = getattr(optuna.study.Study, where), iter(range(100))

    def killed(*arguments: Any, **options: Any) -> Any:
        if next(count) == calls:
            raise Killed
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.study.Study, where, killed)
        with pytest.raises(Killed):
            run_arm(small_arm(), context(interrupted))
    run_arm(small_arm(), context(interrupted))
    assert queued_records(interrupted) == queued_records(uninterrupted)


def test_hidden_size_is_the_nearest_match(store: Store) -> None:
    model = build_model(small_arm(1, sizes=[1000]))
    nearby = [
        abs(build_model(small_arm(1, sizes=[model.hidden + d], match="hidden")).parameters - 1000) for d in (-1, 0, 1)
    ]
    assert nearby[1] == min(nearby)
    assert build_model(small_arm(0, sizes=[24], match="hidden")).hidden == 24


@pytest.mark.parametrize(
    "change",
    [
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_default_device("meta"),
        lambda: torch.set_grad_enabled(False),
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.manual_seed(5),
    ],
)
def test_global_settings_of_torch_change_no_result(tmp_path: Path, change: Callable[[], object]) -> None:
    expected, changed = (Store.create(tmp_path / name) for name in ("expected", "changed"))
    run_arm(small_arm(), context(expected))
    with isolated():
        change()
        run_arm(small_arm(), context(changed))
    assert queued_records(changed) == queued_records(expected)
