"""The command line, as a user types it: in a process of its own, with what it prints and how it exits."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest

from ablations.studies.study import load
from ablations.sweeps.store import Store
from tests.ablations.cli_process import TINY, digests, whygates


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny study, swept into the default store."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "tiny.toml").write_text(TINY)
    done = whygates("sweep", "tiny.toml", "--workers", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 arms done" in done.stdout
    assert re.search("engine (fused|eager)", done.stdout)
    assert "whygates report tiny" in done.stdout
    return folder


@pytest.fixture(scope="module")
def reported(swept: Path) -> Path:
    done = whygates("report", "tiny", "--out", "report", cwd=swept)
    assert done.returncode == 0, done.stdout + done.stderr
    return swept / "report"


def test_help_is_instant_and_names_every_command(tmp_path: Path) -> None:
    shown = whygates("--help", cwd=tmp_path)
    for command in ("demo", "sweep", "status", "report", "inspect", "ui", "cells", "tasks", "check"):
        assert re.search(rf"\b{command}\b", shown.stdout)
        own = whygates(command, "--help", cwd=tmp_path)
        assert own.returncode == 0
        assert "[[" not in own.stdout


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import ablations", ["torch", "mlflow", "optuna", "pandas"]),
        ("import ablations.cli", ["torch", "mlflow", "optuna", "pandas"]),
        ("import reports.build", ["torch", "mlflow", "optuna", "ablations", "tasks"]),
        ("import ablations.sweeps.workers.local", ["mlflow", "pandas"]),
    ],
)
def test_imports_stay_cheap(statement: str, absent: list[str]) -> None:
    code = f"{statement}; import sys; print(sorted(set(sys.modules) & set({absent})))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_dry_run_says_what_would_run_and_writes_nothing(tiny: Path) -> None:
    shown = whygates("sweep", "tiny.toml", "--dry-run", cwd=tiny)
    assert shown.returncode == 0
    assert "4 arms, 32 members" in shown.stdout
    assert [path.name for path in tiny.iterdir()] == ["tiny.toml"]


def test_status_counts_every_member(swept: Path) -> None:
    arms = json.loads(whygates("status", "tiny", "--json", cwd=swept).stdout)
    assert len(arms) == 4
    for arm in arms:
        assert arm["state"] == "done"
        assert [(arm[phase]["done"], arm[phase]["of"]) for phase in ("tune", "confirm")] == [(4, 4), (4, 4)]
        assert [arm[phase]["probed"] for phase in ("tune", "confirm")] == [0, 4]
    assert "no sweep is running" in whygates("status", "tiny.toml", cwd=swept).stdout


def test_a_report_has_its_parts_and_its_table_every_member(reported: Path) -> None:
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


def test_a_report_is_rebuilt_byte_by_byte_from_its_tables(reported: Path, tmp_path: Path) -> None:
    assert whygates("report", "--from", reported, "--out", "again", cwd=tmp_path).returncode == 0
    assert digests(tmp_path / "again") == digests(reported)


def test_a_reduced_report_comes_from_the_results_alone(reported: Path, tmp_path: Path) -> None:
    done = whygates("report", "--from", reported / "results.csv", "--out", "reduced", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reduced" / "verdicts.json").read_text() == (reported / "verdicts.json").read_text()


def test_a_second_sweep_runs_nothing_again(swept: Path) -> None:
    before = pd.read_csv(swept / "report" / "results.csv") if (swept / "report").exists() else None
    done = whygates("sweep", "tiny.toml", cwd=swept)
    assert done.returncode == 0
    assert re.search(r"recall +│ +2 │ +60 │ +\d/4 │ +\d/4 ", done.stdout)  # also those that it did not run itself
    assert whygates("report", "tiny", "--out", "second", cwd=swept).returncode == 0
    after = pd.read_csv(swept / "second" / "results.csv")
    assert len(after) == 32
    if before is not None:
        pd.testing.assert_frame_equal(before, after)


def test_a_failing_arm_fails_alone_and_keeps_its_traceback(tiny: Path) -> None:
    small = ["tiny.toml", "--set", "train.steps=2", "--set", "tune.trials=1", "--set", "confirm.seeds=2"]
    shown = whygates("sweep", *small, "--dry-run", cwd=tiny)
    assert shown.returncode == 0
    store = Store.create(tiny / "whygates-store")
    arm = load(str(tiny / "tiny.toml"), small[2::2]).arms()[0]
    (store.checkpoints / f"{arm.hash}-tune-0.pt").mkdir()  # no checkpoint can be written there
    done = whygates("sweep", *small, cwd=tiny)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 of 4 arms done" in done.stdout
    assert "failed" in done.stdout
    states = [a["state"] for a in json.loads(whygates("status", "tiny", "--json", cwd=tiny).stdout)]
    assert sorted(states) == ["done", "done", "done", "failed"]
    assert list(store.artifacts.rglob("traceback.txt"))


def test_the_ui_opens_on_the_saved_view(swept: Path) -> None:
    port = 5000 + os.getpid() % 2000
    command = [sys.executable, "-m", "ablations", "ui", "--port", str(port)]
    server = subprocess.Popen(command, cwd=swept, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert server.stdout
    try:
        shown = server.stdout.readline() + server.stdout.readline()
        assert re.search(
            rf"tiny\s+http://127\.0\.0\.1:{port}/#/experiments/\d+/runs\?.*viewStateShareKey=whygates", shown
        )
        for _ in range(300):
            try:
                with urlopen(f"http://127.0.0.1:{port}/") as page:
                    assert b"<html" in page.read().lower()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail("the server did not come up within 30 s")
        second = whygates("ui", "--port", str(port), cwd=swept)
        assert second.returncode == 2
        assert "something else is using it" in second.stderr
        address = f"http://127.0.0.1:{port}"
        elsewhere = whygates("ui", cwd=swept, MLFLOW_TRACKING_URI=address)
        assert elsewhere.returncode == 0
        assert re.search(rf"tiny\s+{re.escape(address)}/#/experiments/", elsewhere.stdout)
        server.terminate()
        assert server.wait(20) == 0
        with pytest.raises(URLError):
            urlopen(address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait(20)
        server.stdout.close()
