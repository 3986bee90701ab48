"""The progress of a sweep: bars on a terminal, a line per arm elsewhere, and a summary at the end."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ablations.commands.table import fits
from ablations.studies.study import Arm
from ablations.sweeps.jobs import Event, ProbeProgress, Warned
from ablations.sweeps.sizes import phase_sizes
from ablations.sweeps.workers.outcome import ArmOutcome
from reports.format import count, duration

TITLE = "confirmation seeds with a solved task"
Rates = dict[tuple[str, int, int], dict[str, str]]
"""Solve rates as text: by task, lag and size, then by cell."""


class Display:
    """The progress of a sweep, as the callbacks of workers and delivery report it."""

    def __init__(self, arms: Sequence[Arm], out: Console) -> None:
        self.out = out
        self.arms = {arm.hash: arm for arm in arms}
        self.members = {arm.hash: phase_sizes(arm) for arm in arms}
        self.steps = arms[0].train.steps
        self.solved: dict[tuple[str, str], list[int]] = {}
        """Whether each finished member solved its task (0 or 1), by the hash of its arm and its phase."""
        self.started = time.monotonic()
        self.ended_arms = 0
        bar = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=None))
        # Its unit is a member's training step, for a better estimate of the remaining time; the note counts arms.
        self.overall = Progress(
            *bar, TextColumn("{task.fields[note]}"), TimeElapsedColumn(), TextColumn("remaining"), TimeRemainingColumn()
        )
        total = sum(sum(members.values()) for members in self.members.values()) * self.steps
        self.overall_bar = self.overall.add_task("sweep", total=total, note=self._arm_count())
        self.member_steps: dict[tuple[str, str], int] = {}
        """Training steps, summed over members, by the hash of the arm and the phase."""
        self.by_arm = Progress(*bar, MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        self.arm_bars: dict[str, Any] = {}
        group = Group(self.by_arm, self.overall)
        self.live = (
            Live(group, console=out, refresh_per_second=4) if out.is_terminal and not out.is_dumb_terminal else None
        )

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def add_solved(self, solved: dict[tuple[str, str], list[int]]) -> None:
        """Add members that earlier sweeps finished: see `solved`."""
        for key, values in solved.items():
            self.solved.setdefault(key, []).extend(values)

    def progress(self, progress: Event) -> None:
        """Update the bar of an arm, or print its warning."""
        if isinstance(progress, Warned):
            self.warn(progress.message)
            return
        arm = self.arms[progress.arm]
        if progress.arm not in self.arm_bars:
            self.arm_bars[progress.arm] = self.by_arm.add_task(str(arm), note="")
        bar = self.arm_bars[progress.arm]
        if isinstance(progress, ProbeProgress):
            note = f"probe: {progress.probe}"
            self.by_arm.update(bar, total=progress.of, completed=progress.done, note=note)
            return
        note = f"{progress.phase}: {progress.active} training, best score {progress.best:.2f}"
        self.by_arm.update(bar, total=self.steps, completed=progress.step, note=note)
        self._advance(progress.arm, progress.phase, progress.step if progress.active else self.steps)

    def _advance(self, arm: str, phase: str, step: int) -> None:
        self.member_steps[arm, phase] = self.members[arm][phase] * step
        self.overall.update(self.overall_bar, completed=sum(self.member_steps.values()), note=self._arm_count())

    def delivered(self, record: dict[str, Any]) -> None:
        """Count a member that was uploaded to the tracker."""
        self.solved.setdefault((record["arm"], record["phase"]), []).append(record["metrics"]["solved"])

    def ended(self, outcome: ArmOutcome) -> None:
        """Print the outcome of an arm, unless it waits; on a terminal, the bars of interrupted arms stay as they are."""
        arm = outcome.arm
        if outcome.status == "interrupted" and self.live is None:
            self._print(f"{self._arm_count()}  {arm}: interrupted")
        if outcome.status in ("interrupted", "waiting"):
            return
        self.ended_arms += 1
        if arm.hash in self.arm_bars:
            self.by_arm.remove_task(self.arm_bars.pop(arm.hash))
        for phase in self.members[arm.hash]:
            self._advance(arm.hash, phase, self.steps)
        if outcome.status == "failed":
            error = f": {_last_line(outcome.error)}"
            self._print(Text.assemble(f"{self._arm_count()}  {arm}: ", ("failed", "red"), error))
        elif outcome.status == "skipped":
            self._print(f"{self._arm_count()}  {arm}: not trained, as no network solved the next shorter lag")
        else:
            solved = self.solved.get((arm.hash, "confirm"))
            # While the tracker lags behind, not all of them are counted yet.
            complete = solved and len(solved) >= self.members[arm.hash]["confirm"]
            rate = f", {sum(solved)} of {len(solved)} confirmation seeds solved" if solved and complete else ""
            self._print(f"{self._arm_count()}  {arm}: {outcome.status}{rate}")

    def warn(self, message: str) -> None:
        """Print a warning."""
        self._print(Text(message, "yellow"))

    def stopping(self) -> None:
        """Print that the sweep was interrupted and is saving the populations in training."""
        saved = count(len(self.arm_bars), "population")
        self._print(f"Stopping: saving {saved}; interrupt again to stop at once")

    def summary(self, outcomes: list[ArmOutcome]) -> None:
        """Print the solve rate of every arm, the errors of failed arms, and the duration."""
        cells = list(dict.fromkeys(arm.cell.label for arm in self.arms.values()))
        rates: Rates = {}
        for arm in self.arms.values():
            solved = self.solved.get((arm.hash, "confirm"))
            row = rates.setdefault((arm.task.label, arm.lag, arm.size), {})
            row[arm.cell.label] = f"{sum(solved)}/{len(solved)}" if solved else "–"
        if self.solved:
            table = _cells_as_columns(cells, rates)
            self.out.print(table if fits(table, self.out) else _cells_as_rows(cells, rates))
        for outcome in outcomes:
            if outcome.status == "failed":
                error = f" {outcome.arm}: {_last_line(outcome.error)} (its run in MLflow has the traceback)"
                self._print(Text.assemble(("failed", "red"), error))
        done, skipped = (sum(outcome.status == status for outcome in outcomes) for status in ("done", "skipped"))
        unsolved = f", {skipped} not trained (no network solved the next shorter lag)" if skipped else ""
        taken = duration(time.monotonic() - self.started)
        self._print(f"{done} of {len(self.arms)} arms done in {taken}{unsolved}")

    def _print(self, line: str | Text) -> None:
        self.out.print(line, soft_wrap=True)

    def _arm_count(self) -> str:
        return f"{self.ended_arms}/{len(self.arms)} arms"


def _cells_as_columns(cells: list[str], rates: Rates) -> Table:
    """A row for every task, lag and size, a column for every cell."""
    table = Table(title=TITLE)
    table.add_column("task", overflow="fold")
    for column in ("lag", "size", *cells):
        table.add_column(column, justify="right", overflow="fold")
    for condition, row in rates.items():
        table.add_row(*map(str, condition), *(row.get(cell, "") for cell in cells))
    return table


def _cells_as_rows(cells: list[str], rates: Rates) -> Group:
    """A table for every task, with a row for every cell and a column for every lag and size."""
    several_sizes = len({size for _, _, size in rates}) > 1
    parts = list[Text | Table]([Text(TITLE, "italic")])
    for task in dict.fromkeys(task for task, _, _ in rates):
        columns = {(lag, size): row for (label, lag, size), row in rates.items() if label == task}
        table = Table()
        table.add_column(task, overflow="fold")
        for lag, size in columns:
            table.add_column(f"lag {lag}" + (f", {size}" if several_sizes else ""), justify="right")
        for cell in cells:
            table.add_row(cell, *(row.get(cell, "") for row in columns.values()))
        parts.append(table)
    return Group(*parts)


def _last_line(error: str) -> str:
    return error.strip().splitlines()[-1] if error.strip() else ""
