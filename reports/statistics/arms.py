"""The results table grouped into arms: per quantity, the sums of every cell in every stratum."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from reports.statistics import estimators
from reports.statistics.quantities import SOLVED, Quantity, solved
from reports.statistics.strata import Stratum, group_at

NOT_TRAINED = "not trained"
"""Value of the column `status` of networks that count as unsolved without training: see `reports.untrained`."""
KEYS = ["cell", "task", "lag", "size", "group", "search"]

Key = tuple[str, Stratum]


@dataclass(frozen=True)
class Arm:
    """A quantity, summed over the confirmed networks of one cell in one stratum."""

    sums: np.ndarray  # [searches] sum over the networks of a search
    runs: np.ndarray  # [searches] number of networks with a known value
    squares: float  # sum of squares over all networks
    bounds: tuple[float, float] = (0.0, 1.0)  # range of a further network
    cost: float = 0.0  # above 0: the estimate is log(mean × cost)

    @property
    def n_units(self) -> int:
        """The number of independent units: searches if there are several, else networks."""
        return len(self.runs) if len(self.runs) > 1 else int(self.runs.sum())

    @cached_property
    def estimate(self) -> estimators.MeanEstimate:
        """The mean, its variance and degrees of freedom; needs at least two units."""
        if len(self.runs) > 1:
            fit = estimators.search_mean(self.sums, self.runs, self.squares, self.bounds)
        else:
            fit = estimators.run_mean(float(self.sums.sum()), int(self.runs.sum()), self.squares, self.bounds)
        if not self.cost:
            return fit
        # Delta method.
        return estimators.MeanEstimate(math.log(fit.mean * self.cost), fit.variance / fit.mean**2, fit.df)

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.runs.sum())


@dataclass(frozen=True)
class Evidence:
    """The results table grouped into arms, from which the arms of any quantity are computed."""

    confirmed: dict[Key, Arm]  # solve rates
    tuned: dict[Key, tuple[int, int]]  # trials solved, trials
    groups: dict[Stratum, str]
    rows: pd.DataFrame  # of confirmed networks
    units: list[Key]  # [units] the arm of each unit; a unit is one search of an arm
    codes: np.ndarray  # [rows] index of the row's unit
    untrained: frozenset[Key] = frozenset()  # arms that count as unsolved without training
    cache: dict[tuple[str, float], dict[Key, Arm]] = field(default_factory=dict)

    def arms(self, quantity: Quantity, share: float = 0.0) -> dict[Key, Arm]:
        """Return the arms of a quantity; of one with a denominator, the arms of value − share × denominator.

        A ratio of means is tested by that difference against 0, and its interval needs several shares (Fieller 1954).
        """
        key = quantity.name, share
        if key not in self.cache:
            self.cache[key] = self._arms(quantity, share)
        return self.cache[key]

    def _arms(self, quantity: Quantity, share: float) -> dict[Key, Arm]:
        """As `arms`; networks without the quantity are left out."""
        values = quantity.value(self.rows)
        costs = quantity.cost(self.rows) if quantity.cost else np.zeros(len(values))
        bounds = quantity.bounds
        if quantity.denominator:
            values = values - share * quantity.denominator(self.rows)
            bounds = (-share, 1 - share)  # of a further network whose denominator is 1
        known = np.flatnonzero(np.isfinite(values) & np.isfinite(costs))
        codes, values, costs = self.codes[known], values[known], costs[known]
        n = len(self.units)
        runs = np.bincount(codes, minlength=n)
        sums, squares, cost_sums = (np.bincount(codes, weights, n) for weights in (values, values**2, costs))
        units: dict[Key, list[int]] = {}
        for unit in np.flatnonzero(runs).tolist():
            units.setdefault(self.units[unit], []).append(unit)
        return {
            key: Arm(sums[i], runs[i], float(squares[i].sum()), bounds, float(cost_sums[i].sum() / runs[i].sum()))
            for key, i in units.items()
        }


def evidence(results: pd.DataFrame) -> Evidence:
    """Group the results table by phase, cell, stratum and search.

    :param results: as `tables.read` returns it; `search` and `size` may be missing.
    """
    table = results.assign(**{name: np.nan for name in ("size", "search") if name not in results})
    grouped = table.groupby(["phase", *KEYS], dropna=False, sort=True)
    numbers, counts = grouped.ngroup().to_numpy(), grouped.size()
    successes = np.bincount(numbers, solved(table), len(counts))
    tuned: dict[Key, tuple[int, int]] = {}
    groups: dict[Stratum, str] = {}
    units: list[Key] = []
    unit_of_group = np.full(len(counts), -1)
    for number, (name, trials, solved_trials) in enumerate(zip(counts.index, counts, successes, strict=True)):
        phase, cell, task, lag, size, group, _ = name
        stratum = Stratum(task, lag, None if math.isnan(size) else size)
        if stratum not in groups:
            groups[stratum] = group_at(group, stratum)
        if phase == "confirm":
            unit_of_group[number] = len(units)
            units.append((cell, stratum))
        else:
            solved_before, trials_before = tuned.get((cell, stratum), (0, 0))
            tuned[cell, stratum] = solved_before + int(solved_trials), trials_before + int(trials)
    confirmed = unit_of_group[numbers] >= 0
    rows, codes = results.loc[confirmed], unit_of_group[numbers[confirmed]]
    left_out = codes[(rows["status"] == NOT_TRAINED).to_numpy()] if "status" in rows else codes[:0]
    untrained = frozenset(units[code] for code in np.unique(left_out))
    by_unit = Evidence({}, tuned, groups, rows, units, codes, untrained)
    return replace(by_unit, confirmed=by_unit.arms(SOLVED))
