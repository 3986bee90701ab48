"""The tables of a study file: what can be chosen, what it means, and what is refused."""

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, FiniteFloat, Tag, field_validator, model_validator

import tasks
from ablations import cells
from ablations.cells.initial import fixable_initialisers
from ablations.errors import known
from ablations.hyperparameters import HYPERPARAMETERS, Setting
from ablations.probes import PROBES
from tasks import Task

LARGEST = 10**7
MANY = 10**5
Positive = Annotated[int, Field(gt=0, le=LARGEST)]
Count = Annotated[int, Field(gt=0, le=MANY)]
"""Of what a process must hold all at once."""


class Strict(BaseModel):
    """A table of the study file. A key it does not know is refused, with the nearest one that it does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, table: Any) -> Any:
        if isinstance(table, dict):
            for key in table:
                known("key", key, cls.model_fields)
        return table


class CellChoice(Strict):
    """A cell under a label, with its options. A bare name stands for `{ cell = name }`."""

    cell: str
    label: str = ""
    """Defaults to the cell's name, with `+option` for everything that is not as usual."""
    layers: Annotated[int, Field(gt=0, le=100)] = 1
    init: dict[str, Setting] = {}
    """Initialisers fixed for this cell instead of searched, such as `{ forget_bias = 0.0 }`."""
    options: dict[str, Any] = {}
    """Options of the cell's constructor, such as `{ peephole = true }`; those that are as usual are left out."""

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, table: Any) -> Any:
        return {"cell": table} if isinstance(table, str) else table

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = known("cell", self.cell, cells.catalogue())
        object.__setattr__(self, "options", _unusual(kind, self.options))
        has = dict.fromkeys(fixable_initialisers(self.build()))
        for name, value in self.init.items():
            known(f"initialiser of {self.cell}", name, has)
            HYPERPARAMETERS[name].check(value)
        if not self.label:
            extras = {**({"layers": self.layers} if self.layers > 1 else {}), **self.init, **self.options}
            object.__setattr__(self, "label", _label(self.cell, extras))
        return self

    def build(self) -> cells.Cell:
        return cells.catalogue()[self.cell](**self.options)


class TaskChoice(BaseModel):
    """A `[[task]]`: its name, its lags, and any option of the task as a further key."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    lags: list[Annotated[int, Field(le=LARGEST)]] = Field(min_length=1)
    label: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """Those that are not as usual."""
        return self.model_extra or {}

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, table: Any) -> Any:
        kind = tasks.catalogue().get(str(table.get("name"))) if isinstance(table, dict) else None
        if kind:
            for key in table:
                known(f"key of task {kind.name}", key, cls.model_fields | defaults(kind))
        return table

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = known("task", self.name, tasks.catalogue())
        object.__setattr__(self, "__pydantic_extra__", _unusual(kind, self.options))
        task = self.build()
        for lag in self.lags:
            if lag < task.minimum_lag:
                raise ValueError(f"lag {lag} is too small for {self.name}: it starts at {task.minimum_lag}")
        if len(set(self.lags)) < len(self.lags):
            raise ValueError(f"lags {self.lags} name a lag twice")
        if not self.label:
            object.__setattr__(self, "label", _label(self.name, self.options))
        return self

    def build(self) -> Task:
        return tasks.catalogue()[self.name](**self.options)


class Train(Strict):
    """The training of every member."""

    steps: Positive = 3000
    """Gradient steps: the budget."""
    batch: Count = 32
    """Sequences per step."""
    eval_every: Positive = 25
    """Steps between evaluations on the validation set."""
    patience: Count = 3
    """Evaluations in a row that must meet the task's criterion before the test set is asked."""
    test: Annotated[int, Field(ge=2, le=MANY)] = 2000
    """Sequences in the test set."""


class Range(Strict):
    """A continuous range of a hyperparameter."""

    low: FiniteFloat
    high: FiniteFloat
    log: bool = False
    """Uniform in the logarithm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"low = {self.low}, high = {self.high}: low must be below high, and above 0 with log = true"
            )
        return self


Values = Annotated[
    Annotated[Range, Tag("range")] | Annotated[list[Setting], Tag("list")],
    # told apart by their form, so that a mistake in one is not also reported as not being the other
    Discriminator(lambda values: "list" if isinstance(values, list) else "range"),
]
"""What a hyperparameter may be: a range or a list of values."""


class Tune(Strict):
    """The search for hyperparameters: the same ranges and the same number of trials for every cell."""

    searches: Count = 5
    """Independent searches per arm."""
    trials: Count = 8
    """Trials per search."""
    seeds: Count = 1
    """Networks trained per trial."""
    sampler: Literal["random", "tpe"] = "random"
    population: Count | None = None
    """With tpe: trials asked for at once, at most a quarter of the trials, so that later rounds learn from earlier."""
    space: dict[str, Values] = {
        one.name: Range(**one.search) if isinstance(one.search, Mapping) else one.search
        for one in HYPERPARAMETERS.values()
        if one.search is not None
    }
    """What is searched, by hyperparameter: `{ low, high, log }` or a list of values. The rest stays as usual."""

    @field_validator("space")
    @classmethod
    def _check_space(cls, space: dict[str, Values]) -> dict[str, Values]:
        for name, values in space.items():
            hyperparameter = known("hyperparameter", name, HYPERPARAMETERS)
            if isinstance(values, list) and not values:
                raise ValueError(f"{name} has an empty list of values")
            for value in values if isinstance(values, list) else (values.low, values.high):
                hyperparameter.check(value)
        return space

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (networks := self.searches * self.trials * self.seeds) > MANY:
            raise ValueError(f"searches × trials × seeds are {networks:,} networks per arm: at most {MANY:,}")
        if self.sampler == "random" and self.population is not None:
            raise ValueError("population belongs to sampler = 'tpe': random trials are all asked for at once")
        if self.sampler == "tpe" and self.round > max(self.trials // 4, 1):
            raise ValueError(
                f"population = {self.population} leaves tpe too few rounds: at most {self.trials // 4} here"
            )
        return self

    @property
    def round(self) -> int:
        """Trials of one search that are asked for at once."""
        return self.trials if self.sampler == "random" else self.population or max(self.trials // 4, 1)


class Confirm(Strict):
    """The confirmation of each search's best trial on fresh seeds."""

    seeds: Count = 20
    """Networks per arm, shared out equally among the searches."""
    probes: list[str] = ["flow", "retention", "gates", "decode"]
    """What the networks are asked afterwards; `clamp` and `distill` train on, and ask one that solved in each search."""

    @field_validator("probes")
    @classmethod
    def _check_probes(cls, probes: list[str]) -> list[str]:
        for probe in probes:
            known("probe", probe, dict.fromkeys(PROBES))
        return probes


def defaults(kind: type) -> dict[str, Any]:
    """The options of a cell or task, and what each is where a study says nothing."""
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}


def _unusual(kind: type[cells.Cell] | type[Task], options: dict[str, Any]) -> dict[str, Any]:
    """The options without those that are as usual. ValueError for one that does not exist, or a value it cannot take."""
    usual = defaults(kind)
    for option in options:
        known(f"option of {kind.name}", option, usual)
    try:
        kind(**options)
    except TypeError as error:
        raise ValueError(f"{kind.name}: {error}") from None
    return {option: value for option, value in options.items() if value != usual[option]}


def _label(name: str, extras: dict[str, Any]) -> str:
    return "+".join([name, *(key if value is True else f"{key}={value}" for key, value in extras.items())])
