"""What is measured of a confirmed network, and on which scale two of them are compared.

A quantity gives every row of the table a number, or NaN where it is not known; such rows are left out. Numbers are
chosen so that means of them can be compared: rates and scores as they are, ratios as logarithms.
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
    """One number per network."""

    name: str
    value: Values
    ends: tuple[float, float] = (0.0, 1.0)  # between which a further network would lie
    scale: str = "difference"  # "ratio": differences of logarithms, shown as factors
    whole: Values | None = None  # filled: the question is what share of this the value is, network by network
    price: Values | None = None  # filled: the ratio is of mean value × price, not of values
    less: bool = False  # the less the better
    success: bool = False  # can all cells fail at it? then that is no tie
    few: bool = False  # known of a few networks of an arm only, each against itself: they are counted together
    unit: str = ""  # how a difference is told: "points", "%", or a plain number
    phrase: str = ""  # the finding in words; {effect}, {a}, {b} and {place} are filled in


def column(table: pd.DataFrame, name: str) -> np.ndarray:
    """A column that may be missing."""
    return table[name].to_numpy(float) if name in table else np.full(len(table), np.nan)


def solved(table: pd.DataFrame) -> np.ndarray:
    """A diverged network is an unsolved one."""
    return (table["solved"].to_numpy(bool) & ~table["diverged"].to_numpy(bool)).astype(float)


def _score(table: pd.DataFrame) -> np.ndarray:
    """Worse than the trivial predictor counts as trivial: a loss without an upper end would outvote all others."""
    return np.where(table["diverged"].to_numpy(bool), 0.0, np.clip(column(table, "score"), 0, 1))


def _log(values: np.ndarray) -> np.ndarray:
    """NaN where there is none."""
    return np.log(np.where(values > 0, values, np.nan))


def _growth(table: pd.DataFrame) -> np.ndarray:
    return _log(column(table, "state_norm_10")) - _log(column(table, "state_norm_first"))


def _largest(table: pd.DataFrame) -> np.ndarray:
    """No string right counts as one: a ratio to nothing says nothing."""
    counted = np.where(table["diverged"].to_numpy(bool), 0.0, column(table, "largest_n"))
    return np.log(np.maximum(counted, 1.0))


def _decay(table: pd.DataFrame) -> np.ndarray:
    return _log(column(table, "decay_init"))


def budget(table: pd.DataFrame) -> np.ndarray:
    """Steps allowed; where that is not known, the most that any network of the stratum took."""
    known = column(table, "steps")
    if not np.isfinite(known).all():
        allowed = table.groupby(["task", "lag"], observed=True)["steps_to_solve"].transform("max").to_numpy(float)
        known = np.where(np.isfinite(known), known, allowed)
    return np.maximum(known, 1.0)


def _share_of_budget(table: pd.DataFrame) -> np.ndarray:
    """Steps until it solved, of those allowed: all of them where it did not."""
    if "steps_to_solve" not in table:
        return np.full(len(table), np.nan)
    taken = column(table, "steps_to_solve") / budget(table)
    return np.where(solved(table) > 0, np.clip(taken, 1e-6, 1), 1.0)


def _price(table: pd.DataFrame) -> np.ndarray:
    """Operations of the whole budget."""
    if "steps_to_solve" not in table:
        return np.full(len(table), np.nan)
    step = column(table, "flops_per_step")
    return np.where(step > 0, step, np.nan) * budget(table)


def _clamped(table: pd.DataFrame, gates: str) -> np.ndarray:
    """Test score of a network that had solved its task, with its gates held so."""
    return np.where(solved(table) > 0, np.clip(column(table, f"clamp_{gates}"), 0, 1), np.nan)


def _lost(table: pd.DataFrame) -> np.ndarray:
    return _clamped(table, "none") - _clamped(table, "mean")


def _recovered(table: pd.DataFrame) -> np.ndarray:
    return _clamped(table, "event") - _clamped(table, "mean")


SOLVED = Quantity("solve rate", solved, success=True, unit="points")
SCORE = Quantity("score", _score, success=True)
GROWTH = Quantity(
    "growth of the state over ten windows",
    _growth,
    ends=(0.0, math.log(10)),
    scale="ratio",
    phrase="The state of {a} in the tenth window is {effect} that in the first on {place}",
)
LARGEST = Quantity(
    "largest n",
    _largest,
    ends=(0.0, math.log(100)),
    scale="ratio",
    success=True,
    phrase="{a} counts to {effect} the n of {b} on {place}",
)
FLOPS = Quantity(
    "FLOPs to solve",
    _share_of_budget,
    scale="ratio",
    price=_price,
    less=True,
    phrase="{b} takes {effect} the operations of {a} until it solves, the whole budget where it does not, on {place}",
)
DECAY = Quantity(
    "initial decay of the gradient",
    _decay,
    scale="ratio",
    few=True,
    phrase="Before training, one step back leaves {a} {effect} the gradient that it leaves {b} on {place}",
)
LOST = Quantity(
    "score lost to clamping",
    _lost,
    few=True,
    phrase="Holding its gates at their mean costs {a} {effect} of its score on {place}",
)
RECOVERED = Quantity(
    "share recovered",
    _recovered,
    whole=_lost,
    few=True,
    unit="%",
    phrase="Letting the gates of {a} follow the kind of event recovers {effect} of what holding them still costs on {place}",
)
