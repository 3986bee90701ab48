"""The tracker: writes finished members to MLflow, and reads a study back as tidy tables. Only here is mlflow imported."""

import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # what cannot be delivered waits in the spool instead
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from ablations.messages import InputError
from ablations.store import Store, appearing, write
from ablations.view import save_view

MANIFEST = "study.json"
PAGE = 1000
LOG_RATE = "log10_learning_rate"
_STATES = {"FINISHED": "done", "FAILED": "failed", "SCHEDULED": "interrupted", "RUNNING": "running"}


def create_database(store: Store) -> None:
    """Make the store's MLflow database if it has none, so that it is never seen half-made."""
    if not store.mlflow.exists():
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        with appearing(store.mlflow) as scratch:
            MlflowClient(f"sqlite:///{scratch}").search_experiments()


class Tracker:
    """One study's experiment in MLflow.

    A run of `kind=study` carries the manifest and the report; below it a run per arm (`kind=arm`), below that one per
    member (`kind=member`), identified by its content hash.
    """

    def __init__(self, store: Store, study: str) -> None:
        """Raises InputError when the tracking server cannot be reached, or the store's database was never made."""
        if store.local and not store.mlflow.exists():
            raise InputError(f"--store {store.folder}: nothing was swept here yet")
        self.store, self.study = store, study
        self.client = MlflowClient(store.tracking_uri)
        self.arms: dict[str, str] = {}
        try:
            found = self.client.get_experiment_by_name(study)
        except (MlflowException, OSError) as error:
            raise InputError(
                f"the MLflow server at {store.tracking_uri} does not answer: {_first_line(error)}"
            ) from None
        self.experiment = found.experiment_id if found else None

    def begin(self, manifest: dict[str, Any]) -> dict[str, str]:
        """Make the experiment ready for a sweep; the finished members' arms by their hash."""
        if self.experiment is None:
            location = (self.store.artifacts / self.study).as_uri() if self.store.local else None
            self.experiment = self.client.create_experiment(self.study, artifact_location=location)
        self.client.set_experiment_tag(self.experiment, "mlflow.note.content", _description(manifest))
        hyperparameters = sorted(manifest["definition"]["tune"]["space"])
        save_view(self.client, self.experiment, hyperparameters)
        if not any(self._runs("tags.kind = 'study'")):
            self.client.set_terminated(self._create(f"{self.study}: report", {"kind": "study", "study": self.study}))
        self.client.log_dict(self.study_run(), manifest, MANIFEST)
        finished = {}
        for run in self._runs("tags.kind = 'member'"):
            if run.info.status == "FINISHED":
                finished[run.data.tags["hash"]] = run.data.tags["arm"]
            else:
                self.client.delete_run(
                    run.info.run_id
                )  # cut off while it was written; its record is still in the spool
        return finished

    def study_run(self) -> str:
        """The id of the run that carries the manifest and the report. Raises InputError when the study has none."""
        for run in self._runs("tags.kind = 'study'"):
            return run.info.run_id
        swept = [e.name for e in self.client.search_experiments() if e.name != "Default"]
        raise InputError(f"study {self.study!r} was never swept here; the store has: {', '.join(swept) or 'nothing'}")

    def arm_run(self, arm: str, fields: dict[str, Any]) -> str:
        """The id of an arm's run; `fields` (cell, task, lag, size) describe it when it is new."""
        if arm not in self.arms:
            for run in self._runs(f"tags.kind = 'arm' and tags.arm = '{arm}'"):
                self.arms[arm] = run.info.run_id
                break
            else:
                tags = {"kind": "arm", "study": self.study, "arm": arm}
                tags |= {key: str(fields[key]) for key in ("cell", "task", "lag", "size")}
                name = f"{fields['cell']} {fields['task']} {fields['lag']}"
                self.arms[arm] = self._create(name, tags, parent=self.study_run())
        return self.arms[arm]

    def deliver(self, record: dict[str, Any]) -> None:
        """Write one finished member. Raises MlflowException or OSError when the tracker cannot take it now."""
        tags = {key: str(record[key]) for key in ("hash", "arm", "phase", "cell", "task", "lag", "engine", "status")}
        tags |= {"kind": "member", "study": self.study}
        place = f"{record['phase']}{record['search']}.{record['trial']}"
        name = f"{record['cell']} {place} {record['task']} {record['lag']}"
        params = {key: record[key] for key in ("size", "hidden_size", "parameters", "seed", "search", "trial")}
        params |= record["settings"]
        metrics = {**record["metrics"], **_log10(record["settings"])}
        now = int(time.time() * 1000)
        points = [Metric(key, value, now, 0) for key, value in metrics.items()]
        points += [Metric(key, v, now, step) for key, curve in record["curves"].items() for step, v in curve]
        begun = now - int(1000 * record["metrics"]["seconds"])  # so that the UI shows how long it trained
        run_id = self._create(name, tags, parent=self.arm_run(record["arm"], record), begun=begun)
        self.client.log_batch(run_id, points[:PAGE], [Param(key, str(value)) for key, value in params.items()])
        for first in range(PAGE, len(points), PAGE):
            self.client.log_batch(run_id, points[first : first + PAGE])
        self.client.set_terminated(run_id)

    def adopt(self, arm: str, members: set[str], fields: dict[str, Any]) -> None:
        """Take members that an earlier definition of the arm trained under the present one."""
        for run in self._runs("tags.kind = 'member'"):
            tags = run.data.tags
            if tags["hash"] in members and tags["arm"] != arm:
                moved = {"arm": arm, "mlflow.parentRunId": self.arm_run(arm, fields)}
                self.client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in moved.items()])

    def end_arm(self, arm: str, fields: dict[str, Any], status: str, error: str = "") -> None:
        """Close an arm's run as FINISHED, FAILED (with the traceback), or SCHEDULED when it is to be continued."""
        run_id = self.arm_run(arm, fields)
        if error:
            self.client.log_text(run_id, error, "traceback.txt")
        if status == "SCHEDULED":
            self.client.update_run(run_id, status=status)
        else:
            self.client.set_terminated(run_id, status)

    def status(self, manifest: dict[str, Any]) -> list[dict[str, Any]]:
        """The manifest's arms, each with its `state` and the members done, solved and diverged of each phase."""
        states = {run.data.tags["arm"]: run.info.status for run in self._runs("tags.kind = 'arm'")}
        arms = {
            arm["hash"]: {**arm, "state": _STATES.get(states.get(arm["hash"], ""), "waiting")}
            for arm in manifest["arms"]
        }
        for arm in arms.values():
            for phase in ("tune", "confirm"):
                arm[phase] = {"of": arm[phase], "done": 0, "solved": 0, "diverged": 0, "seconds": 0.0}
        for run in self._members(manifest):
            count = arms[run.data.tags["arm"]][run.data.tags["phase"]]
            count["done"] += 1
            count["solved"] += int(run.data.metrics["solved"])
            count["diverged"] += int(run.data.metrics["diverged"])
            count["seconds"] += run.data.metrics["seconds"]
        return list(arms.values())

    def attach(self, folder: Path) -> None:
        """Store a report on the study's run, where the UI shows it."""
        self.client.log_artifacts(self.study_run(), str(folder), "report")

    def manifest(self) -> dict[str, Any]:
        """The manifest of the last sweep. Raises InputError when the study was never swept here."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self.client.download_artifacts(self.study_run(), MANIFEST, folder)
            except MlflowException:
                raise InputError(f"study {self.study!r} has only just been started; try again in a moment") from None
            return json.loads(Path(path).read_text(encoding="utf-8"))

    def tables(self, folder: Path) -> None:
        """Write what reports are built from: results.csv, curves.csv and study.json."""
        manifest = self.manifest()
        self.results(manifest).to_csv(folder / "results.csv", index=False)
        self.curves(manifest).to_csv(folder / "curves.csv", index=False)
        write(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")

    def results(self, manifest: dict[str, Any]) -> pd.DataFrame:
        """One row per finished member of the study's present definition: see the `reports` package for the columns."""
        groups = {label: task["group"] for label, task in manifest["tasks"].items()}
        rows = [_row(run, self.study, groups) for run in self._members(manifest)]
        if not rows:
            raise InputError(
                f"study {self.study!r} has no finished member yet; `whygates status {self.study}` tells more"
            )
        order = ["task", "lag", "size", "cell", "phase", "search", "trial", "seed"]
        return pd.DataFrame(rows).sort_values(order, ignore_index=True)

    def curves(self, manifest: dict[str, Any]) -> pd.DataFrame:
        """Every point of every learning curve: hash, step, metric, value."""
        rows = [
            (run.data.tags["hash"], point.step, metric, point.value)
            for run in self._members(manifest)
            for metric in sorted(run.data.metrics)
            if "/" in metric
            for point in self.client.get_metric_history(run.info.run_id, metric)
        ]
        table = pd.DataFrame(rows, columns=["hash", "step", "metric", "value"])
        return table.sort_values(["hash", "metric", "step"], ignore_index=True)

    def _members(self, manifest: dict[str, Any]) -> Iterator[Run]:
        arms = {arm["hash"] for arm in manifest["arms"]}
        for run in self._runs("tags.kind = 'member'"):
            if run.info.status == "FINISHED" and run.data.tags["arm"] in arms:
                yield run

    def _runs(self, where: str) -> Iterator[Run]:
        token = None
        while self.experiment is not None:
            page = self.client.search_runs([self.experiment], where, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _create(self, name: str, tags: dict[str, str], parent: str | None = None, begun: int | None = None) -> str:
        tags = tags | ({"mlflow.parentRunId": parent} if parent else {})
        assert self.experiment is not None  # begin() made it
        return self.client.create_run(self.experiment, begun, tags, run_name=name).info.run_id


def _row(run: Run, study: str, groups: dict[str, str]) -> dict[str, Any]:
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
    row: dict[str, Any] = {
        "study": study,
        **{key: tags[key] for key in ("phase", "cell", "task")},
        "lag": int(tags["lag"]),
    }
    row |= {key: _value(text) for key, text in params.items()}
    row |= {key: value for key, value in metrics.items() if "/" not in key and key != LOG_RATE}
    row |= {key: tags[key] for key in ("engine", "status", "hash")} | {"group": groups[tags["task"]]}
    for name in ("solved", "diverged", "censored", "steps_to_solve", "steps", "left_at", "flops_per_step"):
        row[name] = int(row[name])
    return row


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _log10(settings: dict[str, Any]) -> dict[str, float]:
    """Parallel coordinates have linear axes only, and a learning rate wants a logarithmic one."""
    return {LOG_RATE: math.log10(settings["learning_rate"])}


def _description(manifest: dict[str, Any]) -> str:
    definition = manifest["definition"]
    cells = ", ".join(f"`{label}`" for label in manifest["cells"])
    names = ", ".join(f"`{label}`" for label in manifest["tasks"])
    return (
        f"{definition['description']}\n\nCells: {cells}. Tasks: {names}. {len(manifest['arms'])} arms, each with "
        f"{definition['tune']['searches']} searches of {definition['tune']['trials']} trials and "
        f"{definition['confirm']['seeds']} confirmation seeds. The run `{manifest['study']}: report` carries the report."
    ).strip()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
