"""The tracker: logs finished members to MLflow, and reads a study back as tidy tables."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from ablations.errors import InputError
from ablations.sweeps.arm import Logged
from ablations.sweeps.search import PHASES
from ablations.sweeps.store import Store, write
from ablations.sweeps.workers.local import ArmOutcome
from ablations.tracking import tables
from ablations.tracking.manifest import markdown_summary
from ablations.tracking.mlflow_db import artifact_folder, relocate
from ablations.tracking.mlflow_view import save_view
from ablations.tracking.runs import connect, using
from reports import output

MANIFEST = "study.json"
PAGE_SIZE = 1000
"""Runs per request of a search."""
SKIPPED = "skipped"
"""Tag of the run of an arm, and state of an arm, that is not trained, as no network solved the next shorter lag."""
_STATES = {"FINISHED": "done", "FAILED": "failed", "SCHEDULED": "interrupted", "RUNNING": "running"}


class Tracker:
    """One study's experiment in MLflow.

    The run with tag `kind=study` has the manifest and the report as artifacts. Its children are the runs of arms (`kind=arm`),
    and their children the runs of members (`kind=member`), which are identified by their content hash.
    """

    def __init__(self, store: Store, study: str) -> None:
        """:raises InputError: if the tracking server cannot be used, or the store has no MLflow database yet."""
        self.store, self.study = store, study
        self.arms: dict[str, str] = {}
        self.members: dict[str, tuple[str, Logged]] = {}
        """The run id of every logged member, and what is logged of it."""
        self.unconfirmed: set[str] = set()
        """Members whose logging failed. Their runs may exist nevertheless, if only the response was lost."""
        self.client = connect(store)
        found = self.client.get_experiment_by_name(study)
        if found and found.lifecycle_stage != "active":
            raise InputError(f"study {study!r} was deleted in MLflow: restore it there, or give the study another name")
        self.experiment = found.experiment_id if found and study != "Default" else None  # that one is MLflow's own
        self.located = not store.local or relocate(store)
        """Whether artifacts are logged where they are read: not in a store that was moved and can only be read."""

    def begin(self, manifest: dict[str, Any]) -> dict[str, Logged]:
        """Prepare the experiment for a sweep; returns the members that are already logged.

        :raises InputError: if the tracker fails.
        """
        with using(self.store):
            self._check_location()
            self._prepare(manifest)
            for run in self._runs("tags.kind = 'member'"):
                if run.info.status == "FINISHED":
                    self.members[run.data.tags["hash"]] = (run.info.run_id, _logged(run))
                else:
                    self.client.delete_run(run.info.run_id)  # its logging was interrupted; it is logged again
        return {member: logged for member, (_, logged) in self.members.items()}

    def _prepare(self, manifest: dict[str, Any]) -> None:
        """Create the experiment and the study's run unless they exist; log the description, the saved view and the manifest."""
        if self.experiment is None:
            location = (self.store.artifacts / self.study).as_uri() if self.store.local else None
            self.experiment = self.client.create_experiment(self.study, artifact_location=location)
        self.client.set_experiment_tag(self.experiment, "mlflow.note.content", markdown_summary(manifest))
        save_view(self.client, self.experiment, sorted(manifest["definition"]["tune"]["space"]))
        if not any(self._runs("tags.kind = 'study'")):
            self.client.set_terminated(self._create(f"{self.study}: report", {"kind": "study", "study": self.study}))
        self.client.log_dict(self.study_run(), manifest | {"experiment": self.experiment}, MANIFEST)

    def _check_location(self) -> None:
        if not self.located:  # artifacts would be logged to the folder that the store was moved or copied from
            raise PermissionError(f"the store was moved or copied, and {self.store.mlflow.name} cannot be written")

    def study_run(self) -> str:
        """The id of the run that has the manifest and the report as artifacts.

        :raises InputError: if the study was never swept into this store.
        """
        for run in self._runs("tags.kind = 'study'"):
            return run.info.run_id
        swept = [e.name for e in self.client.search_experiments() if e.name != "Default"]
        raise InputError(
            f"study {self.study!r} was never swept into this store, which has: {', '.join(swept) or 'no study'}"
        )

    def arm_run(self, arm: str, fields: dict[str, Any]) -> str:
        """The id of an arm's run, which is created if it does not exist: `fields` has its cell, task, lag and size."""
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

    def deliver(self, record: dict[str, Any]) -> bool:
        """Log a finished member, or add the findings of probes to its run; returns whether the member is new.

        :raises MlflowException, OSError: if the tracker cannot be reached; `deliver` may then be called again.
        """
        member, arm = record["hash"], record["arm"]
        if member in self.unconfirmed:
            self._resolve_unconfirmed(member)
        is_new = member not in self.members
        if is_new:
            self.unconfirmed.add(member)
            self.members[member] = (self._log_member(record), Logged(arm))
            self.unconfirmed.discard(member)
        run_id, logged = self.members[member]
        if logged.arm != arm:  # it was logged for another arm, for example before the study was changed
            moved = {"arm": arm, "phase": record["phase"], "mlflow.parentRunId": self.arm_run(arm, record)}
            self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in moved.items()])
        if "findings" in record:
            logged = Logged(arm, self._log_findings(run_id, record["findings"], member))
        self.members[member] = (run_id, logged._replace(arm=arm))
        return is_new

    def _log_findings(self, run_id: str, findings: dict[str, dict[str, Any]], member: str) -> frozenset[str]:
        """Log the findings of probes, the weights and the figure of a logged member; returns the names of the probes.

        Repeating it adds nothing: MLflow ignores a point that it has with the same value, step and timestamp.
        """
        for path in (self.store.weights_path(member), self.store.figure_path(member)):
            if path.exists():  # a diverged member has no weights
                self.client.log_artifact(run_id, str(path))
        when = self.client.get_run(run_id).info.start_time
        metrics = {name: value for f in findings.values() for name, value in f["metrics"].items()}
        curves = {name: curve for f in findings.values() for name, curve in f["curves"].items()}
        self.client.log_batch(run_id, _points(metrics, curves, when))
        self.client.set_tag(run_id, "probes", " ".join(findings) or tables.NO_PROBES)
        return frozenset(findings)

    def _resolve_unconfirmed(self, member: str) -> None:
        """Look for runs that a failed attempt to log a member created: keep a finished one, delete incomplete ones."""
        for run in self._runs(f"tags.hash = '{member}'"):
            if run.info.status == "FINISHED" and member not in self.members:
                self.members[member] = (run.info.run_id, _logged(run))
            else:
                self.client.delete_run(run.info.run_id)

    def _log_member(self, record: dict[str, Any]) -> str:
        tags = {key: str(record[key]) for key in ("hash", "arm", "phase", "cell", "task", "lag", "engine", "status")}
        tags |= {"kind": "member", "study": self.study}
        position = f"{record['phase']}{record['search']}.{record['trial']}"
        name = f"{record['cell']} {position} {record['task']} {record['lag']}"
        params = {key: record[key] for key in ("size", "hidden_size", "parameters", "seed", "search", "trial")}
        params |= record["settings"]
        metrics = {**record["metrics"], **tables.log10(record["settings"])}
        now = int(time.time() * 1000)
        points = _points(metrics, record["curves"], now)
        started = now - int(1000 * record["metrics"]["seconds"])  # so that the UI shows the training time
        run_id = self._create(name, tags, parent=self.arm_run(record["arm"], record), start_time=started)
        self.client.log_batch(run_id, points, [Param(key, str(value)) for key, value in params.items()])
        self.client.set_terminated(run_id)
        return run_id

    def end_arm(self, ended: ArmOutcome) -> None:
        """End an arm's run: FINISHED, with a tag if it was skipped; FAILED with the traceback as artifact; or SCHEDULED if it was
        interrupted."""
        arm = ended.arm
        fields = {"cell": arm.cell.label, "task": arm.task.label, "lag": arm.lag, "size": arm.size}
        run_id = self.arm_run(arm.hash, fields)
        if ended.error:
            self.client.log_text(run_id, ended.error, "traceback.txt")
        if ended.status == "interrupted":
            self.client.update_run(run_id, status="SCHEDULED")
        else:
            self.client.set_tag(run_id, SKIPPED, ended.status == "skipped")
            self.client.set_terminated(run_id, "FAILED" if ended.status == "failed" else "FINISHED")

    def solved(self, manifest: dict[str, Any]) -> dict[tuple[str, str], list[int]]:
        """Whether each logged member solved its task (0 or 1), by arm and phase."""
        solved: dict[tuple[str, str], list[int]] = {}
        for run in self._members(manifest):
            key = (run.data.tags["arm"], run.data.tags["phase"])
            solved.setdefault(key, []).append(int(run.data.metrics["solved"]))
        return solved

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

    def log_report(self, folder: Path) -> None:
        """Log the files of a report in `folder` as artifacts of the study's run; other files there are ignored."""
        self._check_location()
        for name in sorted(output.listed(folder)):
            self.client.log_artifact(self.study_run(), str(folder / name), str(PurePosixPath("report", name).parent))

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

    def write_tables(self, folder: Path) -> None:
        """Write the tables that a report is built from: results.csv, curves.csv and study.json."""
        manifest = self.manifest()
        arms, runs = self.status(manifest), self._finished(manifest)
        manifest["queued"] = sum(arm["queued"] for arm in arms)
        manifest["failed"] = tables.failed_arms(arms)
        tables.results(runs, manifest).to_csv(folder / "results.csv", index=False)
        tables.curves(runs, self.store, self.client.get_metric_history).to_csv(folder / "curves.csv", index=False)
        write(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")

    def results(self, manifest: dict[str, Any]) -> pd.DataFrame:
        """One row per finished member of the manifest's arms."""
        return tables.results(self._finished(manifest), manifest)

    def curves(self, manifest: dict[str, Any]) -> pd.DataFrame:
        """Every point of every curve: hash, step, metric, value."""
        return tables.curves(self._finished(manifest), self.store, self.client.get_metric_history)

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
        token = None
        while self.experiment is not None:
            page = self.client.search_runs([self.experiment], condition, max_results=PAGE_SIZE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _create(self, name: str, tags: dict[str, str], parent: str | None = None, start_time: int | None = None) -> str:
        tags = tags | ({"mlflow.parentRunId": parent} if parent else {})
        assert self.experiment is not None  # created by begin()
        return self.client.create_run(self.experiment, start_time, tags, run_name=name).info.run_id


def _state(run: Run) -> str:
    """The state of an arm by its run."""
    skipped = run.data.tags.get(SKIPPED) == str(True)
    return SKIPPED if skipped and run.info.status == "FINISHED" else _STATES.get(run.info.status, "waiting")


def _logged(run: Run) -> Logged:
    """The arm and the probes that a member's run has."""
    return Logged(run.data.tags["arm"], tables.probes(run))


def _points(metrics: dict[str, float], curves: tables.Curves, when: int) -> list[Metric]:
    points = [Metric(key, value, when, 0) for key, value in metrics.items()]
    return points + [Metric(key, value, when, step) for key, curve in curves.items() for step, value in curve]
