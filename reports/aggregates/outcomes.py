"""What the figures, the sentences and the tables of a report share: counts and estimates per cell, task and lag."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.statistics import estimators as stats
from reports.statistics.contrasts import LEVEL

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
    yield from table.groupby(by, sort=False, dropna=False)


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

    Each task at its telling lag. Runs that did not solve count as censored at their budget (Kaplan & Meier);
    `median_steps` is NaN where fewer than half solved.
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
    kept = [own for _, own in parts(at(pd.DataFrame(rows, columns=COSTS), telling_lags(confirm)), ["task"])]
    return pd.concat(kept) if kept else pd.DataFrame(columns=COSTS)


def telling_lags(confirm: Table) -> dict[str, float]:
    """The longest lag of each task that some cell solves in half of its runs, or its longest where none does."""
    counted = _counts(confirm, STRATUM)
    solvable = counted[counted["rate"] >= 0.5].groupby("task")["lag"].max()
    return {**counted.groupby("task")["lag"].max(), **solvable}


def at(table: Table, lags: dict[str, float]) -> Table:
    """The rows of each task at its lag."""
    return table[table["lag"] == table["task"].map(lags)]


def prices(confirm: Table) -> Table:
    """What a cell costs at each size beside what it reaches: cell, size, rate, parameters, flops_per_step, seconds.

    Rates are means over the strata, costs geometric means over them of the median network's; of the cells and sizes
    that have all strata.
    """
    table = confirm.assign(size=confirm["size"].fillna(0.0) if "size" in confirm else 0.0)
    table = table.reindex(columns=[*table.columns, *({"flops_per_step"} - {*table.columns})])
    by = ["cell", "size", "task", "lag"]
    strata = table.groupby(by, sort=False).agg(
        rate=("solved", "mean"), **{cost: (cost, "median") for cost in ("parameters", "flops_per_step", "seconds")}
    )
    costs = strata.columns[1:]
    strata[costs] = np.log(strata[costs].where(strata[costs] > 0).astype(float))
    grouped = strata.groupby(["cell", "size"], sort=False)
    found, number = grouped.mean(), grouped.size()
    found[costs] = np.exp(found[costs])
    return found[number == number.max()].reset_index()


def kaplan_meier(confirm: Table) -> Table:
    """Share of networks that have solved by a step: task, lag, cell, step, low, middle, high; a staircase from 0."""
    found = []
    for (task, lag, cell), own in parts(confirm, STRATUM):
        curve = stats.kaplan_meier(own["steps_to_solve"].to_numpy(), ~own["solved"].to_numpy(), LEVEL)
        nobody = stats.wilson(np.zeros(1), np.full(1, len(own)), LEVEL)[1]
        end = own["steps_to_solve"].max()
        rows = pd.DataFrame(
            {
                "step": np.concatenate([[0.0], curve.steps]),
                "low": np.concatenate([[0.0], curve.low]),
                "middle": np.concatenate([[0.0], curve.solved]),
                "high": np.concatenate([nobody, curve.high]),
            }
        )
        if end > rows["step"].iloc[-1]:
            rows = pd.concat([rows, rows.iloc[-1:].assign(step=end)])
        found.append(rows.assign(task=task, lag=lag, cell=cell))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*STRATUM, "step", "middle"])


def on_grid(stairs: Table) -> Table:
    """Staircases at common steps, for a heat map: the value that holds at each."""
    found = []
    for (task, lag), arm in parts(stairs, ["task", "lag"]):
        steps = np.linspace(0, arm["step"].max(), GRID).round()
        for (cell,), own in parts(arm, ["cell"]):
            last = np.searchsorted(own["step"].to_numpy(), steps, side="right") - 1
            rows = own.iloc[last][["low", "middle", "high"]].reset_index(drop=True)
            found.append(rows.assign(step=steps, task=task, lag=lag, cell=cell))
    return pd.concat(found, ignore_index=True) if found else stairs


def points_of(curves: Table | None, members: Table, metric: str) -> Table:
    """The points of a metric, in the members' order: task, lag, cell, diverged, hash, step, value."""
    columns = [*STRATUM, "diverged", "hash", "step", "value"]
    if curves is None or members.empty:
        return pd.DataFrame(columns=columns)
    own = curves.loc[curves["metric"] == metric, ["hash", "step", "value"]]
    own = own.assign(hash=own["hash"].astype(object))  # as categories, every member of the study would take part
    return members[[*STRATUM, "diverged", "hash"]].merge(own, on="hash")[columns]


def curve_quartiles(curves: Table | None, members: Table, metric: str) -> Table:
    """Quartiles of a metric over the members of a cell: task, lag, cell, step, low, middle, high.

    A member that has left keeps its last value, a diverged one falls to 0: a quartile over those still training would
    show the slow ones only.
    """
    points = points_of(curves, members, metric)
    found = [pd.DataFrame(columns=[*STRATUM, "step", "low", "middle", "high"])]
    arms = dict(parts(points, ["task", "lag"]))
    for (task, lag), arm in parts(members, ["task", "lag"]):
        if (task, lag) not in arms:
            continue
        wide = arms[task, lag].pivot_table(index="hash", columns="step", values="value", aggfunc="last")
        own = arm.set_index("hash").loc[[name for name in arm["hash"] if name in wide.index], ["cell", "diverged"]]
        wide = wide.loc[own.index]
        steps = np.unique(np.linspace(0, len(wide.columns) - 1, GRID).round().astype(int))
        ended = wide.columns.to_numpy()[len(wide.columns) - 1 - wide.notna().to_numpy()[:, ::-1].argmax(axis=1)]
        beyond = wide.columns.to_numpy()[None, :] > ended[:, None]
        filled = wide.ffill(axis=1).mask(beyond & own["diverged"].to_numpy()[:, None], 0.0)
        tall = filled.iloc[:, steps].join(own["cell"]).melt(id_vars="cell", var_name="step")
        found.append(quartiles(tall, ["cell", "step"]).assign(task=task, lag=lag))
    return pd.concat(found[1:] or found, ignore_index=True)


def probe_quartiles(curves: Table | None, members: Table, metric: str) -> Table:
    """The same of a metric whose steps are not those of training: whoever has none takes no part."""
    return quartiles(points_of(curves, members, metric), [*STRATUM, "step"])


def end_norms(members: Table) -> Table:
    """The same for the norm of the state where only its first (step 0) and last (step 1) window are known."""
    ends = {"state_norm_first": 0, "state_norm_last": 1}
    tall = members.melt(id_vars=STRATUM, value_vars=list(ends), var_name="step").dropna(subset="value")
    return quartiles(tall.assign(step=tall["step"].map(ends)), [*STRATUM, "step"])


def quartiles(values: Table, by: list[str]) -> Table:
    """Quartiles of `value` in the parts that these columns make, in the table's order."""
    grouped = values.astype({"value": float}).groupby(by, sort=False)["value"]  # nothing at all has no type
    return pd.DataFrame(
        {"low": grouped.quantile(0.25), "middle": grouped.median(), "high": grouped.quantile(0.75)}
    ).reset_index()


def _counts(confirm: Table, by: list[str]) -> Table:
    grouped = confirm.groupby(by, sort=False)["solved"].agg(solved="sum", seeds="size").reset_index()
    return grouped.assign(rate=grouped["solved"] / grouped["seeds"])
