"""Searches: the n-th trial is determined by the study and n, also after the process was killed."""

import contextlib
import math
import sqlite3
from pathlib import Path
from typing import Any

import optuna_dashboard
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError
from werkzeug.test import Client

from ablations.errors import InputError
from ablations.studies.study import Arm
from ablations.sweeps.search import MemberSpec, Results, Search, _connect, storage
from ablations.sweeps.store import Store
from tests.ablations.sweeps.small_arms import small_arm


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def proposals(arm: Arm, store: Store, count: int) -> list[dict[str, Any]]:
    """The parameters of the first trials."""
    search = Search(arm, 0, storage(store))
    return [search.ask(number).params for number in range(count)]


def test_trial_without_parameters_is_sampled_again(store: Store, tmp_path: Path) -> None:
    whole = proposals(small_arm(1), Store.create(tmp_path / "whole"), 3)
    search = Search(small_arm(1), 0, storage(store))
    search.ask(0)
    killed = search.study.ask()  # a process killed at this point leaves a trial without parameters
    assert Search(small_arm(1), 0, storage(store)).study.trials[killed.number].state == TrialState.FAIL
    assert proposals(small_arm(1), store, 3) == whole


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_reopened_search_proposes_the_same_trials(tmp_path: Path, sampler: str) -> None:
    arm = small_arm(1, tune={"searches": 1, "trials": 8, "sampler": sampler})
    stores = [Store.create(tmp_path / name) for name in "ab"]
    for number in range(8):
        for store in stores:
            fresh = Search(arm, 0, storage(store))
            fresh.ask(number)
            fresh.tell(number, fresh.trials()[number].params["learning_rate"])
            if store is stores[1]:
                Search(arm, 0, storage(store)).ask(number)  # opened once more, as after a kill
    first, second = (proposals(arm, store, 8) for store in stores)
    assert first == second


def test_study_of_a_search_says_what_it_searches(store: Store) -> None:
    arm = small_arm(1)
    Search(arm, 0, storage(store))
    study = Search(arm, 0, storage(store)).study
    expected = {"cell": arm.cell.cell, "task": arm.task.name, "lag": arm.lag, "size": arm.size, "search": 0}
    assert study.user_attrs == expected


def test_optuna_dashboard_shows_searches_and_their_trials(store: Store) -> None:
    arm = small_arm(1)
    search = Search(arm, 0, storage(store))
    search.ask(0)
    search.tell(0, 0.5)
    dashboard = Client(optuna_dashboard.wsgi(f"sqlite:///{store.folder / 'optuna.db'}"))
    (listed,) = dashboard.get("/api/studies").get_json()["study_summaries"]
    shown = dashboard.get(f"/api/studies/{listed['study_id']}?after=0").get_json()
    assert {"key": "cell", "value": arm.cell.cell} in listed["user_attrs"]
    assert [trial["values"] for trial in shown["trials"]] == [[0.5]]


def test_positions_tell_the_networks_of_an_arm_apart(store: Store) -> None:
    settings = {"searches": 2, "trials": 3, "rerank": 2, "rerank_seeds": 2, "seeds": 2}
    arm = small_arm(1, tune=settings, confirm={"seeds": 4})
    members = []
    for index in range(2):
        search = Search(arm, index, storage(store))
        for number in range(3):
            search.ask(number)
            members += search.trial_members(number)
        members += search.rerank_members(lambda _: {"metrics": {"solved": 0, "objective": 0.0}})
        members += search.confirmation_members(lambda _: {"metrics": {"solved": 0, "objective": 0.0}})
    positions = [member.position for member in members]
    assert len(set(positions)) == len(positions) == 2 * (6 + 4 + 2)
    assert {"t1.2", "t1.2.1", "r1.0.1", "c1.0", "c1.1"} <= set(positions)


def test_searches_of_an_arm_and_arms_of_a_study_differ(store: Store) -> None:
    sampled = [
        Search(a, index, storage(store)).ask(0).params["learning_rate"]
        for a in (small_arm(0), small_arm(1))
        for index in (0, 1)
    ]
    assert len(set(sampled)) == 4


