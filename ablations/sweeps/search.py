"""The hyperparameter searches of an arm, as Optuna studies. The only module that imports optuna."""

import shlex
import sqlite3
import time
from collections.abc import Callable, Iterable
from functools import cache
from statistics import fmean
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from ablations.errors import InputError, SweepFailed, first_line
from ablations.studies.hashing import digest
from ablations.studies.schema import Range, Values
from ablations.studies.study import Arm
from ablations.sweeps.server import masked
from ablations.sweeps.store import Store, atomic_file, database_url
from ablations.training.result import Member

optuna.logging.set_verbosity(optuna.logging.WARNING)


Phase = Literal["tune", "rerank", "confirm"]
PHASES = get_args(Phase)
"""What an arm's members are trained for, in order: trials of searches; the best trials again; the chosen ones on new seeds."""


class MemberSpec(NamedTuple):
    """A member to train, and its position in its arm."""

    phase: Phase
    search: int
    trial: int
    member: Member
    number: int = 0
    """Its place among the networks of this phase and trial, which differ by their seed only."""

    @property
    def position(self) -> str:
        """The first letter of the phase with the numbers of search, trial and network, as in `t1.3`, `r1.3.0` and `c1.2`: only
        one trial of a search is confirmed."""
        match self.phase:
            case "confirm":
                numbers = [self.search, self.number]
            case "rerank":
                numbers = [self.search, self.trial, self.number]
            case _:
                numbers = [self.search, self.trial, *([self.number] if self.number else [])]
        return self.phase[0] + ".".join(map(str, numbers))

    def hash(self, arm: Arm) -> str:
        """The member's content hash."""
        return arm.member_hash(self.member.settings, self.member.seed)


T = TypeVar("T")


class Unreachable(InputError):
    """A database of searches cannot be used."""


def storage(store: Store) -> BaseStorage:
    """The Optuna storage of a store. The parent process opens it first, so that its tables are created only once.

    :raises InputError: if its database cannot be made or used.
    """
    try:
        where = make_url(store.optuna_url or database_url(store.optuna)).render_as_string(hide_password=True)
    except SQLAlchemyError:
        raise InputError(
            f"--optuna-storage {masked(store.optuna_url)}: allowed is the URL of a database, such as "
            "postgresql+psycopg://user@host/name"
        ) from None
    name = f"--optuna-storage {where}" if store.optuna_url else str(store.optuna)
    try:
        if not store.optuna_url and not store.optuna.exists():
            with atomic_file(store.optuna) as scratch:
                optuna.storages.RDBStorage(database_url(scratch)).engine.dispose()
        return _connect(store.optuna_url or database_url(store.optuna))
    except RuntimeError:  # Optuna's own: the tables are of another version
        raise InputError(
            f"{name} is of another version of Optuna: upgrade it with `optuna storage upgrade --storage {shlex.quote(where)}`, or "
            "delete it: the same trials are made again, and none is trained again"
        ) from None
    except (SQLAlchemyError, OSError, ImportError) as error:
        reason = getattr(error, "orig", None) or error
        raise Unreachable(
            f"{name} cannot be used: {getattr(error, 'strerror', None) or first_line(reason or error)}"
        ) from None


@cache
def _connect(url: str) -> BaseStorage:
    """One connection per process, shared by all arms that it runs."""
    # A file is locked for a moment by another process; a connection to a server may have been cut.
    local = url.startswith("sqlite")
    arguments = {"connect_args": {"timeout": 60}} if local else {"pool_pre_ping": True}
    return optuna.storages.RDBStorage(url, engine_kwargs=arguments)


PATIENCE_SECONDS, LONGEST_PAUSE = 300.0, 10.0
"""How long calls of a database that cannot be reached are repeated, and the longest pause between two of them."""


