"""Aggregate tuning trials: the variance that each hyperparameter explains, and the expected best of n trials."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table, parts

SCALES = ("log", "linear", "categories")
UNREGISTERED = {
    "clip_norm": "log",
    "forget_bias": "categories",
    "input_bias": "categories",
    "recurrent_init": "categories",
}
"""The scales of the documented hyperparameters besides the learning rate, for a study.json that does not list them."""
BINS = 4
"""Bins of equally many trials for a numeric hyperparameter: enough to show a peak in the middle of its range, and few
enough for about 10 trials per bin in 5 searches of 8 trials."""
PERMUTATIONS = 200
"""Random permutations behind the noise level of `importance`."""
FEWEST_TRIALS = 12
"""Fewer trials per cell and task would leave fewer than three per bin: `importance` omits them."""


def hyperparameters(study: Mapping[str, Any], table: Table) -> dict[str, str]:
    """Return the scale of each hyperparameter by name, one of `SCALES`.

    From the section `hyperparameters` of study.json. Without it: the learning rate on a logarithmic scale, and those of
    `UNREGISTERED` that are columns of the table.
    """
    if registered := study.get("hyperparameters"):
        return {name: entry["scale"] for name, entry in registered.items()}
    return {"learning_rate": "log"} | {name: scale for name, scale in UNREGISTERED.items() if name in table}


def importance(tune: Table, hyperparameters: Iterable[str]) -> Table:
    """Return the share of the objective's variance that each hyperparameter explains alone: task, cell, setting, share, noise.

    One-way analysis of variance: η² = variance between bins / total variance, after subtracting the mean objective of
    each lag and size. Numbers are binned by rank, so the scale of a hyperparameter does not matter. η² is biased upwards
    by the number of bins; `noise` is its 95th percentile when objectives are permuted within lags. The shares resemble
    the main effects of fANOVA (Hutter et al. 2014) without its surrogate model; interactions are not measured.

    :param tune: tuning rows with `objective`.
    :param hyperparameters: names; those that are not columns of the table are skipped.
    """
    rows, random = [], np.random.default_rng(0)
    for (task, cell), trials in parts(_trials(tune), ["task", "cell"]):
        if len(trials) < FEWEST_TRIALS:
            continue
        blocks = trials.groupby([by for by in ("lag", "size") if by in trials], sort=False, dropna=False)["objective"]
        residuals = (trials["objective"] - blocks.transform("mean")).to_numpy(dtype=float)
        total = float(residuals @ residuals)
        if total <= 1e-12 * len(trials):
            continue
        permuted = _permuted(residuals, blocks.ngroup().to_numpy(), random)
        for name in (name for name in hyperparameters if name in trials):
            bins = _bins(trials[name])
            if bins is None:
                continue
            share, *null = _between(np.vstack([residuals, permuted]), bins) / total
            rows.append((task, cell, name, float(share), float(np.quantile(null, 0.95))))
    return pd.DataFrame(rows, columns=["task", "cell", "setting", "share", "noise"])


def best_of(tune: Table) -> Table:
    """Return the expected best objective of n random trials of a search: task, lag, cell, step (n), low, middle, high.

    `middle` is the mean over lags and searches, `low` and `high` are the extremes over searches. `lag` is NaN, because
    all lags are averaged.

    :param tune: tuning rows with `objective`; rows without a search number count as one search.
    """
    table = _trials(tune)
    table = table.assign(search=table["search"].fillna(0) if "search" in table else 0)
    tables = []
    for (task, cell), rows in parts(table, ["task", "cell"]):
        searches: dict[float, list[np.ndarray]] = {}
        for (search, _), trials in parts(rows, ["search", "lag"]):
            searches.setdefault(search, []).append(expected_best(trials["objective"].to_numpy(dtype=float)))
        n = min(len(curve) for curves in searches.values() for curve in curves)
        means = np.array([np.mean([curve[:n] for curve in curves], axis=0) for curves in searches.values()])
        frame = pd.DataFrame(
            {
                "step": np.arange(1, n + 1),
                "low": means.min(axis=0),
                "middle": means.mean(axis=0),
                "high": means.max(axis=0),
            }
        )
        tables.append(frame.assign(task=task, cell=cell, lag=np.nan))
    if not tables:
        return pd.DataFrame(columns=["task", "cell", "lag", "step", "middle"])
    return pd.concat(tables, ignore_index=True)


def _trials(tune: Table) -> Table:
    """One row per trial, whose objective is the mean over its tuning seeds."""
    tune = tune.dropna(subset=["objective"])
    by = ["task", "cell", "lag", *(name for name in ("size", "search", "trial") if name in tune)]
    if "trial" not in tune or tune["trial"].isna().any() or not tune.duplicated(by).any():
        return tune
    means = tune.groupby(by, dropna=False)["objective"].transform("mean")
    return tune.assign(objective=means).drop_duplicates(by)


def expected_best(values: np.ndarray) -> np.ndarray:
    """Return the expected maximum of n values drawn without replacement, for n = 1, 2, …, N; exact.

    The i-th smallest of N values is the maximum of n with probability C(i−1, n−1) / C(N, n).
    """
    ordered, total = np.sort(values), len(values)
    rank = np.arange(1, total + 1)
    expected, probability = [], np.full(total, 1 / total)
    for n in range(1, total + 1):
        expected.append(probability @ ordered)
        # C(i−1, n) / C(N, n+1) from C(i−1, n−1) / C(N, n)
        probability = probability * (rank - n).clip(0) / n * (n + 1) / max(total - n, 1)
    return np.array(expected)


def _bins(values: Table) -> np.ndarray | None:
    """The bin of each trial; None if the values are unknown or all equal.

    Numbers with more than 2 × BINS distinct values are binned by rank; any other value is a bin of its own.
    """
    if values.isna().all() or (values.astype(str) == "").all():
        return None
    numbers: Table = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all() and numbers.nunique() > 2 * BINS:
        ranks = numbers.rank(method="first").to_numpy()
        return ((ranks - 1) * BINS // len(ranks)).astype(int)
    codes, categories = pd.factorize(values.astype(str), sort=True)
    return codes if len(categories) > 1 else None


def _between(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The sum of squares between bins for each row of `values` [rows, trials]."""
    indicators = np.eye(bins.max() + 1)[bins]
    counts = indicators.sum(axis=0)
    indicators, counts = indicators[:, counts > 0], counts[counts > 0]
    sums = values @ indicators
    return (sums**2 / counts).sum(axis=1) - values.sum(axis=1) ** 2 / len(bins)


def _permuted(values: np.ndarray, blocks: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Permutations [PERMUTATIONS, trials] of the values within their blocks."""
    keys = random.random((PERMUTATIONS, len(values))) + blocks
    order, positions = np.argsort(keys, axis=1), np.argsort(blocks, kind="stable")
    permuted = np.empty_like(keys)
    permuted[:, positions] = values[order]
    return permuted
