"""A study of two arms, and records of its members as the store's queue has them."""

from typing import Any

from ablations.studies.study import Study
from ablations.sweeps.store import Store
from ablations.tracking.manifest import manifest
from ablations.tracking.tracker import Tracker

STUDY = Study.model_validate(
    {
        "name": "tiny",
        "cells": ["rnn", "lstm"],
        "sizes": [50],
        "task": [{"name": "recall", "lags": [2]}],
        "tune": {"searches": 5, "trials": 8, "rerank": 0},
        "confirm": {"seeds": 5},
    }
)
FINDINGS = {
    "flow": {"metrics": {"decay_end": 0.75}, "curves": {"flow/end/whole": [(k, 0.75**k) for k in range(1, 1100)]}},
    "retention": {"metrics": {"retained": 0.5}, "curves": {"retention": [(1, 0.9), (2, 0.7)]}},
}
"""Findings of two probes. The curve of `flow` has more points than MLflow takes in one request."""


def member_record(member: str, arm_index: int = 0, **changes: Any) -> dict[str, Any]:
    """The record of a finished member with this hash."""
    arm = STUDY.arms()[arm_index]
    metrics = {"score": 0.25, "solved": 0, "diverged": 0, "steps_to_solve": 3000, "censored": 1, "steps": 3000}
    return {
        "hash": member, "study": "tiny", "arm": arm.hash, "phase": "confirm", "cell": arm.cell.label,
        "task": "recall", "lag": 2, "size": 50, "search": 0, "trial": 4, "network": "c0.3", "seed": 2**47 + 1, "engine": "eager",
        "status": "unsolved", "settings": {"learning_rate": 0.001234567890123, "forget_bias": "chrono"},
        "hidden_size": 5, "parameters": 55,
        "metrics": metrics | {"finished_at": 3000, "objective": 1 / 3, "seconds": 1.5, "flops_per_step": 1234567},
        "curves": {"eval/score": [(step, step / 7000) for step in range(25, 3000, 2)], "eval/loss": [(25, 1.5), (50, 1.25)]},
    } | changes  # fmt: skip


def probed_record(store: Store, member: str = "a", **findings: Any) -> dict[str, Any]:
    """The record of a probed member, whose weights and figure are in the store."""
    store.weights_path(member).write_bytes(b"weights")
    store.figure_path(member).write_text("<svg/>")
    return member_record(member, findings=findings or FINDINGS)


def enqueue_member(store: Store, member: str) -> None:
    """Store and enqueue a finished member, as a worker does."""
    store.put(member, member_record(member))
    store.enqueue("tiny", member, {})


def started_tracker(store: Store) -> Tracker:
    """A tracker of the study that is prepared for a sweep."""
    tracker = Tracker(store, "tiny")
    tracker.begin(manifest(STUDY))
    return tracker
