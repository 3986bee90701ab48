"""A saved view of an experiment: the columns, filter and charts that the MLflow UI opens with.

The format is undocumented (as of MLflow 3.17): an experiment tag `mlflow.sharedViewState.<key>` with JSON whose `state` is
"deflate;" + base64(zlib(JSON)). A version of the UI that cannot read it shows its default view.
"""

import base64
import json
import uuid
import zlib
from typing import Any

from mlflow import MlflowClient

from ablations.hyperparameters import HYPERPARAMETERS
from ablations.tracking.tables import LOG10

KEY = "whygates"
SCORE = "score"


def link(experiment: str) -> str:
    """The fragment of the UI's address that opens the view."""
    return (
        f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={KEY}&compareRunsMode=TABLE"
    )


def save_view(client: MlflowClient, experiment: str, hyperparameters: list[str]) -> None:
    """Save a view that lists members by score, with their hyperparameters, and charts of scores and curves.

    :param hyperparameters: the names of those that the study searches.
    """
    logarithmic = [name for name in hyperparameters if HYPERPARAMETERS[name].scale == "log"]
    metrics = [f"{LOG10}{name}" for name in logarithmic]
    charts = [
        _chart(
            "PARALLEL",
            selectedMetrics=[*metrics, SCORE],
            selectedParams=[name for name in hyperparameters if name not in logarithmic],
            showAllRuns=True,
        ),
        _line("eval/score"),
        _line("train/loss"),
        *(
            _chart("SCATTER", xaxis={"key": metric, "type": "METRIC"}, yaxis={"key": SCORE, "type": "METRIC"})
            for metric in metrics
        ),
    ]
    state = {
        "searchFilter": "tags.kind = 'member'",
        "orderByKey": f"metrics.`{SCORE}`",
        "orderByAsc": False,
        "selectedColumns": [
            *(f"tags.`{tag}`" for tag in ("cell", "task", "lag", "phase", "status")),
            f"metrics.`{SCORE}`",
            "metrics.`steps_to_solve`",
            *(f"params.`{name}`" for name in hyperparameters),
        ],
        "runsHiddenMode": "SHOWALL",
        "isAccordionReordered": True,  # otherwise the UI replaces the charts below with its defaults
        "compareRunSections": [
            {
                "uuid": KEY,
                "name": "Sweep",
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
            }
        ],
        "compareRunCharts": charts,
    }
    packed = "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    tag = json.dumps({"name": "whygates: members", "createdAt": 0, "updatedAt": 0, "state": packed})
    client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{KEY}", tag)


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
