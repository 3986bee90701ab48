"""From rows to arms: the table, counted once for each quantity that a question asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from reports.statistics import estimators as stats
from reports.statistics.quantities import SOLVED, Quantity, solved
from reports.statistics.strata import Stratum, group_at

KEYS = ["cell", "task", "lag", "size", "group", "search"]

Key = tuple[str, Stratum]


@dataclass(frozen=True)
class Arm:
    """A quantity of the confirmed networks of one cell in one stratum."""

    total: np.ndarray  # [searches] sum over the networks of a search
    runs: np.ndarray  # [searches] networks for which it is known
    squares: float  # sum of squares over all of them
    ends: tuple[float, float] = (0.0, 1.0)
    price: float = 0.0  # above 0: what counts is the logarithm of mean × price

    @property
    def units(self) -> int:
        """What the spread is seen between: searches where there are several, else networks."""
        return len(self.runs) if len(self.runs) > 1 else int(self.runs.sum())

    @cached_property
    def rate(self) -> stats.Rate:
        """Mean, its variance and degrees of freedom; at least two units."""
        if len(self.runs) > 1:
            fit = stats.search_mean(self.total, self.runs, self.squares, self.ends)
        else:
            fit = stats.run_mean(float(self.total.sum()), int(self.runs.sum()), self.squares, self.ends)
        if not self.price:
            return fit
        return stats.Rate(math.log(fit.rate * self.price), fit.variance / fit.rate**2, fit.freedom)  # delta method

    @property
    def mean(self) -> float:
        return float(self.total.sum() / self.runs.sum())


@dataclass(frozen=True)
class Evidence:
    """What a table holds."""

    confirmed: dict[Key, Arm]  # solve rates
    tuned: dict[Key, tuple[int, int]]  # trials solved, trials
    groups: dict[Stratum, str]
    rows: pd.DataFrame  # of confirmed networks
    units: list[Key]  # one per search of an arm
    codes: np.ndarray  # [rows] the unit that a row belongs to
    known: dict[tuple[str, float], dict[Key, Arm]] = field(default_factory=dict)  # counted before

    def arms(self, quantity: Quantity, share: float = 0.0) -> dict[Key, Arm]:
        """By cell and stratum; of a quantity that has a whole, value − share × whole."""
        key = quantity.name, share
        if key not in self.known:
            self.known[key] = self._count(quantity, share)
        return self.known[key]

    def _count(self, quantity: Quantity, share: float) -> dict[Key, Arm]:
        values = quantity.value(self.rows)
        price = quantity.price(self.rows) if quantity.price else np.zeros(len(values))
        ends = quantity.ends
        if quantity.whole:
            values, ends = values - share * quantity.whole(self.rows), (-share, 1 - share)
        kept = np.flatnonzero(np.isfinite(values) & np.isfinite(price))
        codes, values, price = self.codes[kept], values[kept], price[kept]
        n = len(self.units)
        runs = np.bincount(codes, minlength=n)
        sums, squares, prices = (np.bincount(codes, weights, n) for weights in (values, values**2, price))
        found: dict[Key, list[int]] = {}
        for unit in np.flatnonzero(runs).tolist():
            found.setdefault(self.units[unit], []).append(unit)
        return {
            key: Arm(sums[own], runs[own], float(squares[own].sum()), ends, float(prices[own].sum() / runs[own].sum()))
            for key, own in found.items()
        }


def evidence(results: pd.DataFrame) -> Evidence:
    """The table by (phase, cell, stratum, search).

    :param results: as `tables.read` returns it; `search` and `size` may be missing.
    """
    table = results.assign(**{name: np.nan for name in ("size", "search") if name not in results})
    grouped = table.groupby(["phase", *KEYS], dropna=False, sort=True)
    numbers, counts = grouped.ngroup().to_numpy(), grouped.size()
    successes = np.bincount(numbers, solved(table), len(counts))
    tuned: dict[Key, tuple[int, int]] = {}
    groups: dict[Stratum, str] = {}
    units: list[Key] = []
    place = np.full(len(counts), -1)
    for number, (name, trials, won) in enumerate(zip(counts.index, counts, successes, strict=True)):
        phase, cell, task, lag, size, group, _ = name
        stratum = Stratum(task, lag, None if math.isnan(size) else size)
        if stratum not in groups:
            groups[stratum] = group_at(group, stratum)
        if phase == "confirm":
            place[number] = len(units)
            units.append((cell, stratum))
        else:
            before = tuned.get((cell, stratum), (0, 0))
            tuned[cell, stratum] = before[0] + int(won), before[1] + int(trials)
    confirm = place[numbers] >= 0
    rows = results.loc[confirm]
    codes = place[numbers[confirm]]
    known = Evidence({}, tuned, groups, rows, units, codes)
    return replace(known, confirmed=known.arms(SOLVED))
