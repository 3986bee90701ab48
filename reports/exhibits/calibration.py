"""Calibration: error rates, coverage and power of the verdicts in simulated studies whose truth is known."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table
from reports.claims import WORLDS
from reports.claims.verdicts import ERROR
from reports.exhibits import INTERVALS, Exhibit, exhibit, missing
from reports.figures import calibration as figures
from reports.format import percent
from reports.statistics.contrasts import LEVEL
from reports.statistics.estimators import wilson

TITLES = {"calibration_errors": "False verdicts and coverage", "calibration_power": "Power"}
BASELINE = {"effect": 0.4, "strata": 4, "seeds": 20, "base": 0.8}
"""The design of the simulated studies; the power curves vary one of these and hold the others constant."""


def exhibits(file: Path) -> dict[str, Exhibit]:
    """Return the exhibits by name; none if the file does not exist.

    :param file: a table as written by `python -m reports.calibration`.
    """
    return dict(_exhibits(file)) if file.is_file() else {}


@cache
def _exhibits(file: Path) -> dict[str, Exhibit]:
    table = pd.read_csv(file)
    table["spread"] = np.where(table["spread"].isna(), "seeds", "searches")
    return {"calibration_errors": _errors(table), "calibration_power": _power(table)}


def _errors(table: Table) -> Exhibit:
    all_claims = table[table["claim"] == 0]
    false = _shares(all_claims, "false", "studies", ["world", "spread"])
    covered = _shares(all_claims.dropna(subset=["covered"]), "covered", "intervals", ["world", "spread"])
    worlds = [f"{name}: {WORLDS[name]}" for name in dict.fromkeys(all_claims["world"]) if name in WORLDS]
    caption = (
        "Left: share of simulated studies with at least one false verdict over all claims, per simulated world (which "
        f"cells are worse, and on which tasks); the rules are designed for at most {percent(ERROR)} (dotted). Right: share of "
        f"the reported {percent(LEVEL)} intervals that contain the true value ({percent(LEVEL)}: dotted). Pooled over "
        f"base rates, numbers of lags and numbers of seeds, with Wilson {INTERVALS}; "
        f"{all_claims['studies'].sum():,.0f} studies. The worlds: {'; '.join(worlds)}."
    )
    alt = (
        f"False verdicts, highest: {percent(false['share'].max(), 1)} of studies in world "
        f"{false.loc[false['share'].idxmax(), 'world']}. Coverage, lowest: {percent(covered['share'].min())} in world "
        f"{covered.loc[covered['share'].idxmin(), 'world']}."
    )
    data = pd.concat([false.assign(what="false verdicts"), covered.assign(what="coverage")])
    return exhibit(lambda: figures.errors(false, covered, ERROR, LEVEL), alt, caption, data)


def _power(table: Table) -> Exhibit:
    # A claim that is refuted in the world without differences is refuted by a tie: no effect is planted for it.
    ties = table.loc[(table["world"] == "alike") & (table["right"] == "refuted"), "claim"]
    planted = table[(table["right"] == "refuted") & ~table["claim"].isin(ties)]
    by_factor, summaries = {}, []
    for factor in figures.AXES:
        constant = {name: value for name, value in BASELINE.items() if name != factor}
        rows = planted[(planted[list(constant)] == pd.Series(constant)).all(axis=1)]
        shares = _shares(rows, "found", "studies", [factor, "spread"]).rename(columns={factor: "at"}).sort_values("at")
        if len(set(shares["at"])) > 1:
            by_factor[factor] = shares
            values = [f"{percent(row.share)} at {row.at:g} ({row.spread})" for row in shares.itertuples()]
            summaries.append(f"{figures.AXES[factor]}: {', '.join(values)}")
    if not by_factor:
        return missing("The simulated studies vary neither the effect nor the number of lags or seeds.")
    caption = (
        "Power: share of simulated studies that refute a claim made false by a planted effect, over all such claims and "
        f"worlds, with Wilson {INTERVALS}. Where not varied: a true difference of {BASELINE['effect']:g}, "
        f"{BASELINE['strata']} lags, {BASELINE['seeds']} seeds, and a solve rate of {BASELINE['base']:g} without the effect."
    )
    data = pd.concat([rows.assign(varied=factor) for factor, rows in by_factor.items()])
    alt = f"Studies that find a planted effect. {'; '.join(summaries)}."
    return exhibit(lambda: figures.power(by_factor), alt, caption, data)


def _shares(rows: Table, share: str, of: str, by: list[str]) -> Table:
    """The share of `of`, pooled over all columns but `by`, with Wilson intervals: by, share, low, high."""
    counts = rows.assign(hits=rows[share] * rows[of]).groupby(by, sort=False)[["hits", of]].sum().reset_index()
    low, high = wilson(counts["hits"].to_numpy(), counts[of].to_numpy(), LEVEL)
    return counts.assign(share=counts["hits"] / counts[of], low=low, high=high)
