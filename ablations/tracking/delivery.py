"""Delivery: uploads finished members from the store's queue to MLflow, and retries later if the tracker cannot be reached."""

import time
from pathlib import Path
from typing import Any, Protocol

from ablations.sweeps.store import Store
from ablations.sweeps.workers.outcome import ArmOutcome
from ablations.tracking.runs import described
from ablations.tracking.tracker import Tracker

RETRY_SECONDS = 30.0
UPLOAD_SECONDS = 5.0
"""How long one call uploads at most, so that a long queue does not keep workers waiting."""


class Observer(Protocol):
    """Receives the records that were uploaded, and warnings."""

    def delivered(self, record: dict[str, Any]) -> None: ...
    def warn(self, message: str) -> None: ...


class Delivery:
    """Uploads the queue of a study. After the tracker failed, the next attempt is made after RETRY_SECONDS."""

    def __init__(self, store: Store, tracker: Tracker, observer: Observer) -> None:
        self.store, self.tracker, self.observer = store, tracker, observer
        self.ended_arms: list[ArmOutcome] = []
        self.retry_at = 0.0

    def work(self) -> None:
        """Upload the queue, for at most UPLOAD_SECONDS, and then end the runs of ended arms, unless the tracker failed less than
        RETRY_SECONDS ago."""
        if time.monotonic() >= self.retry_at:
            self._upload()

    def end_arm(self, outcome: ArmOutcome) -> None:
        """End an arm's run once the queue is uploaded: now, or as soon as the tracker can be reached."""
        self.ended_arms.append(outcome)
        self.work()

    def flush(self) -> None:
        """Make a last attempt to upload all of the queue, and describe the study."""
        self._upload(last=True)

    def _upload(self, last: bool = False) -> None:
        started = time.monotonic()
        try:
            for path, record in self.store.queued(self.tracker.study):
                self._deliver(path, record)
                if not last and time.monotonic() - started > UPLOAD_SECONDS:
                    return
            while self.ended_arms:
                self.tracker.end_arm(self.ended_arms[0])
                self.ended_arms.pop(0)
            if last:
                self.tracker.describe()
        except Exception as error:  # the library of an artifact store, such as boto3, may raise anything
            self.observer.warn(f"results cannot be uploaded, and stay on disk until they can: {described(error)}")
            self.retry_at = time.monotonic() + RETRY_SECONDS

    def _deliver(self, path: Path, record: dict[str, Any]) -> None:
        if self.tracker.deliver(record):
            self.observer.delivered(record)
        path.unlink()
