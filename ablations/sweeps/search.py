"""The hyperparameter searches of an arm, as Optuna studies. The only module that imports optuna."""

import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from ablations.errors import InputError
from ablations.studies.hashing import digest
from ablations.studies.schema import Range, Values
from ablations.studies.study import Arm
from ablations.sweeps.store import Store, atomic_file, database_url
from ablations.training.result import Member

optuna.logging.set_verbosity(optuna.logging.WARNING)


class MemberSpec(NamedTuple):
    """A member to train, and its position in its arm."""

    phase: str
    """`tune` or `confirm`."""
    search: int
    trial: int
    member: Member

    def hash(self, arm: Arm) -> str:
        """The member's content hash."""
        return arm.member_hash(self.member.settings, self.member.seed)


def storage(store: Store) -> BaseStorage:
    """The Optuna storage of a store. The parent process opens it first, so that its tables are created only once.

    :raises InputError: if its database cannot be made or used.
    """
    try:
        if not store.optuna.exists():
            with atomic_file(store.optuna) as scratch:
                optuna.storages.RDBStorage(database_url(scratch)).engine.dispose()
        return _connect(store.optuna)
    except RuntimeError:  # Optuna's own: the tables are of another version
        raise InputError(
            f"{store.optuna} is of another version of Optuna: upgrade it with `optuna storage upgrade --storage "
            f"{shlex.quote(database_url(store.optuna))}`, or delete it: the same trials are made again, and none is trained again"
        ) from None
    except (SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
        raise InputError(f"{store.optuna} cannot be used: {reason}") from None


@cache
def _connect(path: Path) -> BaseStorage:
    """One connection per process, shared by all arms that it runs."""
    return optuna.storages.RDBStorage(database_url(path), engine_kwargs={"connect_args": {"timeout": 60}})


class Search:
    """One independent search of an arm: an Optuna study whose n-th trial is determined by the study file and n.

    Optuna does not store the state of a sampler's random generator, so each trial gets a new sampler with its own seed.
    """

    def __init__(self, arm: Arm, index: int, storage: BaseStorage) -> None:
        self.arm, self.index = arm, index
        self.distributions = {name: _distribution(values) for name, values in arm.space.items()}
        space = {
            name: values.model_dump() if isinstance(values, Range) else values for name, values in arm.space.items()
        }
        # The proposals of TPE depend on how many trials are planned, those of random search do not.
        plan = [] if arm.tune.sampler == "random" else [arm.tune.trials_per_round, arm.tune.trials]
        identity = digest(arm.content, space, arm.tune.sampler, plan, arm.tune.seeds, arm.seed)
        self.study = optuna.create_study(
            study_name=f"{arm.cell.cell} {arm.task.name} lag {arm.lag} size {arm.size} search {index} {identity}",
            storage=storage,
            direction="maximize",
            load_if_exists=True,
        )
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() != self.distributions.keys():
                self.study.tell(trial.number, state=TrialState.FAIL)  # the process was killed while asking for it

    def trials(self) -> list[FrozenTrial]:
        """The trials with all parameters, in order. Trial numbers of this class are positions in this list."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.COMPLETE))

    def ask(self, number: int) -> FrozenTrial:
        """The trial of this number, which is sampled by Optuna (`Study.ask`) if it does not exist yet."""
        if number >= len(self.trials()):
            seed = self.arm.derive_seed("sampler", self.index, number) % 2**32
            self.study.sampler = (
                optuna.samplers.RandomSampler(seed=seed)
                if self.arm.tune.sampler == "random"
                else optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(self.arm.tune.trials // 4, 1))
            )
            self.study.ask(self.distributions)
        return self.trials()[number]

    def is_complete(self, number: int) -> bool:
        """Whether Optuna has the objective of this trial."""
        return self.trials()[number].state == TrialState.COMPLETE

    def tell(self, number: int, objective: float) -> None:
        """Give Optuna the objective of this trial."""
        self.study.tell(self.trials()[number].number, objective)

    def trial_members(self, number: int) -> list[MemberSpec]:
        """The members of a trial: one per tuning seed."""
        settings = self.arm.settings(self.trials()[number].params)
        seeds = [self.arm.derive_seed("tune", self.index, number, k) for k in range(self.arm.tune.seeds)]
        return [MemberSpec("tune", self.index, number, Member(seed, settings)) for seed in seeds]

    def confirmation_members(self) -> list[MemberSpec]:
        """The best trial (the earliest of equals) with this search's part of the confirmation seeds."""
        values = [trial.value for trial in self.trials()[: self.arm.tune.trials]]
        best = values.index(max(value for value in values if value is not None))
        settings = self.arm.settings(self.trials()[best].params)
        count = self.arm.confirm.seeds // self.arm.tune.searches
        seeds = [self.arm.derive_seed("confirm", self.index, k) for k in range(count)]
        return [MemberSpec("confirm", self.index, best, Member(seed, settings)) for seed in seeds]


def _distribution(values: Values) -> BaseDistribution:
    if isinstance(values, Range):
        return FloatDistribution(values.low, values.high, log=values.log)
    return CategoricalDistribution(values)
