"""A study, loaded from a preset or a TOML file; its arms; the content hashes that identify arms and members."""

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import tasks
from ablations import cells
from ablations.cells.initial import searchable_initialisers
from ablations.errors import InputError, nearest, refuse_pipe
from ablations.hyperparameters import DEFAULTS, Setting, changed, entering
from ablations.studies.hashing import RESULTS_VERSION, derive_seed, digest, source_digest
from ablations.studies.schema import (
    CellChoice,
    Confirm,
    Positive,
    Strict,
    TaskChoice,
    Train,
    Tune,
    Values,
    has_control_characters,
)

LONG_WORD = r"[^\s'\",;()]{121,}"
"""A word that is longer than any name that is allowed; errors show only its start."""


class Study(Strict):
    """A study file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    description: str = ""
    """The question that the study answers, in Markdown."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    cells: list[CellChoice] = Field(min_length=1)
    match: Literal["parameters", "hidden", "state"] = "parameters"
    """The quantity that `sizes` gives, equal for all cells: parameters per network, hidden units or state entries per layer."""
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
            raise ValueError("the name 'Default' is reserved by MLflow: choose another")
        if self.name.lower().endswith(".toml"):
            raise ValueError(f"the name {self.name!r} ends like that of a study file: choose another, without .toml")
        if has_control_characters(re.sub(r"[\t\r\n]", "", self.description)):
            raise ValueError("description has control characters: only spaces, tabs and line breaks are allowed")
        for kind, labels in (("cells", [c.label for c in self.cells]), ("tasks", [t.label for t in self.task])):
            duplicates = sorted({label for label in labels if labels.count(label) > 1})
            if duplicates:
                raise ValueError(f"two {kind} are labelled {duplicates[0]!r}: give one of them another label")
        if self.confirm.seeds % self.tune.searches:
            raise ValueError(
                f"confirm.seeds = {self.confirm.seeds} must be a multiple of tune.searches = {self.tune.searches}"
            )
        hashes: dict[str, Arm] = {}
        for arm in self.arms():
            first = hashes.setdefault(arm.hash, arm)
            if first is not arm:
                raise ValueError(f"two arms differ in their labels only: {first}, and {arm}")
        return self

    def arms(self) -> "list[Arm]":
        """Every arm, ordered so that all cells of one task and lag come together: an unfinished sweep can be compared."""
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
    """One cell on one task at one lag and size: the unit of work that is distributed to processes and resumed."""

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
        """Everything that a member's result depends on, except its hyperparameters and seed; includes source digests."""
        return {
            **self.design,
            "version": RESULTS_VERSION,
            "train": self.train.model_dump(),
            "source": [
                source_digest(cells.catalogue()[self.cell.cell]),
                source_digest(tasks.catalogue()[self.task.name]),
            ],
        }

    @property
    def hash(self) -> str:
        """The arm's content hash: its content, tuning and confirmation. Probes are excluded, as they change no result."""
        confirm = self.confirm.model_dump(exclude={"probes"})
        return digest(self.content, self.tune.model_dump(), confirm, self.seed)

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """The names of the optimiser's hyperparameters and of the cell's searchable initialisers."""
        return (*entering("optimiser"), *searchable_initialisers(self.cell.build()))

    @property
    def space(self) -> dict[str, Values]:
        """The study's search space without hyperparameters that the cell lacks or its `init` fixes."""
        return {
            name: values
            for name, values in self.tune.space.items()
            if name in self.hyperparameters and name not in self.cell.init
        }

    def settings(self, sampled: dict[str, Setting]) -> dict[str, Setting]:
        """All hyperparameters of a member: those that a trial sampled, those that `init` fixes, defaults for the rest."""
        names = dict.fromkeys([*self.hyperparameters, *self.cell.init])
        return {name: {**DEFAULTS, **self.cell.init, **sampled}[name] for name in names}

    def derive_seed(self, *parts: str | int) -> int:
        """A seed derived from the arm's design and `parts`. Arms of different design get different seeds, as results of
        arms with equal seeds would be correlated.

        The source and the training budget do not enter: after a change of either, the same random numbers are used.
        """
        return derive_seed(self.design, self.seed, *parts)

    def member_hash(self, settings: dict[str, Setting], seed: int) -> str:
        """The content hash of a member with these settings and this seed: its identity in the store and the tracker."""
        return digest(self.content, changed(settings), seed)


def presets() -> dict[str, Path]:
    """The paths of the studies that come with whygates, by name."""
    folder = Path(str(resources.files("ablations.studies") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(name: str, changes: Sequence[str] = ()) -> Study:
    """Load a preset by its name, or a TOML file by its path, and apply `key=value` changes.

    :raises InputError: for a study that does not exist, cannot be read, or is not valid.
    """
    path = presets().get(name) or Path(name)
    refuse_pipe(f"study {name!r}", path)
    if not os.path.isfile(path):  # unlike Path.is_file, False also for an invalid path
        problem = "no such file" if path.suffix.lower() == ".toml" else "neither a preset nor a file"
        raise InputError(f"study {name!r}: {problem}{nearest(name, presets())}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    for change in changes:
        _set(table, change)
    try:
        return Study.model_validate(table)
    except ValidationError as error:
        raise InputError("\n".join(validation_messages(path.name, error))) from None


def _set(table: dict[str, Any], change: str) -> None:
    """Apply `dotted.key=value` to the table; tasks are addressed by label or name, as in `task.recall.lags=[10]`."""
    key, equals, text = change.partition("=")
    if not equals:
        raise InputError(f"--set {change}: write key=value, for example train.steps=500")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # also for an integer of more digits than Python reads
        value = text  # strings may be written without quotes
    *path, last = key.strip().split(".")
    parent: Any = table
    for part in path:
        if isinstance(parent, list):  # `task` or `cells`
            entries = {str(e.get("label") or e.get("name")): e for e in parent if isinstance(e, dict)}
            if part not in entries:
                raise InputError(f"--set {change}: no task {part!r}{nearest(part, entries)}")
            parent = entries[part]
        elif isinstance(parent, dict):
            parent = parent.setdefault(part, {})
    if not isinstance(parent, dict):
        raise InputError(
            f"--set {change}: {key!r} is not a key; keys of a task are written as in task.recall.lags=[10]"
        )
    parent[last] = value


def validation_messages(file: str, error: ValidationError) -> Iterable[str]:
    """The problems of an invalid study, one sentence each."""
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"] if str(part) not in ("range", "list"))
        message = problem["msg"].removeprefix("Value error, ")
        value = "" if isinstance(problem["input"], dict | list) else f" (it is {problem['input']!r})"
        sentence = f"{key + ': ' if key else ''}{message}{value if problem['type'] != 'value_error' else ''}"
        yield f"{file}: {re.sub(LONG_WORD, lambda word: word[0][:20] + '…', sentence)}"
