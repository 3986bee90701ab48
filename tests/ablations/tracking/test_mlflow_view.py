"""The saved view of an experiment in the MLflow UI."""

import base64
import json
import zlib
from typing import Any

from ablations.hyperparameters import HYPERPARAMETERS
from ablations.tracking.mlflow_view import KEY, link, save_view


class RecordingClient:
    """Collects experiment tags in place of an MlflowClient."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}

    def set_experiment_tag(self, experiment: str, key: str, value: str) -> None:
        self.tags[key] = value


def saved_state(hyperparameters: list[str]) -> dict[str, Any]:
    """The decoded state of a saved view."""
    client = RecordingClient()
    save_view(client, "7", hyperparameters)  # type: ignore[arg-type]
    packed = json.loads(client.tags[f"mlflow.sharedViewState.{KEY}"])["state"]
    return json.loads(zlib.decompress(base64.b64decode(packed.removeprefix("deflate;"))))


def test_logarithmic_hyperparameters_are_charted_as_log10_metrics_and_others_as_params() -> None:
    state = saved_state(list(HYPERPARAMETERS))
    (parallel,) = [chart for chart in state["compareRunCharts"] if chart["type"] == "PARALLEL"]
    logarithmic = {name for name, entry in HYPERPARAMETERS.items() if entry.scale == "log"}
    assert {"learning_rate", "clip_norm"} <= logarithmic
    assert set(parallel["selectedMetrics"]) == {f"log10_{name}" for name in logarithmic} | {"score"}
    assert set(parallel["selectedParams"]) == HYPERPARAMETERS.keys() - logarithmic
    scatter = [chart["xaxis"] for chart in state["compareRunCharts"] if chart["type"] == "SCATTER"]
    assert {axis["key"] for axis in scatter} == {f"log10_{name}" for name in logarithmic}
    assert {axis["type"] for axis in scatter} == {"METRIC"}


def test_view_lists_members_by_score_with_their_hyperparameters() -> None:
    state = saved_state(["learning_rate", "forget_bias"])
    assert state["searchFilter"] == "tags.kind = 'member'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`score`", False)
    assert {"params.`learning_rate`", "params.`forget_bias`"} <= set(state["selectedColumns"])


def test_study_without_searched_hyperparameters_has_a_view() -> None:
    assert [chart["type"] for chart in saved_state([])["compareRunCharts"]] == ["PARALLEL", "LINE", "LINE"]


def test_same_charts_have_the_same_identifiers_and_different_charts_different_ones() -> None:
    identifiers = [chart["uuid"] for chart in saved_state(["learning_rate"])["compareRunCharts"]]
    assert identifiers == [chart["uuid"] for chart in saved_state(["learning_rate"])["compareRunCharts"]]
    assert len(set(identifiers)) == len(identifiers)


def test_link_opens_the_view_of_the_experiment() -> None:
    assert link("7").startswith("#/experiments/7/runs")
    assert f"viewStateShareKey={KEY}" in link("7")
