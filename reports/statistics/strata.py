"""Where cells meet: groups of tasks, the lags and sizes of a task, and the parts of these that a claim names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.format import listed

CONTROL = "control"
"""The group of runs that only show a cause, such as `continual_adding+reset`; no claim and no answer counts them."""

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
"""Base name of a task -> its group, what it separates (the table's `group` column wins where it is filled)."""

SHORT = {"n_back": 2, "adding": 10}
"""Tasks that are in the group `short` up to this lag: at such distances everybody should tie."""


class Stratum(NamedTuple):
    """One (task, lag, size): where two cells meet on equal terms. `str()` gives "recall lag 20"."""

    task: str
    lag: float
    size: float | None = None

    def __str__(self) -> str:
        return f"{self.task} lag {self.lag:g}"


@dataclass(frozen=True)
class Where:
    """The strata of a group, or of one task, from a lag up to a lag. A task is named by its whole label with options."""

    group: str = ""
    task: str = ""
    longest: float = math.inf
    shortest: float = -math.inf

    def __contains__(self, member: tuple[Stratum, str]) -> bool:
        stratum, group = member
        inside = self.shortest <= stratum.lag <= self.longest
        return inside and (stratum.task == self.task if self.task else group == self.group)

    def __str__(self) -> str:
        ends = f" from lag {self.shortest:g}" if self.shortest > -math.inf else ""
        ends += f" up to lag {self.longest:g}" if self.longest < math.inf else ""
        return (self.task or self.group) + ends


def joined(places: Sequence[Where], tasks: str = "", last: str = " and ") -> str:
    """ "latch, erase and order from lag 20": groups with the same ends together; `tasks` follows the names of groups."""
    alike: dict[tuple[str, str], list[str]] = {}
    for place in places:
        name = place.task or place.group
        alike.setdefault((str(place).removeprefix(name), "" if place.task else tasks), []).append(name)
    return listed([listed(names, last) + kind + ends for (ends, kind), names in alike.items()], last)


def base_name(label: str) -> str:
    """The registered name under a label: `continual_adding+reset` -> `continual_adding`."""
    return label.split("+", 1)[0]


def group_of(label: str) -> str:
    """The group of a task where the table does not say; empty where the task is not known."""
    return CONTROL if "reset" in label.split("+")[1:] else GROUPS.get(base_name(label), "")


def group_at(group: str, stratum: Stratum) -> str:
    """The group of a task at a lag: at a short one, some tasks of other groups are in `short`."""
    longest = SHORT.get(base_name(stratum.task))
    if longest is None or group == CONTROL:
        return group
    if stratum.lag <= longest:
        return "short"
    return "" if group == "short" else group
