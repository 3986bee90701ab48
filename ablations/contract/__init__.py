"""The contract of cells and tasks: checks that need no test runner.

The tests run them over the registries, `whygates check` runs them over a user's file. A check takes a class and raises if
the class violates it. The first line of its docstring states the property.
"""

import inspect
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from ablations.cells import Cell
from ablations.errors import first_line
from tasks import Task

Kind = type[Cell] | type[Task]
Check = Callable[[Any], None]


class ContractViolation(ValueError):
    """A cell or a task violates its contract.

    `attribute` is the attribute of the class that the message refers to, or empty for the class itself.
    """

    def __init__(self, message: str, attribute: str = "") -> None:
        super().__init__(message)
        self.attribute = attribute


def require(condition: object, message: str, attribute: str = "") -> None:
    """Raise ContractViolation unless a condition holds."""
    if not condition:
        raise ContractViolation(message, attribute)


def join(names: Iterable[str]) -> str:
    """Names in a message."""
    return ", ".join(names) or "none"


def failure_message(kind: Kind, error: BaseException) -> str:
    """Describe an error that a check raised: file, line and message.

    The line is that of the attribute which violates the contract, or the line of the class's file that raised.
    """
    file, message = inspect.getfile(kind), first_line(error)
    if isinstance(error, ContractViolation):
        return f"{file}:{_line(kind, error.attribute)}: {message}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = frames[-1].lineno if frames else _line(kind)
    return f"{file}:{line}: {type(error).__name__}: {message}"


def options_are_keywords(kind: Kind) -> None:
    """Every option is a keyword-only argument with a default."""
    for name, parameter in inspect.signature(kind).parameters.items():
        valid = parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
        require(
            valid,
            f"option {name!r} has to be a keyword-only argument with a default: def __init__(self, *, {name}=...)",
            "__init__",
        )
    kind()


def _line(kind: Kind, attribute: str = "") -> int:
    """The line where a class defines a method; the line of the class if it does not define it."""
    member = inspect.unwrap(vars(kind).get(attribute, kind))
    return inspect.getsourcelines(member if inspect.isfunction(member) else kind)[1]
