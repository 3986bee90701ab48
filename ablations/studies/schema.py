"""The tables of a study file as pydantic models: fields, defaults, allowed values."""

import inspect
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, FiniteFloat, Tag, field_validator, model_validator

import tasks
from ablations import cells
from ablations.cells.initial import fixable_initialisers
from ablations.errors import lookup
from ablations.hyperparameters import HYPERPARAMETERS, Setting
from ablations.probes import PROBES
from tasks import Task

MAX_INTEGER = 10**7
MAX_COUNT = 10**5
Positive = Annotated[int, Field(gt=0, le=MAX_INTEGER)]
LONGEST_LABEL = 100
"""Characters: the name of a run has the labels of a cell and a task, and MLflow keeps 250 of it."""
Count = Annotated[int, Field(gt=0, le=MAX_COUNT)]
"""The number of something that a process holds in memory all at once."""


class Strict(BaseModel):
    """A table of the study file. Unknown keys are refused, with the nearest valid key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, table: Any) -> Any:
        if isinstance(table, dict):
            for key in table:
                lookup("key", key, cls.model_fields)
        return table


class CellChoice(Strict):
    """An entry of `cells`: a cell, its label and its options. The string `"lstm"` is short for `{ cell = "lstm" }`."""

    cell: str
    label: str = ""
    """By default the cell's name and a `+key=value` for each of its options that differs from its default."""
    layers: Annotated[int, Field(gt=0, le=100)] = 1
    init: dict[str, Setting] = {}
    """Initialisers fixed for this cell instead of searched, such as `{ forget_bias = 0.0 }`."""
    options: dict[str, Any] = {}
    """Arguments of the cell's constructor, such as `{ peephole = true }`. Those equal to their defaults are dropped."""

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, table: Any) -> Any:
        return {"cell": table} if isinstance(table, str) else table

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = lookup("cell", self.cell, cells.catalogue())
        object.__setattr__(self, "options", _changed_options(kind, self.options))
        fixable = dict.fromkeys(fixable_initialisers(self.build()))
        for name, value in self.init.items():
            lookup(f"initialiser of {self.cell}", name, fixable)
            HYPERPARAMETERS[name].check(value)
        if not self.label:
            layers = {"layers": self.layers} if self.layers > 1 else {}
            object.__setattr__(self, "label", _label(self.cell, {**layers, **self.init, **self.options}))
        _check_label(self.label)
        return self

    def build(self) -> cells.Cell:
        return cells.catalogue()[self.cell](**self.options)


class TaskChoice(BaseModel):
    """A `[[task]]` table: a task, its lags and its label. Further keys are options of the task."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    lags: list[Annotated[int, Field(le=MAX_INTEGER)]] = Field(min_length=1)
    label: str = ""
    until_unsolved: bool = False
    """Whether a cell is not trained at a lag if none of its networks, of all phases, solved the task at the next shorter lag of
    the study. Its networks then count as unsolved."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the task's constructor. Those equal to their defaults are dropped."""
        return self.model_extra or {}

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, table: Any) -> Any:
        kind = tasks.catalogue().get(str(table.get("name"))) if isinstance(table, dict) else None
        if kind:
            for key in table:
                lookup(f"key of task {kind.name}", key, cls.model_fields | defaults(kind))
        return table

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = lookup("task", self.name, tasks.catalogue())
        object.__setattr__(self, "__pydantic_extra__", _changed_options(kind, self.options))
        task = self.build()
        for lag in self.lags:
            if lag < task.minimum_lag:
                raise ValueError(f"lag {lag} is too small for {self.name}; allowed: at least {task.minimum_lag}")
        if len(set(self.lags)) < len(self.lags):
            raise ValueError(f"lags {self.lags} contain a lag twice")
        if not self.label:
            object.__setattr__(self, "label", _label(self.name, self.options))
        _check_label(self.label)
        return self

    def build(self) -> Task:
        return tasks.catalogue()[self.name](**self.options)


class Train(Strict):
    """The `[train]` table: the training of every member."""

    steps: Positive = 2000
    """Gradient steps."""
    batch: Count = 16
    """Sequences per step."""
    eval_every: Positive = 50
    """Steps between evaluations on the validation set."""
    patience: Count = 2
    """Consecutive evaluations that must meet the task's criterion before the test set is evaluated."""
    test: Annotated[int, Field(ge=2, le=MAX_COUNT)] = 1000
    """Sequences in the test set."""
    time_limit: Annotated[FiniteFloat, Field(gt=0, le=MAX_INTEGER)] | None = Field(default=None, exclude=True)
    """Seconds that a sweep works on an arm before the arm fails; a sweep that is started again gives it as much again. It changes no
    result, and is left out of hashes and tables."""


