"""The MLflow database of a store: created once, and valid after the store was copied."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ablations.sweeps.store import Store
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.tracker import Tracker
from tests.ablations.tracking.member_records import started_tracker


def test_existing_database_is_kept(store: Store) -> None:
    MlflowClient(store.tracking_uri).create_experiment("mine")
    create_database(store)
    assert MlflowClient(store.tracking_uri).get_experiment_by_name("mine")


def test_a_database_is_created_in_any_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's default experiment has an address in the store, too."""
    folder = tmp_path / """it's 'x', say "y" %(z)s :w"""
    folder.mkdir()
    monkeypatch.chdir(folder)
    store = Store.create(Path("'s \"t"))
    create_database(store)
    (default,) = MlflowClient(store.tracking_uri).search_experiments()
    assert default.artifact_location == f"{store.artifacts.as_uri()}/0"


def test_copied_store_writes_artifacts_to_its_own_folder(store: Store, tmp_path: Path) -> None:
    study_run = started_tracker(store).study_run()
    copied = Store.open(Path(shutil.copytree(store.folder, tmp_path / "copy")))
    for current in (copied, store):
        tracker = Tracker(current, "tiny")
        assert tracker.experiment
        location = tracker.client.get_experiment(tracker.experiment).artifact_location
        assert location == (current.artifacts / "tiny").as_uri()
        assert tracker.client.get_run(study_run).info.artifact_uri.startswith(location)
        assert tracker.manifest()["study"] == "tiny"
