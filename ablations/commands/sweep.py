"""A sweep from its first arm to its last: workers train, finished members go to the tracker, an observer watches."""

from typing import Any, Protocol

from ablations.studies.study import Study
from ablations.sweeps.arm import ProbeProgress, TrainingProgress
from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from ablations.sweeps.workers.local import ArmOutcome, run_arms
from ablations.tracking.delivery import Delivery
from ablations.tracking.manifest import manifest
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.tracker import Tracker


class Observer(Protocol):
    """Whoever watches a sweep."""

    def known(self, rates: dict[tuple[str, str], list[int]]) -> None: ...
    def progress(self, progress: TrainingProgress | ProbeProgress) -> None: ...
    def delivered(self, record: dict[str, Any]) -> None: ...
    def ended(self, ended: ArmOutcome) -> None: ...
    def stopping(self) -> None: ...
    def warn(self, message: str) -> None: ...


def sweep_study(study: Study, store: Store, processes: int, engine: str, observer: Observer) -> list[ArmOutcome]:
    """Run every arm of a study, and close what was finished. Raises InputError when the tracker cannot be reached."""
    storage(store)
    create_database(store)
    described = manifest(study)
    tracker = Tracker(store, study.name)
    logged = tracker.begin(described)
    observer.known(tracker.solved(described))
    delivery = Delivery(store, tracker, observer)
    delivery.work()
    ended = []
    watch = (observer.progress, delivery.work, observer.stopping)
    for arm in run_arms(study.arms(), store, processes, engine, logged, *watch):
        delivery.end_arm(arm)
        observer.ended(arm)
        ended.append(arm)
    delivery.flush()
    return ended
