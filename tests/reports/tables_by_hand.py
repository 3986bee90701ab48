"""Small tables whose right verdict is plain, and what a claim makes of them."""

import numpy as np
import pandas as pd

from reports.claims import CLAIMS, Contrast, Verdict, decide
from reports.statistics.strata import group_of

RECALL = (20, 40, 80)


def arm(cell, task, lag, solved, runs=20, searches=5, phase="confirm", size=5000, **columns):
    """Rows of one arm: `solved` of `runs`, dealt evenly to its searches; searches=0: the column is empty."""
    numbers = np.arange(runs)
    return pd.DataFrame(
        {
            "phase": phase,
            "cell": cell,
            "task": task,
            "lag": lag,
            "size": size,
            "group": group_of(task),
            "search": numbers % searches if searches else np.nan,
            "solved": numbers < solved,
            "diverged": False,
        }
        | columns
    )


def table(rates, lags: tuple[float, ...] = RECALL, task="recall", **options):
    """`rates`: cell -> runs solved, of 20, at every lag."""
    return pd.concat([arm(cell, task, lag, solved, **options) for cell, solved in rates.items() for lag in lags])


def verdict(number: int, *tables: pd.DataFrame) -> Verdict:
    return next(one for one in decide(pd.concat(tables, ignore_index=True)) if one.id == number)


def contrast(one: Verdict, name: str) -> Contrast:
    claim = next(claim for claim in CLAIMS if claim.id == one.id)
    return one.contrasts[[compare.name for compare in claim.compares].index(name)]


def tuned(rates, lags=RECALL, runs=40):
    return table(rates, lags, runs=runs, phase="tune")
