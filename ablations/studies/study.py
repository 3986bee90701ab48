"""A study, which may be made of parts; its arms; the content hashes that identify arms and members."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

import tasks
from ablations import cells
from ablations.cells.initial import searchable_initialisers
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

SHARED = ("seed", "match", "train", "tune", "confirm")
"""What the parts of a study have in common, so that their cells can be compared; `confirm.probes` may differ."""


class Study(Strict):
    """A study file.

    A study has cells and tasks, and trains every cell on every task; or it has parts, which are studies of the same budget,
    and trains every arm of a part once, also one that several parts have.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    description: str = ""
    """The question that the study answers, in Markdown."""
    parts: "list[Study]" = Field(default=[])
    """If there are any, the fields below are those of the parts, joined."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    cells: list[CellChoice] = Field(min_length=1)
    match: Literal["parameters", "hidden", "state"] = "parameters"
    """The quantity that `sizes` gives, equal for all cells: parameters per network, hidden units or state entries per layer."""
    sizes: list[Positive] = Field(default=[1500], min_length=1)
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

    @model_validator(mode="before")
    @classmethod
    def _join_parts(cls, table: Any) -> Any:
        if not isinstance(table, dict) or not table.get("parts"):
            return table
        if own := sorted(table.keys() & {"cells", "sizes", "task", *SHARED}):
            raise ValueError(f"a study of parts has no {own[0]!r} of its own: give it to its parts")
        return table | joined([cls.model_validate(part) for part in table["parts"]])

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
        if self.parts:
            return self._arms_of_parts()
        return [
            Arm.model_construct(  # of validated values
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

    def _arms_of_parts(self) -> "list[Arm]":
        """The arms of all parts, each once; those of one task, lag and size stand together.

        An arm that several parts have gets the probes of all of them, and has `until_unsolved` only if all of them have it.
        """
        arms: dict[str, Arm] = {}
        strata: dict[tuple[str, int, int], dict[str, None]] = {}
        for part in self.parts:
            for arm in part.arms():
                first = arms.get(arm.hash, arm)
                if (first.cell.label, first.task.label) != (arm.cell.label, arm.task.label):
                    raise ValueError(f"two arms differ in their labels only: {first}, and {arm}")
                probes = list(dict.fromkeys(first.confirm.probes + arm.confirm.probes))
                confirm = first.confirm.model_copy(update={"probes": probes})
                task = first.task if arm.task.until_unsolved else arm.task
                arms[arm.hash] = first.model_copy(update={"study": self.name, "confirm": confirm, "task": task})
                strata.setdefault((arm.task.label, arm.lag, arm.size), {})[arm.hash] = None
        return [arms[key] for stratum in strata.values() for key in stratum]


def joined(parts: list[Study]) -> dict[str, Any]:
    """The fields of a study with these parts: what they share, and all of their cells, sizes, tasks and lags.

    :raises ValueError: for parts that differ in their budget, or that give one label to two things.
    """
    first = parts[0]
    for part in parts[1:]:
        mine, other = ({field: getattr(one, field) for field in SHARED} for one in (first, part))
        mine["confirm"], other["confirm"] = (one.confirm.model_copy(update={"probes": []}) for one in (first, part))
        for field in SHARED:
            if mine[field] != other[field]:
                raise ValueError(
                    f"parts {first.name!r} and {part.name!r} differ in {field!r}: only parts of one budget can be joined"
                )
    cells: dict[str, tuple[CellChoice, str]] = {}
    tasks: dict[str, tuple[TaskChoice, str]] = {}
    for part in parts:
        for cell in part.cells:
            known, where = cells.setdefault(cell.label, (cell, part.name))
            if known != cell:
                raise ValueError(f"parts {where!r} and {part.name!r} have different cells of the label {cell.label!r}")
        for task in part.task:
            known, where = tasks.setdefault(task.label, (task, part.name))
            lags, until_unsolved = sorted({*known.lags, *task.lags}), known.until_unsolved and task.until_unsolved
            if known != task.model_copy(update={"lags": known.lags, "until_unsolved": known.until_unsolved}):
                raise ValueError(f"parts {where!r} and {part.name!r} have different tasks of the label {task.label!r}")
            tasks[task.label] = known.model_copy(update={"lags": lags, "until_unsolved": until_unsolved}), where
    return {field: getattr(first, field) for field in SHARED} | {
        "parts": parts,
        "cells": [cell for cell, _ in cells.values()],
        "sizes": sorted({size for part in parts for size in part.sizes}),
        "task": [task for task, _ in tasks.values()],
    }


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
