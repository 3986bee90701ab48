"""What the decision engine finds and how often it errs, read off the table that `calibration` measured."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from reports.aggregates.outcomes import Table
from reports.format import percent

FILE = Path(__file__).with_name("calibration.csv")
LEADS = (1, 13)
"""Claims that one lead refutes."""
KEEPS_UP, TIES = 1, (9, 12)
"""A claim that one "not worse" supports, and those that take ties in six groups at once."""
EFFECT = 0.4


@cache
def read() -> Table:
    """The committed table; its columns are described in `calibration`."""
    return pd.read_csv(FILE)


def sentence() -> str:
    """What a reader must know of “inconclusive”, with the measured numbers."""
    table = read()
    main = table[(table["seeds"] == 20) & (table["effect"] == EFFECT)]
    leads = main[main["claim"].isin(LEADS) & (main["right"] == "refuted")]
    alone, spread = leads["spread"].isna(), leads["spread"].notna()
    found = [
        f"{_range(leads[kind & (leads['strata'] == 3)])} of studies on 3 lags and {_range(leads[kind & (leads['strata'] == 4)])} on 4"
        for kind in (alone, spread)
    ]
    usual = main[main["strata"].isin([3, 4]) & (main["right"] == "supported")]
    keeps = usual[usual["claim"] == KEEPS_UP]
    ties = usual[usual["claim"].isin(TIES) & (usual["base"] < 0.9)]
    every = table[(table["claim"] == 0) & (table["effect"] >= EFFECT)]
    false = (every["false"] * every["studies"]).sum() / every["studies"].sum()
    least = table[(table["claim"] == 0) & (table["effect"] < EFFECT)]
    at_limit = (least["false"] * least["studies"]).sum() / least["studies"].sum()
    covered = (every["covered"] * every["intervals"]).sum() / every["intervals"].sum()
    return (
        "“Inconclusive” may be a lack of power, it is no sign of equality. In simulated studies with 20 seeds and a true "
        f"difference of {100 * EFFECT:.0f} points, a single lead was found in {found[0]} where only seeds differ, in "
        f"{found[1]} where searches differ too. That two equal cells keep up was found in {_range(keeps)}; claims that "
        f"join several comparisons in less, ties in six groups at once in {_range(ties)} unless nearly every run solves. "
        f"Any false verdict at all: {percent(false, 1)} of {every['studies'].sum():,} studies, but {percent(at_limit)} where the "
        "true difference is just the smallest that matters, so that a tie and its opposite are equally near. "
        f"{percent(covered)} of the intervals shown held the true value."
    )


def _range(rows: Table) -> str:
    """Lowest and highest share found over base rates (and lags and spreads, where they differ), in percent."""
    by = rows.assign(hits=rows["found"] * rows["studies"], spread=rows["spread"].fillna(0.0))
    sums = by.groupby(["base", "spread", "strata"])[["hits", "studies"]].sum()
    shares = 100 * sums["hits"] / sums["studies"]
    low, high = round(shares.min()), round(shares.max())
    return f"{low} %" if low == high else f"{low} to {high} %"
