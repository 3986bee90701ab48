"""The results of a study, read back from MLflow: its manifest, progress and tidy tables."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablations.errors import InputError
from ablations.sweeps.search import PHASES
from ablations.sweeps.store import Store, write
from ablations.tracking import tables
from ablations.tracking.mlflow_db import artifact_folder
from ablations.tracking.mlflow_view import address
from ablations.tracking.runs import connect, experiments

MANIFEST = "study.json"
PAGE_SIZE, LOCAL_PAGE_SIZE = 200, 2000
"""Runs per request of a search: of a server, which has 10 seconds for each, and of the store's own database. Each request sorts all
runs."""
SKIPPED = "skipped"
"""Tag of the run of an arm, and state of an arm, that is not trained, as no network solved the next shorter lag."""
_STATES = {"FINISHED": "done", "FAILED": "failed", "SCHEDULED": "interrupted", "RUNNING": "running"}


class TrackedStudy:
    """One study's experiment in MLflow.

    The run with tag `kind=study` has the manifest and the report as artifacts. Its children are the runs of arms (`kind=arm`),
    and their children the runs of members (`kind=member`), which are identified by their content hash.
    """

    def __init__(self, store: Store, study: str) -> None:
        """:raises InputError: if the tracking server cannot be used, or the store has no MLflow database yet."""
        self.store, self.study = store, study
        self.client = connect(store)
        found = self.client.get_experiment_by_name(study)
        if found and found.lifecycle_stage != "active":
            raise InputError(f"study {study!r} was deleted in MLflow: restore it there, or give the study another name")
        self.experiment = found.experiment_id if found and study != "Default" else None  # that one is MLflow's own

    def study_run(self) -> str:
        """The id of the run that has the manifest and the report as artifacts.

        :raises InputError: if the study was never swept into this store.
        """
        for run in self._runs("tags.kind = 'study'"):
            return run.info.run_id
        swept = sorted(experiments(self.store))
        raise InputError(
            f"study {self.study!r} was never swept into this store, which has: {', '.join(swept) or 'no study'}"
        )

    def manifest(self) -> dict[str, Any]:
        """The manifest of the last sweep.

        :raises InputError: if the study was never swept into this store.
        """
        run = self.study_run()
        where = str(self.client.get_run(run).info.artifact_uri)
        with tempfile.TemporaryDirectory() as folder:
            try:
                if self.store.local:
                    path = artifact_folder(self.store, where, depth=3) / MANIFEST
                else:
                    path = Path(self.client.download_artifacts(run, MANIFEST, folder))
                return json.loads(path.read_text(encoding="utf-8"))
            except (MlflowException, OSError, ValueError):
                raise InputError(
                    f"study {self.study!r} has no {MANIFEST} in {where}: its sweep has only just started, or its artifacts were "
                    "moved, damaged or deleted; the same sweep command writes it again"
                ) from None

    def status(self, manifest: dict[str, Any]) -> list[dict[str, Any]]:
        """The manifest's arms, each with its `state` and the numbers of members of each phase: `of` (planned), `done`,
        `solved`, `diverged` and `probed`, their training time in `seconds`, and the number of results that wait for
        upload, `queued`."""
        states = {run.data.tags["arm"]: _state(run) for run in self._runs("tags.kind = 'arm'")}
        arms = {
            arm["hash"]: {**arm, "state": states.get(arm["hash"], "waiting"), "queued": 0} for arm in manifest["arms"]
        }
        for arm in arms.values():
            for phase in PHASES:
                arm[phase] = {
                    "of": arm.get(phase, 0),
                    "done": 0,
                    "solved": 0,
                    "diverged": 0,
                    "probed": 0,
                    "seconds": 0.0,
                }
        for run in self._members(manifest):
            count = arms[run.data.tags["arm"]][run.data.tags["phase"]]
            count["done"] += 1
            count["solved"] += int(run.data.metrics["solved"])
            count["diverged"] += int(run.data.metrics["diverged"])
            count["seconds"] += run.data.metrics["seconds"]
            count["probed"] += "probes" in run.data.tags
        for arm in self.store.queued_arms(self.study):
            if arm in arms:
                arms[arm]["queued"] += 1
        return list(arms.values())

    def solved(self, manifest: dict[str, Any]) -> dict[tuple[str, str], list[int]]:
        """Whether each logged member solved its task (0 or 1), by arm and phase."""
        solved: dict[tuple[str, str], list[int]] = {}
        for run in self._members(manifest):
            key = (run.data.tags["arm"], run.data.tags["phase"])
            solved.setdefault(key, []).append(int(run.data.metrics["solved"]))
        return solved

    def results(self, manifest: dict[str, Any]) -> pd.DataFrame:
        """One row per finished member of the manifest's arms."""
        return tables.results(self._finished(manifest), manifest)

    def curves(self, manifest: dict[str, Any]) -> pd.DataFrame:
        """Every point of every curve: hash, step, metric, value."""
        return tables.curves(self._finished(manifest), self.store, self.client.get_metric_history)

    def write_tables(self, folder: Path) -> None:
        """Write the tables that a report is built from: results.csv, curves.csv and study.json."""
        manifest = self.manifest()
        arms, runs = self.status(manifest), self._finished(manifest)
        manifest["mlflow"] = address(self.store)
        manifest["queued"] = sum(arm["queued"] for arm in arms)
        manifest["failed"] = tables.failed_arms(arms)
        tables.results(runs, manifest).to_csv(folder / "results.csv", index=False)
        tables.curves(runs, self.store, self.client.get_metric_history).to_csv(folder / "curves.csv", index=False)
        write(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")

    def hashes(self) -> set[str]:
        """The content hashes of all members that have a run, or wait for one in the queue."""
        queued = {record["hash"] for _, record in self.store.queued(self.study)}
        return queued | {run.data.tags["hash"] for run in self._runs("tags.kind = 'member'")}

    def _finished(self, manifest: dict[str, Any]) -> list[Run]:
        runs = list(self._members(manifest))
        if not runs:
            raise InputError(
                f"study {self.study!r} has no finished network yet; `whygates status {self.study}` shows its progress"
            )
        return runs

    def _members(self, manifest: dict[str, Any]) -> Iterator[Run]:
        """The runs of the finished members of the manifest's arms, one per member."""
        arms, yielded = {arm["hash"] for arm in manifest["arms"]}, set()
        for run in self._runs("tags.kind = 'member'"):
            tags = run.data.tags
            if run.info.status == "FINISHED" and tags["arm"] in arms and tags["hash"] not in yielded:
                yielded.add(tags["hash"])
                yield run

    def _runs(self, condition: str) -> Iterator[Run]:
        """The runs of the experiment that a condition of MLflow's search syntax selects, page by page."""
        token, size = None, LOCAL_PAGE_SIZE if self.store.local else PAGE_SIZE
        while self.experiment is not None:
            page = self.client.search_runs([self.experiment], condition, max_results=size, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _state(run: Run) -> str:
    """The state of an arm by its run."""
    skipped = run.data.tags.get(SKIPPED) == str(True)
    return SKIPPED if skipped and run.info.status == "FINISHED" else _STATES.get(run.info.status, "waiting")
