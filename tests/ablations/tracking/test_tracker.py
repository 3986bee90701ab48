"""The tracker: what is logged is read back unchanged, and logging it again adds nothing."""

import json
import math
import re
import time
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from ablations.errors import InputError
from ablations.sweeps.jobs import Logged
from ablations.sweeps.store import Store
from ablations.sweeps.workers.outcome import ArmOutcome
from ablations.tracking.manifest import manifest
from ablations.tracking.tracker import Tracker
from reports import output
from reports.figures.colors import COLORS, CORE
from tests.ablations.tracking.member_records import (
    FINDINGS,
    STUDY,
    member_record,
    probed_record,
    started_tracker,
)


def log_report(tracker: Tracker, folder: Path) -> None:
    """Log the report in a folder, which also has a file that is not part of it."""
    verdict = {"id": 1, "claim": "it holds", "verdict": "supported", "seeds": 20, "preliminary": False}
    for name, text in (("report.html", "x"), ("other.bin", "x"), ("verdicts.json", json.dumps([verdict]))):
        (folder / name).write_text(text)
    (folder / output.LIST).write_text('["report.html"]')
    tracker.log_report(folder)


def points_per_metric(tracker: Tracker) -> dict[str, int]:
    """The number of points of each metric of the only member in MLflow."""
    (run,) = tracker._runs("tags.kind = 'member'")
    return {metric: len(tracker.client.get_metric_history(run.info.run_id, metric)) for metric in run.data.metrics}


def test_member_is_read_back_as_it_was_logged(store: Store) -> None:
    tracker, record = started_tracker(store), member_record("a")
    tracker.deliver(record)
    row = tracker.results(tracker.manifest()).iloc[0].to_dict()
    columns = ("hash", "study", "phase", "cell", "task", "lag", "size", "search", "seed", "status")
    assert {column: row[column] for column in columns} == {column: record[column] for column in columns}
    assert row["group"] == "latch"
    for values in (record["metrics"], record["settings"]):
        assert {name: row[name] for name in values} == values
    curves = tracker.curves(tracker.manifest())
    points = curves[curves.metric == "eval/score"][["step", "value"]].to_numpy().tolist()
    assert points == [list(point) for point in record["curves"]["eval/score"]]
    assert sorted(set(curves.metric)) == ["eval/loss", "eval/score"]


