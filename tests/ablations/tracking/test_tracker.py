"""What is written to MLflow comes back as the same table, once."""

import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from ablations.errors import InputError
from ablations.studies.study import Study
from ablations.sweeps.arm import Logged
from ablations.sweeps.store import Store
from ablations.sweeps.workers.local import ArmOutcome
from ablations.tracking.delivery import Delivery
from ablations.tracking.manifest import manifest
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.tracker import Tracker

STUDY = Study.model_validate(
    {
        "name": "tiny",
        "cells": ["rnn", "lstm"],
        "sizes": [50],
        "task": [{"name": "recall", "lags": [2]}],
        "confirm": {"seeds": 5},
    }
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    create_database(store)
    return store


class Silent:
    """An observer that keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def progress(self, progress: Any) -> None: ...
    def delivered(self, record: dict[str, Any]) -> None: ...
    def ended(self, ended: ArmOutcome) -> None: ...
    def known(self, rates: dict[tuple[str, str], list[int]]) -> None: ...
    def stopping(self) -> None: ...
    def warn(self, message: str) -> None:
        self.warnings.append(message)


def record(name: str, index: int = 0, **changes: Any) -> dict[str, Any]:
    chosen = STUDY.arms()[index]
    metrics = {"score": 0.25, "solved": 0, "diverged": 0, "steps_to_solve": 3000, "censored": 1, "steps": 3000}
    return {
        "hash": name, "study": "tiny", "arm": chosen.hash, "phase": "confirm", "cell": chosen.cell.label,
        "task": "recall", "lag": 2, "size": 50, "search": 0, "trial": 4, "seed": 2**47 + 1, "engine": "eager",
        "status": "unsolved", "settings": {"learning_rate": 0.001234567890123, "forget_bias": "chrono"},
        "hidden_size": 5, "parameters": 55,
        "metrics": metrics | {"finished_at": 3000, "objective": 1 / 3, "seconds": 1.5, "flops_per_step": 1234567},
        "curves": {"eval/score": [(step, step / 7000) for step in range(25, 3000, 2)], "eval/loss": [(25, 1.5), (50, 1.25)]},
    } | changes  # fmt: skip


def leave(store: Store, name: str) -> None:
    """As a worker leaves a finished member."""
    store.put(name, record(name))
    store.enqueue("tiny", name, {})


def tracker(store: Store) -> Tracker:
    opened = Tracker(store, "tiny")
    opened.begin(manifest(STUDY))
    return opened


def test_a_member_comes_back_as_it_was_written(store: Store) -> None:
    opened, written = tracker(store), record("a")
    opened.deliver(written)
    described = opened.manifest()
    table = opened.results(described)
    row = table.iloc[0].to_dict()
    expected = {
        key: written[key]
        for key in ("hash", "study", "phase", "cell", "task", "lag", "size", "search", "seed", "status")
    }
    assert {key: row[key] for key in expected} == expected
    assert row["group"] == "latch"
    for values in (written["metrics"], written["settings"]):
        assert {key: row[key] for key in values} == values
    curves = opened.curves(described)
    points = curves[curves.metric == "eval/score"][["step", "value"]].to_numpy().tolist()
    assert points == [list(point) for point in written["curves"]["eval/score"]]
    assert sorted(set(curves.metric)) == ["eval/loss", "eval/score"]


def test_the_table_does_not_depend_on_the_order_of_telling(tmp_path: Path) -> None:
    """Nor on what only some members have: there, a bias and a probe's finding."""
    written = [record("a", seed=1), record("b", seed=2)]
    written[1]["settings"] = written[1]["settings"] | {"input_bias": -1.0}
    written[1]["metrics"] = {"retained": 0.5, **written[1]["metrics"]}
    tables = []
    for number, members in enumerate((written, written[::-1])):
        store = Store.create(tmp_path / str(number))
        create_database(store)
        opened = tracker(store)
        for member in members:
            opened.deliver(member)
        opened.tables(tmp_path / str(number))
        tables.append((tmp_path / str(number) / "results.csv").read_bytes())
    assert tables[0] == tables[1]
    assert tables[0].startswith(b"study,phase,cell,task,group,lag,size,search,trial,seed,status,solved,score,")


def test_runs_stand_below_their_arm_and_that_below_the_study(store: Store) -> None:
    opened = tracker(store)
    opened.deliver(record("a"))
    runs = {run.data.tags["kind"]: run for run in opened._runs("")}
    assert runs["member"].data.tags["mlflow.parentRunId"] == runs["arm"].info.run_id
    assert runs["arm"].data.tags["mlflow.parentRunId"] == runs["study"].info.run_id
    assert runs["member"].info.run_name.startswith("rnn confirm0.4")


def test_only_the_present_definitions_members_are_in_the_table(store: Store) -> None:
    opened = tracker(store)
    opened.deliver(record("a"))
    opened.deliver(record("b", arm="another"))
    assert list(opened.results(opened.manifest()).hash) == ["a"]
    assert not opened.deliver(record("b"))
    assert sorted(opened.results(opened.manifest()).hash) == ["a", "b"]


def test_a_member_cut_off_in_writing_is_delivered_again_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = tracker(store)
    leave(store, "a")
    with monkeypatch.context() as patch:
        patch.setattr(opened.client, "set_terminated", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Delivery(store, opened, Silent()).work()
    again = tracker(store)
    Delivery(store, again, Silent()).work()
    assert list(again.results(again.manifest()).hash) == ["a"]
    assert len(list(again._runs("tags.kind = 'member'"))) == 1
    assert not list(store.queued("tiny"))


def test_a_delivered_member_is_not_delivered_twice(store: Store) -> None:
    opened = tracker(store)
    delivery = Delivery(store, opened, Silent())
    for _ in range(2):
        leave(store, "a")
        delivery.work()
    assert len(list(opened._runs("tags.kind = 'member'"))) == 1
    assert Tracker(store, "tiny").begin(manifest(STUDY)) == {"a": Logged(STUDY.arms()[0].hash)}


def test_while_the_tracker_is_down_results_wait_on_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, watched = tracker(store), Silent()
    delivery = Delivery(store, opened, watched)

    def down(*_: Any, **__: Any) -> None:
        raise MlflowException("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(opened.client, "log_batch", down)
        leave(store, "a")
        delivery.work()
        delivery.end_arm(ArmOutcome(STUDY.arms()[0], "done"))
        delivery.flush()
        assert len(list(store.queued("tiny"))) == 1
        assert "connection refused" in watched.warnings[0]
        assert "1 results wait" in watched.warnings[-1]
    delivery.flush()
    assert not list(store.queued("tiny"))
    assert list(opened.results(opened.manifest()).hash) == ["a"]
    assert opened.status(opened.manifest())[0]["state"] == "done"


FINDINGS = {
    "flow": {"metrics": {"decay_end": 0.75}, "curves": {"flow/end/whole": [(k, 0.75**k) for k in range(1, 1100)]}},
    "retention": {"metrics": {"retained": 0.5}, "curves": {"retention": [(1, 0.9), (2, 0.7)]}},
}


def probed(store: Store, name: str = "a", **findings: Any) -> dict[str, Any]:
    """A member that has been probed, as the store tells of it."""
    store.weights_path(name).write_bytes(b"weights")
    store.figure_path(name).write_text("<svg/>")
    return record(name, findings=findings or FINDINGS)


def history(opened: Tracker) -> dict[str, int]:
    """The points of each metric of the only member, as MLflow has them."""
    (run,) = opened._runs("tags.kind = 'member'")
    return {metric: len(opened.client.get_metric_history(run.info.run_id, metric)) for metric in run.data.metrics}


@pytest.mark.parametrize("before", [True, False], ids=["known before", "news"])
def test_what_probes_found_joins_the_member(store: Store, before: bool) -> None:
    opened = tracker(store)
    if before:
        opened.deliver(record("a"))
    assert opened.deliver(probed(store)) is not before
    table = opened.results(opened.manifest())
    assert table[["decay_end", "retained", "score"]].to_numpy().tolist() == [[0.75, 0.5, 0.25]]
    assert "retention" not in table
    curves = opened.curves(opened.manifest())
    for metric in ("flow/end/whole", "retention"):
        points = curves[curves.metric == metric][["step", "value"]].to_numpy().tolist()
        assert points == [list(point) for found in FINDINGS.values() for point in found["curves"].get(metric, [])]
    (run,) = opened._runs("tags.kind = 'member'")
    assert {a.path for a in opened.client.list_artifacts(run.info.run_id)} == {"a.safetensors", "a.svg"}
    assert Tracker(store, "tiny").begin(manifest(STUDY)) == {"a": Logged(STUDY.arms()[0].hash, frozenset(FINDINGS))}


def test_a_second_telling_of_the_same_adds_no_point(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = tracker(store)
    with monkeypatch.context() as patch:
        patch.setattr(opened.client, "set_tag", lambda *_: (_ for _ in ()).throw(MlflowException("timeout")))
        with pytest.raises(MlflowException):
            opened.deliver(probed(store))
    before = history(opened)
    assert tracker(store).begin(manifest(STUDY)) == {"a": Logged(STUDY.arms()[0].hash, None)}
    again = tracker(store)
    assert not again.deliver(probed(store))
    assert not again.deliver(probed(store))
    assert history(again) == before
    assert before["flow/end/whole"] == 1099
    more = FINDINGS | {"decode": {"metrics": {"decodability": 0.1}, "curves": {}}}
    again.deliver(probed(store, **more))
    assert history(again) == before | {"decodability": 1}
    assert again.results(again.manifest()).decodability.tolist() == [0.1]


def test_a_member_that_no_probe_was_put_to_is_known_as_that(store: Store) -> None:
    opened = tracker(store)
    opened.deliver(record("a", findings={}))
    assert Tracker(store, "tiny").begin(manifest(STUDY))["a"].probes == frozenset()


def test_curves_come_from_the_store_as_they_would_from_the_tracker(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = tracker(store)
    for name in "ba":
        opened.deliver(probed(store, name))
        opened.deliver(record(name + "x"))
    theirs = opened.curves(opened.manifest())
    for name in ("b", "a", "bx", "ax"):
        store.put(name, {"curves": record(name)["curves"]})
    for name in "ba":
        for probe, found in (FINDINGS | {"decode": {"metrics": {}, "curves": {"decode/true": [(0, 1.0)]}}}).items():
            store.add_findings(name, probe, found)  # the last one was not told yet
    monkeypatch.setattr(opened.client, "get_metric_history", None)
    pd.testing.assert_frame_equal(opened.curves(opened.manifest()), theirs)
    assert theirs.hash.tolist() == sorted(theirs.hash)


def test_the_manifest_names_the_experiment(store: Store) -> None:
    opened = tracker(store)
    assert opened.manifest()["experiment"] == opened.experiment


def test_status_counts_what_is_done(store: Store) -> None:
    opened = tracker(store)
    solved = record("a")["metrics"] | {"solved": 1}
    for changed in (record("a", metrics=solved), record("b"), record("c", phase="tune")):
        opened.deliver(changed)
    opened.end_arm(ArmOutcome(STUDY.arms()[1], "failed", "Traceback: boom"))
    first, second = opened.status(opened.manifest())
    assert (first["confirm"]["done"], first["confirm"]["solved"], first["tune"]["done"]) == (2, 1, 1)
    assert (first["tune"]["of"], first["confirm"]["of"]) == (40, 5)
    assert (first["state"], second["state"]) == ("running", "failed")


def test_a_telling_whose_answer_was_lost_is_not_repeated(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = tracker(store)
    delivery = Delivery(store, opened, Silent())
    leave(store, "a")
    original = opened.client.set_terminated

    def told_and_lost(*arguments: Any) -> None:
        original(*arguments)
        raise MlflowException("timeout")

    with monkeypatch.context() as patch:
        patch.setattr(opened.client, "set_terminated", told_and_lost)
        delivery.work()
    delivery.flush()
    assert len(list(opened._runs("tags.kind = 'member'"))) == 1
    assert list(opened.results(opened.manifest()).hash) == ["a"]
    assert not list(store.queued("tiny"))


def test_what_is_told_is_known_by_arm_and_phase(store: Store) -> None:
    opened = tracker(store)
    solved = record("a")["metrics"] | {"solved": 1}
    opened.deliver(record("a", metrics=solved))
    opened.deliver(record("b"))
    assert sorted(opened.solved(opened.manifest())[STUDY.arms()[0].hash, "confirm"]) == [0, 1]


def test_only_a_reports_own_files_are_attached(store: Store, tmp_path: Path) -> None:
    opened = tracker(store)
    for name in ("report.html", "other.bin"):
        (tmp_path / name).write_text("x")
    opened.attach(tmp_path)
    assert [path.name for path in store.artifacts.rglob("report/*")] == ["report.html"]


def test_a_store_that_was_copied_keeps_its_artifacts_to_itself(store: Store, tmp_path: Path) -> None:
    tracker(store)
    copied = Store.open(Path(shutil.copytree(store.folder, tmp_path / "copy")))
    opened = Tracker(copied, "tiny")
    assert opened.experiment
    here = copied.artifacts.as_uri()
    assert opened.client.get_experiment(opened.experiment).artifact_location.startswith(here)
    assert opened.client.get_run(opened.study_run()).info.artifact_uri.startswith(here)
    assert (
        Tracker(store, "tiny").client.get_run(opened.study_run()).info.artifact_uri.startswith(store.artifacts.as_uri())
    )


def test_a_deleted_experiment_is_named(store: Store) -> None:
    opened = tracker(store)
    opened.client.delete_experiment(opened.experiment)
    with pytest.raises(InputError, match="study 'tiny' was deleted in MLflow"):
        Tracker(store, "tiny")


def test_a_study_that_was_never_swept_is_named_beside_those_that_were(store: Store) -> None:
    tracker(store)
    with pytest.raises(InputError, match="'other' was never swept here; the store has: tiny"):
        Tracker(store, "other").manifest()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "foo", "file:///nowhere", "ftp://x", "postgresql://x/y"])
def test_a_server_that_cannot_be_used_is_named(store: Store, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(InputError, match=f"the MLflow server at {re.escape(address)} cannot be used"):
        Tracker(store, "tiny")
