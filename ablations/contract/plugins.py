"""Plug-ins: Python files in which users define cells and tasks. Running a file registers them.

A file is read once, and workers run the text that was read. An edit during a sweep therefore has no effect, and the hash
of a member is the same in every process.
"""

import os
import sys
import traceback
from collections.abc import Collection, Iterable, Mapping
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType

import tasks
from ablations.cells import Cell
from ablations.cells.base import registry
from ablations.contract import Kind, failure_message, siblings
from ablations.contract import cells as cell_contract
from ablations.contract import tasks as task_contract
from ablations.contract.isolation import isolated
from ablations.errors import InputError, first_line
from ablations.studies.hashing import source_digest

_loaded: dict[str, str] = {}


def loaded() -> dict[str, str]:
    """Return the text of every plug-in of this process, by file; `siblings.texts` has those of the files they import."""
    return dict(_loaded)


def replay(plugins: Mapping[str, str], imported: Mapping[str, str]) -> None:
    """Run in a worker the plug-ins that its parent has loaded, with the texts of the files they import."""
    siblings.texts.update(imported)
    for path, text in plugins.items():
        run(path, text)


def load(files: Iterable[Path], complete: bool = False) -> None:
    """Register the cells and tasks of files, in this process and in every worker.

    :param complete: run all checks of the contract, not only the basic ones.

    Raises InputError, with file and line, for a file that cannot be read or run, defines neither a cell nor a task, or
    uses a name that is taken, and for a cell or task, also of a file beside a plug-in, that fails a check of its contract.
    """
    for file in files:
        defined(file)
    for kind in _kinds({os.path.abspath(path) for path in _loaded} | siblings.texts.keys()):
        try:
            with isolated():
                for check in contract(kind).CHECKS if complete else contract(kind).BASIC:
                    check(kind)
        except Exception as error:  # user code may raise anything
            raise InputError(failure_message(kind, error)) from None


def contract(kind: Kind) -> ModuleType:
    """Return the module with the checks of a cell, or of a task."""
    return cell_contract if issubclass(kind, Cell) else task_contract


def defined(file: Path) -> list[Kind]:
    """Run a file unless it has been run, and return the cells and tasks that it defines. Raises InputError."""
    path = str(file)
    if path not in _loaded:
        try:
            text = decode_source(file.read_bytes())
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror}") from None
        except (SyntaxError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: not a Python file: {error}") from None
        try:
            run(path, text)
        except (Exception, SystemExit) as error:
            raise InputError(plugin_error_message(error) or f"{file}: {first_line(error)}") from None
    found = _kinds({os.path.abspath(path)})
    if not found:
        raise InputError(f"{file}: defines neither a cell nor a task: expected a subclass of one, with a `name`")
    for kind in found:
        try:
            source_digest(kind)
        except ValueError as error:
            raise InputError(failure_message(kind, error)) from None
    return found


def _kinds(files: Collection[str]) -> list[Kind]:
    """The registered cells and tasks that are defined in files, given by absolute path."""
    # Not inspect.getfile: a class of an interactive session has no file, and it raises.
    kinds: list[Kind] = [*registry.values(), *tasks.registry.values()]
    found = {kind: getattr(sys.modules.get(kind.__module__), "__file__", None) for kind in kinds}
    return [kind for kind, file in found.items() if file and os.path.abspath(file) in files]


def run(path: str, text: str) -> None:
    """Run the text of a file as a module of its own, which may import the files beside it (`siblings`).

    The global state that it changes is restored (`isolation`). A file that another plug-in has imported does not run again.

    Propagates any exception of the file; raises GlobalChange if it replaces attributes of other modules.
    """
    tasks.catalogue()  # register the built-in tasks first: their names are taken
    file = os.path.abspath(path)
    _loaded[path] = siblings.texts.get(file, text)
    if file in siblings.ran:
        return
    module = ModuleType(f"plugin_{len(_loaded) - 1}_{Path(path).stem}")  # two files may have the same name
    module.__file__ = path
    sys.modules[module.__name__] = siblings.ran[file] = module
    siblings.remember(path, text)
    with siblings.importable(Path(path)), isolated():  # which restores the list that the finder is removed from
        exec(compile(text, path, "exec"), vars(module))


def plugin_error_message(error: BaseException) -> str | None:
    """Describe an error that was raised in a plug-in, with file and line; None for other errors."""
    files = _loaded.keys() | siblings.texts.keys()
    if isinstance(error, SyntaxError) and error.filename in files:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in files:
            return f"{frame.filename}:{frame.lineno}: {type(error).__name__}: {first_line(error)}"
    return None