def test_logarithmic_hyperparameters_are_also_logged_as_metrics_in_log10(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a", settings={"learning_rate": 0.001, "weight_decay": 0.0, "forget_bias": 3.0}))
    (run,) = tracker._runs("tags.kind = 'member'")
    assert {name: value for name, value in run.data.metrics.items() if name.startswith("log10")} == {
        "log10_learning_rate": pytest.approx(math.log10(0.001))  # the logarithm of a weight decay of 0 is not finite
    }
    assert run.data.params["forget_bias"] == "3.0"
    assert not [column for column in tracker.results(tracker.manifest()) if column.startswith("log10")]


def test_runs_of_members_are_children_of_arms_and_those_of_the_study(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a"))
    runs = {run.data.tags["kind"]: run for run in tracker._runs("")}
    assert runs["member"].data.tags["mlflow.parentRunId"] == runs["arm"].info.run_id
    assert runs["arm"].data.tags["mlflow.parentRunId"] == runs["study"].info.run_id
    assert runs["member"].info.run_name == "rnn · recall 2 · c0.3"
    assert runs["arm"].info.run_name == "rnn · recall 2"
    expected = {"cell": "rnn", "task": "recall", "lag": "2", "size": "50"}
    assert {name: runs["arm"].data.params[name] for name in expected} == expected
    assert {name: runs["member"].data.params[name] for name in expected} == expected
    assert runs["member"].data.params.items() >= {"phase": "confirm", "network": "c0.3"}.items()
    assert runs["arm"].data.tags["mlflow.note.content"].startswith("```text\n")
    colors = [runs[kind].data.tags["mlflow.runColor"] for kind in ("member", "arm")]
    assert colors == [COLORS[CORE.index("rnn")]] * 2


def test_record_that_an_earlier_version_queued_is_logged(store: Store) -> None:
    tracker, record = started_tracker(store), member_record("a")
    del record["network"]
    assert tracker.deliver(record)
    (run,) = tracker._runs("tags.kind = 'member'")
    assert run.info.run_name == "rnn · recall 2 · c0.4"


def test_runs_of_a_study_with_several_sizes_have_the_size_in_their_names(store: Store) -> None:
    tracker = Tracker(store, "tiny")
    tracker.begin(manifest(STUDY.model_copy(update={"sizes": [50, 100]})))
    tracker.deliver(member_record("a"))
    assert "rnn · recall 2 · 50 · c0.3" in {run.info.run_name for run in tracker._runs("")}


def test_params_that_repeat_others_are_no_columns_of_results(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a"))
    (run,) = tracker._runs("tags.kind = 'member'")
    assert run.data.params.items() >= {"choice_forget_bias": "= chrono", "choice_input_bias": "none"}.items()
    columns = set(tracker.results(tracker.manifest()))
    assert not columns & {"network", "choice_forget_bias", "choice_input_bias"}


def test_runs_of_arm_and_study_have_metrics_of_their_networks(store: Store) -> None:
    tracker = started_tracker(store)
    base = member_record("a")["metrics"]
    solved = base | {"solved": 1, "score": 1.0, "steps_to_solve": 1000}
    records = [member_record("a", metrics=solved), member_record("b"), member_record("c", phase="tune")]
    for record in records:
        tracker.deliver(record)
    for _ in range(2):
        tracker.end_arm(ArmOutcome(STUDY.arms()[0], "done", ""))
        tracker.describe()
    expected = {"solve_rate": 0.5, "median_score": 0.625, "median_steps_to_solve": 2000, "networks": 3, "seconds": 4.5}
    for run in tracker._runs("tags.kind != 'member'"):
        assert run.data.metrics == expected
        assert len(tracker.client.get_metric_history(run.info.run_id, "seconds")) == 1
    assert tracker.client.get_run(tracker.study_run()).data.tags.items() >= {"cells": "rnn, lstm", "lags": "2"}.items()


def test_description_of_the_experiment_links_its_view_report_best_and_worst_networks(
    store: Store, tmp_path: Path
) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a", metrics=member_record("a")["metrics"] | {"score": 1.0}))
    tracker.deliver(member_record("b", network="c1.0"))
    log_report(tracker, tmp_path)
    tags = tracker.client.get_experiment(tracker.experiment).tags
    ids = {run.data.tags["hash"]: run.info.run_id for run in tracker._runs("tags.kind = 'member'")}
    links = dict(re.findall(r"\[(.*?)\]\((.*?)\)", tags["mlflow.note.content"]))
    assert [*links] == [
        "Confirmed networks",
        "Report",
        "Best network: rnn · recall 2 · c0.3",
        "Worst network: rnn · recall 2 · c1.0",
    ]
    for link, expected in zip(
        links.values(), ("viewStateShareKey=", "/report.html?", f"/{ids['a']}?", f"/{ids['b']}?"), strict=True
    ):
        assert link.startswith(f"#/experiments/{tracker.experiment}/runs")
        assert expected in link
        assert "workflowType=machine_learning" in link
    assert "supported" in tracker.client.get_run(tracker.study_run()).data.tags["mlflow.note.content"]


def test_results_have_only_members_of_the_current_definition(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a"))
    tracker.deliver(member_record("b", arm="another"))
    assert list(tracker.results(tracker.manifest()).hash) == ["a"]
    assert not tracker.deliver(member_record("b"))
    assert sorted(tracker.results(tracker.manifest()).hash) == ["a", "b"]


@pytest.mark.parametrize("logged_before", [True, False])
def test_findings_of_probes_are_added_to_the_run_of_the_member(store: Store, logged_before: bool) -> None:
    tracker = started_tracker(store)
    if logged_before:
        tracker.deliver(member_record("a"))
    assert tracker.deliver(probed_record(store)) is not logged_before
    results = tracker.results(tracker.manifest())
    assert results[["decay_end", "retained", "score"]].to_numpy().tolist() == [[0.75, 0.5, 0.25]]
    assert "retention" not in results
    curves = tracker.curves(tracker.manifest())
    for findings in FINDINGS.values():
        for metric, curve in findings["curves"].items():
            points = curves[curves.metric == metric][["step", "value"]].to_numpy().tolist()
            assert points == [list(point) for point in curve]
    (run,) = tracker._runs("tags.kind = 'member'")
    assert {a.path for a in tracker.client.list_artifacts(run.info.run_id)} == {"a.safetensors", "curves.svg"}
    assert Tracker(store, "tiny").begin(manifest(STUDY)) == {"a": Logged(STUDY.arms()[0].hash, frozenset(FINDINGS))}


def test_logging_findings_again_adds_no_point(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = started_tracker(store)
    with monkeypatch.context() as patch:
        patch.setattr(tracker.client, "set_tag", lambda *_: (_ for _ in ()).throw(MlflowException("timeout")))
        with pytest.raises(MlflowException):
            tracker.deliver(probed_record(store))
    before = points_per_metric(tracker)
    restarted = Tracker(store, "tiny")
    assert restarted.begin(manifest(STUDY)) == {"a": Logged(STUDY.arms()[0].hash, None)}
    assert not restarted.deliver(probed_record(store))
    assert not restarted.deliver(probed_record(store))
    assert points_per_metric(restarted) == before
    assert before["flow/end/whole"] == 1099
    restarted.deliver(probed_record(store, **FINDINGS, decode={"metrics": {"decodability": 0.1}, "curves": {}}))
    assert points_per_metric(restarted) == before | {"decodability": 1}
    assert restarted.results(restarted.manifest()).decodability.tolist() == [0.1]


def test_a_clock_that_is_set_back_changes_no_number(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, arm = started_tracker(store), STUDY.arms()[0]
    tracker.deliver(member_record("a"))
    tracker.end_arm(ArmOutcome(arm, "done"))
    monkeypatch.setattr(time, "time", lambda: 1e9)
    assert not tracker.deliver(probed_record(store))
    tracker.deliver(member_record("b"))
    tracker.end_arm(ArmOutcome(arm, "done"))
    results = tracker.results(tracker.manifest()).set_index("hash")
    assert results.loc["a", ["decay_end", "retained", "score"]].tolist() == [0.75, 0.5, 0.25]
    (run,) = tracker._runs("tags.kind = 'arm'")
    assert run.data.metrics["networks"] == 2


def test_member_that_no_probe_runs_on_counts_as_probed(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a", findings={}))
    assert Tracker(store, "tiny").begin(manifest(STUDY))["a"].probes == frozenset()
    assert tracker.status(tracker.manifest())[0]["confirm"]["probed"] == 1


def test_manifest_has_the_id_of_the_experiment(store: Store) -> None:
    tracker = started_tracker(store)
    assert tracker.manifest() == manifest(STUDY) | {"experiment": tracker.experiment}


def test_manifest_of_an_earlier_version_plans_no_networks_of_a_phase_that_it_does_not_know(store: Store) -> None:
    tracker = started_tracker(store)
    old = tracker.manifest()
    for arm in old["arms"]:
        del arm["rerank"]
    assert [arm["rerank"]["of"] for arm in tracker.status(old)] == [0, 0]


def test_status_counts_the_members_of_each_arm_and_phase(store: Store) -> None:
    tracker = started_tracker(store)
    solved = member_record("a")["metrics"] | {"solved": 1}
    for record in (member_record("a", metrics=solved), member_record("b"), member_record("c", phase="tune")):
        tracker.deliver(record)
    tracker.end_arm(ArmOutcome(STUDY.arms()[1], "failed", "Traceback: boom"))
    first, second = tracker.status(tracker.manifest())
    assert (first["confirm"]["done"], first["confirm"]["solved"], first["tune"]["done"]) == (2, 1, 1)
    assert (first["tune"]["of"], first["confirm"]["of"]) == (40, 5)
    assert (first["state"], second["state"]) == ("running", "failed")


def test_solved_members_are_returned_by_arm_and_phase(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a", metrics=member_record("a")["metrics"] | {"solved": 1}))
    tracker.deliver(member_record("b"))
    solved = tracker.solved(tracker.manifest())
    assert solved.keys() == {(STUDY.arms()[0].hash, "confirm")}
    assert sorted(solved[STUDY.arms()[0].hash, "confirm"]) == [0, 1]


def test_only_the_files_of_a_report_are_attached(store: Store, tmp_path: Path) -> None:
    tracker = started_tracker(store)
    log_report(tracker, tmp_path)
    assert [path.name for path in store.artifacts.rglob("report/*")] == ["report.html"]


def test_deleted_experiment_is_refused(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.client.delete_experiment(tracker.experiment)
    with pytest.raises(InputError, match="study 'tiny' was deleted in MLflow"):
        Tracker(store, "tiny")


def test_error_for_an_unknown_study_lists_the_studies_of_the_store(store: Store) -> None:
    started_tracker(store)
    with pytest.raises(InputError, match="'other' was never swept into this store, which has: tiny"):
        Tracker(store, "other").manifest()


def test_unusable_server_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the MLflow server at http://127\.0\.0\.1:9 cannot be used"):
        Tracker(store, "tiny")
