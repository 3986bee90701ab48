"""What the tuning trials say: which hyperparameters mattered, and what the best of n trials reaches."""

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table, parts

SETTINGS = ("learning_rate", "clip_norm", "forget_bias", "input_bias", "recurrent_init")
BINS = 4
"""Into how many a number's range is cut: enough for a peak in the middle, and 8 trials in each of 5 searches fill them."""
PERMUTATIONS = 200
FEWEST = 12
"""Trials below which four bins hold too few to speak of variance."""


def importance(tune: Table) -> Table:
    """How much of the variance of the objective goes with each hyperparameter alone: task, cell, setting, share, noise.

    One-way analysis of variance: numbers in four bins of equally many trials, words as they are; η² = variance between
    the bins / variance in all, after the mean of each lag and size is taken off. A share is inflated by the mere number
    of bins, so `noise` is what 95 % of random pairings of settings and objectives stay below (permuted within lags). Like
    fANOVA's (Hutter 2014) main effects, but without a model between: interactions count for nothing here.

    :param tune: tuning rows with `objective`.
    """
    rows, random = [], np.random.default_rng(0)
    for (task, cell), own in parts(_trials(tune), ["task", "cell"]):
        if len(own) < FEWEST:
            continue
        blocks = own.groupby([by for by in ("lag", "size") if by in own], sort=False, dropna=False)["objective"]
        rest = (own["objective"] - blocks.transform("mean")).to_numpy(dtype=float)
        total = float(rest @ rest)
        if total <= 1e-12 * len(own):
            continue
        shuffled = _shuffled(rest, blocks.ngroup().to_numpy(), random)
        for setting in (name for name in SETTINGS if name in own):
            bins = _bins(own[setting])
            if bins is None:
                continue
            share, *null = _between(np.vstack([rest, shuffled]), bins) / total
            rows.append((task, cell, setting, float(share), float(np.quantile(null, 0.95))))
    return pd.DataFrame(rows, columns=["task", "cell", "setting", "share", "noise"])


def best_of(tune: Table) -> Table:
    """What the best of n random trials of a search reaches: task, lag, cell, step (n), low, middle, high.

    Exact: the mean over all choices of n of the search's trials. The middle is the mean over lags and
    searches, the band spans the searches; `lag` is NaN, for all of them.

    :param tune: tuning rows with `objective`; missing searches are one.
    """
    table = _trials(tune)
    table = table.assign(search=table["search"].fillna(0) if "search" in table else 0)
    rows = []
    for (task, cell), own in parts(table, ["task", "cell"]):
        searches: dict[float, list[np.ndarray]] = {}
        for (search, _), trials in parts(own, ["search", "lag"]):
            searches.setdefault(search, []).append(expected_best(trials["objective"].to_numpy(dtype=float)))
        n = min(len(curve) for curves in searches.values() for curve in curves)
        lines = np.array([np.mean([curve[:n] for curve in curves], axis=0) for curves in searches.values()])
        frame = pd.DataFrame(
            {
                "step": np.arange(1, n + 1),
                "low": lines.min(axis=0),
                "middle": lines.mean(axis=0),
                "high": lines.max(axis=0),
            }
        )
        rows.append(frame.assign(task=task, cell=cell, lag=np.nan))
    return (
        pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["task", "cell", "lag", "step", "middle"])
    )


def _trials(tune: Table) -> Table:
    """A row per trial: its objective is the mean over its tuning seeds."""
    tune = tune.dropna(subset=["objective"])
    by = ["task", "cell", "lag", *(name for name in ("size", "search", "trial") if name in tune)]
    if "trial" not in tune or tune["trial"].isna().any() or not tune.duplicated(by).any():
        return tune
    means = tune.groupby(by, dropna=False)["objective"].transform("mean")
    return tune.assign(objective=means).drop_duplicates(by)


def expected_best(values: np.ndarray) -> np.ndarray:
    """Mean of the largest of n of these values, over all choices of n without replacement, for n = 1, 2, ....

    The i-th smallest of N is the largest of n with probability C(i−1, n−1) / C(N, n).
    """
    ordered, total = np.sort(values), len(values)
    rank = np.arange(1, total + 1)
    found, chance = [], np.full(total, 1 / total)
    for n in range(1, total + 1):
        found.append(chance @ ordered)
        # C(i−1, n) / C(N, n+1) from C(i−1, n−1) / C(N, n)
        chance = chance * (rank - n).clip(0) / n * (n + 1) / max(total - n, 1)
    return np.array(found)


def _bins(settings: Table) -> np.ndarray | None:
    """The bin of each trial; None where there is but one value."""
    if settings.isna().all() or (settings.astype(str) == "").all():
        return None
    numbers: Table = pd.to_numeric(settings, errors="coerce")
    if numbers.notna().all() and numbers.nunique() > 2 * BINS:
        ranks = numbers.rank(method="first").to_numpy()
        return ((ranks - 1) * BINS // len(ranks)).astype(int)
    codes, values = pd.factorize(settings.astype(str), sort=True)
    return codes if len(values) > 1 else None


def _between(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Sum of squares between bins of each row."""
    member = np.eye(bins.max() + 1)[bins]
    number = member.sum(axis=0)
    member, number = member[:, number > 0], number[number > 0]
    sums = values @ member
    return (sums**2 / number).sum(axis=1) - values.sum(axis=1) ** 2 / len(bins)


def _shuffled(values: np.ndarray, blocks: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Values dealt anew within their blocks, a row each."""
    keys = random.random((PERMUTATIONS, len(values))) + blocks
    order, home = np.argsort(keys, axis=1), np.argsort(blocks, kind="stable")
    found = np.empty_like(keys)
    found[:, home] = values[order]
    return found
