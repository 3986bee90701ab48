"""Studies from presets and TOML files, with the changes of `--set`."""

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablations.errors import InputError, nearest, refuse_pipe
from ablations.studies.study import Study

LONG_WORD = r"[^\s'\",;()]{121,}"
"""A word that is longer than any name that is allowed; errors show only its start."""


def presets() -> dict[str, Path]:
    """The paths of the studies that come with whygates, by name."""
    folder = Path(str(resources.files("ablations.studies") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(name: str, changes: Sequence[str] = (), within: tuple[Path, ...] = ()) -> Study:
    """Load a preset by its name, or a TOML file by its path, and apply `key=value` changes; to a study of parts, they are
    applied in its parts.

    :param within: the files of the studies that this one is a part of.
    :raises InputError: for a study that does not exist, cannot be read, or is not valid.
    """
    path = presets().get(name) or (within[-1].parent if within else Path()) / name
    table = _read(name, path, f"{within[-1].name}: parts: " if within else "")
    if within and path.resolve() in [other.resolve() for other in within]:
        raise InputError(
            f"{within[0]}: a study cannot be a part of itself: {' → '.join(p.name for p in (*within, path))}"
        )
    if "parts" in table:
        own = [change for change in changes if change.partition("=")[0].strip() in ("name", "description")]
        table["parts"] = _parts(table["parts"], [change for change in changes if change not in own], (*within, path))
        changes = own
    for change in changes:
        _set(table, change)
    try:
        return Study.model_validate(table)
    except ValidationError as error:
        raise InputError("\n".join(validation_messages(path.name, error))) from None


def _parts(names: Any, changes: Sequence[str], within: tuple[Path, ...]) -> list[Study]:
    """The parts of a study, each with the changes that concern it: those of a task only where it has the task."""
    if not isinstance(names, list) or not all(isinstance(part, str) for part in names):
        raise InputError(f"{within[-1].name}: parts: must be a list of presets and study files (it is {names!r})")
    task_of = {change: change.split(".")[1] for change in changes if re.match(r"\s*task\.[^.=]+\.", change)}
    if not task_of:
        return [load(part, changes, within) for part in names]
    tasks = {part: {t for task in load(part, (), within).task for t in (task.label, task.name)} for part in names}
    for change, task in task_of.items():
        if not any(task in known for known in tasks.values()):
            raise InputError(f"--set {change}: no task {task!r}{nearest(task, set[str]().union(*tasks.values()))}")
    return [
        load(part, [change for change in changes if change not in task_of or task_of[change] in tasks[part]], within)
        for part in names
    ]


def _read(name: str, path: Path, where: str) -> dict[str, Any]:
    refuse_pipe(f"{where}study {name!r}", path)
    if not os.path.isfile(path):  # unlike Path.is_file, False also for an invalid path
        problem = "no such file" if path.suffix.lower() == ".toml" else "neither a preset nor a file"
        raise InputError(f"{where}study {name!r}: {problem}{nearest(name, presets())}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


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
