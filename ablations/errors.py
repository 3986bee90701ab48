"""Clear words for bad input: what was wrong, where, what is allowed, and the nearest valid name."""

import difflib
from collections.abc import Collection, Mapping
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """The user gave something that cannot be used. The message is one clear sentence; the command line exits with 2."""


def nearest(name: object, names: Collection[str]) -> str:
    """A clause that names the nearest valid name, if one is near, and all that are allowed."""
    names = [str(n) for n in names]
    near = difflib.get_close_matches(str(name), names, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{guess} allowed: {', '.join(names) or 'none'}"


def known(what: str, name: object, names: Mapping[str, T]) -> T:
    """The entry of a name; InputError if it has none, with the nearest that has."""
    if name not in names:
        raise InputError(f"unknown {what} {name!r}{nearest(name, names)}")
    return names[str(name)]
