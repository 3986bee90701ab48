"""A sweep as it is watched from a terminal, and the MLflow UI's server."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ablations.errors import InputError
from ablations.studies.study import Study
from ablations.sweeps.arm import ProbeProgress, TrainingProgress, phase_sizes
from ablations.sweeps.store import Store
from ablations.sweeps.workers.local import ArmOutcome
from reports.format import duration

SOLVED = "confirmed seeds that solved their task"
ABREAST = 8
"""Cells that a terminal has room for side by side."""


class Display:
    """The progress of a sweep: bars on a terminal, a line per arm elsewhere."""

    def __init__(self, study: Study, out: Console) -> None:
        self.out = out
        self.arms = {arm.hash: arm for arm in study.arms()}
        self.counts = {arm.hash: phase_sizes(arm) for arm in study.arms()}
        self.steps = study.train.steps
        self.rates: dict[tuple[str, str], list[int]] = {}
        self.begun = time.monotonic()
        self.finished = 0
        bar = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=None))
        # Its unit is a member's training step, so that the time left is about right; only arms are counted aloud.
        self.whole = Progress(
            *bar, TextColumn("{task.fields[note]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
        )
        self.parts = Progress(*bar, MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        total = sum(sum(counts.values()) for counts in self.counts.values()) * self.steps
        self.total = self.whole.add_task("sweep", total=total, note=self._note())
        self.bars: dict[str, Any] = {}
        self.done: dict[tuple[str, str], int] = {}
        self.live = Live(Group(self.parts, self.whole), console=out, refresh_per_second=4) if out.is_terminal else None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def known(self, rates: dict[tuple[str, str], list[int]]) -> None:
        """Members that earlier sweeps finished: whether each was solved, by its arm's hash and its phase."""
        for key, solved in rates.items():
            self.rates.setdefault(key, []).extend(solved)

    def progress(self, progress: TrainingProgress | ProbeProgress) -> None:
        arm = self.arms[progress.arm]
        if progress.arm not in self.bars:
            self.bars[progress.arm] = self.parts.add_task(str(arm), note="")
        bar = self.bars[progress.arm]
        if isinstance(progress, ProbeProgress):
            note = f"probing: {progress.probe}"
            self.parts.update(bar, total=progress.of, completed=progress.done, note=note)
            return
        note = f"{progress.phase}: {progress.active} training, best score {progress.best:.2f}"
        self.parts.update(bar, total=self.steps, completed=progress.step, note=note)
        self._advance(progress.arm, progress.phase, progress.step if progress.active else self.steps)

    def _advance(self, arm: str, phase: str, step: int) -> None:
        self.done[arm, phase] = self.counts[arm][phase] * step
        self.whole.update(self.total, completed=sum(self.done.values()), note=self._note())

    def delivered(self, record: dict[str, Any]) -> None:
        self.rates.setdefault((record["arm"], record["phase"]), []).append(record["metrics"]["solved"])

    def ended(self, ended: ArmOutcome) -> None:
        arm = ended.arm
        self.finished += 1
        if arm.hash in self.bars:
            self.parts.remove_task(self.bars.pop(arm.hash))
        for phase in self.counts[arm.hash]:
            self._advance(arm.hash, phase, self.steps)
        solved = self.rates.get((arm.hash, "confirm"))
        rate = f", {sum(solved)} of {len(solved)} confirmed seeds solved" if solved else ""
        if ended.status == "failed":
            self._print(Text.assemble(f"{self._note()}  {arm}: ", ("failed", "red"), f": {_last_line(ended.error)}"))
        elif ended.status == "done" or self.live is None:
            self._print(f"{self._note()}  {arm}: {ended.status}{rate}")

    def warn(self, message: str) -> None:
        self._print(Text(message, "yellow"))

    def stopping(self) -> None:
        """The sweep was asked to stop."""
        self._print("stopping: populations are being saved")

    def summary(self, ended: list[ArmOutcome]) -> None:
        """Which cell solved how often, and what failed."""
        cells = list(dict.fromkeys(arm.cell.label for arm in self.arms.values()))
        rows: dict[tuple[str, int, int], dict[str, str]] = {}
        for arm in self.arms.values():
            solved = self.rates.get((arm.hash, "confirm"))
            row = rows.setdefault((arm.task.label, arm.lag, arm.size), {})
            row[arm.cell.label] = f"{sum(solved)}/{len(solved)}" if solved else "–"
        if self.rates:
            self.out.print(_across(cells, rows) if len(cells) <= ABREAST else _down(cells, rows))
        for arm in ended:
            if arm.status == "failed":
                where = f" {arm.arm}: {_last_line(arm.error)} (its run in MLflow has the traceback)"
                self._print(Text.assemble(("failed", "red"), where))
        done = sum(arm.status == "done" for arm in ended)
        self._print(f"{done} of {len(self.arms)} arms done in {duration(time.monotonic() - self.begun)}")

    def _print(self, line: str | Text) -> None:
        self.out.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)

    def _note(self) -> str:
        return f"{self.finished}/{len(self.arms)} arms"


