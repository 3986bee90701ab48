"""The tracker: logs finished members, the ends of arms, and reports to MLflow."""

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag

from ablations.sweeps.jobs import Logged
from ablations.sweeps.store import Store
from ablations.sweeps.workers.outcome import ArmOutcome
from ablations.tracking import notes, tables
from ablations.tracking.mlflow_db import collect_garbage, relocate
from ablations.tracking.mlflow_view import RUN_COLOR, link, run_link, save_views, views
from ablations.tracking.runs import using
from ablations.tracking.summaries import summary
from ablations.tracking.tracked import MANIFEST, SKIPPED, TrackedStudy
from reports import output
from reports.figures.colors import cell_colors

FIGURE = "curves.svg"
"""The artifact with the curves of a network: of its training, and of its probes."""


class Tracker(TrackedStudy):
    """A study's experiment that a sweep writes to."""

    def __init__(self, store: Store, study: str) -> None:
        """:raises InputError: if the tracking server cannot be used, or the store has no MLflow database yet."""
        super().__init__(store, study)
        self.arms: dict[str, str] = {}
        self.planned: dict[str, Any] = {}
        """The manifest of the sweep."""
        self.members: dict[str, tuple[str, Logged]] = {}
        """The run id of every logged member, and what is logged of it."""
        self.unconfirmed: set[str] = set()
        """Members whose logging failed. Their runs may exist nevertheless, if only the response was lost."""
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
        """Create the experiment and the study's run unless they exist; log the description, the saved views and the manifest."""
        self.planned = manifest
        if self.experiment is None:
            location = (self.store.artifacts / self.study).as_uri() if self.store.local else None
            self.experiment = self.client.create_experiment(self.study, artifact_location=location)
        if not any(self._runs("tags.kind = 'study'")):
            self.client.set_terminated(self._create(f"{self.study}: report", {"kind": "study", "study": self.study}))
        study_run = self.study_run()
        self.client.log_dict(study_run, manifest | {"experiment": self.experiment}, MANIFEST)
        found = views([*manifest["tasks"]], manifest["definition"]["tune"]["space"])
        save_views(self.client, self.experiment, found)
        self._describe_experiment(manifest, study_run)

    def _check_location(self) -> None:
        if not self.located:  # artifacts would be logged to the folder that the store was moved or copied from
            raise PermissionError(f"the store was moved or copied, and {self.store.mlflow.name} cannot be written")

    def arm_run(self, arm: str, fields: dict[str, Any]) -> str:
        """The id of an arm's run, which is created if it does not exist: `fields` has its cell, task, lag and size."""
        if arm not in self.arms:
            for run in self._runs(f"tags.kind = 'arm' and tags.arm = '{arm}'"):
                self.arms[arm] = run.info.run_id
                break
            else:
                tags = {"kind": "arm", "study": self.study, "arm": arm}
                tags |= {key: str(fields[key]) for key in ("cell", "task", "lag", "size")} | self._color(fields["cell"])
                self.arms[arm] = self._create(self._arm_name(fields), tags, parent=self.study_run())
                self._describe_arm(self.arms[arm], fields)
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
        weights, figure = self.store.weights_path(member), self.store.figure_path(member)
        if weights.exists():  # a diverged member has none
            self.client.log_artifact(run_id, str(weights))
        if figure.exists():
            self.client.log_text(run_id, figure.read_text(encoding="utf-8"), FIGURE)
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
        """Create the run of a finished member, with its record as tags, params and metrics; returns its id.

        Some values are there twice, as MLflow's views and charts need them: a tag also as a param, a learning rate also as its
        logarithm.
        """
        # A record of an earlier version has neither a label (c1.2: confirmation, search 1, trial 2) nor a device.
        network = f"{record['phase'][0]}{record['search']}.{record['trial']}"
        record = {"network": network, "device": "cpu", **record}
        names = ("hash", "arm", "phase", "cell", "task", "lag", "engine", "device", "status")
        tags = {key: str(record[key]) for key in names} | {"kind": "member", "study": self.study}
        tags |= self._color(record["cell"])
        name = f"{self._arm_name(record)} · {record['network']}"
        params = {
            key: record[key] for key in (*tables.POSITION, "hidden_size", "parameters", "seed", "search", "trial")
        }
        params |= record["settings"] | tables.choices(record["settings"], self.planned["definition"]["tune"]["space"])
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
        interrupted. The run of an arm that waits stays as it is."""
        if ended.status == "waiting":
            return
        arm = ended.arm
        fields = {"cell": arm.cell.label, "task": arm.task.label, "lag": arm.lag, "size": arm.size}
        run_id = self.arm_run(arm.hash, fields)
        if ended.error:
            self.client.log_text(run_id, ended.error, "traceback.txt")
        if ended.status == "interrupted":
            self.client.update_run(run_id, status="SCHEDULED")
        else:
            self.client.set_tag(run_id, SKIPPED, ended.status == "skipped")
            self._describe_arm(run_id, fields)
            self._log_summary(run_id, self._runs(f"tags.kind = 'member' and tags.arm = '{arm.hash}'"))
            self.client.set_terminated(run_id, "FAILED" if ended.status == "failed" else "FINISHED")

    def describe(self) -> None:
        """Log what the study's networks have in common, and links to the report and to its best and worst networks."""
        manifest, study_run = self.planned or self.manifest(), self.study_run()
        members = list(self._members(manifest))
        self._log_summary(study_run, members)
        for name in ("cell", "task", "lag", "size"):  # not params, which could not follow a changed study file
            values = dict.fromkeys(str(arm[name]) for arm in manifest["arms"])
            self.client.set_tag(study_run, f"{name}s", ", ".join(values)[: notes.LONGEST])
        self._describe_experiment(manifest, study_run, members)

    def _describe_experiment(self, manifest: dict[str, Any], study_run: str, members: Sequence[Run] = ()) -> None:
        """Log the description of the experiment, with links to the best and the worst of these members."""
        assert self.experiment is not None  # created by begin()
        links = {"Confirmed networks": link(self.experiment)}
        if any(item.path == "report" for item in self.client.list_artifacts(study_run)):
            links["Report"] = run_link(self.experiment, study_run, "artifacts/report/report.html")
        if confirmed := [run for run in members if run.data.tags["phase"] == "confirm"]:
            rank = lambda run: (run.data.metrics["score"], -run.data.metrics["steps_to_solve"])  # noqa: E731
            for text, run in (("Best", max(confirmed, key=rank)), ("Worst", min(confirmed, key=rank))):
                links[f"{text} network: {run.info.run_name}"] = run_link(self.experiment, run.info.run_id)
        self.client.set_experiment_tag(self.experiment, notes.NOTE, notes.of_experiment(manifest, links))

    def _describe_arm(self, run_id: str, fields: dict[str, Any]) -> None:
        present = self.client.get_run(run_id).data.params  # cannot be changed, also if a label did
        params = [Param(key, str(fields[key])) for key in ("cell", "task", "lag", "size") if key not in present]
        note = notes.of_arm(self.planned, fields["cell"], fields["task"])
        self.client.log_batch(run_id, params=params, tags=[RunTag(notes.NOTE, note)] if note else [])

    def _log_summary(self, run_id: str, members: Iterable[Run]) -> None:
        """Log those metrics of `summary` that a run does not have yet: MLflow keeps every value that it is given."""
        present = self.client.get_run(run_id).data.metrics
        new = {key: value for key, value in summary(members).items() if present.get(key) != value}
        # MLflow's latest value is the one of the latest time, also where a clock was set back.
        earlier = [one for key in new.keys() & present.keys() for one in self.client.get_metric_history(run_id, key)]
        when = max([int(time.time() * 1000), *(point.timestamp + 1 for point in earlier)])
        self.client.log_batch(run_id, _points(new, {}, when))

    def _color(self, cell: str) -> dict[str, str]:
        """The tag with the report's colour of a cell, if the study has it."""
        colors = cell_colors([*self.planned["cells"]])
        return {RUN_COLOR: colors[cell]} if cell in colors else {}

    def _arm_name(self, fields: dict[str, Any]) -> str:
        size = f" · {fields['size']}" if len(self.planned["definition"]["sizes"]) > 1 else ""
        return f"{fields['cell']} · {fields['task']} {fields['lag']}{size}"

    def log_report(self, folder: Path) -> None:
        """Log the files of a report in `folder` as artifacts of the study's run, and its verdicts as the run's description;
        other files there are ignored."""
        self._check_location()
        for name in sorted(output.listed(folder)):
            self.client.log_artifact(self.study_run(), str(folder / name), str(PurePosixPath("report", name).parent))
        verdicts = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
        self.client.set_tag(self.study_run(), notes.NOTE, notes.of_study(self.manifest(), verdicts))
        self.describe()

    def _create(self, name: str, tags: dict[str, str], parent: str | None = None, start_time: int | None = None) -> str:
        tags = tags | ({"mlflow.parentRunId": parent} if parent else {})
        assert self.experiment is not None  # created by begin()
        return self.client.create_run(self.experiment, start_time, tags, run_name=name).info.run_id

    def delete(self) -> None:
        """Delete the experiment with its runs and artifacts, and free its name. A server keeps what is deleted until its own
        `mlflow gc`.

        :raises InputError: if the data of the deleted runs cannot be deleted.
        """
        assert self.experiment is not None  # it has a manifest
        self.client.rename_experiment(self.experiment, f"{self.study} (removed, {self.experiment})")
        self.client.delete_experiment(self.experiment)
        if self.store.local:
            collect_garbage(self.store, self.experiment)


def _logged(run: Run) -> Logged:
    """The arm and the probes that a member's run has."""
    return Logged(run.data.tags["arm"], tables.probes(run))


def _points(metrics: dict[str, float], curves: tables.Curves, when: int) -> list[Metric]:
    points = [Metric(key, value, when, 0) for key, value in metrics.items()]
    return points + [Metric(key, value, when, step) for key, curve in curves.items() for step, value in curve]
