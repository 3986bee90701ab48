"""Engines: how a cell's step becomes a scan over time, forward and backward."""

from typing import NamedTuple

from ablations.engines import eager
from ablations.messages import known


class Choice(NamedTuple):
    """An engine, and why it is the one."""

    name: str
    scan: eager.Scan
    why: str


def choose(name: str) -> Choice:
    """The engine of a name; `auto` is the fastest that works here. ValueError for a name that does not exist."""
    known("engine", name, dict.fromkeys(ENGINES))
    return Choice("eager", eager.scan, "the reference engine, and the only one of this version")


ENGINES = ("auto", "eager")
