"""`whygates demo`: a sweep and its report, of a small study in place of `smoke`."""

from pathlib import Path

import pytest

from ablations.studies import loading
from tests.ablations.cli_process import TINY
from tests.ablations.cli_runner import whygates


def test_the_demo_sweeps_smoke_and_writes_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.toml").write_text(TINY)
    changes = ["name=smoke", 'cells=["rnn"]', "train.steps=2", "tune.trials=1", "confirm.seeds=2"]
    small = loading.load(str(tmp_path / "small.toml"), changes)
    monkeypatch.setattr("ablations.commands.demo.load", {"smoke": small}.__getitem__)
    outcome = whygates("demo", "--workers", "2", cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert "2 of 2 arms done" in outcome.stdout
    page = tmp_path / "whygates-report" / "smoke" / "report.html"
    assert page.stat().st_size > 0
    assert outcome.stdout.splitlines()[-2:] == [
        "Verdicts:    16 claims: 16 not tested",
        f"Written:     {page.as_uri()}",
    ]
