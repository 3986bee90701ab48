"""Tuning and confirming an arm: what is asked, what is told, and that a killed arm ends like an undisturbed one."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from ablations.studies.study import Arm, Study
from ablations.sweeps import arm as sweep
from ablations.sweeps.arm import Context, Interrupted, Logged
from ablations.sweeps.search import Search, storage
from ablations.sweeps.store import Store

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
    store: Store, told: dict[str, Logged] | None = None, stopping: Callable[[], bool] = lambda: False
) -> Context:
    return Context(store, "eager", told or {}, lambda _: None, stopping)


def table(store: Store, study: str = "tiny") -> dict[str, dict[str, Any]]:
    """What the tracker would be told, by hash, without what differs from run to run: the time taken."""
    records = [record for _, record in store.waiting(study)]
    for record in records:
        del record["metrics"]["seconds"]
    return {record["hash"]: record for record in records}


def proposals(arm: Arm, store: Store, count: int) -> list[dict[str, Any]]:
    search = Search(arm, 0, storage(store))
    return [search.ask(number).params for number in range(count)]


@pytest.mark.parametrize("index", [0, 1, 3])
def test_an_arm_trains_every_trial_and_every_confirmation_seed_once(store: Store, index: int) -> None:
    sweep.run(arm(index), context(store))
    records = table(store)
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


def test_a_finished_arm_trains_nothing_again_and_tells_only_what_is_news(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.run(arm(), context(store))
    before = table(store)
    for path, _ in store.waiting("tiny"):
        path.unlink()
    monkeypatch.setattr(sweep, "Population", None)
    missing, *known = before
    sweep.run(arm(), context(store, dict.fromkeys(known, Logged(arm().hash))))
    assert table(store) == {missing: before[missing]}


def test_another_study_with_the_same_arms_has_all_their_members(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.run(arm(), context(store))
    monkeypatch.setattr(sweep, "Population", None)
    sweep.run(arm(name="other"), context(store))
    assert table(store, "other").keys() == table(store).keys()
    assert {record["study"] for record in table(store, "other").values()} == {"other"}


def test_more_trials_go_on_where_fewer_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.run(arm(), context(store))
    few, sizes = table(store), []
    original = sweep.Population.__init__

    def counted(self: Any, model: Any, task: Any, lag: int, members: list[Any], *budget: Any, **keep: bool) -> None:
        sizes.append(len(members))
        original(self, model, task, lag, members, *budget, **keep)

    monkeypatch.setattr(sweep.Population, "__init__", counted)
    more = arm(tune={"searches": 2, "trials": 5})
    sweep.run(more, context(store))
    assert sizes[0] == 4, "two new trials for each of two searches"
    tuned = {name for name, record in table(store).items() if record["phase"] == "tune"}
    assert {name for name, record in few.items() if record["phase"] == "tune"} < tuned
    assert len(tuned) == 10


@pytest.mark.parametrize(("index", "after"), [(1, 1), (1, 2), (1, 4), (1, 6), (3, 2), (3, 6)])
def test_an_interrupted_arm_ends_with_the_table_of_an_undisturbed_one(tmp_path: Path, index: int, after: int) -> None:
    """Stopped at its n-th look at the clock, in tuning or confirming, an episodic and a continual arm."""
    undisturbed, disturbed = Store.create(tmp_path / "a"), Store.create(tmp_path / "b")
    sweep.run(arm(index), context(undisturbed))
    looks = iter([False] * (2 * after) + [True] * 3)
    with pytest.raises(Interrupted):
        sweep.run(arm(index), context(disturbed, stopping=lambda: next(looks)))
    sweep.run(arm(index), context(disturbed))
    assert table(disturbed) == table(undisturbed)


EASY: dict[str, Any] = {
    "cells": ["gru"],
    "sizes": [300],
    "task": [{"name": "recall", "lags": [1], "alphabet": 2}],
    "train": {"steps": 400, "batch": 16, "eval_every": 10, "patience": 1, "test": 50},
    "tune": {"searches": 1, "trials": 2, "space": {"learning_rate": [0.02, 0.01]}},
    "confirm": {"seeds": 6},
}


def test_a_population_of_which_some_have_finished_is_resumed_with_all_its_members(tmp_path: Path) -> None:
    """Also those that have left train on from the checkpoint before it: a smaller population would round otherwise."""
    easy, stores = arm(**EASY), [Store.create(tmp_path / name) for name in "ab"]
    sweep.run(easy, context(stores[0]))
    finished_at = {r["metrics"]["finished_at"] for r in table(stores[0]).values() if r["phase"] == "confirm"}
    assert len(finished_at) > 1, "members must leave at different steps for this to test anything"

    def some_confirmed() -> bool:
        return 2 < len(list(stores[1].members.glob("[!.]*.json"))) < 8

    with pytest.raises(Interrupted):
        sweep.run(easy, context(stores[1], stopping=some_confirmed))
    told = dict.fromkeys(table(stores[1]), Logged(easy.hash))
    sweep.run(easy, context(stores[1], told))
    assert table(stores[1]) == table(stores[0])


def test_a_checkpoint_that_the_disk_has_damaged_is_begun_again(tmp_path: Path) -> None:
    stores = [Store.create(tmp_path / name) for name in "ab"]
    sweep.run(arm(), context(stores[0]))
    (stores[1].checkpoints / f"{arm().hash}-tune-0.pt").write_text("a disk that lies")
    sweep.run(arm(), context(stores[1]))
    assert table(stores[1]) == table(stores[0])


class Killed(BaseException):
    """Stands for kill -9: nothing in the code under test catches it."""


@pytest.mark.parametrize(("where", "calls"), [("ask", 1), ("ask", 4), ("tell", 0), ("tell", 1), ("tell", 5)])
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
    sweep.run(arm(), context(disturbed))
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
    model = sweep.build(arm(1, sizes=[1000]))
    nearby = [abs(sweep.build(arm(1, sizes=[model.hidden + d], match="hidden")).parameters - 1000) for d in (-1, 0, 1)]
    assert nearby[1] == min(nearby)
    assert sweep.build(arm(0, sizes=[24], match="hidden")).hidden == 24
