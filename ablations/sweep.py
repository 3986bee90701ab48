"""Tuning and confirming one arm. Each search's trials come from Optuna; its best one is trained again on fresh seeds.

Every step can be repeated: what was asked is continued, what was told is not run again, and a population goes on from
its checkpoint. A killed sweep that is started again ends with the table of an undisturbed one.
"""

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import torch
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ablations.engines import Engine, choose
from ablations.identity import digest
from ablations.model import Model, hidden_size
from ablations.schema import Range, Values
from ablations.store import Store, appearing
from ablations.study import Arm
from ablations.train import Budget, Evaluated, Left, Member, Population, Result

optuna.logging.set_verbosity(optuna.logging.WARNING)

CHECKPOINT_SECONDS = 20.0


class Interrupted(Exception):
    """The sweep was asked to stop; its population is saved."""


class Progress(NamedTuple):
    """How far an arm's population has come."""

    arm: str
    phase: str
    step: int
    active: int
    best: float


class Place(NamedTuple):
    """Where a member stands in an arm, beside what it is."""

    phase: str
    search: int
    trial: int
    member: Member

    def hash(self, arm: Arm) -> str:
        return arm.member(self.member.settings, self.member.seed)


class Context(NamedTuple):
    """What an arm needs from the process it runs in."""

    store: Store
    engine: str
    told: dict[str, str]
    """Members of the study that the tracker knows, and the arm it knows them under."""
    report: Callable[[Progress], None]
    stopping: Callable[[], bool]


def build(arm: Arm, engine: Engine | None = None) -> Model:
    """The network of an arm, with the hidden size that its study's matching asks for; by default on the eager engine."""
    task, cell = arm.task.build(), arm.cell.build()
    inputs, outputs = task.sizes(arm.lag)
    hidden = hidden_size(cell, inputs, outputs, arm.match, arm.size, arm.cell.layers)
    engine = engine or choose("eager", cell)
    return Model(cell, inputs, outputs, hidden, engine.scan, arm.cell.layers, engine.linear)


def run(arm: Arm, context: Context) -> None:
    """Tune, then confirm. Raises Interrupted when asked to stop; whatever else is raised, what was finished is safe."""
    # An orphan of a killed sweep may be a moment behind its parent: never two writers of one arm.
    with FileLock(context.store.checkpoints / f"{arm.hash}.lock"):
        searches = [Search(arm, index, storage(context.store)) for index in range(arm.tune.searches)]
        for first in range(0, arm.tune.trials, arm.tune.round):
            _tune(arm, searches, range(first, min(first + arm.tune.round, arm.tune.trials)), context)
        _train(arm, "confirm", [place for search in searches for place in search.confirmation()], context)
        _checkpoint(arm, "confirm", context).unlink(missing_ok=True)


def _tune(arm: Arm, searches: list["Search"], numbers: range, context: Context) -> None:
    """One round: all searches ask before anything is trained, and are told after all of it is."""
    asked = [(search, number) for search in searches for number in numbers]
    for search, number in asked:
        search.ask(number)
    name = f"tune-{numbers.start}"
    _train(arm, name, [place for search, number in asked for place in search.places(number)], context)
    for search, number in asked:
        if search.trials()[number].state == TrialState.RUNNING:
            results = [context.store.get(place.hash(arm)) for place in search.places(number)]
            objectives = [result["metrics"]["objective"] for result in results if result]
            search.tell(number, sum(objectives) / len(objectives))
    _checkpoint(arm, name, context).unlink(missing_ok=True)


def _train(arm: Arm, name: str, places: list[Place], context: Context) -> None:
    """See to it that every place has a result, and that the tracker hears of it.

    Those that have none are a population, trained from its checkpoint if it has one. It is checkpointed when it is
    formed: whenever it is resumed it has the members it had, also those that have finished since.
    """
    store, by_hash = context.store, {place.hash(arm): place for place in places}
    path, saved = _checkpoint(arm, name, context), None
    if path.exists():
        try:
            saved = torch.load(path, weights_only=True)
        except Exception:  # a file that the disk has damaged can raise anything: begin again
            saved = None
    hashes = saved["members"] if saved and set(saved["members"]) <= by_hash.keys() else None
    if hashes is None:
        saved, hashes = None, [member for member in by_hash if store.get(member) is None]
    if hashes and any(store.get(member) is None for member in hashes):
        _run_population(arm, [by_hash[member] for member in hashes], saved and saved["population"], path, context)
    for member, place in by_hash.items():
        if context.told.get(member) != arm.hash:
            store.tell(arm.study, member, _standing(arm, place))


def _run_population(arm: Arm, places: list[Place], saved: dict[str, Any] | None, path: Path, context: Context) -> None:
    # A process per core with an arm each, as two processes train more members than two threads over (member, tile) of
    # one do (`nox -s bench` measures both): between arms nobody waits for anybody.
    torch.set_num_threads(1)
    engine = choose(context.engine, arm.cell.build())
    model, members = build(arm, engine), [place.member for place in places]
    population = Population(model, arm.task.build(), arm.lag, members, Budget(**arm.train.model_dump()))
    hashes = [place.hash(arm) for place in places]

    def save() -> None:
        with appearing(path) as scratch:
            torch.save({"members": hashes, "population": population.save()}, scratch)

    if saved:
        population.load(saved)
    else:
        save()
    saved_at = time.monotonic()
    for event in population.run():
        match event:
            case Left(k, result):
                context.store.put(hashes[k], _result(arm, places[k], model, result, engine.name))
                context.store.tell(arm.study, hashes[k], _standing(arm, places[k]))
            case Evaluated(step, active, best):
                context.report(Progress(arm.hash, places[0].phase, step, active, best))
                if time.monotonic() - saved_at > CHECKPOINT_SECONDS or context.stopping():
                    save()
                    saved_at = time.monotonic()
                if context.stopping():
                    raise Interrupted


