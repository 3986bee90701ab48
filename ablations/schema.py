"""The tables of a study file: what can be chosen, what it means, and what is refused."""

import inspect
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

import tasks
from ablations import cells
from ablations.cells.initial import DEFAULTS, RECURRENT, Setting, hyperparameters
from ablations.messages import known
from tasks import Task

SETTINGS: dict[str, Setting] = {"learning_rate": 1e-3, "clip_norm": 1.0, **DEFAULTS}
"""Every hyperparameter, and the value it takes where a study neither searches nor fixes it."""

Positive = Annotated[int, Field(gt=0)]


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
    layers: Positive = 1
    init: dict[str, Setting] = {}
    """Initialisers fixed for this cell instead of searched, such as `{ forget_bias = 0.0 }`."""
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, table: Any) -> Any:
        return {"cell": table} if isinstance(table, str) else table

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = known("cell", self.cell, cells.catalogue())
        for name, value in self.init.items():
            known(f"initialiser of {self.cell}", name, dict.fromkeys(hyperparameters(kind)))
            check_setting(name, value)
        _build(kind, self.options)
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
    lags: list[int] = Field(min_length=1)
    label: str = ""

    @property
    def options(self) -> dict[str, Any]:
        return self.model_extra or {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = known("task", self.name, tasks.catalogue())
        task = _build(kind, self.options)
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
    batch: Positive = 32
    """Sequences per step."""
    eval_every: Positive = 25
    """Steps between evaluations on the validation set."""
    patience: Positive = 3
    """Evaluations in a row that must meet the task's criterion before the test set is asked."""
    test: Positive = 2000
    """Sequences in the test set."""


class Range(Strict):
    """A continuous range of a hyperparameter."""

    low: float
    high: float
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

    searches: Positive = 5
    """Independent searches per arm."""
    trials: Positive = 8
    """Trials per search."""
    seeds: Positive = 1
    """Networks trained per trial."""
    sampler: Literal["random", "tpe"] = "random"
    population: Positive | None = None
    """With tpe: trials asked for at once, at most a quarter of the trials, so that later rounds learn from earlier."""
    space: dict[str, Values] = {
        "learning_rate": Range(low=1e-4, high=3e-2, log=True),
        "clip_norm": Range(low=0.1, high=10, log=True),
        "recurrent_init": list(RECURRENT),
        "forget_bias": [0.0, 1.0, 3.0, 5.0, "chrono"],
        "input_bias": [0.0, -1.0, -2.0, "chrono"],
    }
    """What is searched, by hyperparameter: `{ low, high, log }` or a list of values. The rest stays as usual."""

    @field_validator("space")
    @classmethod
    def _check_space(cls, space: dict[str, Values]) -> dict[str, Values]:
        for name, values in space.items():
            known("hyperparameter", name, SETTINGS)
            if isinstance(values, list) and not values:
                raise ValueError(f"{name} has an empty list of values")
            for value in values if isinstance(values, list) else (values.low, values.high):
                check_setting(name, value)
        return space

    @model_validator(mode="after")
    def _check(self) -> Self:
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

    seeds: Positive = 20
    """Networks per arm, shared out equally among the searches."""


def check_setting(name: str, value: Setting) -> None:
    """Raise ValueError when a hyperparameter cannot take a value."""
    if name == "recurrent_init":
        known("recurrent_init", value, dict.fromkeys(RECURRENT))
    elif isinstance(value, str) and not (value == "chrono" and name in ("forget_bias", "input_bias")):
        raise ValueError(f"{name} = {value!r} is no number{' and not chrono' if name.endswith('bias') else ''}")
    elif name in ("learning_rate", "clip_norm") and float(value) <= 0:
        raise ValueError(f"{name} = {value} must be above 0")


def _build(kind: type, options: dict[str, Any]) -> Any:
    """An instance with options; ValueError for an option that does not exist or a value it cannot take."""
    accepted = {} if kind.__init__ is object.__init__ else inspect.signature(kind).parameters
    for option in options:
        known(f"option of {kind.name}", option, accepted)
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(f"{kind.name}: {error}") from None


def _label(name: str, extras: dict[str, Any]) -> str:
    return "+".join([name, *(key if value is True else f"{key}={value}" for key, value in extras.items())])
