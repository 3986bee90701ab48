"""Tables of a study, from the runs of its members. The `reports` package documents their columns."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Metric, Run

from ablations.sweeps.store import Store

LOG10 = "log10_"
"""Prefix of metrics that repeat a hyperparameter of logarithmic scale: MLflow's parallel coordinates have linear axes only."""
NO_PROBES = "-"
"""The tag `probes` of a member that no probe ran on: MLflow servers refuse an empty value."""
FIRST = [
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
Curves = dict[str, list[tuple[int, float]]]


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
    # Sorted, so that the same members give the same bytes whatever the order in which the tracker returns them.
    return table.reindex(columns=[*FIRST, *sorted({*table} - {*FIRST})]).reset_index(drop=True)


def curves(runs: Iterable[Run], store: Store, history: Callable[[str, str], Sequence[Metric]]) -> pd.DataFrame:
    """Every point of every curve: hash, step, metric, value.

    They are read from the store. For members that were trained elsewhere, `history` fetches them from the tracker: metric
    by metric, which takes a thousand times as long.
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
    result = store.get(run.data.tags["hash"])
    if result is None:
        logged = filter(_is_curve, run.data.metrics)
        return {metric: [(p.step, p.value) for p in history(run.info.run_id, metric)] for metric in logged}
    logged = probes(run) or frozenset()
    findings = store.findings(run.data.tags["hash"]).items() if logged else ()
    return result["curves"] | {k: v for probe, found in findings if probe in logged for k, v in found["curves"].items()}


def _is_curve(metric: str) -> bool:
    """Whether a metric belongs to curves.csv; otherwise it is a column of results.csv."""
    return "/" in metric or metric == "retention"


def _row(run: Run, study: str, arm: dict[str, Any], groups: dict[str, str]) -> dict[str, Any]:
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
    row: dict[str, Any] = {"study": study, "phase": tags["phase"]}
    row |= {key: arm[key] for key in ("cell", "task", "lag", "size")}
    row |= {key: _value(text) for key, text in params.items() if key != "size"}
    row |= {key: value for key, value in metrics.items() if not _is_curve(key) and not key.startswith(LOG10)}
    row |= {key: tags[key] for key in ("engine", "status", "hash")} | {"group": groups[arm["task"]]}
    for name in ("solved", "diverged", "censored", "steps_to_solve", "steps", "finished_at", "flops_per_step"):
        row[name] = int(row[name])
    return row


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
