"""The saved views of an experiment in the MLflow UI, and the addresses of links."""

import base64
import json
import zlib
from typing import Any

import pytest

from ablations.hyperparameters import HYPERPARAMETERS
from ablations.sweeps.store import Store
from ablations.tracking.mlflow_view import KEY, PREFIX, address, link, remember_port, run_link, views
from tests.ablations.tracking.member_records import started_tracker

LISTED = ["recurrent_init", "forget_bias"]
SPACE: dict[str, Any] = {
    name: [1.0, "chrono"] if name in LISTED else {"low": 1e-3, "high": 1.0, "log": True} for name in HYPERPARAMETERS
}


def charts(state: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The charts of a kind in a view."""
    return [chart for chart in state["compareRunCharts"] if chart["type"] == kind]


def test_parallel_coordinates_have_ranges_of_log_scale_as_log10_metrics_and_lists_as_text() -> None:
    tuning = views(["recall"], SPACE)["Tuning"]
    (parallel,) = charts(tuning, "PARALLEL")
    logarithmic = {name for name, entry in HYPERPARAMETERS.items() if entry.scale == "log"}
    assert {"learning_rate", "clip_norm"} <= logarithmic
    assert set(parallel["selectedMetrics"]) == {f"log10_{name}" for name in logarithmic} | {"score"}
    choices = {f"choice_{name}" for name in LISTED}
    assert set(parallel["selectedParams"]) == {"cell"} | choices | HYPERPARAMETERS.keys() - logarithmic - {*LISTED}
    assert {chart["xaxis"]["key"] for chart in charts(tuning, "SCATTER")} == {f"log10_{name}" for name in logarithmic}
    assert {f"params.`{name}`" for name in HYPERPARAMETERS} <= set(tuning["selectedColumns"])


def test_study_without_searched_hyperparameters_has_views() -> None:
    found = views(["recall"], {})
    assert list(found) == ["Confirmed", "Tuning", "Learning curves: recall"]
    assert [chart["type"] for chart in found["Tuning"]["compareRunCharts"]] == ["PARALLEL"]


def test_each_task_has_views_of_its_own_in_as_many_as_the_ui_lists() -> None:
    found = views(["recall", "a'b"], {})
    assert list(found)[2:] == ["Confirmed: recall", "Learning curves: recall", "Confirmed: a'b", "Learning curves: a'b"]
    assert found["Confirmed: recall"]["searchFilter"] == "tags.kind = 'arm' and params.task = 'recall'"
    assert found["Confirmed: a'b"]["searchFilter"].endswith('params.task = "a\'b"')
    assert [*views(["a'b\"c"], {})] == ["Confirmed", "Tuning"]  # no filter of MLflow can select it
    assert len(views([f"task{k}" for k in range(50)], {})) == 40


def test_same_charts_have_the_same_identifiers_and_different_charts_different_ones() -> None:
    def identifiers() -> list[str]:
        return [chart["uuid"] for chart in views(["recall"], SPACE)["Tuning"]["compareRunCharts"]]

    assert identifiers() == identifiers()
    assert len(set(identifiers())) == len(identifiers())


def test_views_are_saved_and_those_of_tasks_that_are_gone_are_deleted(store: Store) -> None:
    tracker = started_tracker(store)
    assert tracker.experiment
    tracker.client.set_experiment_tag(tracker.experiment, f"{PREFIX}{KEY}-9", "of an earlier task")
    tracker = started_tracker(store)
    tags = tracker.client.get_experiment(tracker.experiment).tags
    saved = {key.removeprefix(PREFIX): json.loads(tag) for key, tag in tags.items() if key.startswith(PREFIX)}
    assert {key: view["name"] for key, view in saved.items()} == {
        KEY: "Confirmed",
        f"{KEY}-1": "Tuning",
        f"{KEY}-2": "Learning curves: recall",
    }
    packed = saved[KEY]["state"].removeprefix("deflate;")
    assert json.loads(zlib.decompress(base64.b64decode(packed)))["searchFilter"] == "tags.kind = 'arm'"


def test_links_open_pages_of_runs_and_not_those_of_language_models() -> None:
    assert link("7").startswith("#/experiments/7/runs?workflowType=machine_learning")
    assert f"viewStateShareKey={KEY}" in link("7")
    assert run_link("7", "ab") == "#/experiments/7/runs/ab?workflowType=machine_learning"
    assert run_link("7", "ab", "artifacts/x").startswith("#/experiments/7/runs/ab/artifacts/x?")


def test_links_carry_the_port_that_the_ui_had_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(store) == "http://127.0.0.1:5000"
    remember_port(store, 5017)
    assert address(store) == "http://127.0.0.1:5017"
    (store.folder / "ui-port").write_text("damaged")
    assert address(store) == "http://127.0.0.1:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@host:5001")
    assert address(store) == "http://host:5001"
