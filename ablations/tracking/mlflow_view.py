"""Saved views of an experiment: the columns, filter and charts that the MLflow UI offers in its menu of views.

The format is undocumented (as of MLflow 3.17): an experiment tag `mlflow.sharedViewState.<key>` with JSON whose `state` is
"deflate;" + base64(zlib(JSON)). A version of the UI that cannot read it shows its default view. The UI reads 100 runs at first:
views of networks are sorted so that these have networks of every arm, or of as many as there are.
"""

import base64
import contextlib
import json
import uuid
import zlib
from collections.abc import Sequence
from typing import Any

from mlflow import MlflowClient

from ablations.hyperparameters import HYPERPARAMETERS
from ablations.sweeps.store import Store, write
from ablations.tracking.tables import CHOICE, LOG10
from reports.figures.colors import cell_colors

KEY = "whygates"
"""Key of the first view, and the start of the keys of the others."""
PREFIX = "mlflow.sharedViewState."
RUN_COLOR = "mlflow.runColor"
"""Tag with the colour of a run in charts."""
MOST = 40
"""Views that the UI lists."""
SCORE = "score"
PORT = 5000
"""The port of the UI of a store that had none yet."""


def port_of(store: Store) -> int:
    """The port that `whygates ui` had last on a store, which links to it carry."""
    try:
        return int((store.folder / "ui-port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return PORT


def remember_port(store: Store, port: int) -> None:
    """Record the port that `whygates ui` has, unless the store can only be read."""
    if port != port_of(store):
        with contextlib.suppress(OSError):
            write(store.folder / "ui-port", str(port))


def address(store: Store) -> str:
    """The address of the UI: that of the server, or the one that `whygates ui` serves."""
    return f"http://127.0.0.1:{port_of(store)}" if store.local else store.tracking_uri


def link(experiment: str, key: str = KEY) -> str:
    """The fragment of the UI's address that opens a view."""
    return (
        f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={key}&compareRunsMode=CHART"
    )


def run_link(experiment: str, run: str, page: str = "") -> str:
    """The fragment of the UI's address that opens a run, or a page of it such as `artifacts/report/report.html`."""
    return f"#/experiments/{experiment}/runs/{run}{page and '/'}{page}?workflowType=machine_learning"


def views(tasks: Sequence[str], space: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The states of views by name, first the one that links open.

    :param space: what the study searches: a list of values, or a range, by hyperparameter.
    """
    found = {"Confirmed": _confirmed(""), "Tuning": _tuning(space)}
    for task in tasks:
        one = f" and params.task = {_quoted(task)}"
        if len(tasks) > 1 and _quoted(task):
            found[f"Confirmed: {task}"] = _confirmed(one)
        if _quoted(task):
            found[f"Learning curves: {task}"] = _curves(one)
    return dict([*found.items()][:MOST])


def group_colors(cells: Sequence[str], lags: Sequence[float]) -> dict[str, str]:
    """The colours of the groups of runs in the views that group by cell, or by cell and lag, by the UI's identifier of a group."""
    return {
        f"param.cell.{cell}{lag}": color
        for cell, color in cell_colors(cells).items()
        for lag in ("", *(f",param.lag.{lag}" for lag in lags))
    }


def save_views(client: MlflowClient, experiment: str, found: dict[str, dict[str, Any]]) -> None:
    """Save views, and delete those of tasks that the study no longer has."""
    tags = {}
    for position, (name, state) in enumerate(found.items()):
        packed = "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
        key = f"{PREFIX}{KEY}{f'-{position}' if position else ''}"
        # The UI lists the views that were made last first.
        made = len(found) - position
        tags[key] = json.dumps({"name": name, "createdAt": made, "updatedAt": made, "state": packed})
    present = client.get_experiment(experiment).tags
    for key in present:
        if key.startswith(PREFIX + KEY) and key not in tags:
            client.delete_experiment_tag(experiment, key)
    for key, value in tags.items():
        if present.get(key) != value:
            client.set_experiment_tag(experiment, key, value)


def _confirmed(condition: str) -> dict[str, Any]:
    """A row per arm, grouped by cell: solve rate, median score and median steps to solve of its confirmed networks.

    :param condition: a further condition of the filter, " and ...", or "".
    """
    metrics = ("solve_rate", "median_score", "median_steps_to_solve")
    charts = [
        _chart("BAR", metricKey="solve_rate", displayName="Share of networks that solve the task (mean over arms)"),
        _chart("BAR", metricKey="median_score", displayName="Median score (mean over arms)"),
        _chart("BAR", metricKey="median_steps_to_solve", displayName="Median steps to solve (mean over arms)"),
    ]
    columns = [
        *(f"metrics.`{metric}`" for metric in metrics),
        *(f"params.`{name}`" for name in ("cell", "task", "lag")),
    ]
    return _state(f"tags.kind = 'arm'{condition}", "params.`lag`", columns, charts, group=["cell"])


def _tuning(space: dict[str, Any]) -> dict[str, Any]:
    """The trials of the searches: every network of the phases `tune` and `rerank`."""
    listed = [name for name in sorted(space) if isinstance(space[name], list)]
    ranges = [name for name in sorted(space) if name not in listed]
    logarithmic = [name for name in ranges if HYPERPARAMETERS[name].scale == "log"]
    metrics = [f"{LOG10}{name}" for name in logarithmic]
    params = ["cell", *(f"{CHOICE}{name}" for name in listed), *(name for name in ranges if name not in logarithmic)]
    charts = [
        _chart("PARALLEL", selectedMetrics=[*metrics, SCORE], selectedParams=params, showAllRuns=True),
        *(
            _chart("SCATTER", xaxis={"key": metric, "type": "METRIC"}, yaxis={"key": SCORE, "type": "METRIC"})
            for metric in metrics
        ),
    ]
    shown = ("cell", "task", "lag", "phase", "network", *sorted(space))
    columns = [f"metrics.`{SCORE}`", "metrics.`solved`", "metrics.`diverged`", *(f"params.`{name}`" for name in shown)]
    where = "tags.kind = 'member' and tags.phase != 'confirm'"
    return _state(where, "params.`network`", columns, charts, descending=True)


def _curves(condition: str) -> dict[str, Any]:
    """Learning curves of confirmed networks: the mean, and a band from the least to the largest, by cell and lag.

    :param condition: a further condition of the filter, " and ...", or "".
    """
    columns = [f"metrics.`{SCORE}`", "metrics.`steps_to_solve`"]
    columns += [f"params.`{name}`" for name in ("cell", "lag", "network")]
    where = f"tags.kind = 'member' and tags.phase = 'confirm'{condition}"
    return _state(where, "params.`network`", columns, [_line("eval/score"), _line("train/loss")], group=["cell", "lag"])


def _state(
    where: str,
    order: str,
    columns: list[str],
    charts: list[dict[str, Any]],
    group: Sequence[str] = (),
    descending: bool = False,
) -> dict[str, Any]:
    section = {"uuid": KEY, "name": "Charts", "display": True, "columns": 1}
    grouping = {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "param", "groupByData": name} for name in group],
    }
    return {
        "searchFilter": where,
        "orderByKey": order,
        "orderByAsc": not descending,
        "selectedColumns": columns,
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # otherwise the UI replaces the charts below with its defaults
        "compareRunSections": [section | {"isReordered": False, "deleted": False, "isGenerated": False}],
        "compareRunCharts": charts,
        **({"groupBy": grouping} if group else {}),
    }


def _quoted(value: str) -> str:
    """A value in quotes that it does not contain, as MLflow cannot escape them; empty if it contains both kinds."""
    return next((f"{mark}{value}{mark}" for mark in ("'", '"') if mark not in value), "")


def _chart(kind: str, **settings: Any) -> dict[str, Any]:
    shared = {"metricSectionId": KEY, "runsCountToCompare": 100, "deleted": False, "isGenerated": False}
    return {"type": kind, "uuid": uuid.uuid5(uuid.NAMESPACE_OID, kind + str(settings)).hex, **shared, **settings}


def _line(metric: str) -> dict[str, Any]:
    return _chart(
        "LINE",
        metricKey=metric,
        selectedMetricKeys=[metric],
        xAxisKey="step",
        scaleType="linear",
        xAxisScaleType="linear",
        lineSmoothness=0,
        useGlobalLineSmoothing=False,
        useGlobalXaxisKey=False,
        selectedXAxisMetricKey="",
        yAxisKey="metric",
        yAxisExpressions=[],
        selectedYAxisMetricKey="",
        displayPoints=False,
        ignoreOutliers=False,
        range={},
    )
