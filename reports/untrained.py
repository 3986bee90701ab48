"""The networks that a study does not train because no network of their cell solves the next shorter lag of the task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table
from reports.statistics.arms import NOT_TRAINED

PHASES = ("tune", "rerank", "confirm")
CURVE = ["cell", "task", "size"]


def with_untrained(results: Table, study: Mapping[str, Any]) -> Table:
    """Add a row for every network that the study's rule says not to train: unsolved, with no score.

    The rule applies to arms that study.json marks with `until_unsolved` and that have no rows, where all networks of the next
    shorter lag of the study are there and none solved the task, or where that arm is not trained either.
    """
    arms: Table = pd.DataFrame(study.get("arms", []))
    if not {"until_unsolved", "hash", "lag", "tune", "confirm", *CURVE} <= {*arms} or not arms["until_unsolved"].any():
        return results
    untrained = [row for _, curve in arms.groupby(CURVE, sort=False) for row in _untrained(curve, results, study)]
    if not untrained:
        return results
    groups = results.drop_duplicates("task").set_index("task")["group"]
    rows = pd.DataFrame(untrained).assign(group=lambda rows: rows["task"].map(groups).fillna(""))
    for column in results.columns.difference(rows.columns):
        rows[column] = "" if pd.api.types.is_string_dtype(results[column]) else np.nan
    return pd.concat([results, rows[[*results]]], ignore_index=True)


def trained(results: Table) -> Table:
    """The rows of networks that were trained."""
    return results[results["status"] != NOT_TRAINED] if "status" in results else results


def _untrained(curve: Table, results: Table, study: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of one cell on one task at one size."""
    cell, task, size = curve.iloc[0][CURVE]
    rows = results[(results["cell"] == cell) & (results["task"] == task)]
    rows = rows[rows["size"] == size] if "size" in rows else rows
    unsolved = False  # the shorter lag
    for arm in curve.sort_values("lag").to_dict("records"):
        there = rows[rows["lag"] == arm["lag"]]
        if arm["until_unsolved"] and unsolved and there.empty:
            yield from _rows(arm, study)
        else:
            solved = (there["solved"] & ~there["diverged"]).any()
            unsolved = len(there) >= sum(arm.get(phase, 0) for phase in PHASES) and not solved


def _rows(arm: Mapping[str, Any], study: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    steps = study.get("definition", {}).get("train", {}).get("steps", np.nan)
    searches = study.get("definition", {}).get("tune", {}).get("searches", 1)
    for phase in PHASES:
        for k in range(arm.get(phase, 0)):
            yield {
                "study": study.get("study", ""),
                "phase": phase,
                **{key: arm[key] for key in ("cell", "task", "lag", "size", "hidden_size", "parameters")},
                "flops_per_step": arm.get("flops_per_step", np.nan),
                "search": k % searches,
                "status": NOT_TRAINED,
                "score": np.nan,
                "solved": False,
                "diverged": False,
                "censored": True,
                "steps_to_solve": steps,
                "steps": steps,
                "seconds": np.nan,
                "hash": f"{arm['hash']} {phase} {k}",
            }
