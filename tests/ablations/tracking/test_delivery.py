"""Delivery: every queued member is uploaded exactly once, whenever the tracker or the process fails."""

from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from ablations.sweeps.jobs import Logged
from ablations.sweeps.store import Store
from ablations.sweeps.workers.outcome import ArmOutcome
from ablations.tracking import delivery as delivery_module
from ablations.tracking.delivery import Delivery
from ablations.tracking.manifest import manifest
from ablations.tracking.runs import described
from ablations.tracking.tracker import Tracker
from tests.ablations.tracking.member_records import FINDINGS, STUDY, enqueue_member, probed_record, started_tracker


class RecordingObserver:
    """Collects the hashes of uploaded members, and the warnings."""

    def __init__(self) -> None:
        self.uploaded: list[str] = []
        self.warnings: list[str] = []

    def delivered(self, record: dict[str, Any]) -> None:
        self.uploaded.append(record["hash"])

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def assert_logged_once(store: Store, tracker: Tracker) -> None:
    """Member `a` has one run, is in the results, and is no longer queued."""
    assert len(list(tracker._runs("tags.kind = 'member'"))) == 1
    assert list(tracker.results(tracker.manifest()).hash) == ["a"]
    assert not list(store.queued("tiny"))


def test_member_whose_upload_was_killed_is_uploaded_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = started_tracker(store)
    enqueue_member(store, "a")
    with monkeypatch.context() as patch:
        patch.setattr(tracker.client, "set_terminated", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Delivery(store, tracker, RecordingObserver()).work()
    restarted = started_tracker(store)
    Delivery(store, restarted, RecordingObserver()).work()
    assert_logged_once(store, restarted)


def test_member_that_is_queued_again_is_not_logged_again(store: Store) -> None:
    tracker, observer = started_tracker(store), RecordingObserver()
    delivery = Delivery(store, tracker, observer)
    for _ in range(2):
        enqueue_member(store, "a")
        delivery.work()
    assert_logged_once(store, tracker)
    assert observer.uploaded == ["a"]
    assert Tracker(store, "tiny").begin(manifest(STUDY)) == {"a": Logged(STUDY.arms()[0].hash)}


def test_members_stay_queued_while_the_tracker_cannot_be_reached(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, observer = started_tracker(store), RecordingObserver()
    delivery, attempts = Delivery(store, tracker, observer), []

    def refuse(*_: Any, **__: Any) -> None:
        attempts.append(1)
        raise MlflowException("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(tracker.client, "log_batch", refuse)
        enqueue_member(store, "a")
        delivery.work()
        delivery.end_arm(ArmOutcome(STUDY.arms()[0], "done"))
        assert len(attempts) == 1, "the next attempt is made only after RETRY_SECONDS"
        delivery.flush()
        assert len(attempts) == 2
        assert len(list(store.queued("tiny"))) == 1
        assert "connection refused" in observer.warnings[0]
    delivery.flush()
    assert_logged_once(store, tracker)
    assert tracker.status(tracker.manifest())[0]["state"] == "done"


class NoCredentialsError(Exception):
    """Stands for an error of boto3."""


@pytest.mark.parametrize(
    "error",
    [
        ImportError("No module named 'boto3'"),
        NoCredentialsError("Unable to locate credentials"),
        MlflowException("500\nInternal"),
        OSError(28, "No space left on device"),
        ValueError("Expecting value: line 1 column 1"),
        KeyError("artifact_uri"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_members_stay_queued_while_their_artifacts_cannot_be_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tracker, observer = started_tracker(store), RecordingObserver()
    store.put("a", probed_record(store))
    store.enqueue("tiny", "a", {"findings": FINDINGS})
    with monkeypatch.context() as patch:
        patch.setattr(tracker.client, "log_artifact", lambda *_: (_ for _ in ()).throw(error))
        Delivery(store, tracker, observer).flush()
    assert len(list(store.queued("tiny"))) == 1
    (failed,) = observer.warnings
    assert failed == f"results cannot be uploaded, and stay on disk until they can: {described(error)}"
    Delivery(store, tracker, observer).flush()
    assert_logged_once(store, tracker)


def test_member_whose_confirmation_was_lost_is_not_logged_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = started_tracker(store)
    delivery = Delivery(store, tracker, RecordingObserver())
    enqueue_member(store, "a")
    set_terminated = tracker.client.set_terminated

    def time_out(*arguments: Any) -> None:
        set_terminated(*arguments)
        raise MlflowException("timeout")

    with monkeypatch.context() as patch:
        patch.setattr(tracker.client, "set_terminated", time_out)
        delivery.work()
    assert list(store.queued("tiny"))
    delivery.flush()
    assert_logged_once(store, tracker)


def test_a_long_queue_is_uploaded_in_several_calls_and_the_last_one_uploads_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "UPLOAD_SECONDS", 0.0)
    tracker, observer = started_tracker(store), RecordingObserver()
    delivery = Delivery(store, tracker, observer)
    for member in "abcd":
        enqueue_member(store, member)
    delivery.work()
    assert observer.uploaded == ["a"]
    delivery.end_arm(ArmOutcome(STUDY.arms()[0], "done"))
    assert observer.uploaded == ["a", "b"]
    delivery.flush()
    assert observer.uploaded == ["a", "b", "c", "d"]
    assert tracker.status(tracker.manifest())[0]["state"] == "done"
