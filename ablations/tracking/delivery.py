"""Delivery: uploads finished members from the store's queue to MLflow, and retries when the tracker is down."""

import time
from pathlib import Path
from typing import Any, Protocol

from mlflow.exceptions import MlflowException

from ablations.sweeps.store import Store
from ablations.sweeps.workers.local import ArmOutcome
from ablations.tracking.tracker import Tracker

RETRY_SECONDS = 30.0


class Observer(Protocol):
    """What delivery reports to."""

    def delivered(self, record: dict[str, Any]) -> None: ...
    def warn(self, message: str) -> None: ...


class Delivery:
    """Brings finished members from the store to the tracker. A tracker that is down is tried again later."""

    def __init__(self, store: Store, tracker: Tracker, observer: Observer) -> None:
        self.store, self.tracker, self.observer = store, tracker, observer
        self.closing: list[ArmOutcome] = []
        self.later = 0.0

    def work(self) -> None:
        """Deliver what waits, and close the arms that have ended, unless the tracker failed a moment ago."""
        if time.monotonic() >= self.later:
            self._try()

    def close(self, ended: ArmOutcome) -> None:
        """Close an arm's run as soon as the tracker can take it."""
        self.closing.append(ended)
        self.work()

    def flush(self) -> None:
        """A last attempt, with a word about what could not be delivered."""
        self._try()
        left = len(list(self.store.waiting(self.tracker.study)))
        if left:
            self.observer.warn(f"{left} results wait in {self.store.spool}; the same command delivers them")

    def _try(self) -> None:
        try:
            for path, record in self.store.waiting(self.tracker.study):
                self._deliver(path, record)
            while self.closing:
                self.tracker.end_arm(self.closing[0])
                self.closing.pop(0)
        except (MlflowException, OSError) as error:
            self.observer.warn(f"the tracker does not take results now, they wait on disk: {str(error)[:100]}")
            self.later = time.monotonic() + RETRY_SECONDS

    def _deliver(self, path: Path, record: dict[str, Any]) -> None:
        if self.tracker.deliver(record):
            self.observer.delivered(record)
        path.unlink()
