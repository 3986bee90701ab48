"""From rows to contrasts: which strata a comparison uses, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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


class Stratum(NamedTuple):
    """One (task, lag, size): where two cells meet on equal terms. `str()` gives "recall 20"."""

    task: str
    lag: float
    size: float | None = None

    def __str__(self) -> str:
        return f"{self.task} {self.lag:g}"


@dataclass(frozen=True)
class Contrast:
    """What one comparison of two cells found. Differences are a − b in solve rate, in [−1, 1]."""

    question: str  # "single_network − lstm on recall"
    a: str
    b: str
    tasks: tuple[str, ...]
    lags: tuple[Stratum, ...]  # the strata used; str(stratum) is "recall 20"
    effect: float | None  # mean over the strata used
    ci_low: float | None  # the interval at claims.LEVEL (90 %), the one that the rules decide on
    ci_high: float | None
    p: float | None  # two-sided, after Holm inside the claim
    seeds: int  # smallest number of confirmation seeds per (cell, stratum); 0 when missing
    outcome: str  # better | worse | equivalent | not worse | undecided | missing
    left_out: tuple[str, ...] = ()  # "recall lag 160: floor, 2 % of trials solved"
