"""Strata (task, lag, size), groups of tasks, and the sets of strata that a comparison is restricted to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from reports.format import listed

CONTROL = "control"
"""The group of control tasks, such as `continual_adding+reset`: in no group of a claim."""

GROUPS = {
    "n_back": "short",
    "recall": "latch",
    "adding": "latch",
    "multiplication": "latch",
    "embedded_reber": "latch",
    "continual_adding": "erase",
    "continual_reber": "erase",
    "flip_flop": "overwrite",
    "temporal_order": "order",
    "copy": "capacity",
    "selective_copy": "capacity",
    "associative_recall": "content",
    "counting": "count",
    "parity": "state",
}
"""Base name of a task -> its group, as its class declares it; used where the table's `group` column is empty."""

SHORT = {"n_back": 2, "adding": 10}
"""Base name of a task -> the largest lag at which it is in the group `short`, where all cells should tie."""


class Stratum(NamedTuple):
    """A task at one lag and size, within which cells are compared. `str()` gives "recall lag 20"."""

    task: str
    lag: float
    size: float | None = None

    def __str__(self) -> str:
        return f"{self.task} lag {self.lag:g}"


@dataclass(frozen=True)
class Where:
    """The strata of a group, or of one task (its full label with options), within a range of lags."""

    group: str = ""
    task: str = ""
    max_lag: float = math.inf
    min_lag: float = -math.inf

    def __contains__(self, stratum_and_group: tuple[Stratum, str]) -> bool:
        stratum, group = stratum_and_group
        inside = self.min_lag <= stratum.lag <= self.max_lag
        return inside and (stratum.task == self.task if self.task else group == self.group)

    def __str__(self) -> str:
        lags = f" from lag {self.min_lag:g}" if self.min_lag > -math.inf else ""
        lags += f" up to lag {self.max_lag:g}" if self.max_lag < math.inf else ""
        return (self.task or self.group) + lags


def widths(lags: Iterable[float]) -> dict[float, float]:
    """Return the part of the logarithmic axis that each lag represents: up to half the distance to its neighbours, and as far
    beyond the first and the last one. It is log 2 for lags that double, and for a single lag."""
    ordered = sorted({*lags})
    steps = [math.log(after / before) for before, after in pairwise(ordered)] or [math.log(2)]
    steps = [steps[0], *steps, steps[-1]]
    return {lag: (left + right) / 2 for lag, left, right in zip(ordered, steps, steps[1:], strict=False)}


def joined(places: Sequence[Where], tasks: str = "", last: str = " and ") -> str:
    """Format places as "latch, erase and order from lag 20": equal ranges of lags are merged, `tasks` follows group names."""
    alike: dict[tuple[str, str], list[str]] = {}
    for place in places:
        name = place.task or place.group
        alike.setdefault((str(place).removeprefix(name), "" if place.task else tasks), []).append(name)
    return listed([listed(names, last) + kind + ends for (ends, kind), names in alike.items()], last)


def base_name(label: str) -> str:
    """Return a label without its options: `continual_adding+reset` -> `continual_adding`."""
    return label.split("+", 1)[0]


def group_of(label: str) -> str:
    """Return the group of a task label; "" for an unknown task."""
    return CONTROL if "reset" in label.split("+")[1:] else GROUPS.get(base_name(label), "")


def group_at(group: str, stratum: Stratum) -> str:
    """Return the group of a stratum, given its task's group: at small lags, the tasks in `SHORT` are in `short`."""
    max_lag = SHORT.get(base_name(stratum.task))
    if max_lag is None or group == CONTROL:
        return group
    if stratum.lag <= max_lag:
        return "short"
    return "" if group == "short" else group