def retried(call: Callable[[], T], before_repeat: Callable[[], object] = lambda: None) -> T:
    """The result of a call of the database, which is repeated while that cannot be reached, for example as it is restarted.

    :raises SweepFailed: after PATIENCE_SECONDS, and at once where a database in a file fails, such as on a full disk.
    """
    failed_at, pause, repeated = None, 0.5, False
    while True:
        try:
            if repeated:
                before_repeat()
            return call()
        except (OperationalError, InterfaceError, StorageInternalError, Unreachable) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            reason = getattr(cause, "orig", cause)
            if isinstance(reason, sqlite3.Error):
                raise SweepFailed(
                    f"the database of the searches failed ({reason}): all progress is saved, and the same command continues"
                ) from None
            if not isinstance(cause, OperationalError | InterfaceError | Unreachable):
                raise
            failed_at = failed_at or time.monotonic()
            if time.monotonic() - failed_at > PATIENCE_SECONDS:
                raise SweepFailed(
                    f"the database of the searches could not be reached for {PATIENCE_SECONDS:g} seconds "
                    f"({first_line(reason or error)}): all progress is saved, and the same command continues"
                ) from None
        time.sleep(pause)
        pause, repeated = min(2 * pause, LONGEST_PAUSE), True


Results = Callable[[str], dict[str, Any] | None]
"""The result of a member by its hash, None while it is not trained: `Store.get`."""


