"""The appendix: how well the rules are calibrated, from simulated studies in which the truth is known."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table
from reports.claims import WORLDS
from reports.claims.verdicts import ERROR
from reports.exhibits import Exhibit, exhibit
from reports.figures import calibration as figures
from reports.format import percent
from reports.statistics import estimators as stats
from reports.statistics.contrasts import LEVEL

TITLES = {"calibration_errors": "False verdicts and coverage", "calibration_power": "Power"}
USUAL = {"effect": 0.4, "strata": 4, "seeds": 20, "base": 0.8}
"""What is held while one of them is varied."""


def exhibits(file: Path) -> dict[str, Exhibit]:
    """The figures of the appendix; none where the simulations have not been run. The columns are those of `calibration`."""
    return dict(_drawn(file)) if file.is_file() else {}


@cache
def _drawn(file: Path) -> dict[str, Exhibit]:
    table = pd.read_csv(file)
    table["spread"] = np.where(table["spread"].isna(), "seeds", "searches")
    return {"calibration_errors": _errors(table), "calibration_power": _power(table)}


def _errors(table: Table) -> Exhibit:
    every = table[table["claim"] == 0]
    false = _shares(every, "false", "studies", ["world", "spread"])
    covered = _shares(every.dropna(subset=["covered"]), "covered", "intervals", ["world", "spread"])
    caption = (
        "Left: simulated studies with any verdict that contradicts the truth, all claims together, in worlds that differ in "
        f"which cells are worse, and where; the rules promise at most {percent(ERROR)} (dotted). Right: intervals shown that "
        f"hold the true value; they are {percent(LEVEL)} intervals (dotted). All base rates, lags and numbers of seeds "
        f"together, with Wilson {percent(LEVEL)} intervals; {every['studies'].sum():,.0f} studies. "
        f"The worlds: {'; '.join(f'{name}: {WORLDS[name]}' for name in dict.fromkeys(every['world']) if name in WORLDS)}."
    )
    alt = (
        f"False verdicts, highest: {percent(false['share'].max(), 1)} of studies in world "
        f"{false.loc[false['share'].idxmax(), 'world']}. Coverage, lowest: {percent(covered['share'].min())} in world "
        f"{covered.loc[covered['share'].idxmin(), 'world']}."
    )
    data = pd.concat([false.assign(what="false verdicts"), covered.assign(what="coverage")])
    return exhibit(lambda: figures.errors(false, covered, ERROR, LEVEL), alt, caption, data)


def _power(table: Table) -> Exhibit:
    # What is refuted where no cell differs is refuted by a tie, and no effect is planted for it.
    ties = table.loc[(table["world"] == "alike") & (table["right"] == "refuted"), "claim"]
    planted = table[(table["right"] == "refuted") & ~table["claim"].isin(ties)]
    found, entries = {}, []
    for what in figures.AXES:
        held = {name: value for name, value in USUAL.items() if name != what}
        rows = planted[(planted[list(held)] == pd.Series(held)).all(axis=1)]
        shares = _shares(rows, "found", "studies", [what, "spread"]).rename(columns={what: "at"}).sort_values("at")
        if len(set(shares["at"])) > 1:
            found[what] = shares
            ends = [f"{percent(row.share)} at {row.at:g} ({row.spread})" for row in shares.itertuples()]
            entries.append(f"{figures.AXES[what]}: {', '.join(ends)}")
    if not found:
        return Exhibit((), "", "The simulations vary neither effects nor lags nor seeds.", "")
    caption = (
        "Studies that refute a claim that is false by a planted effect, all such claims and worlds together, with Wilson "
        f"{percent(LEVEL)} intervals. Held where they are not varied: a true difference of {USUAL['effect']:g}, "
        f"{USUAL['strata']} lags, {USUAL['seeds']} seeds, and a solve rate of {USUAL['base']:g} without the effect."
    )
    data = pd.concat([rows.assign(varied=what) for what, rows in found.items()])
    return exhibit(
        lambda: figures.power(found), f"Studies that find a planted effect. {'; '.join(entries)}.", caption, data
    )


def _shares(rows: Table, share: str, of: str, by: list[str]) -> Table:
    """Shares pooled over the rest, with Wilson limits."""
    counted = rows.assign(hits=rows[share] * rows[of]).groupby(by, sort=False)[["hits", of]].sum().reset_index()
    low, high = stats.wilson(counted["hits"].to_numpy(), counted[of].to_numpy(), LEVEL)
    return counted.assign(share=counted["hits"] / counted[of], low=low, high=high)
