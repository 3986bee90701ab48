"""The reach of each cell on each task: the lag up to which half of its networks solve it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table, parts
from reports.statistics.arms import Evidence
from reports.statistics.comparison import Comparison
from reports.statistics.contrasts import HALF, MIN_LAGS
from reports.statistics.estimates import estimate_contrast, stratum_weights
from reports.statistics.strata import Stratum, Where, widths

COLUMNS = ["task", "cell", "reach", "low", "high", "relation"]


def reaches(rates: Table, evidence: Evidence) -> Table:
    """Return the reach of every cell on every task with at least MIN_LAGS lags, with its interval.

    The integral of the solve rate over the logarithm of the lag, from half a step below the shortest lag (Kärber 1931), with
    searches as the units.

    :param rates: solve rates: task, lag, cell, rate.
    :returns: COLUMNS; `relation` is "=", or where the lags do not contain the cell's limit ">" (half of the networks solve the
        longest lag) or "<" (less than half solve the shortest).
    """
    rows = []
    for (task, cell), curve in parts(rates, ["task", "cell"]):
        curve = curve.sort_values("lag")
        strata = [s for c, s in evidence.confirmed if c == cell and s.task == task]
        if len(curve) < MIN_LAGS or len(strata) != len(curve):
            continue
        comparison = Comparison("", cell, "", (Where(task=task),))
        found = estimate_contrast(comparison, [stratum_weights(comparison, strata), {}], evidence)
        if found is None:
            continue
        start = _start(strata)
        limits = np.clip([found.effect, found.low, found.high], 0, sum(widths(s.lag for s in strata).values()))
        reach, low, high = start * np.exp(limits)
        first, last = curve["rate"].iloc[0], curve["rate"].iloc[-1]
        rows.append((task, cell, reach, low, high, "<" if first < HALF else ">" if last >= HALF else "="))
    return pd.DataFrame(rows, columns=COLUMNS)


def _start(strata: list[Stratum]) -> float:
    """Return the lower end of the part of the axis that the shortest lag represents."""
    width = widths(stratum.lag for stratum in strata)
    shortest = min(width)
    return shortest * math.exp(-width[shortest] / 2)
