"""What the figures, the sentences and the tables of a report share: counts and estimates per cell, task and lag."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports import stats
from reports.contrasts import LEVEL

Table = Any
"""A pandas DataFrame (or a column of one). To pyright a column is a Series, a DataFrame or worse: tables go unchecked."""

STRATUM = ["task", "lag", "cell"]
COSTS = [
    *STRATUM,
    "hidden_size",
    "parameters",
    "seconds",
    "flops_per_step",
    "median_steps",
    "solved",
    "seeds",
    "diverged",
]
GRID = 60
"""Points along a curve: more than the eye tells apart."""


def pick(table: Table, **equal: object) -> Table:
    """The rows whose columns have these values."""
    for column, value in equal.items():
        table = table[table[column] == value]
    return table


def parts(table: Table, by: list[str]) -> Iterator[tuple[tuple, Table]]:
    """The values of some columns, and the rows that have them, in the table's order."""
    yield from table.groupby(by, sort=False)


def in_order(labels: Sequence[str], listed: Sequence[str]) -> list[str]:
    """The distinct labels, those of the study's own list first and in its order."""
    present = list(dict.fromkeys(labels))
    return [label for label in listed if label in present] + [label for label in present if label not in listed]


def solve_rates(confirm: Table) -> Table:
    """Solve rates of confirmation networks with Wilson limits: task, lag, cell, solved, seeds, rate, low, high."""
    counted = _counts(confirm, STRATUM)
    counted["low"], counted["high"] = stats.wilson(counted["solved"].to_numpy(), counted["seeds"].to_numpy(), LEVEL)
    return counted


def group_rates(confirm: Table) -> Table:
    """Mean solve rate over the strata of a group of tasks, for cells with all of them: group, cell, rate."""
    strata = _counts(confirm, ["group", *STRATUM])
    means = strata.groupby(["group", "cell"], sort=False).agg(rate=("rate", "mean"), strata=("rate", "size"))
    means = means.reset_index()
    return means[means["strata"] == means.groupby("group")["strata"].transform("max")].drop(columns="strata")


def costs(confirm: Table) -> Table:
    """What a cell costs on a task: parameters, hidden size, seconds, FLOPs per step and the median step it solves at.

    Each task at the longest lag that some cell solves in half of its runs, or at its longest where none does. Runs that did not solve count as censored at their budget (Kaplan & Meier); `median_steps` is NaN where fewer than
    half solved.
    """
    rows = []
    for (task, lag, cell), own in parts(confirm, STRATUM):
        median = stats.kaplan_meier(own["steps_to_solve"].to_numpy(), ~own["solved"].to_numpy(), LEVEL).median
        rows.append(
            {
                "task": task,
                "lag": lag,
                "cell": cell,
                "hidden_size": own["hidden_size"].median(),
                "parameters": own["parameters"].median(),
                "seconds": own["seconds"].median(),
                "flops_per_step": own["flops_per_step"].median() if "flops_per_step" in own else np.nan,
                "median_steps": np.nan if median is None else median,
                "solved": int(own["solved"].sum()),
                "seeds": len(own),
                "diverged": int(own["diverged"].sum()),
            }
        )
    kept = []
    for (_,), own in parts(pd.DataFrame(rows, columns=COSTS), ["task"]):
        solvable = own[own["median_steps"].notna()]
        kept.append(pick(own, lag=(own if solvable.empty else solvable)["lag"].max()))
    return pd.concat(kept) if kept else pd.DataFrame(columns=COSTS)


def curve_quartiles(curves: Table, members: Table, metric: str) -> Table:
    """Quartiles of a metric over the members of a cell: task, lag, cell, step, low, middle, high.

    A member that has left keeps its last value, a diverged one falls to 0: a quartile over those still training would
    show the slow ones only.
    """
    points = curves[(curves["metric"] == metric) & curves["hash"].isin(members["hash"])]
    if points.empty:
        return pd.DataFrame(columns=[*STRATUM, "step", "low", "middle", "high"])
    where = members.set_index("hash")[[*STRATUM, "diverged"]]
    found = []
    for (task, lag), arm in parts(members, ["task", "lag"]):
        own = points[points["hash"].isin(arm["hash"])]
        if own.empty:
            continue
        wide = own.pivot_table(index="hash", columns="step", values="value", aggfunc="last")
        wide = wide.loc[[name for name in arm["hash"] if name in wide.index]]
        steps = np.unique(np.linspace(0, len(wide.columns) - 1, GRID).round().astype(int))
        ended = wide.apply(pd.Series.last_valid_index, axis=1)
        filled = wide.ffill(axis=1)
        crashed = where.loc[wide.index, "diverged"].to_numpy()
        beyond = wide.columns.to_numpy()[None, :] > ended.to_numpy()[:, None]
        filled = filled.mask(beyond & crashed[:, None], 0.0).iloc[:, steps].join(where["cell"])
        tall = filled.melt(id_vars="cell", var_name="step")
        found.append(_quartiles(tall, ["cell", "step"]).assign(task=task, lag=lag))
    return pd.concat(found, ignore_index=True)


def end_norms(members: Table) -> Table:
    """The same for the norm of the state where only its first (step 0) and last (step 1) window are known."""
    ends = {"state_norm_first": 0, "state_norm_last": 1}
    tall = members.melt(id_vars=STRATUM, value_vars=list(ends), var_name="step").dropna(subset="value")
    return _quartiles(tall.assign(step=tall["step"].map(ends)), [*STRATUM, "step"])


def _quartiles(values: Table, by: list[str]) -> Table:
    grouped = values.groupby(by, sort=False)["value"]
    return pd.DataFrame(
        {"low": grouped.quantile(0.25), "middle": grouped.median(), "high": grouped.quantile(0.75)}
    ).reset_index()


def _counts(confirm: Table, by: list[str]) -> Table:
    grouped = confirm.groupby(by, sort=False)["solved"].agg(solved="sum", seeds="size").reset_index()
    return grouped.assign(rate=grouped["solved"] / grouped["seeds"])