class Range(Strict):
    """A continuous range of values of a hyperparameter."""

    low: FiniteFloat
    high: FiniteFloat
    log: bool = False
    """Whether values are sampled uniformly in the logarithm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"low = {self.low}, high = {self.high}: low must be below high, and above 0 with log = true"
            )
        return self


Values = Annotated[
    Annotated[Range, Tag("range")] | Annotated[list[Setting], Tag("list")],
    # Discriminated by type, so that an error is reported for one of the two forms only.
    Discriminator(lambda values: "list" if isinstance(values, list) else "range"),
]
"""The search space of one hyperparameter: a range or a list of values."""


class Tune(Strict):
    """The `[tune]` table: hyperparameter search, with the same space and the same number of trials for every cell."""

    searches: Count = 10
    """Independent searches per arm."""
    trials: Count = 6
    """Trials per search."""
    seeds: Count = 1
    """Networks trained per trial."""
    rerank: Annotated[int, Field(ge=0, le=MAX_COUNT)] = 2
    """Best trials of each search that are trained again before one of them is confirmed, so that a choice by few seeds does not
    favour fast configurations over reliable ones; 0: each search's best trial is confirmed."""
    rerank_seeds: Count = 1
    """New networks per trial that is trained again."""
    sampler: Literal["random", "tpe"] = "random"
    population: Count | None = None
    """Only for tpe: trials sampled at once, at most a quarter of `trials` (the default), so that each round uses the results
    of those before it."""
    space: dict[str, Values] = {
        name: Range(**hyperparameter.search) if isinstance(hyperparameter.search, Mapping) else hyperparameter.search
        for name, hyperparameter in HYPERPARAMETERS.items()
        if hyperparameter.search is not None
    }
    """The search space by hyperparameter: `{ low, high, log }` or a list of values. Others keep their defaults."""

    @field_validator("space")
    @classmethod
    def _check_space(cls, space: dict[str, Values]) -> dict[str, Values]:
        for name, values in space.items():
            hyperparameter = lookup("hyperparameter", name, HYPERPARAMETERS)
            if isinstance(values, list) and not values:
                raise ValueError(f"{name} has an empty list of values")
            for value in values if isinstance(values, list) else (values.low, values.high):
                hyperparameter.check(value)
        return space

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (networks := self.searches * self.trials * self.seeds) > MAX_COUNT:
            raise ValueError(f"searches × trials × seeds are {networks:,} networks per arm: at most {MAX_COUNT:,}")
        if (networks := self.searches * self.reranked * self.rerank_seeds) > MAX_COUNT:
            raise ValueError(
                f"searches × rerank × rerank_seeds are {networks:,} networks per arm: at most {MAX_COUNT:,}"
            )
        if self.sampler == "random" and self.population is not None:
            raise ValueError(
                "population is only allowed with sampler = 'tpe'; random search samples all trials at once"
            )
        if self.sampler == "tpe" and self.trials_per_round > max(self.trials // 4, 1):
            raise ValueError(
                f"population = {self.population} is too large for {self.trials} trials with tpe: "
                f"at most {max(self.trials // 4, 1)}"
            )
        return self

    @property
    def reranked(self) -> int:
        """Trials of one search that are trained again: `rerank`, at most all of them, and none if there is no choice."""
        return min(self.rerank, self.trials) if self.trials > 1 else 0

    @property
    def trials_per_round(self) -> int:
        """Trials of one search that are sampled and trained at once."""
        return self.trials if self.sampler == "random" else self.population or max(self.trials // 4, 1)


class Confirm(Strict):
    """The `[confirm]` table: training the chosen trial of each search again, on new seeds."""

    seeds: Count = 20
    """Networks per arm, equally many for each search."""
    probes: list[str] = ["flow", "retention", "gates", "decode"]
    """Probes to run on the confirmed networks. `clamp` and `distill` train further, so they run only on the first solved
    network of each search."""

    @field_validator("probes")
    @classmethod
    def _check_probes(cls, probes: list[str]) -> list[str]:
        for probe in probes:
            lookup("probe", probe, dict.fromkeys(PROBES))
        return probes


def defaults(kind: type) -> dict[str, Any]:
    """The options of a cell or task (the parameters of its constructor) with their defaults."""
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}


def _changed_options(kind: type[cells.Cell] | type[Task], options: dict[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults.

    :raises ValueError: for an option that does not exist, or a value that is not allowed.
    """
    default = defaults(kind)
    for option in options:
        lookup(f"option of {kind.name}", option, default)
    try:
        kind(**options)
    except TypeError as error:
        raise ValueError(f"{kind.name}: {error}") from None
    return {option: value for option, value in options.items() if value != default[option]}


def _label(name: str, options: dict[str, Any]) -> str:
    return "+".join([name, *(key if value is True else f"{key}={value}" for key, value in options.items())])


def _check_label(label: str) -> None:
    """Raise ValueError for a label that MLflow would cut, or that does not fit into one line of a table."""
    if len(label) > LONGEST_LABEL:
        raise ValueError(f"the label {label!r} has {len(label)} characters: give it one of at most {LONGEST_LABEL}")
    if has_control_characters(label) or label != label.strip():
        raise ValueError(f"the label {label!r} has control characters, or spaces at its ends: give it another")


def has_control_characters(text: str) -> bool:
    """Whether a text has line breaks or other control characters."""
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)
