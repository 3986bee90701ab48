"""`whygates status`: the progress of a study, arm by arm, and what is missing from it; or that of all studies of a store."""

from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from ablations.commands.table import fitted
from ablations.errors import InputError
from ablations.sweeps.search import PHASES
from ablations.sweeps.store import Store
from ablations.tracking.runs import experiments, using
from ablations.tracking.tables import failed_arms
from ablations.tracking.tracked import SKIPPED, TrackedStudy
from reports.format import count, duration


class StudyStatus(NamedTuple):
    """The progress of a study."""

    arms: list[dict[str, Any]]
    """The arms as `TrackedStudy.status` returns them, with the number of their results that wait for upload, `queued`."""
    running: bool | None
    """Whether a sweep is running on the store; None if the store is on another machine."""
    command: str
    """The command line that continues the sweep."""

    @property
    def trained_phases(self) -> list[dict[str, Any]]:
        """The numbers of each phase of every arm that is trained."""
        return [arm[phase] for arm in self.arms for phase in PHASES if arm["state"] != SKIPPED]

    @property
    def problems(self) -> list[str]:
        """What is missing, failed or not uploaded, one sentence each; empty for a study that is complete."""
        trained = [arm for arm in self.arms if arm["state"] != SKIPPED]
        unfinished = sum(any(arm[phase]["done"] < arm[phase]["of"] for phase in PHASES) for arm in trained)
        failed = failed_arms(self.arms)
        queued = sum(arm["queued"] for arm in self.arms)
        lines = []
        if unfinished:
            lines.append(f"{unfinished} of {count(len(self.arms), 'arm')} are not finished.")
        if failed:
            lines.append(
                f"{count(len(failed), 'arm')} failed: {', '.join(failed)}. Their runs in MLflow have the traceback."
            )
        if queued:
            lines.append(f"{count(queued, 'result')} wait for upload to MLflow and are not counted.")
        if lines and not self.running:
            lines.append(f"Continue with:  {self.command}")
        return lines


def study_status(study: str, folder: Path, out: Console) -> StudyStatus:
    """Return the progress of a study. Raises InputError when it was never swept in this store."""
    store = Store.open(folder)
    with out.status("reading the runs"):
        with using(store):
            tracker = TrackedStudy(store, study)
        return tracked_status(tracker)


def tracked_status(tracker: TrackedStudy) -> StudyStatus:
    """Return the progress of a tracker's study. Raises InputError when it was never swept in its store."""
    store, study = tracker.store, tracker.study
    with using(store):
        manifest = tracker.manifest()
        arms = tracker.status(manifest)
    swept_here = store.local or (store.spool / study).is_dir()
    running = store.busy if swept_here else None
    for arm in arms:
        if arm["state"] == "running" and running is False:  # its sweep was killed before it could update the run
            arm["state"] = "interrupted"
    return StudyStatus(arms, running, manifest.get("command", f"whygates sweep {study}"))


def show_status(status: StudyStatus, out: Console) -> None:
    """Print the arms as a table, the total, an estimate of the remaining time, and what is missing."""
    table = Table()
    columns = ("cell", "task", "lag", "size", "tuned", "reranked", "confirmed", "probed", "solved", "diverged", "state")
    for column in columns:
        right = column in ("lag", "size", "probed", "solved", "diverged")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for arm in status.arms:
        confirm = arm["confirm"]
        table.add_row(
            arm["cell"], arm["task"], str(arm["lag"]), str(arm["size"]),
            *(f"{arm[phase]['done']}/{arm[phase]['of']}" for phase in PHASES), str(confirm["probed"]),
            f"{confirm['solved']}/{confirm['done']}", str(sum(arm[phase]["diverged"] for phase in PHASES)), arm["state"],
        )  # fmt: skip
    out.print(fitted(table, out, ("reranked", "probed", "diverged", "size", "tuned", "confirmed")))
    phases = status.trained_phases
    done, total = sum(phase["done"] for phase in phases), sum(phase["of"] for phase in phases)
    remaining, sweep = "", ""
    if status.running is not None:
        sweep = f"; {'a' if status.running else 'no'} sweep is running"
    if 0 < done < total:
        seconds = sum(phase["seconds"] for phase in phases) / done * (total - done)
        remaining = f", about {duration(seconds)} remaining on one core"
    out.print(f"{done} of {total} members finished{remaining}{sweep}")
    for line in status.problems:
        out.print(line, soft_wrap=True)


def all_studies(folder: Path, out: Console) -> list[dict[str, Any]]:
    """The progress of every study of a store: its name, its arms and networks (those `done`, and `of` how many), how many arms
    `failed`, how many results are `queued`, and whether the study is `complete`.

    Raises InputError when nothing was swept into the folder.
    """
    store = Store.open(folder)
    rows = []
    for name in sorted(experiments(store)):
        with out.status(f"reading the runs of {name}"), using(store):
            tracker = TrackedStudy(store, name)
            try:
                tracker.study_run()
            except InputError:  # an experiment of another program on the same server
                continue
            status = tracked_status(tracker)
        row: dict[str, Any] = {"study": name, "complete": not status.problems}
        row["arms"] = {"done": sum(arm["state"] in ("done", SKIPPED) for arm in status.arms), "of": len(status.arms)}
        row["networks"] = {key: sum(phase[key] for phase in status.trained_phases) for key in ("done", "of")}
        row |= {"failed": len(failed_arms(status.arms)), "queued": sum(arm["queued"] for arm in status.arms)}
        rows.append(row)
    return rows


def show_studies(rows: list[dict[str, Any]], out: Console) -> None:
    """Print a table of the studies of a store."""
    table = Table()
    for column in ("study", "arms done", "networks done", "failed", "to upload", "state"):
        table.add_column(column, justify="left" if column in ("study", "state") else "right", overflow="fold")
    for row in rows:
        done = (f"{row[key]['done']:,}/{row[key]['of']:,}" for key in ("arms", "networks"))
        state = "complete" if row["complete"] else "unfinished"
        table.add_row(row["study"], *done, str(row["failed"]), str(row["queued"]), state)
    out.print(table)
    out.print("Arm by arm:  whygates status STUDY", soft_wrap=True)
