"""Power and error rate of the verdicts in one sentence, from the committed table of `calibration.measure`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from reports.aggregates.outcomes import Table
from reports.format import percent

FILE = Path(__file__).with_name("calibration.csv")
DESIGN, LIMIT = "design", "1 octave"
"""The settings that the power and the error rate at the margin are reported for."""


@cache
def read() -> Table:
    """Return the committed table; its columns are described in `calibration.measure`."""
    return pd.read_csv(FILE)


def sentence() -> str:
    """Return the measured power, error rate and coverage, as sentences for the report."""
    table = read()
    every, claims = table[table["claim"] == 0], table[table["claim"] > 0]
    decidable = claims[claims["decidable"].astype(str) == "True"]
    design, octave = (decidable[decidable["setting"] == name] for name in (DESIGN, LIMIT))
    return (
        "“Inconclusive” may be due to low power; it is not evidence of equality. In simulated studies of the design of why-gates, "
        f"where cells truly differ in reach by a factor of 8, {percent(pooled(design, 'found', 'studies'))} of the claims that such a study "
        f"can decide were decided correctly, and {percent(pooled(octave, 'found', 'studies'))} with a factor of 2, the "
        f"smallest that counts. Any false verdict occurred in {percent(pooled(every, 'false', 'studies'), 1)} of "
        f"{every['studies'].sum():,} studies over {every['setting'].nunique()} settings and {every['world'].nunique()} worlds, and "
        f"in at most {percent(worst(every), 1)} of those of one setting. "
        f"{percent(pooled(every, 'covered', 'intervals'))} of the intervals covered the true value."
    )


def pooled(rows: Table, share: str, weights: str) -> float:
    """Return a share over all rows, each weighted by its number of studies or intervals."""
    return (rows[share] * rows[weights]).sum() / rows[weights].sum()


def worst(every: Table) -> float:
    """Return the largest share of studies with a false verdict in a setting, over its worlds."""
    return max(pooled(rows, "false", "studies") for _, rows in every.groupby("setting"))
