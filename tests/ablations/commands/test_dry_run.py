"""`whygates sweep --dry-run`: what it prints."""

import re
from pathlib import Path

from tests.ablations.cli_runner import whygates


def test_a_dry_run_prints_arms_and_time_and_writes_nothing(tiny: Path) -> None:
    outcome = whygates("sweep", "tiny.toml", "--dry-run", "--workers", "2", cwd=tiny)
    assert outcome.code == 0, outcome
    summary, time, steps, *others, disk = outcome.stdout.partition("┏")[0].splitlines()
    assert summary == "tiny: 4 arms, 32 networks"
    seconds = r"([\d.]+ (s|min|h))"
    parts = rf"training {seconds}, probes 0 s, start-up and report 20 s"
    assert re.fullmatch(rf"Time:     at most about {seconds} on 2 workers: {parts}", time)
    assert steps.strip() == "20 steps of 8 sequences; a network that solves its task stops earlier"
    assert all(line.startswith("          This machine is busy") for line in others)
    table = outcome.stdout.splitlines()
    assert re.fullmatch(r"Disk:     at most about \d MB", disk)
    assert any(re.match(r"│ rnn +│ recall +│ +2 │ +60 │ +\d+ │ +\d+ │ +4 │ +0 │ +4 │ ", line) for line in table)
    assert [path.name for path in tiny.iterdir()] == ["tiny.toml"]


def test_a_dry_run_has_a_row_for_each_cell_and_task_with_its_lags_joined(tiny: Path) -> None:
    changes = ("--set", "task.recall.lags=[3, 2, 12]", "--engine", "eager")
    outcome = whygates("sweep", "tiny.toml", *changes, "--dry-run", cwd=tiny)
    assert outcome.stdout.startswith("tiny: 8 arms, 64 networks\n")
    rows = [line for line in outcome.stdout.splitlines() if line.startswith("│")]
    assert len(rows) == 4
    assert re.match(r"│ rnn +│ recall +│ +2, 3, 12 │ +60 │ +\d+ │ +\d+ │ +12 │ +0 │ +12 │ ", rows[0])
