"""The error for invalid user input, and look-ups whose error names the nearest valid name."""

import difflib
from collections.abc import Collection, Mapping
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """Invalid user input. The message is one plain sentence; the command line prints it and exits with code 2."""


def nearest(name: object, names: Collection[str]) -> str:
    """The end of an error message: the valid name that is closest to `name`, if one is close, and all valid names."""
    names = [str(n) for n in names]
    close = difflib.get_close_matches(str(name), names, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} allowed: {', '.join(names) or 'none'}"


def known(what: str, name: object, names: Mapping[str, T]) -> T:
    """Return `names[name]`. Raises InputError, with the nearest valid name, if there is no such entry."""
    if name not in names:
        raise InputError(f"unknown {what} {name!r}{nearest(name, names)}")
    return names[str(name)]
