"""The MLflow database of a store: created once, and valid after the store was copied."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.manifest import manifest
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.tracker import Tracker
from tests.ablations.tracking.member_records import STUDY, started_tracker
from tests.ablations.unprivileged import unprivileged


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


def test_a_renamed_experiment_keeps_its_artifacts_and_a_sweep_of_the_old_name_starts_another(store: Store) -> None:
    first = started_tracker(store)
    first.client.rename_experiment(str(first.experiment), "old")
    renamed = Tracker(store, "old")
    assert renamed.manifest()["study"] == "tiny"
    assert (
        renamed.client.get_experiment(str(renamed.experiment)).artifact_location == (store.artifacts / "tiny").as_uri()
    )
    again = started_tracker(store)
    assert again.experiment != renamed.experiment
    assert (again.manifest()["study"], Tracker(store, "old").manifest()["study"]) == ("tiny", "tiny")


def test_artifacts_that_were_moved_away_are_named_and_no_address_is_changed(store: Store) -> None:
    tracker = started_tracker(store)
    (store.artifacts / "tiny").rename(store.artifacts / "elsewhere")
    moved = Tracker(store, "tiny")
    with pytest.raises(
        InputError, match=r"has no study\.json in \S+tiny\S+: .* the same sweep command writes it again"
    ):
        moved.manifest()
    assert moved.client.get_experiment(str(tracker.experiment)).artifact_location == (store.artifacts / "tiny").as_uri()
    assert started_tracker(store).manifest()["study"] == "tiny"


def test_a_store_that_was_moved_and_can_only_be_read_is_read_and_not_swept(store: Store, tmp_path: Path) -> None:
    started_tracker(store)
    moved = Store(store.folder.rename(tmp_path / "moved"))
    for path in (moved.mlflow, moved.folder):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        tracker = unprivileged(lambda: Tracker(moved, "tiny"))
        assert tracker.manifest()["study"] == "tiny"
        with pytest.raises(PermissionError, match=r"mlflow\.db cannot be written"):
            tracker.log_report(tmp_path)
        with pytest.raises(InputError, match=r"mlflow\.db cannot be written"):
            tracker.begin(manifest(STUDY))
    finally:
        moved.folder.chmod(0o700)
    assert not store.folder.exists()


@pytest.mark.parametrize("damage", [b"", b'{"study": "\xff"}', b"[1, "])
def test_a_damaged_manifest_is_named(store: Store, damage: bytes) -> None:
    tracker = started_tracker(store)
    (path,) = store.artifacts.rglob("study.json")
    path.write_bytes(damage)
    with pytest.raises(InputError, match=r"has no study\.json in \S+tiny\S+: .*damaged"):
        tracker.manifest()
