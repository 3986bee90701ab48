"""Plug-ins: a user's own cells and tasks, each in one Python file that registers them by being run.

A file is read once. What runs in the workers is the text that was read, so that an edit during a sweep changes nothing
and a member's hash is the same everywhere.
"""

import inspect
import linecache
import sys
import traceback
from collections.abc import Iterable
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType

import tasks
from ablations.cells import Cell
from ablations.cells.base import registry
from ablations.contract import Kind, fault, first_line
from ablations.contract import cells as cell_contract
from ablations.contract import tasks as task_contract
from ablations.errors import InputError
from ablations.studies.hashing import source_digest

_loaded: dict[str, str] = {}


def loaded() -> dict[str, str]:
    """The text of every plug-in of this process, by file."""
    return dict(_loaded)


def load(files: Iterable[Path]) -> None:
    """Make the cells and tasks of files known, here and in every worker.

    Raises InputError, with file and line, for one that cannot be used: that cannot be read or run, defines neither cell
    nor task, takes a name that is taken, or breaks what a cell or task must keep to be used at all.
    """
    for file in files:
        for kind in define(file):
            try:
                for check in contract(kind).BASIC:
                    check(kind)
            except Exception as error:  # what is not ours may raise anything
                raise InputError(fault(kind, error)) from None


def contract(kind: Kind) -> ModuleType:
    """The checks of a cell, or of a task."""
    return cell_contract if issubclass(kind, Cell) else task_contract


def define(file: Path) -> list[Kind]:
    """Run a file, once; the cells and tasks that it defines. Raises InputError."""
    path = str(file)
    if path not in _loaded:
        try:
            text = decode_source(file.read_bytes())
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror}") from None
        except (SyntaxError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: is no Python file: {error}") from None
        try:
            run(path, text)
        except (Exception, SystemExit) as error:
            raise InputError(blame(error) or f"{file}: {first_line(error)}") from None
    kinds = (*registry.values(), *tasks.registry.values())
    found = [kind for kind in kinds if inspect.getfile(kind) == path]
    if not found:
        raise InputError(f"{file}: defines neither a cell nor a task: a class of one, with a `name`")
    for kind in found:
        try:
            source_digest(kind)
        except ValueError as error:
            raise InputError(fault(kind, error)) from None
    return found


def run(path: str, text: str) -> None:
    """Run the text of a file as a module of its own. Raises whatever it raises."""
    tasks.catalogue()  # so that their names are taken
    module = ModuleType(f"plugin_{len(_loaded)}_{Path(path).stem}")  # two files may have the same name
    module.__file__ = path
    sys.modules[module.__name__] = module
    _loaded[path] = text
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # what `inspect` reads
    exec(compile(text, path, "exec"), vars(module))


def blame(error: BaseException) -> str | None:
    """One sentence with file and line, if an error was raised in a plug-in; None if it was not."""
    if isinstance(error, SyntaxError) and error.filename in _loaded:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in _loaded:
            return f"{frame.filename}:{frame.lineno}: {type(error).__name__}: {first_line(error)}"
    return None
