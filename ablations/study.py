"""The study file: what is trained, tuned and confirmed. Everything that affects a result is in it or in the code.

`load` reads a preset or a TOML file; `Study.arms` lists the units of work; hashes identify arms and members by content.
"""

import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tasks
from ablations import cells
from ablations.cells.initial import DEFAULTS, RECURRENT, Setting, hyperparameters
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ablations.identity import derive, digest, source
from ablations.messages import InputError, known, nearest
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
        if isinstance(table, dict) and cls.model_config["extra"] == "forbid":
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
            known(f"initialiser of {self.cell}", name, hyperparameters(kind))
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
        _build(kind, self.options)
        for lag in self.lags:
            if lag < kind.minimum_lag:
                raise ValueError(f"lag {lag} is too small for {self.name}: it starts at {kind.minimum_lag}")
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
            raise ValueError(f"low = {self.low}, high = {self.high}: low must be below high, and above 0 with log = true")
        return self


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
    space: dict[str, Range | list[Setting]] = {
        "learning_rate": Range(low=1e-4, high=3e-2, log=True),
        "clip_norm": Range(low=0.1, high=10, log=True),
        "recurrent_init": list(RECURRENT),
        "forget_bias": [0.0, 1.0, 3.0, 5.0, "chrono"],
        "input_bias": [0.0, -1.0, -2.0, "chrono"],
    }
    """What is searched, by hyperparameter: `{ low, high, log }` or a list of values. The rest stays as usual."""

    @field_validator("space")
    @classmethod
    def _check_space(cls, space: dict[str, Range | list[Setting]]) -> dict[str, Range | list[Setting]]:
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
            raise ValueError(f"population = {self.population} leaves tpe too few rounds: at most {self.trials // 4} here")
        return self

    @property
    def round(self) -> int:
        """Trials of one search that are asked for at once."""
        return self.trials if self.sampler == "random" else self.population or max(self.trials // 4, 1)


class Confirm(Strict):
    """The confirmation of each search's best trial on fresh seeds."""

    seeds: Positive = 20
    """Networks per arm, shared out equally among the searches."""


class Arm(BaseModel):
    """One cell on one task at one lag and size: the unit of work, of resuming and of distribution."""

    model_config = ConfigDict(frozen=True)

    cell: CellChoice
    task: TaskChoice
    lag: int
    size: int
    match: Literal["parameters", "hidden", "state"]
    train: Train
    tune: Tune
    confirm: Confirm
    seed: int

    def __str__(self) -> str:
        return f"{self.cell.label} · {self.task.label} · lag {self.lag} · {self.size}"

    @property
    def content(self) -> dict[str, Any]:
        """All that decides a member's result beside its hyperparameters and seed: also the cell's and task's source."""
        return {
            "cell": [self.cell.cell, self.cell.layers, self.cell.init, self.cell.options],
            "task": [self.task.name, self.task.options],
            "lag": self.lag,
            "size": [self.match, self.size],
            "train": self.train.model_dump(),
            "source": [source(cells.catalogue()[self.cell.cell]), source(tasks.catalogue()[self.task.name])],
        }

    @property
    def hash(self) -> str:
        """The arm's identity: its content and how it is tuned and confirmed."""
        return digest(self.content, self.tune.model_dump(), self.confirm.model_dump(), self.seed)

    @property
    def space(self) -> dict[str, Range | list[Setting]]:
        """What is searched for this cell: of the study's space, what the cell has and its options leave open."""
        has = {"learning_rate", "clip_norm", *hyperparameters(cells.catalogue()[self.cell.cell])}
        return {name: values for name, values in self.tune.space.items() if name in has and name not in self.cell.init}

    def settings(self, chosen: dict[str, Setting]) -> dict[str, Setting]:
        """A member's hyperparameters: those chosen in a trial, those the study fixes, and the usual ones."""
        has = ("learning_rate", "clip_norm", *hyperparameters(cells.catalogue()[self.cell.cell]))
        return {name: {**SETTINGS, **self.cell.init, **chosen}[name] for name in has}

    def derive(self, *parts: str | int) -> int:
        """A seed of this arm's own: arms that shared seeds would have correlated results."""
        return derive(self.content, self.seed, *parts)

    def member(self, settings: dict[str, Setting], seed: int) -> str:
        """A member's content hash: its identity in the tracker."""
        return digest(self.content, settings, seed)


class Study(Strict):
    """A study file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    """What question it answers, in Markdown."""
    seed: int = 0
    cells: list[CellChoice] = Field(min_length=1)
    match: Literal["parameters", "hidden", "state"] = "parameters"
    """What is held equal between cells: parameters per network, hidden units, or numbers in the state."""
    sizes: list[Positive] = Field(default=[5000], min_length=1)
    task: list[TaskChoice] = Field(min_length=1)
    train: Train = Train()
    tune: Tune = Tune()
    confirm: Confirm = Confirm()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for what, labels in (("cells", [c.label for c in self.cells]), ("tasks", [t.label for t in self.task])):
            twice = {label for label in labels if labels.count(label) > 1}
            if twice:
                raise ValueError(f"two {what} are labelled {sorted(twice)[0]!r}: give one of them a label of its own")
        if self.confirm.seeds % self.tune.searches:
            raise ValueError(f"confirm.seeds = {self.confirm.seeds} does not share out among {self.tune.searches} searches")
        return self

    def arms(self) -> list[Arm]:
        """Every arm, cells side by side within a task and lag, so that a half-done sweep can already be compared."""
        shared = {"match": self.match, "train": self.train, "tune": self.tune, "confirm": self.confirm, "seed": self.seed}
        return [
            Arm(cell=cell, task=task, lag=lag, size=size, **shared)
            for task in self.task
            for lag in task.lags
            for size in self.sizes
            for cell in self.cells
        ]


def check_setting(name: str, value: Setting) -> None:
    """Raise ValueError when a hyperparameter cannot take a value."""
    if name == "recurrent_init":
        known("recurrent_init", value, RECURRENT)
    elif isinstance(value, str) and not (value == "chrono" and name in ("forget_bias", "input_bias")):
        raise ValueError(f"{name} = {value!r} is no number{' and not chrono' if name.endswith('bias') else ''}")
    elif name in ("learning_rate", "clip_norm") and float(value) <= 0:
        raise ValueError(f"{name} = {value} must be above 0")


def presets() -> dict[str, Path]:
    """The studies that come with whygates, by name."""
    folder = Path(str(resources.files("ablations") / "studies"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(name: str, changes: Sequence[str] = ()) -> Study:
    """A preset by its name, or a TOML file, with `key=value` changes. Raises InputError."""
    path = presets().get(name) or Path(name)
    if not path.is_file():
        wanted = "no such file" if path.suffix == ".toml" else "neither a preset nor a file"
        raise InputError(f"study {name!r}: {wanted}{nearest(name, presets())}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    for change in changes:
        _set(table, change)
    try:
        return Study.model_validate(table)
    except ValidationError as error:
        raise InputError("\n".join(_sentences(path.name, error))) from None


def _set(table: dict[str, Any], change: str) -> None:
    """Apply `dotted.key=value`; a task is addressed by its name, as in `task.recall.lags=[10]`."""
    key, equals, text = change.partition("=")
    if not equals:
        raise InputError(f"--set {change}: give it as key=value, for example train.steps=500")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *path, last = key.strip().split(".")
    here: Any = table
    for part in path:
        if isinstance(here, list):
            names = {entry.get("label") or entry.get("name"): entry for entry in here if isinstance(entry, dict)}
            if part not in names:
                raise InputError(f"--set {change}: no task {part!r}{nearest(part, names)}")
            here = names[part]
        elif isinstance(here, dict):
            here = here.setdefault(part, {})
        else:
            raise InputError(f"--set {change}: {part!r} has no keys below it")
    if not isinstance(here, dict):
        raise InputError(f"--set {change}: {last!r} is not a key here; name the task, as in task.recall.lags=[10]")
    here[last] = value


def _sentences(file: str, error: ValidationError) -> Iterable[str]:
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("list[", "Range", "function-")))
        message = problem["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(problem["input"], dict | list) else f" (it is {problem['input']!r})"
        yield f"{file}: {place + ': ' if place else ''}{message}{shown if problem['type'] != 'value_error' else ''}"


def _build(kind: type, options: dict[str, Any]) -> Any:
    """An instance with options; ValueError for an option that does not exist or a value it cannot take."""
    import inspect

    accepted = {} if kind.__init__ is object.__init__ else inspect.signature(kind).parameters
    for option in options:
        known(f"option of {kind.name}", option, accepted)
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(f"{kind.name}: {error}") from None


def _label(name: str, extras: dict[str, Any]) -> str:
    return "+".join([name, *(key if value is True else f"{key}={value}" for key, value in extras.items())])
