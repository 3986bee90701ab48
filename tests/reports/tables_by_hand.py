"""Results tables without chance, whose correct verdicts are obvious, and functions that judge them."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from reports.calibration.simulate import LAGS, LIMITS, SIZE, arms
from reports.claims import CLAIMS, Contrast, Verdict, decide
from reports.claims.comparisons import LATCH, PLAIN
from reports.claims.rules import Claim
from reports.statistics.strata import base_name, group_of

RECALL = (5, 10, 20, 40, 80, 160)
"""Lags of recall in small tables."""
SPREAD = np.linspace(-0.5, 0.5, 10)
"""Octaves by which the reach of each search differs from that of its cell."""

ROW = {
    "study": "s",
    "phase": "confirm",
    "cell": "lstm",
    "task": "recall",
    "lag": "10",
    "seed": "1",
    "trial": "0",
    "hidden_size": "24",
    "parameters": "5000",
    "score": "0.5",
    "solved": "1",
    "steps_to_solve": "300",
    "censored": "0",
    "diverged": "0",
    "seconds": "1.5",
    "hash": "a",
}
"""A valid row of results.csv as text."""
HOLDING = (*LATCH, "temporal_order")
DISTINGUISHED = dict.fromkeys([*(("rnn", task) for task in (*HOLDING, PLAIN)), ("lru", "parity")], 1 / 8)
"""Reach by cell and task: the plain RNN and the linear recurrence fail where they have to, so that tasks distinguish cells."""
ERASES = {("lstm_no_forget", "continual_adding"): 1 / 8}
"""Likewise: without a forget gate, the LSTM does not erase."""

Reach = Callable[[str, str, bool], float]
"""A cell's reach as a factor of the usual one, by cell, task and whether it has 8 times the size."""


def less_far(cells, tasks, factor=1 / 8):
    """Reach by cell and task: the same factor for all of them."""
    return {(cell, task): factor for cell in cells for task in tasks}


def arm(cell, task, lag, solved, runs=20, searches=10, phase="confirm", size=SIZE, **columns):
    """Rows of one arm with `solved` of `runs` solved, spread evenly over its searches; searches=0: an empty column."""
    numbers = np.arange(runs)
    return pd.DataFrame(
        {
            "phase": phase,
            "cell": cell,
            "task": task,
            "lag": float(lag),
            "size": float(size),
            "group": group_of(task),
            "search": (numbers % searches).astype(float) if searches else np.nan,
            "solved": numbers < solved,
            "diverged": False,
        }
        | columns
    )


def curve(
    cell: str, reach: float, lags=RECALL, task="recall", seeds=2, searches=10, phase="confirm", size=SIZE
) -> pd.DataFrame:
    """Rows of a cell whose searches solve the task up to a lag near `reach`: half an octave more or less."""
    limits = reach * 2.0 ** np.resize(SPREAD[:: max(10 // max(searches, 1), 1)], searches)
    grid = np.meshgrid(np.asarray(lags, float), np.arange(searches), np.arange(seeds), indexing="ij")
    lag, search = (axis.ravel() for axis in grid[:2])
    return pd.DataFrame(
        {
            "phase": phase,
            "cell": cell,
            "task": task,
            "lag": lag,
            "size": float(size),
            "group": group_of(task),
            "search": search.astype(float),
            "solved": lag <= limits[search],
            "diverged": False,
        }
    )


def full_study(reach: Mapping[tuple[str, str], float] | Reach, claim: int | None = None) -> pd.DataFrame:
    """Every arm that the claims, or one of them, compare.

    :param reach: factors of a cell's reach by (cell, task), 1 where not given; or a function of cell, task and size.
    """
    if not callable(reach):
        factors = reach
        reach = lambda cell, task, large: factors.get((cell, task), 1.0)  # noqa: E731
    needed = _needed(claim) if claim else None
    rows = [
        curve(cell, LIMITS[_named(task)] * reach(cell, task, large > 1), LAGS[_named(task)], task, size=SIZE * large)
        for cell, task, large in arms()
        if needed is None or (cell, task) in needed
    ]
    table = pd.concat(rows, ignore_index=True)
    counting = table["task"] == "counting"
    return table.assign(
        steps=2000.0,
        steps_to_solve=np.where(table["solved"], 500.0, 2000.0),
        flops_per_step=1.0,
        score=np.where(table["solved"], 0.99, 0.2) + 0.001 * (table.index % 7),
        largest_n=np.where(counting, np.where(table["cell"] == "rnn", 1, 8) * table["lag"], np.nan),
        state_norm_first=1.0,
        state_norm_10=1.0 + 0.01 * (table.index % 5),
        decay_init=np.where(table["cell"].str.endswith("+matched"), 0.98, np.nan),
        clamp_none=0.99,
        clamp_mean=0.98 + 0.001 * (table.index % 5),
        clamp_event=0.985,
    )


def _named(task: str) -> str:
    return base_name(task) if task.endswith("+reset") else task


def _needed(claim_id: int) -> set[tuple[str, str]]:
    return {
        (term.cell, place.task + term.option)
        for comparison in claim_of(claim_id).comparisons
        for place in (*comparison.where, *comparison.minus)
        for term in (*comparison.contrast_terms, *comparison.denominator)
    }


def claim_of(claim_id: int) -> Claim:
    return next(claim for claim in CLAIMS if claim.id == claim_id)


def table(rates, lags: tuple[float, ...] = RECALL, task="recall", **options):
    """Rows of several cells at several lags; `rates`: cell -> runs solved at every lag, by default of 20."""
    return pd.concat([arm(cell, task, lag, solved, **options) for cell, solved in rates.items() for lag in lags])


def verdict(number: int, *tables: pd.DataFrame) -> Verdict:
    """The verdict on one claim alone, from the tables together."""
    return decide(pd.concat(tables, ignore_index=True), (claim_of(number),))[0]


def contrast(judged: Verdict, name: str) -> Contrast:
    """The contrast of a verdict, by the name of its comparison."""
    names = [comparison.name for comparison in claim_of(judged.id).comparisons]
    return judged.contrasts[names.index(name)]


def jittered(rows: pd.DataFrame, column: str, factor: float = 1.05) -> pd.DataFrame:
    """Multiply every other value by the factor and divide the others by it."""
    factors = np.where(np.arange(len(rows)) % 2, factor, 1 / factor)
    return rows.assign(**{column: rows[column] * factors})
