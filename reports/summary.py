"""What the figures, the sentences and the tables of a report share: counts and estimates per cell, task and lag."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports import stats
from reports.claims import LEVEL

STRATUM = ["task", "lag", "cell"]
GRID = 60
"""Points along a curve: more than the eye tells apart."""


def in_order(labels: Sequence[str], listed: Sequence[str]) -> list[str]:
    """The distinct labels, those of the study's own list first and in its order."""
    present = list(dict.fromkeys(labels))
    return [label for label in listed if label in present] + [label for label in present if label not in listed]


def solve_rates(confirm: pd.DataFrame) -> pd.DataFrame:
    """Solve rates of confirmation networks with Wilson limits: task, lag, cell, solved, seeds, rate, low, high."""
    counted = _counts(confirm, STRATUM)
    counted["low"], counted["high"] = stats.wilson(
        counted["solved"].to_numpy(), counted["seeds"].to_numpy(), LEVEL
    )
    return counted


def group_rates(confirm: pd.DataFrame) -> pd.DataFrame:
    """Mean solve rate over the strata of a group of tasks, for cells with all of them: group, cell, rate."""
    strata = _counts(confirm, ["group", *STRATUM])
    means = strata.groupby(["group", "cell"], sort=False).agg(rate=("rate", "mean"), strata=("rate", "size"))
    means = means.reset_index()
    return means[means["strata"] == means.groupby("group")["strata"].transform("max")].drop(columns="strata")


def costs(confirm: pd.DataFrame) -> pd.DataFrame:
    """What a cell costs on a task: parameters, hidden size, seconds, FLOPs per step and the median step it solves at.

    Runs that did not solve count as censored at their budget (Kaplan & Meier); `median_steps` is NaN where fewer than
    half solved.
    """
    rows = []
    for (task, lag, cell), own in confirm.groupby(STRATUM, sort=False):
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
    return pd.DataFrame(rows)


def curve_quartiles(curves: pd.DataFrame, members: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Quartiles of a metric over the members of a cell: task, lag, cell, step, low, middle, high.

    A member that has left keeps its last value, a diverged one falls to 0: a quartile over those still training would
    show the slow ones only.
    """
    points = curves[(curves["metric"] == metric) & curves["hash"].isin(members["hash"])]
    if points.empty:
        return pd.DataFrame(columns=[*STRATUM, "step", "low", "middle", "high"])
    where = members.set_index("hash")[[*STRATUM, "diverged"]]
    parts = []
    for (task, lag), own in points.groupby([points["hash"].map(where["task"]), points["hash"].map(where["lag"])]):
        wide = own.pivot_table(index="hash", columns="step", values="value", aggfunc="last")
        steps = np.unique(np.linspace(0, len(wide.columns) - 1, GRID).round().astype(int))
        ended = wide.apply(pd.Series.last_valid_index, axis=1)
        filled = wide.ffill(axis=1)
        crashed = where.loc[wide.index, "diverged"].to_numpy()
        beyond = wide.columns.to_numpy()[None, :] > ended.to_numpy()[:, None]
        filled = filled.mask(beyond & crashed[:, None], 0.0).iloc[:, steps]
        quartiles = filled.groupby(where.loc[wide.index, "cell"]).quantile([0.25, 0.5, 0.75])
        tidy = quartiles.rename_axis(columns="step").stack().unstack(1).reset_index()
        tidy.columns = ["cell", "step", "low", "middle", "high"]
        parts.append(tidy.assign(task=task, lag=lag))
    return pd.concat(parts, ignore_index=True)


def end_norms(members: pd.DataFrame) -> pd.DataFrame:
    """The same for the norm of the state where only its first and last window are known."""
    known = members.dropna(subset=["state_norm_first", "state_norm_last"])
    tall = known.melt(
        id_vars=STRATUM, value_vars=["state_norm_first", "state_norm_last"], var_name="end", value_name="norm"
    )
    tall["step"] = tall["end"].map({"state_norm_first": 0, "state_norm_last": 1})
    quartiles = tall.groupby([*STRATUM, "step"])["norm"].quantile([0.25, 0.5, 0.75]).unstack()
    quartiles.columns = ["low", "middle", "high"]
    return quartiles.reset_index()


def _counts(confirm: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    grouped = confirm.groupby(by, sort=False)["solved"].agg(solved="sum", seeds="size").reset_index()
    return grouped.assign(rate=grouped["solved"] / grouped["seeds"])
