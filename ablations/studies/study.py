"""A study: a preset or a TOML file, its arms, and the hashes that identify arms and members by content.

Everything that affects a result is in the study or in the code.
"""

import os
import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import tasks
from ablations import cells
from ablations.cells.initial import searchable_initialisers
from ablations.errors import InputError, nearest
from ablations.hyperparameters import DEFAULTS, Setting, changed, entering
from ablations.studies.hashing import derive_seed, digest, source_digest
from ablations.studies.schema import CellChoice, Confirm, Positive, Strict, TaskChoice, Train, Tune, Values


class Study(Strict):
    """A study file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
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

    @model_validator(mode="before")
    @classmethod
    def _task_tables(cls, table: Any) -> Any:
        if isinstance(table, dict) and isinstance(table.get("task"), dict):
            raise ValueError("a study has a list of tasks: write [[task]], not [task]")
        return table

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name == "Default":
            raise ValueError("the name 'Default' is MLflow's own: choose another")
        for what, labels in (("cells", [c.label for c in self.cells]), ("tasks", [t.label for t in self.task])):
            twice = {label for label in labels if labels.count(label) > 1}
            if twice:
                raise ValueError(f"two {what} are labelled {sorted(twice)[0]!r}: give one of them a label of its own")
        if self.confirm.seeds % self.tune.searches:
            raise ValueError(
                f"confirm.seeds = {self.confirm.seeds} does not share out among {self.tune.searches} searches"
            )
        hashes: dict[str, Arm] = {}
        for arm in self.arms():
            twin = hashes.setdefault(arm.hash, arm)
            if twin is not arm:
                raise ValueError(f"two arms are the same but for their labels: {twin}, and {arm}")
        return self

    def arms(self) -> "list[Arm]":
        """Every arm, cells side by side within a task and lag, so that a half-done sweep can already be compared."""
        return [
            Arm(
                study=self.name,
                cell=cell,
                task=task,
                lag=lag,
                size=size,
                match=self.match,
                train=self.train,
                tune=self.tune,
                confirm=self.confirm,
                seed=self.seed,
            )
            for task in self.task
            for lag in task.lags
            for size in self.sizes
            for cell in self.cells
        ]


class Arm(BaseModel):
    """One cell on one task at one lag and size: the unit of work, of resuming and of distribution."""

    model_config = ConfigDict(frozen=True)

    study: str
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
    def design(self) -> dict[str, Any]:
        """The cell, task, lag and size by name and options: the part of `content` that seeds are derived from."""
        return {
            "cell": [self.cell.cell, self.cell.layers, self.cell.init, self.cell.options],
            "task": [self.task.name, self.task.options],
            "lag": self.lag,
            "size": [self.match, self.size],
        }

    @property
    def content(self) -> dict[str, Any]:
        """Everything that decides a member's result, except its hyperparameters and seed; includes source digests."""
        return {
            **self.design,
            "train": self.train.model_dump(),
            "source": [
                source_digest(cells.catalogue()[self.cell.cell]),
                source_digest(tasks.catalogue()[self.task.name]),
            ],
        }

    @property
    def hash(self) -> str:
        """The arm's identity: its content and how it is tuned and confirmed, whatever it is asked afterwards."""
        confirmed = self.confirm.model_dump(exclude={"probes"})
        return digest(self.content, self.tune.model_dump(), confirmed, self.seed)

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Those of the optimiser, and the searchable initialisers that the cell has."""
        return (*entering("optimiser"), *searchable_initialisers(self.cell.build()))

    @property
    def space(self) -> dict[str, Values]:
        """The search space of this arm: the study's, without hyperparameters that the cell lacks or the study fixes."""
        return {
            name: values
            for name, values in self.tune.space.items()
            if name in self.hyperparameters and name not in self.cell.init
        }

    def settings(self, chosen: dict[str, Setting]) -> dict[str, Setting]:
        """A member's hyperparameters: those that a trial chose, those that the study fixes, and the defaults."""
        names = dict.fromkeys([*self.hyperparameters, *self.cell.init])
        return {name: {**DEFAULTS, **self.cell.init, **chosen}[name] for name in names}

    def derive(self, *parts: str | int) -> int:
        """A seed that no other arm of the study has: arms that shared seeds would have correlated results.

        Derived from the design, not from the content: with an edited source or another training budget the same design
        keeps its seeds, so that before and after are compared on the same random numbers.
        """
        return derive_seed(self.design, self.seed, *parts)

    def member(self, settings: dict[str, Setting], seed: int) -> str:
        """A member's content hash: its identity in the tracker."""
        return digest(self.content, changed(settings), seed)


def presets() -> dict[str, Path]:
    """The studies that come with whygates, by name."""
    folder = Path(str(resources.files("ablations.studies") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(name: str, changes: Sequence[str] = ()) -> Study:
    """A preset by its name, or a TOML file, with `key=value` changes. Raises InputError."""
    path = presets().get(name) or Path(name)
    if not os.path.isfile(path):  # False, too, for what is no possible path
        wanted = "no such file" if path.suffix == ".toml" else "neither a preset nor a file"
        raise InputError(f"study {name!r}: {wanted}{nearest(name, presets())}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    for change in changes:
        _set(table, change)
    try:
        return Study.model_validate(table)
    except ValidationError as error:
        raise InputError("\n".join(sentences(path.name, error))) from None


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
        if isinstance(here, list):  # the tasks
            named = {str(entry.get("label") or entry.get("name")): entry for entry in here if isinstance(entry, dict)}
            if part not in named:
                raise InputError(f"--set {change}: no task {part!r}{nearest(part, named)}")
            here = named[part]
        elif isinstance(here, dict):
            here = here.setdefault(part, {})
    if not isinstance(here, dict):
        raise InputError(f"--set {change}: {key!r} is no key; a task's are named as in task.recall.lags=[10]")
    here[last] = value


def sentences(file: str, error: ValidationError) -> Iterable[str]:
    """What is wrong with a study, a sentence each."""
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"] if str(part) not in ("range", "list"))
        message = problem["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(problem["input"], dict | list) else f" (it is {problem['input']!r})"
        yield f"{file}: {place + ': ' if place else ''}{message}{shown if problem['type'] != 'value_error' else ''}"