def test_later_rounds_of_tpe_concentrate_near_the_optimum() -> None:
    """The proposals of the last two rounds are nearer to a known optimum than random ones."""
    trials, per_round, optimum = 40, 4, math.log(0.003)

    def total_distance(sampler: dict[str, Any], index: int) -> float:
        search = Search(small_arm(0, tune={"searches": 1, "trials": trials} | sampler), index, InMemoryStorage())
        all_distances: list[float] = []
        for first in range(0, trials, per_round):
            numbers = range(first, first + per_round)
            distances = [abs(math.log(search.ask(number).params["learning_rate"]) - optimum) for number in numbers]
            for number, distance_to_optimum in zip(numbers, distances, strict=True):
                search.tell(number, -distance_to_optimum)
            all_distances += distances
        return sum(all_distances[-2 * per_round :])

    random = sum(total_distance({"sampler": "random"}, index) for index in range(4))
    assert sum(total_distance({"sampler": "tpe", "population": per_round}, index) for index in range(4)) < 0.6 * random


Outcomes = list[tuple[int, float]]
"""Solved (0 or 1) and objective of members."""


def ranked_search(store: Store, tune: dict[str, int], trained: Outcomes, again: Outcomes) -> tuple[Search, Results]:
    """A search whose trials were sampled, and the results of its members, in the order of trials and seeds."""
    search, results = Search(small_arm(tune={"searches": 1} | tune), 0, storage(store)), dict[str, dict[str, Any]]()
    for number in range(tune["trials"]):
        search.ask(number)

    def put(members: list[MemberSpec], outcomes: Outcomes) -> None:
        for member, (solved, objective) in zip(members, outcomes, strict=True):
            results[member.hash(search.arm)] = {"metrics": {"solved": solved, "objective": objective}}

    put([member for k in range(tune["trials"]) for member in search.trial_members(k)], trained)
    put(search.rerank_members(results.get), again)
    return search, results.get


def test_best_trial_is_the_earliest_of_equals(store: Store) -> None:
    search, result = ranked_search(store, {"trials": 3, "rerank": 0}, [(0, 0.1), (1, 0.7), (1, 0.7)], [])
    assert [spec.trial for spec in search.confirmation_members(result)] == [1, 1, 1, 1]


def test_a_trial_that_solves_with_more_seeds_precedes_a_faster_one(store: Store) -> None:
    trained = [(1, 1.0), (0, 0.49), (1, 0.6), (1, 0.6)]
    search, result = ranked_search(store, {"trials": 2, "seeds": 2, "rerank": 0}, trained, [])
    assert {spec.trial for spec in search.confirmation_members(result)} == {1}


def test_best_trials_are_trained_again_and_the_reliable_one_is_confirmed(store: Store) -> None:
    trained, again = [(1, 0.9), (0, 0.3), (1, 0.8), (1, 0.7)], [(0, 0.4), (1, 0.6)]
    search, result = ranked_search(store, {"trials": 4, "rerank": 2}, trained, again)
    assert [(member.phase, member.trial) for member in search.rerank_members(result)] == [("rerank", 0), ("rerank", 2)]
    assert {spec.trial for spec in search.confirmation_members(result)} == {2}


def test_members_of_all_phases_have_seeds_of_their_own(store: Store) -> None:
    tune = {"trials": 4, "seeds": 2, "rerank": 2, "rerank_seeds": 3}
    search, result = ranked_search(store, tune, [(1, 0.9)] * 8, [(1, 0.5)] * 6)
    tuned = {member.member.seed for k in range(4) for member in search.trial_members(k)}
    again = {member.member.seed for member in search.rerank_members(result)}
    confirmed = {member.member.seed for member in search.confirmation_members(result)}
    # The two trials that are trained again have the same new seeds.
    assert [len(seeds) for seeds in (tuned, again, confirmed, tuned | again | confirmed)] == [8, 3, 4, 15]


def test_an_optuna_database_of_another_version_can_be_deleted(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    storage(store)
    with contextlib.closing(sqlite3.connect(store.optuna)) as database, database:
        database.execute("update alembic_version set version_num = 'v3.0.0.d'")
    _connect.cache_clear()
    with pytest.raises(
        InputError, match=r"another version of Optuna: upgrade it with `optuna storage upgrade --storage \S+`"
    ):
        storage(store)
    store.optuna.unlink()
    assert storage(store).get_all_studies() == []


def test_a_database_that_cannot_be_made_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.create(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OperationalError("create table", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr("optuna.storages.RDBStorage", full)
    with pytest.raises(InputError, match=r"optuna\.db cannot be used: database or disk is full"):
        storage(store)
    assert not list(tmp_path.glob("*.db")) + list(tmp_path.glob(".*.db*"))
