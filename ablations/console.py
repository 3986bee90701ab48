"""A sweep as it is watched from a terminal, and the MLflow UI's server."""

import contextlib
import os
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

from ablations import sweep
from ablations.messages import InputError
from ablations.store import Store
from ablations.study import Study
from ablations.workers import Ended


class Display:
    """The progress of a sweep: bars on a terminal, a line per arm elsewhere."""

    def __init__(self, study: Study, out: Console) -> None:
        self.out = out
        self.arms = {arm.hash: arm for arm in study.arms()}
        self.counts = {arm.hash: dict(sweep.phases(arm)) for arm in study.arms()}
        self.steps = study.train.steps
        self.rates: dict[tuple[str, str], list[int]] = {}
        self.begun = time.monotonic()
        self.finished = 0
        bar = (TextColumn("{task.description}"), BarColumn(bar_width=None))
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

    def progress(self, progress: sweep.Progress) -> None:
        arm = self.arms[progress.arm]
        if progress.arm not in self.bars:
            self.bars[progress.arm] = self.parts.add_task(str(arm), total=self.steps, note="")
        note = f"{progress.phase}: {progress.active} training, best score {progress.best:.2f}"
        self.parts.update(self.bars[progress.arm], completed=progress.step, note=note)
        self._advance(progress.arm, progress.phase, progress.step if progress.active else self.steps)

    def _advance(self, arm: str, phase: str, step: int) -> None:
        self.done[arm, phase] = self.counts[arm][phase] * step
        self.whole.update(self.total, completed=sum(self.done.values()), note=self._note())

    def delivered(self, record: dict[str, Any]) -> None:
        self.rates.setdefault((record["arm"], record["phase"]), []).append(record["metrics"]["solved"])

    def ended(self, ended: Ended) -> None:
        arm = ended.arm
        self.finished += 1
        if arm.hash in self.bars:
            self.parts.remove_task(self.bars.pop(arm.hash))
        for phase in self.counts[arm.hash]:
            self._advance(arm.hash, phase, self.steps)
        words = {"done": "done", "failed": f"[red]failed[/]: {_last_line(ended.error)}", "interrupted": "interrupted"}
        solved = self.rates.get((arm.hash, "confirm"))
        rate = f", {sum(solved)} of {len(solved)} confirmed seeds solved" if solved else ""
        if ended.status != "interrupted" or self.live is None:
            self._print(f"{self.finished}/{len(self.arms)}  {arm}: {words[ended.status]}{rate}")

    def warn(self, message: str) -> None:
        self._print(f"[yellow]{message}[/]")

    def summary(self, ended: list[Ended]) -> None:
        """Which cell solved how often, and what failed."""
        table = Table(title="confirmed seeds that solved their task")
        columns = list(dict.fromkeys((a.task.label, a.lag, a.size) for a in self.arms.values()))
        table.add_column("cell")
        for task, lag, size in columns:
            table.add_column(f"{task}\nlag {lag}, {size}", justify="right")
        for label in dict.fromkeys(arm.cell.label for arm in self.arms.values()):
            found = {(a.task.label, a.lag, a.size): a.hash for a in self.arms.values() if a.cell.label == label}
            solved = [self.rates.get((found[column], "confirm"), []) for column in columns]
            table.add_row(label, *(f"{sum(s)}/{len(s)}" if s else "–" for s in solved))
        if self.rates:
            self.out.print(table)
        for arm in ended:
            if arm.status == "failed":
                self.out.print(
                    f"[red]failed[/] {arm.arm}: {_last_line(arm.error)} (its run in MLflow has the traceback)"
                )
        minutes, seconds = divmod(int(time.monotonic() - self.begun), 60)
        done = sum(arm.status == "done" for arm in ended)
        self.out.print(f"{done} of {len(self.arms)} arms done in {minutes} min {seconds} s")

    def _print(self, line: str) -> None:
        (self.live.console if self.live else self.out).print(line, soft_wrap=True, highlight=False)

    def _note(self) -> str:
        return f"{self.finished}/{len(self.arms)} arms"


def serve(store: Store, port: int, out: Console) -> None:
    """Run the MLflow UI on a store until it is stopped. Raises InputError when the port is taken."""
    from mlflow import MlflowClient

    from ablations import view

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise InputError(f"--port {port}: something else is using it; name another") from None
    out.print(f"MLflow UI on http://127.0.0.1:{port}, Ctrl-C stops it. The studies in this store:")
    for experiment in MlflowClient(store.tracking_uri).search_experiments():
        if experiment.name != "Default":
            address = f"http://127.0.0.1:{port}/{view.link(experiment.experiment_id)}"
            out.print(f"  [bold]{experiment.name}[/]  {address}", soft_wrap=True, highlight=False)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.tracking_uri]
    command += ["--artifacts-destination", store.artifacts.as_uri(), "--host", "127.0.0.1", "--port", str(port)]
    # One worker answers faster than several on a small store, and the job runner would bring eight idle processes.
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run([*command, "--workers", "1"], env={**os.environ, **quiet}, check=False)


def _last_line(error: str) -> str:
    return error.strip().splitlines()[-1] if error.strip() else ""
