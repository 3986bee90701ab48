"""A sweep from its first arm to its last: workers train, finished members go to the tracker, an observer watches."""

import time
from pathlib import Path
from typing import Any, Protocol

from mlflow.exceptions import MlflowException

from ablations.studies.study import Study
from ablations.sweeps import arm as sweep
from ablations.sweeps.store import Store
from ablations.sweeps.workers import local as workers
from ablations.tracking.manifest import manifest
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.tracker import Tracker

RETRY_SECONDS = 30.0


class Observer(Protocol):
    """Whoever watches a sweep."""

    def known(self, rates: dict[tuple[str, str], list[int]]) -> None: ...
    def progress(self, progress: sweep.Progress | sweep.Probing) -> None: ...
    def delivered(self, record: dict[str, Any]) -> None: ...
    def ended(self, ended: workers.Ended) -> None: ...
    def stopping(self) -> None: ...
    def warn(self, message: str) -> None: ...


def sweep_study(study: Study, store: Store, processes: int, engine: str, observer: Observer) -> list[workers.Ended]:
    """Run every arm of a study, and close what was finished. Raises InputError when the tracker cannot be reached."""
    sweep.storage(store)
    create_database(store)
    described = manifest(study)
    tracker = Tracker(store, study.name)
    told = tracker.begin(described)
    observer.known(tracker.solved(described))
    delivery = Delivery(store, tracker, observer)
    delivery.work()
    ended = []
    watch = (observer.progress, delivery.work, observer.stopping)
    for arm in workers.run(study.arms(), store, processes, engine, told, *watch):
        delivery.close(arm)
        observer.ended(arm)
        ended.append(arm)
    delivery.flush()
    return ended


class Delivery:
    """Brings finished members from the store to the tracker. A tracker that is down is tried again later."""

    def __init__(self, store: Store, tracker: Tracker, observer: Observer) -> None:
        self.store, self.tracker, self.observer = store, tracker, observer
        self.closing: list[workers.Ended] = []
        self.later = 0.0

    def work(self) -> None:
        """Deliver what waits, and close the arms that have ended, unless the tracker failed a moment ago."""
        if time.monotonic() >= self.later:
            self._try()

    def close(self, ended: workers.Ended) -> None:
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
