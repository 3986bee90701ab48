"""What every cell and every task keeps, as checks that need no test runner.

The tests run them over the registries, `whygates check` over a user's own file. A check takes a class and raises; the
first line of its docstring says what passes.
"""

import inspect
import traceback
from collections.abc import Callable
from typing import Any

from ablations.cells import Cell
from tasks import Task

Kind = type[Cell] | type[Task]
Check = Callable[[Any], None]


class Broken(ValueError):
    """A cell or a task breaks its contract: one sentence, and the attribute of the class that it is about."""

    def __init__(self, sentence: str, about: str = "") -> None:
        super().__init__(sentence)
        self.about = about


def require(kept: object, sentence: str, about: str = "") -> None:
    """Raise Broken unless something holds."""
    if not kept:
        raise Broken(sentence, about)


def fault(kind: Kind, error: BaseException) -> str:
    """What went wrong in a check, with file and line: of the attribute that breaks the contract, or of the line of the
    class's file that raised."""
    file, sentence = inspect.getfile(kind), first_line(error)
    if isinstance(error, Broken):
        return f"{file}:{_line(kind, error.about)}: {sentence}"
    raised = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = raised[-1].lineno if raised else _line(kind)
    return f"{file}:{line}: {type(error).__name__}: {sentence}"


def first_line(error: BaseException) -> str:
    """An error's message, or as much of it as fits into a sentence."""
    return next(iter(str(error).strip().splitlines()), "without a word")


def options_are_keywords(kind: Kind) -> None:
    """Its options are keywords with a default."""
    for name, parameter in inspect.signature(kind).parameters.items():
        fits = parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
        require(
            fits, f"option {name!r} has to be a keyword with a default: def __init__(self, *, {name}=...)", "__init__"
        )
    kind()


def _line(kind: Kind, attribute: str = "") -> int:
    """Where a class defines a method; where it begins if it does not, or if that is no method."""
    own = inspect.unwrap(vars(kind).get(attribute, kind))
    return inspect.getsourcelines(own if inspect.isfunction(own) else kind)[1]
