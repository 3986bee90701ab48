"""A study of four small arms, contexts to run them in, and the records of their members."""

from collections.abc import Callable
from typing import Any

from ablations.studies.study import Arm, Study
from ablations.sweeps.jobs import Context, Logged
from ablations.sweeps.store import Store

SMALL_STUDY: dict[str, Any] = {
    "name": "tiny",
    "cells": ["rnn", "gru"],
    "sizes": [60],
    "task": [{"name": "recall", "lags": [2], "alphabet": 2}, {"name": "continual_adding", "lags": [3]}],
    "train": {"steps": 8, "batch": 4, "eval_every": 2, "patience": 1, "test": 20},
    "tune": {"searches": 2, "trials": 3},
    "confirm": {"seeds": 4},
}


def small_arm(index: int = 0, **changes: Any) -> Arm:
    """One arm of the small study: rnn and gru on recall (0, 1) and on continual_adding (2, 3)."""
    return Study.model_validate(SMALL_STUDY | changes).arms()[index]


def context(
    store: Store, logged: dict[str, Logged] | None = None, stopping: Callable[[], bool] = lambda: False
) -> Context:
    """A context on the eager engine that discards reports of progress."""
    return Context(store, "eager", logged or {}, lambda _: None, stopping)


def queued_records(store: Store, study: str = "tiny") -> dict[str, dict[str, Any]]:
    """The records in the queue by hash, without the time taken, which differs from run to run."""
    records = [record for _, record in store.queued(study)]
    for record in records:
        del record["metrics"]["seconds"]
    return {record["hash"]: record for record in records}