def _across(cells: list[str], rows: dict[tuple[str, int, int], dict[str, str]]) -> Table:
    """A row for every task, lag and size, a column for every cell."""
    table = Table(title=SOLVED)
    table.add_column("task", overflow="fold")
    for column in ("lag", "size", *cells):
        table.add_column(column, justify="right", overflow="fold")
    for place, row in rows.items():
        table.add_row(*map(str, place), *(row[cell] for cell in cells))
    return table


def _down(cells: list[str], rows: dict[tuple[str, int, int], dict[str, str]]) -> Group:
    """Many cells: a row for each, and a table for every task, with its lags and sizes as columns."""
    several, parts = len({size for _, _, size in rows}) > 1, list[Text | Table]([Text(SOLVED, "italic")])
    for task in dict.fromkeys(task for task, _, _ in rows):
        own = {(lag, size): row for (named, lag, size), row in rows.items() if named == task}
        table = Table()
        table.add_column(task, overflow="fold")
        for lag, size in own:
            table.add_column(f"lag {lag}" + (f", {size}" if several else ""), justify="right")
        for cell in cells:
            table.add_row(cell, *(row[cell] for row in own.values()))
        parts.append(table)
    return Group(*parts)


def serve(store: Store, port: int, out: Console) -> None:
    """Show where to browse a store's runs: on the tracking server it has, else on one that runs here until it is stopped.

    Raises InputError when nothing was swept here, the server does not answer, or the port is taken.
    """
    from ablations.tracking import mlflow_view as view
    from ablations.tracking.tracker import Tracker

    client = Tracker(store, "no study").client  # a name that no study can have: only the store is looked at
    remote = store.tracking_uri.startswith(("http://", "https://"))
    address = store.tracking_uri.rstrip("/") if remote else f"http://127.0.0.1:{port}"
    if not remote:
        _refuse_taken(port)
    out.print(f"MLflow UI on {address}{'' if remote else ', Ctrl-C stops it'}. Its studies:", soft_wrap=True)
    for experiment in client.search_experiments():
        if experiment.name != "Default":
            link = f"  {address}/{view.link(experiment.experiment_id)}"
            out.print(Text.assemble("  ", (experiment.name, "bold"), link), soft_wrap=True)
    if not remote:
        _run_server(store, port)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise InputError(f"--port {port}: something else is using it; name another") from None


def _run_server(store: Store, port: int) -> None:
    """Run an MLflow server until Ctrl-C or SIGTERM; it does not outlive us."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.tracking_uri]
    command += ["--artifacts-destination", store.artifacts.as_uri(), "--host", "127.0.0.1", "--port", str(port)]
    # One worker answers faster than several on a small store, and the job runner would bring eight idle processes.
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = subprocess.Popen([*command, "--workers", "1"], env={**os.environ, **quiet})
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()
    finally:
        server.terminate()
        server.wait()


def _last_line(error: str) -> str:
    return error.strip().splitlines()[-1] if error.strip() else ""