def _checkpoint(arm: Arm, name: str, context: Context) -> Path:
    return context.store.checkpoints / f"{arm.hash}-{name}.pt"


def _standing(arm: Arm, place: Place) -> dict[str, Any]:
    """Where a member stands in a study."""
    return {
        "arm": arm.hash,
        "phase": place.phase,
        "cell": arm.cell.label,
        "task": arm.task.label,
        "lag": arm.lag,
        "size": arm.size,
        "search": place.search,
        "trial": place.trial,
    }


def _result(arm: Arm, place: Place, model: Model, result: Result, engine: str) -> dict[str, Any]:
    """All there is to know of a finished member wherever it stands, as JSON-like data."""
    horizon = arm.task.build().steps(arm.lag)
    norms = result.curves.get("test/state_norm")
    return {
        "seed": place.member.seed,
        "engine": engine,
        "status": result.status,
        "settings": place.member.settings,
        "hidden_size": model.hidden,
        "parameters": model.parameters,
        "metrics": {
            "score": result.score,
            "solved": int(result.status == "solved"),
            "diverged": int(result.status == "diverged"),
            "steps_to_solve": result.step if result.status == "solved" else arm.train.steps,
            "censored": int(result.status != "solved"),
            "steps": arm.train.steps,
            "left_at": result.step,
            "objective": result.objective,
            "seconds": result.seconds,
            # forward, and twice that backward
            "flops_per_step": 3 * model.flops * horizon * arm.train.batch,
            **({} if result.loss is None else {"loss": result.loss}),
            **({"state_norm_first": norms[0][1], "state_norm_last": norms[-1][1]} if norms else {}),
        },
        "curves": result.curves,
    }


@cache
def storage(store: Store) -> BaseStorage:
    """The searches' database. The parent opens it first: two workers must not both make its tables."""
    patience = {"connect_args": {"timeout": 60}}
    if not store.optuna.exists():
        with appearing(store.optuna) as scratch:
            optuna.storages.RDBStorage(f"sqlite:///{scratch}").engine.dispose()
    return optuna.storages.RDBStorage(f"sqlite:///{store.optuna}", engine_kwargs=patience)


class Search:
    """One independent search of an arm: an Optuna study whose n-th trial is decided by the study file and n alone.

    A reopened sampler does not go on where it left off, so it is built anew for every trial, with a seed of its own.
    """

    def __init__(self, arm: Arm, index: int, storage: BaseStorage) -> None:
        self.arm, self.index = arm, index
        self.distributions = {name: _distribution(values) for name, values in arm.space.items()}
        space = {
            name: values.model_dump() if isinstance(values, Range) else values for name, values in arm.space.items()
        }
        # Random trials do not depend on how many are planned; what TPE proposes does.
        plan = [] if arm.tune.sampler == "random" else [arm.tune.round, arm.tune.trials]
        identity = digest(arm.content, space, arm.tune.sampler, plan, arm.tune.seeds, arm.seed)
        self.study = optuna.create_study(
            study_name=f"{arm.cell.cell} {arm.task.name} lag {arm.lag} size {arm.size} search {index} {identity}",
            storage=storage,
            direction="maximize",
            load_if_exists=True,
        )
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() != self.distributions.keys():
                self.study.tell(trial.number, state=TrialState.FAIL)  # killed while it was being asked for

    def trials(self) -> list[FrozenTrial]:
        """The trials that were asked for completely, in order: a trial's number here is its place in this list."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.COMPLETE))

    def ask(self, number: int) -> FrozenTrial:
        """The trial of this number, as it was asked for before or, if it never was, now."""
        if number >= len(self.trials()):
            seed = self.arm.derive("sampler", self.index, number) % 2**32
            self.study.sampler = (
                optuna.samplers.RandomSampler(seed=seed)
                if self.arm.tune.sampler == "random"
                else optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(self.arm.tune.trials // 4, 1))
            )
            self.study.ask(self.distributions)
        return self.trials()[number]

    def tell(self, number: int, objective: float) -> None:
        self.study.tell(self.trials()[number].number, objective)

    def places(self, number: int) -> list[Place]:
        """The members of a trial: one for each tuning seed."""
        settings = self.arm.settings(self.trials()[number].params)
        seeds = [self.arm.derive("tune", self.index, number, k) for k in range(self.arm.tune.seeds)]
        return [Place("tune", self.index, number, Member(seed, settings)) for seed in seeds]

    def confirmation(self) -> list[Place]:
        """The best trial, of equals the earliest, on this search's share of the fresh seeds."""
        values = [trial.value for trial in self.trials()[: self.arm.tune.trials]]
        best = values.index(max(value for value in values if value is not None))
        settings = self.arm.settings(self.trials()[best].params)
        share = range(self.arm.confirm.seeds // self.arm.tune.searches)
        seeds = [self.arm.derive("confirm", self.index, k) for k in share]
        return [Place("confirm", self.index, best, Member(seed, settings)) for seed in seeds]


def _distribution(values: Values) -> BaseDistribution:
    if isinstance(values, Range):
        return FloatDistribution(values.low, values.high, log=values.log)
    return CategoricalDistribution(values)


def phases(arm: Arm) -> Iterator[tuple[str, int]]:
    """The members that each phase of an arm trains."""
    yield "tune", arm.tune.searches * arm.tune.trials * arm.tune.seeds
    yield "confirm", arm.confirm.seeds
