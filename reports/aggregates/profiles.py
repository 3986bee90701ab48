"""Aggregates over tasks and lags as Agarwal et al. (2021) propose: performance profiles and the probability of improvement.

Each stratum (task, lag) weighs the same. Intervals are percentiles of a stratified bootstrap: within every stratum, and for every
cell by itself, the tuning searches are drawn again with all their networks, or the networks where there is a single search.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table, common_strata, parts, pick
from reports.statistics.contrasts import LEVEL

DRAWS = 1000
"""Bootstrap samples."""
THRESHOLDS = np.arange(50) / 50
STRATUM = ["task", "lag"]
SOLVED = 2.0
"""What counts as the score of a network that solved its task, in `improvements`: above all others."""


class Sample(NamedTuple):
    """The scores of a cell in a stratum."""

    scores: np.ndarray  # [networks]
    units: np.ndarray  # [units, networks] 1 where the network belongs to the unit
    counts: np.ndarray  # [DRAWS, units] how often each bootstrap sample has the unit

    @property
    def networks(self) -> np.ndarray:
        """How many networks each bootstrap sample has: [DRAWS, 1]."""
        return self.counts @ self.units.sum(axis=1, keepdims=True)


def profiles(confirm: Table) -> Table:
    """Return the share of networks with a score above each threshold, averaged over the strata that most cells of the
    group of tasks have.

    Cells that do not have all of these strata are omitted.

    :param confirm: confirmation rows; a network that was not trained has the score 0.
    :returns: group, cell, step (the threshold), low, middle, high.
    """
    tables = [pd.DataFrame(columns=["group", "cell", "step", "low", "middle", "high"])]
    random = np.random.default_rng(0)
    for (group,), rows in parts(confirm, ["group"]):
        rows = common_strata(rows)
        strata = [_samples(stratum, random) for _, stratum in parts(rows, STRATUM)]
        for cell in dict.fromkeys(rows["cell"]):
            if not all(cell in samples for samples in strata):
                continue
            above, resampled = zip(*(_above(samples[cell]) for samples in strata), strict=True)
            low, high = _limits(np.mean(resampled, axis=0))
            columns = {"step": THRESHOLDS, "low": low, "middle": np.mean(above, axis=0), "high": high}
            tables.append(pd.DataFrame({"group": group, "cell": cell, **columns}))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def improvements(confirm: Table, over: str) -> Table:
    """Return the probability that a network of each cell has a higher score than one of the cell `over`, averaged over strata.

    A tie counts one half (Mann & Whitney 1947). Networks that solved the task are ties: their training stopped then, so that
    their scores differ by the moment only. The strata are those that both cells have.

    :returns: group, cell, strata, probability, low, high.
    """
    rows, random = [], np.random.default_rng(0)
    confirm = confirm.assign(score=confirm["score"].where(~confirm["solved"], SOLVED))
    for (group,), members in parts(confirm, ["group"]):
        strata = [_samples(stratum, random) for _, stratum in parts(members, STRATUM)]
        strata = [samples for samples in strata if over in samples]
        for cell in dict.fromkeys(members["cell"]):
            shared = [_better(samples[cell], samples[over]) for samples in strata if cell in samples]
            if cell != over and shared:
                found, resampled = zip(*shared, strict=True)
                limits = _limits(np.mean(resampled, axis=0))
                rows.append((group, cell, len(shared), float(np.mean(found)), *map(float, limits)))
    return pd.DataFrame(rows, columns=["group", "cell", "strata", "probability", "low", "high"])


def speeds(confirm: Table, tune: Table, lags: Mapping[str, float]) -> Table:
    """Return how many networks of each cell solve each task at one lag, and after how many steps, in confirmation and tuning.

    :param lags: by task, the lag at which cells are compared. Other lags, and other tasks, are left out.
    :returns: task, lag, cell, phase ("confirm" or "tune"), solved, networks, share (solved of networks), step (median number of
        steps to solve, of the networks that solved; NaN for none).
    """
    rows = []
    for phase, table in (("confirm", confirm), ("tune", tune)):
        for (task, lag, cell), members in parts(table[table["lag"] == table["task"].map(lags)], [*STRATUM, "cell"]):
            solved = pick(members, solved=True)
            share = len(solved) / len(members)
            rows.append((task, lag, cell, phase, len(solved), len(members), share, solved["steps_to_solve"].median()))
    return pd.DataFrame(rows, columns=["task", "lag", "cell", "phase", "solved", "networks", "share", "step"])


def _samples(stratum: Table, random: np.random.Generator) -> dict[str, Sample]:
    """The sample of each cell in a stratum."""
    samples = {}
    for (cell,), rows in parts(stratum, ["cell"]):
        unit = rows["search"].factorize()[0] if "search" in rows else np.zeros(len(rows), dtype=int)
        if unit.min() < 0 or unit.max() == 0:  # the search is not known, or it is the only one
            unit = np.arange(len(rows))
        units = (unit == np.arange(unit.max() + 1)[:, None]).astype(float)
        counts = random.multinomial(len(units), np.full(len(units), 1 / len(units)), DRAWS)
        samples[cell] = Sample(rows["score"].fillna(0.0).to_numpy(), units, counts)
    return samples


def _above(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The share of networks above each threshold, [thresholds], and in each bootstrap sample, [DRAWS, thresholds]."""
    above = sample.scores[:, None] > THRESHOLDS
    return above.mean(axis=0), sample.counts @ (sample.units @ above) / sample.networks


def _better(sample: Sample, other: Sample) -> tuple[float, np.ndarray]:
    """The probability that a network of a sample is better than one of the other, and in each bootstrap sample, [DRAWS]."""
    difference = sample.scores[:, None] - other.scores
    wins = (difference > 0) + 0.5 * (difference == 0)
    pairs = (sample.counts @ (sample.units @ wins @ other.units.T) * other.counts).sum(axis=1)
    return float(wins.mean()), pairs / (sample.networks * other.networks)[:, 0]


def _limits(resampled: np.ndarray) -> np.ndarray:
    """The percentile interval over the first axis."""
    return np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