class Search:
    """One independent search of an arm: an Optuna study whose n-th trial is determined by the study file and n.

    Optuna does not store the state of a sampler's random generator, so each trial gets a new sampler with its own seed.
    """

    def __init__(self, arm: Arm, index: int, storage: BaseStorage) -> None:
        self.arm, self.index = arm, index
        self.distributions = {name: _distribution(values) for name, values in arm.space.items()}
        self.study = optuna.create_study(
            study_name=_study_name(arm, index, storage),
            storage=storage,
            direction="maximize",
            load_if_exists=True,
        )
        attributes = {"cell": arm.cell.cell, "task": arm.task.name, "lag": arm.lag, "size": arm.size, "search": index}
        for name in sorted(attributes.keys() - self.study.user_attrs.keys()):
            self.study.set_user_attr(name, attributes[name])
        self._discard_incomplete()
        self.known = self.trials()
        """The trials as they were last read: only this object changes them, and a query for each member would be slow."""

    def _discard_incomplete(self) -> None:
        """Mark as failed the trials whose parameters are incomplete: the process was killed, or the database could not be reached."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() != self.distributions.keys():
                self.study.tell(trial.number, state=TrialState.FAIL)

    def trials(self) -> list[FrozenTrial]:
        """The trials with all parameters, in order. Trial numbers of this class are positions in this list."""
        states = (TrialState.RUNNING, TrialState.COMPLETE)
        return retried(lambda: self.study.get_trials(deepcopy=False, states=states))

    def ask(self, number: int) -> FrozenTrial:
        """The trial of this number, which is sampled by Optuna (`Study.ask`) if it does not exist yet."""

        def ask() -> FrozenTrial:
            if number >= len(self.known):
                seed = self.arm.derive_seed("sampler", self.index, number) % 2**32
                self.study.sampler = (
                    optuna.samplers.RandomSampler(seed=seed)
                    if self.arm.tune.sampler == "random"
                    else optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(self.arm.tune.trials // 4, 1))
                )
                self.study.ask(self.distributions)
                self.known = self.trials()
            return self.known[number]

        return retried(ask, self._read_again)

    def tell(self, number: int, objective: float) -> None:
        """Report the objective of this trial to Optuna, unless the trial is complete already."""

        def tell() -> None:
            if self.known[number].state != TrialState.COMPLETE:
                self.known[number] = self.study.tell(self.known[number].number, objective)

        retried(tell, self._read_again)

    def _read_again(self) -> None:
        """Read what the database has after a call that failed: it may have been done nevertheless, or only in part."""
        self._discard_incomplete()
        self.known = self.trials()

    def trial_members(self, number: int) -> list[MemberSpec]:
        """The members of a trial: one per tuning seed."""
        return self._members("tune", number, range(self.arm.tune.seeds), number)

    def rerank_members(self, result: Results) -> list[MemberSpec]:
        """The best trials of the search, all with the same new seeds."""
        best = self._ranked(range(self.arm.tune.trials), self.trial_members, result)[: self.arm.tune.reranked]
        return [member for number in best for member in self._reranked(number)]

    def confirmation_members(self, result: Results) -> list[MemberSpec]:
        """The best trial, by the networks of both earlier phases, with this search's part of the confirmation seeds."""
        trained_again = dict.fromkeys(member.trial for member in self.rerank_members(result))
        if trained_again:
            best = self._ranked(trained_again, lambda k: self.trial_members(k) + self._reranked(k), result)[0]
        else:
            best = self._ranked(range(self.arm.tune.trials), self.trial_members, result)[0]
        return self._members("confirm", best, range(self.arm.confirm.seeds // self.arm.tune.searches))

    def _reranked(self, number: int) -> list[MemberSpec]:
        """The members of a trial in the phase `rerank`. Their seeds do not depend on the trial, so that all compete on equal ones."""
        return self._members("rerank", number, range(self.arm.tune.rerank_seeds))

    def _members(self, phase: Phase, number: int, seeds: Iterable[int], *seed_parts: int) -> list[MemberSpec]:
        """The members of a trial in a phase.

        :param seed_parts: what their seeds depend on besides the arm, the phase, the search and their index.
        """
        settings = self.arm.settings(self.known[number].params)
        derived = [self.arm.derive_seed(phase, self.index, *seed_parts, k) for k in seeds]
        return [MemberSpec(phase, self.index, number, Member(seed, settings), k) for k, seed in enumerate(derived)]

    def _ranked(
        self, trials: Iterable[int], members_of: Callable[[int], list[MemberSpec]], result: Results
    ) -> list[int]:
        """Trials from best to worst: by the share of their members that solved the task, then by the mean objective, in which
        speed counts; the earlier of equals first."""

        def rank(number: int) -> tuple[float, float]:
            found = [result(member.hash(self.arm)) for member in members_of(number)]
            metrics = [one["metrics"] for one in found if one]
            return fmean(one["solved"] for one in metrics), fmean(one["objective"] for one in metrics)

        return sorted(trials, key=rank, reverse=True)


def _study_name(arm: Arm, index: int, storage: BaseStorage) -> str:
    """The name of a search's Optuna study: two arms with the same trials share it, except on a server, where sweeps of two
    studies may ask for trials at the same time."""
    space = {name: values.model_dump() if isinstance(values, Range) else values for name, values in arm.space.items()}
    # The proposals of TPE depend on how many trials are planned, those of random search do not.
    plan = [] if arm.tune.sampler == "random" else [arm.tune.trials_per_round, arm.tune.trials]
    identity = digest(arm.content, space, arm.tune.sampler, plan, arm.tune.seeds, arm.seed)
    name = f"{arm.cell.cell} {arm.task.name} lag {arm.lag} size {arm.size} search {index} {identity}"
    on_server = isinstance(storage, optuna.storages.RDBStorage) and not storage.url.startswith("sqlite")
    return f"{arm.study}: {name}" if on_server else name


def delete_searches(arms: Iterable[Arm], kept: Iterable[Arm], storage: BaseStorage) -> int:
    """Delete the Optuna studies of arms, except those that other arms share; returns how many there were."""
    mine, others = (
        {_study_name(arm, k, storage) for arm in group for k in range(arm.tune.searches)} for group in (arms, kept)
    )
    names = (mine - others) & {*optuna.get_all_study_names(storage)}
    for name in sorted(names):
        optuna.delete_study(study_name=name, storage=storage)
    return len(names)


def _distribution(values: Values) -> BaseDistribution:
    if isinstance(values, Range):
        return FloatDistribution(values.low, values.high, log=values.log)
    return CategoricalDistribution(values)
