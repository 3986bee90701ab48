"""Tuning and confirming an arm: what is asked, what is told, and that a killed arm ends like an undisturbed one."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from ablations import sweep
from ablations.store import Store
from ablations.study import Arm, Study
from ablations.sweep import Context, Interrupted, Search, storage

TINY: dict[str, Any] = {
    "name": "tiny",
    "cells": ["rnn", "gru"],
    "sizes": [60],
    "task": [{"name": "recall", "lags": [2], "alphabet": 2}, {"name": "continual_adding", "lags": [3]}],
    "train": {"steps": 8, "batch": 4, "eval_every": 2, "patience": 1, "test": 20},
    "tune": {"searches": 2, "trials": 3},
    "confirm": {"seeds": 4},
}


def arm(index: int = 0, **changes: Any) -> Arm:
    return Study.model_validate(TINY | changes).arms()[index]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def context(
    store: Store, finished: frozenset[str] = frozenset(), stopping: Callable[[], bool] = lambda: False
) -> Context:
    return Context(store, "eager", finished, lambda _: None, stopping)


def table(store: Store) -> dict[str, dict[str, Any]]:
    """The spooled records by hash, without what differs from run to run: the time taken."""
    records = [record for _, record in store.waiting("tiny")]
    for record in records:
        del record["metrics"]["seconds"]
    return {record["hash"]: record for record in records}


def proposals(arm: Arm, store: Store, count: int) -> list[dict[str, Any]]:
    search = Search(arm, 0, storage(store))
    return [search.ask(number).params for number in range(count)]


@pytest.mark.parametrize("index", [0, 1, 3])
def test_an_arm_trains_every_trial_and_every_confirmation_seed_once(store: Store, index: int) -> None:
    members = sweep.run(arm(index), context(store))
    records = table(store)
    assert set(members) == set(records)
    phases = [record["phase"] for record in records.values()]
    assert (phases.count("tune"), phases.count("confirm")) == (6, 4)
    seeds = {record["seed"] for record in records.values()}
    assert len(seeds) == 10
    assert not list(store.checkpoints.glob("*.pt"))


def test_confirmation_uses_each_searchs_best_trial(store: Store) -> None:
    sweep.run(arm(), context(store))
    records = list(table(store).values())
    for search in (0, 1):
        tuned = [r for r in records if r["phase"] == "tune" and r["search"] == search]
        best = max(tuned, key=lambda r: (r["metrics"]["objective"], -r["trial"]))
        confirmed = [r for r in records if r["phase"] == "confirm" and r["search"] == search]
        assert [r["settings"] for r in confirmed] == [best["settings"]] * 2
        assert {r["trial"] for r in confirmed} == {best["trial"]}


def test_a_finished_arm_trains_nothing_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    members = sweep.run(arm(), context(store))
    monkeypatch.setattr(sweep, "Population", None)
    assert sweep.run(arm(), context(store, frozenset(members))) == members


def test_more_trials_go_on_where_fewer_ended(store: Store) -> None:
    few = set(sweep.run(arm(), context(store)))
    for path, _ in store.waiting("tiny"):
        path.unlink()
    more = sweep.run(arm(tune={"searches": 2, "trials": 5}), context(store, frozenset(few)))
    new = [record for _, record in store.waiting("tiny") if record["phase"] == "tune"]
    assert sorted(record["trial"] for record in new) == [3, 3, 4, 4]
    assert len(set(more)) == 14


@pytest.mark.parametrize(("index", "after"), [(1, 1), (1, 2), (1, 4), (1, 6), (3, 2), (3, 6)])
def test_an_interrupted_arm_ends_with_the_table_of_an_undisturbed_one(tmp_path: Path, index: int, after: int) -> None:
    """Stopped at its n-th look at the clock, in tuning or confirming, an episodic and a continual arm."""
    undisturbed, disturbed = Store.create(tmp_path / "a"), Store.create(tmp_path / "b")
    members = sweep.run(arm(index), context(undisturbed))
    looks = iter([False] * (2 * after) + [True] * 3)
    with pytest.raises(Interrupted):
        sweep.run(arm(index), context(disturbed, stopping=lambda: next(looks)))
    finished = frozenset(table(disturbed))
    assert sweep.run(arm(index), context(disturbed, finished)) == members
    assert table(disturbed) == table(undisturbed)


class Killed(BaseException):
    """Stands for kill -9: nothing in the code under test catches it."""


@pytest.mark.parametrize(("where", "calls"), [("ask", 1), ("ask", 4), ("tell", 1), ("tell", 5)])
def test_an_arm_killed_between_two_trials_ends_with_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, calls: int
) -> None:
    undisturbed, disturbed = Store.create(tmp_path / "a"), Store.create(tmp_path / "b")
    sweep.run(arm(), context(undisturbed))
    original, count = getattr(optuna.study.Study, where), iter(range(100))

    def killed(*arguments: Any, **options: Any) -> Any:
        if next(count) == calls:
            raise Killed
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.study.Study, where, killed)
        with pytest.raises(Killed):
            sweep.run(arm(), context(disturbed))
    sweep.run(arm(), context(disturbed, frozenset(table(disturbed))))
    assert table(disturbed) == table(undisturbed)


def test_a_trial_cut_off_while_it_was_asked_for_is_asked_for_again(store: Store, tmp_path: Path) -> None:
    whole = proposals(arm(1), Store.create(tmp_path / "whole"), 3)
    search = Search(arm(1), 0, storage(store))
    search.ask(0)
    cut = search.study.ask()  # killed here: the trial is there, and its parameters are not
    assert Search(arm(1), 0, storage(store)).study.trials[cut.number].state == TrialState.FAIL
    assert proposals(arm(1), store, 3) == whole


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_reopened_search_proposes_what_an_undisturbed_one_does(tmp_path: Path, sampler: str) -> None:
    tuned = arm(1, tune={"searches": 1, "trials": 8, "sampler": sampler})
    stores = [Store.create(tmp_path / name) for name in "ab"]
    for number in range(8):
        for store in stores:
            fresh = Search(tuned, 0, storage(store))
            fresh.ask(number)
            fresh.tell(number, fresh.trials()[number].params["learning_rate"])
            if store is stores[1]:
                Search(tuned, 0, storage(store)).ask(number)  # opened once more, as after a kill
    first, second = (proposals(tuned, store, 8) for store in stores)
    assert first == second


def test_searches_of_an_arm_and_arms_of_a_study_differ(store: Store) -> None:
    asked = [
        Search(a, index, storage(store)).ask(0).params["learning_rate"] for a in (arm(0), arm(1)) for index in (0, 1)
    ]
    assert len(set(asked)) == 4


def test_later_rounds_of_tpe_are_model_based() -> None:
    """On an objective with a known optimum the last two rounds' proposals gather round it; random ones do not."""
    trials, together, optimum = 40, 4, math.log(0.003)

    def distance(sampler: dict[str, Any], index: int) -> float:
        search = Search(arm(0, tune={"searches": 1, "trials": trials} | sampler), index, InMemoryStorage())
        errors: list[float] = []
        for first in range(0, trials, together):
            numbers = range(first, first + together)
            asked = [abs(math.log(search.ask(number).params["learning_rate"]) - optimum) for number in numbers]
            for number, error in zip(numbers, asked, strict=True):
                search.tell(number, -error)
            errors += asked
        return sum(errors[-2 * together :])

    random = sum(distance({"sampler": "random"}, index) for index in range(4))
    assert sum(distance({"sampler": "tpe", "population": together}, index) for index in range(4)) < 0.6 * random


def test_a_best_trial_is_the_earliest_of_equals(store: Store) -> None:
    search = Search(arm(), 0, storage(store))
    for number, value in enumerate([0.1, 0.7, 0.7]):
        search.ask(number)
        search.tell(number, value)
    assert [place.trial for place in search.confirmation()] == [1, 1]


def test_matching_finds_the_hidden_size(store: Store) -> None:
    model = sweep.build(arm(1, sizes=[1000]), "eager")
    nearby = [
        abs(sweep.build(arm(1, sizes=[model.hidden + d], match="hidden"), "eager").parameters - 1000)
        for d in (-1, 0, 1)
    ]
    assert nearby[1] == min(nearby)
    assert sweep.build(arm(0, sizes=[24], match="hidden"), "eager").hidden == 24
