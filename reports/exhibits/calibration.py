"""Calibration: error rates, coverage and power of the verdicts in simulated studies whose truth is known."""

from functools import cache
from pathlib import Path

import pandas as pd

from reports.aggregates.outcomes import Table
from reports.calibration.power import DESIGN
from reports.claims.verdicts import ERROR
from reports.exhibits import INTERVALS, Exhibit, exhibit
from reports.figures import calibration as figures
from reports.format import percent
from reports.statistics.estimates import LEVEL
from reports.statistics.estimators import wilson

TITLES = {"calibration_errors": "False verdicts and coverage", "calibration_power": "Power"}


def exhibits(file: Path) -> dict[str, Exhibit]:
    """Return the exhibits by name; none if the file does not exist.

    :param file: a table as written by `python -m reports.calibration`.
    """
    return dict(_exhibits(file)) if file.is_file() else {}


@cache
def _exhibits(file: Path) -> dict[str, Exhibit]:
    table = pd.read_csv(file)
    return {"calibration_errors": _errors(table), "calibration_power": _power(table)}


def _errors(table: Table) -> Exhibit:
    every = table[table["claim"] == 0]
    false = _shares(every, "false", "studies", ["setting"])
    covered = _shares(every.dropna(subset=["covered"]), "covered", "intervals", ["setting"])
    caption = (
        "Left: share of simulated studies with at least one false verdict over all claims, per setting; the rules are designed "
        f"for at most {percent(ERROR)} (dotted). Right: share of the reported {percent(LEVEL)} intervals that contain the true "
        f"value ({percent(LEVEL)}: dotted). Each setting is pooled over {every['world'].nunique()} worlds, which differ in the "
        f"cells that are worse and in the tasks on which they are, with Wilson {INTERVALS}; {every['studies'].sum():,.0f} studies."
    )
    alt = (
        f"False verdicts, highest: {percent(false['share'].max(), 1)} of studies in the setting "
        f"“{false.loc[false['share'].idxmax(), 'setting']}”. Coverage, lowest: {percent(covered['share'].min())} in the setting "
        f"“{covered.loc[covered['share'].idxmin(), 'setting']}”."
    )
    data = pd.concat([false.assign(what="false verdicts"), covered.assign(what="coverage")])
    return exhibit(lambda: figures.errors(false, covered, ERROR, LEVEL), alt, caption, data)


def _power(table: Table) -> Exhibit:
    decidable = table[(table["claim"] > 0) & (table["decidable"].astype(str) == "True")]
    designs = [name for name in (DESIGN, "2 octaves", "5 × 4") if name in set(decidable["setting"])]
    rows = decidable[decidable["setting"].isin(designs)]
    shares = _shares(rows, "found", "studies", ["setting", "claim"])
    caption = (
        "Power: share of simulated studies that decide a claim correctly, over the worlds in which a study can decide it: its premise "
        f"is true, and the tasks tell cells apart. With Wilson {INTERVALS}. “{DESIGN}” is the design of why-gates."
    )
    design = shares[shares["setting"] == DESIGN]
    alt = f"Claims decided correctly in the design of why-gates: {', '.join(f'claim {row.claim} {percent(row.share)}' for row in design.itertuples())}."
    return exhibit(lambda: figures.power(shares), alt, caption, shares)


def _shares(rows: Table, share: str, of: str, by: list[str]) -> Table:
    """The share of `of`, pooled over all columns but `by`, with Wilson intervals: by, share, low, high."""
    counts = rows.assign(hits=rows[share] * rows[of]).groupby(by, sort=False)[["hits", of]].sum().reset_index()
    low, high = wilson(counts["hits"].to_numpy(), counts[of].to_numpy(), LEVEL)
    return counts.assign(share=counts["hits"] / counts[of], low=low, high=high)
