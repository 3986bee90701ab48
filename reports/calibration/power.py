"""Power and error rate of the verdicts in one sentence, from the committed table of `calibration.measure`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from reports.aggregates.outcomes import Table
from reports.claims.verdicts import ENOUGH_SEEDS
from reports.format import percent

FILE = Path(__file__).with_name("calibration.csv")
LEADS = (1, 13)
"""Ids of claims that a single lead refutes."""
NOT_WORSE, TIES = 1, (9, 12)
"""Ids of a claim that a single "not worse" supports, and of those that need ties in six groups."""
EFFECT = 0.4
"""The planted difference that the power is reported for."""


@cache
def read() -> Table:
    """Return the committed table; its columns are described in `calibration.measure`."""
    return pd.read_csv(FILE)


def sentence() -> str:
    """Return the measured power, error rate and coverage, as sentences for the report."""
    table = read()
    main = table[(table["seeds"] == ENOUGH_SEEDS) & (table["effect"] == EFFECT)]
    leads = main[main["claim"].isin(LEADS) & (main["right"] == "refuted")]
    power = [
        f"{_range(leads[rows & (leads['strata'] == 3)])} of studies with 3 lags and {_range(leads[rows & (leads['strata'] == 4)])} with 4"
        for rows in (leads["spread"].isna(), leads["spread"].notna())
    ]
    supported = main[main["strata"].isin([3, 4]) & (main["right"] == "supported")]
    not_worse = supported[supported["claim"] == NOT_WORSE]
    ties = supported[supported["claim"].isin(TIES) & (supported["base"] < 0.9)]
    all_claims = table[table["claim"] == 0]
    large, at_margin = all_claims[all_claims["effect"] >= EFFECT], all_claims[all_claims["effect"] < EFFECT]
    return (
        f"“Inconclusive” may be due to low power; it is not evidence of equality. In simulated studies with {ENOUGH_SEEDS} seeds "
        f"and a true difference of {100 * EFFECT:.0f} points, a single lead was found in {power[0]} if only seeds vary, and in "
        f"{power[1]} if searches vary too. A cell equal to another was found to be not worse in {_range(not_worse)}. "
        f"Claims that join several comparisons have less power: six simultaneous ties were found in {_range(ties)} unless "
        f"nearly every run solves its task. Any false verdict occurred in {percent(_pooled(large, 'false', 'studies'), 1)} of "
        f"{large['studies'].sum():,} studies, but in {percent(_pooled(at_margin, 'false', 'studies'))} if the true difference "
        "equals the smallest of interest, which is on the limit between a tie and a lead. "
        f"{percent(_pooled(large, 'covered', 'intervals'))} of the intervals covered the true value."
    )


def _pooled(rows: Table, share: str, weights: str) -> float:
    return (rows[share] * rows[weights]).sum() / rows[weights].sum()


def _range(rows: Table) -> str:
    """Return the lowest and highest power over base rates, spreads and numbers of lags, in percent."""
    counts = rows.assign(found=rows["found"] * rows["studies"], spread=rows["spread"].fillna(0.0))
    sums = counts.groupby(["base", "spread", "strata"])[["found", "studies"]].sum()
    power = 100 * sums["found"] / sums["studies"]
    low, high = round(power.min()), round(power.max())
    return f"{low} %" if low == high else f"{low} to {high} %"
