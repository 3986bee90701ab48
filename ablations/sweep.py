"""Tuning and confirming one arm. Each search's trials come from Optuna; its best one is trained again on fresh seeds.

Every step can be repeated: what was asked is continued, what was told is not run again, and a population goes on from
its checkpoint. A killed sweep that is started again ends with the table of an undisturbed one.
"""

import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import optuna
import torch
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ablations.engines import choose
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
    """How far an arm has come: `done` and `of` count trained steps of members."""

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
    finished: frozenset[str]
    """Hashes of the members whose results are safe."""
    report: Callable[[Progress], None]
    stopping: Callable[[], bool]


def build(arm: Arm, engine: str) -> Model:
    """The network of an arm, with the hidden size that its study's matching asks for."""
    task, cell = arm.task.build(), arm.cell.build()
    inputs, outputs = task.sizes(arm.lag)
    hidden = hidden_size(cell, inputs, outputs, arm.match, arm.size, arm.cell.layers)
    return Model(cell, inputs, outputs, hidden, choose(engine).scan, arm.cell.layers)


def run(arm: Arm, context: Context) -> list[str]:
    """Tune, then confirm; the hashes of all the arm's members.

    Raises Interrupted when asked to stop; whatever else is raised, what was finished is safe.
    """
    # An orphan of a killed sweep may be a moment behind its parent: never two writers of one arm.
    with FileLock(context.store.checkpoints / f"{arm.hash}.lock"):
        searches = [Search(arm, index, storage(context.store)) for index in range(arm.tune.searches)]
        for first in range(0, arm.tune.trials, arm.tune.round):
            _tune(arm, searches, range(first, min(first + arm.tune.round, arm.tune.trials)), context)
        confirmed = [place for search in searches for place in search.confirmation()]
        _train(arm, "confirm", [p for p in confirmed if p.hash(arm) not in context.finished], context)
        _forget(arm, "confirm", context)
        tuned = [place for search in searches for number in range(arm.tune.trials) for place in search.places(number)]
        return [place.hash(arm) for place in tuned + confirmed]


def _tune(arm: Arm, searches: list["Search"], numbers: range, context: Context) -> None:
    """One round: all searches ask before anything is trained, and are told after all of it is."""
    asked = [(search, number) for search in searches for number in numbers]
    running = [(search, number) for search, number in asked if search.ask(number).state == TrialState.RUNNING]
    places = [place for search, number in running for place in search.places(number)]
    results = iter(_train(arm, f"tune-{numbers.start}", places, context))
    for search, number in running:
        objectives = [next(results).objective for _ in range(arm.tune.seeds)]
        search.tell(number, sum(objectives) / len(objectives))
    _forget(arm, f"tune-{numbers.start}", context)


def _train(arm: Arm, name: str, places: list[Place], context: Context) -> list[Result]:
    """Train a population to its end, from its checkpoint if it has one; results are spooled as members leave."""
    if not places:
        return []
    torch.set_num_threads(1)  # arms run side by side, one to a core
    model = build(arm, context.engine)
    task = arm.task.build()
    population = Population(model, task, arm.lag, [p.member for p in places], Budget(**arm.train.model_dump()))
    path = context.store.checkpoints / f"{arm.hash}-{name}.pt"
    hashes = [place.hash(arm) for place in places]
    if path.exists():
        saved = torch.load(path, weights_only=True)
        if saved["members"] == hashes:
            population.load(saved["population"])

    def save() -> None:
        with appearing(path) as scratch:
            torch.save({"members": hashes, "population": population.save()}, scratch)

    saved_at = time.monotonic()
    for event in population.run():
        match event:
            case Left(k, result):
                context.store.put(record(arm, places[k], model, result, context.engine))
            case Evaluated(step, active, best):
                context.report(Progress(arm.hash, places[0].phase, step, active, best))
                if time.monotonic() - saved_at > CHECKPOINT_SECONDS or context.stopping():
                    save()
                    saved_at = time.monotonic()
                if context.stopping():
                    raise Interrupted
    save()  # the results are needed again if the searches cannot be told now
    return population.results


def _forget(arm: Arm, name: str, context: Context) -> None:
    (context.store.checkpoints / f"{arm.hash}-{name}.pt").unlink(missing_ok=True)


def record(arm: Arm, place: Place, model: Model, result: Result, engine: str) -> dict[str, Any]:
    """All there is to know of a finished member, as JSON-like data: what the tracker stores."""
    horizon = arm.task.build().steps(arm.lag)
    norms = result.curves.get("test/state_norm")
    return {
        "hash": place.hash(arm),
        "study": arm.study,
        "arm": arm.hash,
        "phase": place.phase,
        "cell": arm.cell.label,
        "task": arm.task.label,
        "lag": arm.lag,
        "size": arm.size,
        "search": place.search,
        "trial": place.trial,
        "seed": place.member.seed,
        "engine": choose(engine).name,
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
            study_name=f"{arm} · search {index} · {identity}",
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
