"""Tables of a study, from the runs of its members. The `reports` package documents their columns."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Metric, Run

from ablations.hyperparameters import HYPERPARAMETERS, Setting
from ablations.sweeps.store import Store

LOG10 = "log10_"
"""Prefix of metrics that repeat a hyperparameter of logarithmic scale: MLflow's parallel coordinates have linear axes only."""
NO_PROBES = "-"
"""The value of the tag `probes` of a member that no probe ran on: MLflow servers refuse an empty value."""
FIRST_COLUMNS = [
    "study",
    "phase",
    "cell",
    "task",
    "group",
    "lag",
    "size",
    "search",
    "trial",
    "seed",
    "status",
    "solved",
    "score",
]
"""The first columns of results.csv; the others follow in alphabetical order."""

CHOICE = "choice_"
"""Prefix of params that repeat a hyperparameter with a list of values as text that is no number: MLflow's parallel coordinates
leave out numbers where other values of a param are words, or the words, and runs without the param."""
POSITION = ("cell", "task", "lag", "size", "phase", "network")
"""Params that repeat what the tags and the manifest have, for MLflow's comparison of runs."""

Curves = dict[str, list[tuple[int, float]]]
"""(step, value) pairs by metric."""


def probes(run: Run) -> frozenset[str] | None:
    """The probes whose findings a member's run has; None before probing."""
    tag = run.data.tags.get("probes")
    return None if tag is None else frozenset(tag.split()) - {NO_PROBES}


def results(runs: Iterable[Run], manifest: dict[str, Any]) -> pd.DataFrame:
    """One row per member."""
    arms = {arm["hash"]: arm for arm in manifest["arms"]}
    groups = {label: task["group"] for label, task in manifest["tasks"].items()}
    rows = [_row(run, manifest["study"], arms[run.data.tags["arm"]], groups) for run in runs]
    table = pd.DataFrame(rows).sort_values(["task", "lag", "size", "cell", "phase", "search", "trial", "seed"])
    # Sorted, so that the file does not depend on the order in which the tracker returns the runs.
    others = sorted({*table} - {*FIRST_COLUMNS})
    return table.reindex(columns=[*FIRST_COLUMNS, *others]).reset_index(drop=True)


def curves(runs: Iterable[Run], store: Store, history: Callable[[str, str], Sequence[Metric]]) -> pd.DataFrame:
    """Every point of every curve: hash, step, metric, value.

    Curves are read from the store. Those of members that are not in it are fetched from the tracker, one metric at a time,
    which takes a thousand times as long.

    :param history: returns the points of a metric, from the id of a run and the name of the metric.
    """
    hashes, metrics, lengths, steps, values = [], [], [], [], []
    for run in sorted(runs, key=lambda run: run.data.tags["hash"]):
        member_curves = _curves(run, store, history)
        for metric in sorted(member_curves):
            points = np.array(sorted(member_curves[metric]), dtype=float).reshape(-1, 2)
            hashes.append(run.data.tags["hash"])
            metrics.append(metric)
            lengths.append(len(points))
            steps.append(points[:, 0].astype(int))
            values.append(points[:, 1])
    table = {
        "hash": pd.Categorical(hashes).repeat(lengths),
        "step": np.concatenate([np.empty(0, int), *steps]),
        "metric": pd.Categorical(metrics).repeat(lengths),
        "value": np.concatenate([np.empty(0), *values]),
    }
    return pd.DataFrame(table)


def _curves(run: Run, store: Store, history: Callable[[str, str], Sequence[Metric]]) -> Curves:
    member = run.data.tags["hash"]
    result = store.get(member)
    if result is None:
        metrics = filter(_is_curve, run.data.metrics)
        return {metric: [(p.step, p.value) for p in history(run.info.run_id, metric)] for metric in metrics}
    member_curves, logged = dict(result["curves"]), probes(run)
    if logged:
        for probe, findings in store.findings(member).items():
            if probe in logged:
                member_curves |= findings["curves"]
    return member_curves


def _is_curve(metric: str) -> bool:
    """Whether a metric belongs to curves.csv; otherwise it is a column of results.csv."""
    return "/" in metric or metric == "retention"


def _row(run: Run, study: str, arm: dict[str, Any], groups: dict[str, str]) -> dict[str, Any]:
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
    row: dict[str, Any] = {"study": study, "phase": tags["phase"]}
    row |= {key: arm[key] for key in ("cell", "task", "lag", "size")}
    row |= {key: _value(text) for key, text in params.items() if key not in POSITION and not key.startswith(CHOICE)}
    row |= {key: value for key, value in metrics.items() if not _is_curve(key) and not key.startswith(LOG10)}
    row |= {key: tags[key] for key in ("engine", "status", "hash")} | {"group": groups[arm["task"]]}
    row["device"] = tags.get("device", "cpu")  # runs of earlier versions do not have it
    for name in ("solved", "diverged", "censored", "steps_to_solve", "steps", "finished_at", "flops_per_step"):
        row[name] = int(row[name])
    return row


def _value(text: str) -> int | float | str:
    """The value of a param, which MLflow stores as text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def failed_arms(arms: list[dict[str, Any]]) -> list[str]:
    """The names of the arms whose state is `failed`."""
    return [f"{arm['cell']} on {arm['task']} lag {arm['lag']}" for arm in arms if arm["state"] == "failed"]


def choices(settings: dict[str, Setting], space: dict[str, Any]) -> dict[str, str]:
    """The settings that are searched in a list of values, as text; `none` where the cell does not have them."""
    names = [name for name, values in space.items() if isinstance(values, list)]
    return {f"{CHOICE}{name}": f"= {settings[name]}" if name in settings else "none" for name in names}


def log10(settings: dict[str, Setting]) -> dict[str, float]:
    """The logarithms of positive settings that have a logarithmic scale."""
    return {
        f"{LOG10}{name}": math.log10(value)
        for name, value in settings.items()
        if HYPERPARAMETERS[name].scale == "log" and isinstance(value, int | float) and value > 0
    }
