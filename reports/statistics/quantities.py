"""The quantities that are compared: what is measured on a confirmed network, and on which scale.

A quantity maps every row of the table to a number, or to NaN where it is not known; such rows are excluded. The numbers
are on a scale on which means are compared: rates and scores unchanged, ratios as logarithms.

The reach of a cell on a task is the lag up to which half of its networks solve it. The logarithm of the ratio of two reaches is
the difference of the solve rates, integrated over the logarithm of the lag (the Spearman–Kärber estimator of a median
threshold: Kärber 1931). It does not depend on which lags are run, as long as they span the limits of both cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

Values = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Quantity:
    """A number per network, with its scale and how it is reported."""

    name: str
    value: Values
    bounds: tuple[float, float] = (0.0, 1.0)  # range of a further network, for the variance floor
    scale: str = "difference"  # "ratio": values are logarithms, and differences are shown as factors
    denominator: Values | None = None  # if set: compare value / this, per network
    cost: Values | None = None  # if set: compare mean value × cost as a ratio, instead of mean values
    lower_is_better: bool = False
    is_rate: bool = False  # values are 0 or 1
    requires_success: bool = False  # two cells with a solve rate below FLOOR do not tie
    over_lags: bool = False  # compare integrals over the logarithm of the lag, instead of means over lags
    subsampled: bool = False  # measured on a few networks per arm only; the sample size is their total over all arms
    unit: str = ""  # of a difference: "points", "%", or "" for a plain number
    phrase: str = ""  # the finding as a sentence with {effect}, {a}, {b} and {place}


def column(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column as floats, NaN where it is missing."""
    return table[name].to_numpy(float) if name in table else np.full(len(table), np.nan)


def solved(table: pd.DataFrame) -> np.ndarray:
    """Return 1 for solved rows and 0 for others; a diverged network is unsolved."""
    return (table["solved"].to_numpy(bool) & ~table["diverged"].to_numpy(bool)).astype(float)


def _score(table: pd.DataFrame) -> np.ndarray:
    """Return scores clipped to [0, 1], and 0 where training diverged; NaN for networks that were not trained.

    A score has no lower bound, so that a single one would dominate the mean.
    """
    return np.where(table["diverged"].to_numpy(bool), 0.0, np.clip(column(table, "score"), 0, 1))


def _log(values: np.ndarray) -> np.ndarray:
    """Return logarithms, NaN where a value is not positive."""
    return np.log(np.where(values > 0, values, np.nan))


def _growth(table: pd.DataFrame) -> np.ndarray:
    return _log(column(table, "state_norm_10")) - _log(column(table, "state_norm_first"))


def _decay(table: pd.DataFrame) -> np.ndarray:
    return _log(column(table, "decay_init"))


def budget(table: pd.DataFrame) -> np.ndarray:
    """Return the training steps allowed; where unknown, the largest steps_to_solve of the task and lag."""
    steps = column(table, "steps")
    if not np.isfinite(steps).all():
        largest = table.groupby(["task", "lag"], observed=True)["steps_to_solve"].transform("max").to_numpy(float)
        steps = np.where(np.isfinite(steps), steps, largest)
    return np.maximum(steps, 1.0)


def _counts_to(factor: float) -> Values:
    """Return 1 for networks whose largest n is at least this multiple of the largest n in training, the lag."""

    def values(table: pd.DataFrame) -> np.ndarray:
        largest = np.where(table["diverged"].to_numpy(bool), 0.0, column(table, "largest_n"))
        return np.where(np.isfinite(largest), largest >= factor * column(table, "lag"), np.nan)

    return values


def _share_of_budget(table: pd.DataFrame) -> np.ndarray:
    """Return steps_to_solve as a share of the budget, 1 for unsolved networks."""
    if "steps_to_solve" not in table:
        return np.full(len(table), np.nan)
    share = column(table, "steps_to_solve") / budget(table)
    return np.where(solved(table) > 0, np.clip(share, 1e-6, 1), 1.0)


def _flops_of_budget(table: pd.DataFrame) -> np.ndarray:
    """Return the FLOPs of the whole budget."""
    if "steps_to_solve" not in table:
        return np.full(len(table), np.nan)
    flops = column(table, "flops_per_step")
    return np.where(flops > 0, flops, np.nan) * budget(table)


def _clamped(table: pd.DataFrame, mode: str) -> np.ndarray:
    """Return the test score with gates clamped in a mode, NaN for networks that did not solve their task."""
    return np.where(solved(table) > 0, np.clip(column(table, f"clamp_{mode}"), 0, 1), np.nan)


def _lost(table: pd.DataFrame) -> np.ndarray:
    return _clamped(table, "none") - _clamped(table, "mean")


def _recovered(table: pd.DataFrame) -> np.ndarray:
    return _clamped(table, "event") - _clamped(table, "mean")


SOLVED = Quantity("solve rate", solved, is_rate=True, requires_success=True, unit="points")
REACH = Quantity(
    "reach",
    solved,
    scale="ratio",
    is_rate=True,
    over_lags=True,
    requires_success=True,
    phrase="The reach of {a} on {place} is {effect} that of {b}",
)
COUNTS_TWICE, COUNTS_FOUR_TIMES = (
    Quantity(
        f"rate of counting to {word} the trained length",
        _counts_to(factor),
        is_rate=True,
        requires_success=True,
        unit="points",
    )
    for word, factor in (("twice", 2), ("four times", 4))
)
SCORE = Quantity("score", _score, requires_success=True)
GROWTH = Quantity(
    "growth of the state over ten windows",
    _growth,
    bounds=(0.0, math.log(10)),
    scale="ratio",
    phrase="The state norm of {a} in the tenth window is {effect} that in the first on {place}",
)
FLOPS = Quantity(
    "FLOPs to solve",
    _share_of_budget,
    scale="ratio",
    cost=_flops_of_budget,
    lower_is_better=True,
    phrase="{b} uses {effect} the FLOPs of {a} to solve its runs (the whole budget where a run is unsolved) on {place}",
)
DECAY = Quantity(
    "initial decay of the gradient",
    _decay,
    scale="ratio",
    subsampled=True,
    phrase="Before training, the decay of the gradient of {a} per step is {effect} that of {b} on {place}",
)
LOST = Quantity(
    "score lost to clamping",
    _lost,
    subsampled=True,
    phrase="Clamping the gates of {a} to their mean, and training its other weights further, lowers its score by {effect} on {place}",
)
RECOVERED = Quantity(
    "share recovered",
    _recovered,
    denominator=_lost,
    subsampled=True,
    unit="%",
    phrase="Clamping the gates of {a} to their mean per kind of event recovers {effect} of the score lost with one mean on {place}",
)
