"""`whygates sweep --dry-run`: what it prints."""

import re
from pathlib import Path

from tests.ablations.cli_runner import whygates


def test_a_dry_run_prints_arms_and_time_and_writes_nothing(tiny: Path) -> None:
    outcome = whygates("sweep", "tiny.toml", "--dry-run", "--workers", "2", cwd=tiny)
    assert outcome.code == 0, outcome
    assert re.search(r"│ rnn +│ recall +│ +2 │ +60 │ +\d+ │ +\d+ │ +4 │ +0 │ +4 │ ", outcome.stdout)
    assert re.search(r"4 arms, 32 members; training takes at most about [\d.]+ (s|min|h) on 2 workers", outcome.stdout)
    assert [path.name for path in tiny.iterdir()] == ["tiny.toml"]
