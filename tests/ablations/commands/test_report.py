"""`whygates report`: the files of a report, and reports rebuilt from tables."""

import json
from pathlib import Path

import pandas as pd

from ablations.sweeps.store import Store
from tests.ablations.cli_process import digests
from tests.ablations.cli_runner import whygates


def test_a_report_has_all_files_and_one_row_per_member(reported: Path) -> None:
    for name in ("report.html", "report.md", "verdicts.json", "results.csv", "curves.csv", "study.json"):
        assert (reported / name).stat().st_size > 0
    assert list((reported / "figures").glob("*.svg"))
    table = pd.read_csv(reported / "results.csv")
    assert len(table) == 32
    assert table.hash.is_unique
    verdicts = json.loads((reported / "verdicts.json").read_text())
    keys = {"id", "claim", "verdict", "effect", "ci_low", "ci_high", "seeds", "contrasts", "how_to_test"}
    assert verdicts
    assert all(keys <= set(verdict) for verdict in verdicts)


def test_a_report_is_attached_to_the_run_of_its_study(swept: Path, reported: Path) -> None:
    (attached,) = Store.open(swept / "whygates-store").artifacts.rglob("report.html")
    assert attached.read_bytes() == (reported / "report.html").read_bytes()


def test_a_report_rebuilt_from_its_tables_is_identical_byte_by_byte(reported: Path, tmp_path: Path) -> None:
    assert whygates("report", "--from", reported, "--out", "again", cwd=tmp_path).code == 0
    assert digests(tmp_path / "again") == digests(reported)


def test_verdicts_can_be_rebuilt_from_the_results_alone(reported: Path, tmp_path: Path) -> None:
    outcome = whygates("report", "--from", reported / "results.csv", "--out", "reduced", cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert (tmp_path / "reduced" / "verdicts.json").read_text() == (reported / "verdicts.json").read_text()
