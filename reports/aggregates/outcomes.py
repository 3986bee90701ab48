"""Aggregate rows of results.csv and curves.csv per task, lag and cell: rates, costs, survival curves, quartiles."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.statistics.contrasts import LEVEL
from reports.statistics.estimators import kaplan_meier, wilson

Table = Any
"""A pandas DataFrame or Series. `Any`, because pyright cannot infer which of the two an indexing operation returns."""

ARM = ["task", "lag", "cell"]
"""The columns that identify an arm: all networks of one cell on one task at one lag."""
COSTS = [
    *ARM,
    "hidden_size",
    "parameters",
    "seconds",
    "flops_per_step",
    "median_score",
    "median_steps",
    "solved",
    "seeds",
    "diverged",
]
GRID = 60
"""Number of points at which a curve is drawn."""


def pick(table: Table, **equal: object) -> Table:
    """Return the rows in which every named column equals the given value."""
    for column, value in equal.items():
        table = table[table[column] == value]
    return table


def parts(table: Table, by: list[str]) -> Iterator[tuple[tuple, Table]]:
    """Iterate over the groups of a table in order of appearance: the values of the columns `by`, and the rows."""
    yield from table.groupby(by, sort=False, dropna=False)


def in_order(labels: Sequence[str], listed: Sequence[str]) -> list[str]:
    """Return the distinct labels: first those in `listed`, in its order, then the others in order of appearance."""
    present = list(dict.fromkeys(labels))
    return [label for label in listed if label in present] + [label for label in present if label not in listed]


def solve_rates(confirm: Table) -> Table:
    """Return the solve rates of confirmation networks with Wilson intervals.

    :returns: task, lag, cell, solved, seeds, rate, low, high.
    """
    counts = _counts(confirm, ARM)
    counts["low"], counts["high"] = wilson(counts["solved"].to_numpy(), counts["seeds"].to_numpy(), LEVEL)
    return counts


def group_rates(confirm: Table) -> Table:
    """Return the mean solve rate of each cell over its strata (task, lag) in each group of tasks: group, cell, rate."""
    strata = _counts(confirm, ["group", *ARM])
    return strata.groupby(["group", "cell"], sort=False).agg(rate=("rate", "mean")).reset_index()


def common_strata(confirm: Table) -> Table:
    """Return the rows of the strata (task, lag) that most cells have, on which these can be compared."""
    if confirm.empty:
        return confirm
    cells = confirm.groupby(["task", "lag"])["cell"].transform("nunique")
    return confirm[cells == cells.max()]


def arms(confirm: Table) -> Table:
    """Return the outcome and the median costs of each cell on each task and lag, with the columns `COSTS`.

    A network that was not trained has the score 0. `median_steps` is the Kaplan-Meier median of the steps to solve: networks that did not solve the task are censored
    at their budget, and the median is NaN where fewer than half solved it.
    """
    rows = []
    for (task, lag, cell), members in parts(confirm, ARM):
        median = kaplan_meier(members["steps_to_solve"].to_numpy(), ~members["solved"].to_numpy(), LEVEL).median
        rows.append(
            {
                "task": task,
                "lag": lag,
                "cell": cell,
                "hidden_size": members["hidden_size"].median(),
                "parameters": members["parameters"].median(),
                "seconds": members["seconds"].median(),
                "flops_per_step": members["flops_per_step"].median() if "flops_per_step" in members else np.nan,
                "median_score": members["score"].fillna(0.0).median(),
                "median_steps": np.nan if median is None else median,
                "solved": int(members["solved"].sum()),
                "seeds": len(members),
                "diverged": int(members["diverged"].sum()),
            }
        )
    return pd.DataFrame(rows, columns=COSTS)


def reference_lags(confirm: Table) -> dict[str, float]:
    """Return the lag at which each task is compared: the longest that some cell solves in at least half of its runs.

    Where no cell does, the longest lag of the task.
    """
    counts = _counts(confirm, ARM)
    solvable = counts[counts["rate"] >= 0.5].groupby("task")["lag"].max()
    return {**counts.groupby("task")["lag"].max(), **solvable}


def complete_lags(confirm: Table) -> Table:
    """Return the rows of each task at the lags at which most of its cells were confirmed: in an unfinished study, the finished lags."""
    if confirm.empty:
        return confirm
    cells = confirm.groupby(["task", "lag"])["cell"].transform("nunique")
    return confirm[cells == cells.groupby(confirm["task"]).transform("max")]


def at_lags(table: Table, lags: dict[str, float]) -> Table:
    """Return the rows of each task at its lag in `lags`."""
    return table[table["lag"] == table["task"].map(lags)]


def costs_by_size(confirm: Table) -> Table:
    """Return costs and solve rate per cell and size: cell, size, rate, parameters, flops_per_step, seconds.

    Rates are means over the strata (task, lag) that most cells have; costs are geometric means over these strata of the median
    network. Cells and sizes that do not have all of them are omitted.
    """
    confirm = common_strata(confirm)
    table = confirm.assign(size=confirm["size"].fillna(0.0) if "size" in confirm else 0.0)
    table = table.reindex(columns=[*table.columns, *({"flops_per_step"} - {*table.columns})])
    by = ["cell", "size", "task", "lag"]
    strata = table.groupby(by, sort=False).agg(
        rate=("solved", "mean"), **{cost: (cost, "median") for cost in ("parameters", "flops_per_step", "seconds")}
    )
    costs = strata.columns[1:]
    strata[costs] = np.log(strata[costs].where(strata[costs] > 0).astype(float))
    grouped = strata.groupby(["cell", "size"], sort=False)
    means, strata_counts = grouped.mean(), grouped.size()
    means[costs] = np.exp(means[costs])
    return means[strata_counts == strata_counts.max()].reset_index()


def time_to_solve(confirm: Table) -> Table:
    """Return Kaplan-Meier estimates of the share of networks that have solved their task, as step functions from 0.

    :returns: task, lag, cell, step, low, middle, high; a value holds until the next step.
    """
    tables = []
    for (task, lag, cell), members in parts(confirm, ARM):
        curve = kaplan_meier(members["steps_to_solve"].to_numpy(), ~members["solved"].to_numpy(), LEVEL)
        upper_at_zero = wilson(np.zeros(1), np.full(1, len(members)), LEVEL)[1]
        last_step = members["steps_to_solve"].max()
        rows = pd.DataFrame(
            {
                "step": np.concatenate([[0.0], curve.steps]),
                "low": np.concatenate([[0.0], curve.low]),
                "middle": np.concatenate([[0.0], curve.solved]),
                "high": np.concatenate([upper_at_zero, curve.high]),
            }
        )
        if last_step > rows["step"].iloc[-1]:
            rows = pd.concat([rows, rows.iloc[-1:].assign(step=last_step)])
        tables.append(rows.assign(task=task, lag=lag, cell=cell))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*ARM, "step", "middle"])


def on_grid(step_functions: Table) -> Table:
    """Evaluate the step functions of each task and lag at the same `GRID` steps, as the columns of a heat map."""
    tables = []
    for (task, lag), stratum in parts(step_functions, ["task", "lag"]):
        steps = np.linspace(0, stratum["step"].max(), GRID).round()
        for (cell,), curve in parts(stratum, ["cell"]):
            last = np.searchsorted(curve["step"].to_numpy(), steps, side="right") - 1
            rows = curve.iloc[last][["low", "middle", "high"]].reset_index(drop=True)
            tables.append(rows.assign(step=steps, task=task, lag=lag, cell=cell))
    return pd.concat(tables, ignore_index=True) if tables else step_functions


def metric_points(curves: Table | None, members: Table, metric: str) -> Table:
    """Return the points of one metric in the members' order: task, lag, cell, diverged, hash, step, value."""
    columns = [*ARM, "diverged", "hash", "step", "value"]
    if curves is None or members.empty:
        return pd.DataFrame(columns=columns)
    points = curves.loc[curves["metric"] == metric, ["hash", "step", "value"]]
    points = points.assign(hash=points["hash"].astype(object))  # a categorical would carry every hash of the study
    return members[[*ARM, "diverged", "hash"]].merge(points, on="hash")[columns]


