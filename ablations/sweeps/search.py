"""The searches of an arm: which trials are tried, and which one is confirmed. Only here is optuna imported."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ablations.studies.hashing import digest
from ablations.studies.schema import Range, Values
from ablations.studies.study import Arm
from ablations.sweeps.store import Store, appearing
from ablations.training.population import Member

optuna.logging.set_verbosity(optuna.logging.WARNING)


class MemberSpec(NamedTuple):
    """Where a member stands in an arm, beside what it is."""

    phase: str
    search: int
    trial: int
    member: Member

    def hash(self, arm: Arm) -> str:
        return arm.member(self.member.settings, self.member.seed)


def storage(store: Store) -> BaseStorage:
    """The searches' database. The parent opens it first: two workers must not both make its tables."""
    if not store.optuna.exists():
        with appearing(store.optuna) as scratch:
            optuna.storages.RDBStorage(f"sqlite:///{scratch}").engine.dispose()
    return _opened(store.optuna)


@cache
def _opened(path: Path) -> BaseStorage:
    """One connection for each process: every arm that a worker is given brings a store of its own."""
    return optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})


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

    def told(self, number: int) -> bool:
        return self.trials()[number].state == TrialState.COMPLETE

    def tell(self, number: int, objective: float) -> None:
        self.study.tell(self.trials()[number].number, objective)

    def places(self, number: int) -> list[MemberSpec]:
        """The members of a trial: one for each tuning seed."""
        settings = self.arm.settings(self.trials()[number].params)
        seeds = [self.arm.derive("tune", self.index, number, k) for k in range(self.arm.tune.seeds)]
        return [MemberSpec("tune", self.index, number, Member(seed, settings)) for seed in seeds]

    def confirmation(self) -> list[MemberSpec]:
        """The best trial, of equals the earliest, on this search's share of the fresh seeds."""
        values = [trial.value for trial in self.trials()[: self.arm.tune.trials]]
        best = values.index(max(value for value in values if value is not None))
        settings = self.arm.settings(self.trials()[best].params)
        share = range(self.arm.confirm.seeds // self.arm.tune.searches)
        seeds = [self.arm.derive("confirm", self.index, k) for k in share]
        return [MemberSpec("confirm", self.index, best, Member(seed, settings)) for seed in seeds]


def _distribution(values: Values) -> BaseDistribution:
    if isinstance(values, Range):
        return FloatDistribution(values.low, values.high, log=values.log)
    return CategoricalDistribution(values)
