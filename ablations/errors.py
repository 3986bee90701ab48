"""The error for invalid user input, look-ups whose error names the nearest valid name, and a check of files."""

import difflib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

INTERRUPTED = 130
"""The exit code of a command that was interrupted by Ctrl-C, SIGTERM or a closed terminal."""


class InputError(ValueError):
    """Invalid user input. The message is one plain sentence; the command line prints it and exits with code 2."""


class SweepFailed(InputError):
    """What every arm needs fails, such as the disk of the store or the database of the searches. It ends the sweep, which the same
    command continues."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its type."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def nearest(name: object, names: Collection[str]) -> str:
    """The end of an error message: the valid name that is closest to `name`, if one is close, and all valid names."""
    names = [str(n) for n in names]
    close = difflib.get_close_matches(str(name), names, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} allowed: {', '.join(names) or 'none'}"


def lookup(what: str, name: object, names: Mapping[str, T]) -> T:
    """Return `names[name]`. Raises InputError, with the nearest valid name, if there is no such entry."""
    if name not in names:
        raise InputError(f"unknown {what} {name!r}{nearest(name, names)}")
    return names[str(name)]


def refuse_pipe(what: str, path: Path) -> None:
    """Raise InputError for a pipe, a device or standard input: the command that continues a sweep reads its files again.

    :param what: how the error names it.
    """
    is_stream = os.path.abspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/"))  # also where it is redirected
    if is_stream or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)):
        raise InputError(f"{what}: it is not a regular file, and cannot be read again; save it as one and name that")