def curve_quartiles(curves: Table | None, members: Table, metric: str) -> Table:
    """Return quartiles of a metric over the members of a cell: task, lag, cell, step, low, middle, high.

    After its last point a member keeps its last value, or 0 if it diverged. Without this, the quartiles at late steps
    would cover only the members that were still training, which are the slow ones.
    """
    points = metric_points(curves, members, metric)
    tables = [pd.DataFrame(columns=[*ARM, "step", "low", "middle", "high"])]
    points_by_stratum = dict(parts(points, ["task", "lag"]))
    for (task, lag), stratum in parts(members, ["task", "lag"]):
        if (task, lag) not in points_by_stratum:
            continue
        wide = points_by_stratum[task, lag].pivot_table(index="hash", columns="step", values="value", aggfunc="last")
        recorded = [name for name in stratum["hash"] if name in wide.index]
        of_members = stratum.set_index("hash").loc[recorded, ["cell", "diverged"]]
        wide = wide.loc[of_members.index]
        columns = np.unique(np.linspace(0, len(wide.columns) - 1, GRID).round().astype(int))
        steps = wide.columns.to_numpy()
        last_step = steps[len(steps) - 1 - wide.notna().to_numpy()[:, ::-1].argmax(axis=1)]
        stopped = steps[None, :] > last_step[:, None]
        filled = wide.ffill(axis=1).mask(stopped & of_members["diverged"].to_numpy()[:, None], 0.0)
        long = filled.iloc[:, columns].join(of_members["cell"]).melt(id_vars="cell", var_name="step")
        tables.append(quartiles(long, ["cell", "step"]).assign(task=task, lag=lag))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def probe_quartiles(curves: Table | None, members: Table, metric: str) -> Table:
    """Return quartiles of a probe's metric at each step, over the members that have a value there.

    :returns: task, lag, cell, step, low, middle, high. The step is the metric's own, not a training step.
    """
    return quartiles(metric_points(curves, members, metric), [*ARM, "step"])


def end_norms(members: Table) -> Table:
    """Return quartiles of the state norm in the first (step 0) and the last (step 1) window of the test stream.

    From the columns of results.csv, for studies without curves.

    :returns: task, lag, cell, step, low, middle, high.
    """
    ends = {"state_norm_first": 0, "state_norm_last": 1}
    long = members.melt(id_vars=ARM, value_vars=list(ends), var_name="step").dropna(subset="value")
    return quartiles(long.assign(step=long["step"].map(ends)), [*ARM, "step"])


def quartiles(values: Table, by: list[str]) -> Table:
    """Return the quartiles of the column `value` per group, in order of appearance: `by`, low, middle, high."""
    grouped = values.astype({"value": float}).groupby(by, sort=False)["value"]  # an empty column has dtype object
    return pd.DataFrame(
        {"low": grouped.quantile(0.25), "middle": grouped.median(), "high": grouped.quantile(0.75)}
    ).reset_index()


def _counts(confirm: Table, by: list[str]) -> Table:
    counts = confirm.groupby(by, sort=False)["solved"].agg(solved="sum", seeds="size").reset_index()
    return counts.assign(rate=counts["solved"] / counts["seeds"])
