"""`whygates report`: the files of a report, and reports rebuilt from tables."""

import json
import re
from pathlib import Path

import pytest

from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_process import digests, networks
from tests.ablations.cli_runner import whygates


def test_a_report_has_all_files_and_one_row_per_member(reported: Path) -> None:
    for name in ("report.html", "report.md", "verdicts.json", "results.csv", "trials.csv", "curves.csv", "study.json"):
        assert (reported / name).stat().st_size > 0
    assert list((reported / "figures").glob("*.svg"))
    table = networks(reported)
    assert len(table) == 32
    assert table.hash.is_unique
    verdicts = json.loads((reported / "verdicts.json").read_text())
    keys = {"id", "claim", "verdict", "effect", "ci_low", "ci_high", "seeds", "contrasts", "how_to_test"}
    assert verdicts
    assert all(keys <= set(verdict) for verdict in verdicts)


def test_a_report_is_attached_to_the_run_of_its_study(swept: Path, reported: Path) -> None:
    (attached,) = Store.open(swept / "whygates-store").artifacts.rglob("report.html")
    assert attached.read_bytes() == (reported / "report.html").read_bytes()


@pytest.mark.pdf
def test_a_report_rebuilt_from_its_tables_is_identical_byte_by_byte(reported: Path, tmp_path: Path) -> None:
    assert whygates("report", "--from", reported, "--out", "again", cwd=tmp_path).code == 0
    assert digests(tmp_path / "again") == digests(reported)


def test_verdicts_can_be_rebuilt_from_the_results_alone(reported: Path, tmp_path: Path) -> None:
    outcome = whygates("report", "--from", reported / "results.csv", "--out", "reduced", cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert (tmp_path / "reduced" / "verdicts.json").read_text() == (reported / "verdicts.json").read_text()


def test_a_report_replaces_its_own_files_and_keeps_the_users(swept: Path, reported: Path, tmp_path: Path) -> None:
    arguments = ("report", "tiny", "--store", swept / "whygates-store", "--out", "out")
    assert whygates(*arguments, cwd=tmp_path).code == 0
    first = digests(tmp_path / "out")
    (tmp_path / "out" / "figures" / "mine.svg").write_text("mine")
    (tmp_path / "out" / "report.md").write_text("old")
    assert whygates(*arguments, cwd=tmp_path).code == 0
    (tmp_path / "out" / "figures" / "mine.svg").unlink()
    assert digests(tmp_path / "out") == first


@pytest.mark.parametrize("out", ["paper", "", ".", "paper/..", "link", "./paper/"])
@pytest.mark.parametrize("command", [["report", "tiny"], ["report", "--from", "tables"], ["demo"]], ids=" ".join)
def test_a_folder_with_files_of_others_is_refused_and_left_as_it_is(
    swept: Path, reported: Path, tmp_path: Path, command: list[str], out: str
) -> None:
    (tmp_path / "paper" / "figures").mkdir(parents=True)
    for name in ("figures/mine.svg", "results.csv"):
        (tmp_path / "paper" / name).write_text("mine")
    (tmp_path / "link").symlink_to("paper", target_is_directory=True)
    (tmp_path / "tables").symlink_to(reported, target_is_directory=True)
    store = ("--store", swept / "whygates-store") if "--from" not in command else ()
    before = digests(tmp_path)
    refused = whygates(*command, *store, "--out", out, cwd=tmp_path)
    assert refused.code == 2
    assert refused.stderr.startswith("whygates: --out ")
    assert refused.stderr.endswith("name an empty or new folder\n")
    assert len(refused.stderr.splitlines()) == 1
    assert digests(tmp_path) == before


def test_a_report_that_cannot_be_attached_is_written_and_says_so(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ImportError("No module named 'boto3'\nmore")

    monkeypatch.setattr(Tracker, "log_report", fail)
    opened = list[str]()
    monkeypatch.setattr("webbrowser.open", opened.append)
    done = whygates("report", "tiny", "--store", swept / "whygates-store", "--out", "out", "--open", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    problem, verdicts, written = done.stdout.splitlines()
    assert problem == "It could not be attached to the study's run in MLflow: No module named 'boto3'"
    assert re.fullmatch(r"Verdicts:    16 claims: .*\d+ not tested", verdicts)
    (address,) = opened
    assert written == f"Written:     {address}"
    assert address == (tmp_path / "out" / "report.html").as_uri()
    assert (tmp_path / "out" / "report.html").stat().st_size > 0


def test_tables_of_parts_of_a_study_make_the_report_of_the_whole(reported: Path, tmp_path: Path) -> None:
    whole, sources = networks(reported), list[str]()
    for task, rows in whole.groupby("task"):
        (part := tmp_path / str(task)).mkdir()
        rows.to_csv(part / "results.csv", index=False)
        for name in ("study.json", "curves.csv"):
            (part / name).write_bytes((reported / name).read_bytes())
        sources += ["--from", str(part)]
    outcome = whygates("report", *sources, "--out", "joined", cwd=tmp_path)
    assert outcome.code == 0, outcome
    joined = networks(tmp_path / "joined")
    assert set(joined["hash"]) == set(whole["hash"])
    assert (tmp_path / "joined" / "verdicts.json").read_text() == (reported / "verdicts.json").read_text()


def test_tables_of_different_settings_are_refused(reported: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for name in ("results.csv", "study.json"):
        (tmp_path / "other" / name).write_text((reported / name).read_text().replace('"batch": 8', '"batch": 9'))
    outcome = whygates("report", "--from", reported, "--from", "other", "--out", "joined", cwd=tmp_path)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == f"whygates: {reported} and other cannot be joined: train.batch is 8 and 9\n"
    assert not (tmp_path / "joined").exists()


def test_a_robustness_study_is_shown_beside_and_travels_with_the_report(reported: Path, tmp_path: Path) -> None:
    (other := tmp_path / "longer").mkdir()
    for name in ("results.csv", "study.json"):
        (other / name).write_text(
            (reported / name).read_text().replace("tiny", "longer").replace('"batch": 8', '"batch": 9')
        )
    outcome = whygates("report", "--from", reported, "--beside", "longer", "--out", "both", cwd=tmp_path)
    assert outcome.code == 0, outcome
    page = (tmp_path / "both" / "report.md").read_text(encoding="utf-8")
    assert "| Reach | tiny | longer |\n|---|---|---|\n| " in page
    assert (tmp_path / "both" / "verdicts.json").read_text() == (reported / "verdicts.json").read_text(), (
        "it decides nothing"
    )
    assert (tmp_path / "both" / "robustness" / "longer" / "results.csv").read_bytes() == (
        other / "results.csv"
    ).read_bytes()
    assert whygates("report", "--from", "both", "--out", "again", cwd=tmp_path).code == 0
    assert digests(tmp_path / "again") == digests(tmp_path / "both")
    assert whygates("report", "--from", "both", "--out", "both", cwd=tmp_path).code == 0
    assert digests(tmp_path / "again") == digests(tmp_path / "both"), "rebuilt in place, it keeps them"


def test_a_robustness_study_without_tables_is_refused(reported: Path, tmp_path: Path) -> None:
    outcome = whygates("report", "--from", reported, "--beside", "nowhere", "--out", "both", cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (2, "whygates: nowhere: there is no such file or folder\n")
    assert not (tmp_path / "both").exists()
