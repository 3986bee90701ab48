"""The command line, as a user types it: in a process of its own, with what it prints and how it exits."""

import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest
from filelock import FileLock
from rich.console import Console

from ablations.cli import CORES, _command
from ablations.console import Display
from ablations.store import Store
from ablations.study import Study, load
from ablations.sweep import Progress
from ablations.workers import Ended

TINY = """
name = "tiny"
cells = ["rnn", "gru"]
sizes = [60]
[[task]]
name = "recall"
alphabet = 2
label = "recall"
lags = [2]
[[task]]
name = "continual_adding"
lags = [3]
[train]
steps = 20
batch = 8
eval_every = 5
test = 50
[tune]
searches = 2
trials = 2
[confirm]
seeds = 4
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def whygates(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ablations", *map(str, arguments)]
    clean = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return subprocess.run(command, cwd=cwd, env=clean | environment, capture_output=True, text=True, timeout=300)


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


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_help_is_instant_and_names_every_command(tmp_path: Path) -> None:
    shown = whygates("--help", cwd=tmp_path)
    for command in ("demo", "sweep", "status", "report", "ui", "cells", "tasks"):
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
        ("import ablations.workers", ["mlflow", "pandas"]),
    ],
)
def test_imports_stay_cheap(statement: str, absent: list[str]) -> None:
    code = f"{statement}; import sys; print(sorted(set(sys.modules) & set({absent})))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_cells_and_tasks_are_listed(tmp_path: Path) -> None:
    cells = {cell["name"]: cell for cell in json.loads(whygates("cells", "--json", cwd=tmp_path).stdout)}
    assert {"rnn", "single_network", "lstm_no_forget", "lstm", "gru"} <= set(cells)
    assert cells["lstm_no_forget"]["parent"] == "lstm"
    assert cells["lstm"]["parameters"] == 4 * (8 * 32 + 32 * 32 + 32)
    assert "c' = f ⊙ c + i ⊙ z" in cells["lstm"]["equations"]
    assert cells["lstm_no_output"]["equations"] == ["h' = tanh(c')"]
    assert len(cells["lstm_no_output"]["recurrence"]) == 5
    assert cells["single_network"]["options"] == {"peephole": False, "depth": 1, "width": 1, "activation": "tanh"}
    assert "forget_bias" not in cells["lstm_no_forget"]["hyperparameters"]
    tasks = {task["name"]: task for task in json.loads(whygates("tasks", "--json", cwd=tmp_path).stdout)}
    assert {"recall", "adding", "temporal_order", "copy", "continual_adding"} <= set(tasks)
    assert tasks["continual_adding"]["options"] == {"reset": False}


def test_cells_are_a_tree_with_the_change_on_each_branch(tmp_path: Path) -> None:
    shown = whygates("cells", "--inputs", "4", "--hidden", "16", cwd=tmp_path).stdout
    assert re.search(r"├── lstm  1,344 parameters .*\n(│ .*\n)*│   ├── lstm_peephole  1,392 parameters", shown)
    assert re.search(r"lstm_peephole .*\n│   │   the gates see the memory c\n", shown)
    assert re.search(r"│   │   └── lstm_full_recurrence .*\n│   │       the gates see the previous gates\n", shown)
    assert "options: depth=1, width=1, activation=tanh" in shown
    assert shown.count("peephole=False") == 1  # where it comes from, not wherever it is inherited


def test_two_cells_are_told_apart(tmp_path: Path) -> None:
    shown = whygates("cells", "--diff", "lstm_no_forget", "single_network", cwd=tmp_path).stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[0] == "lstm_no_forget → single_network"
    assert lines[1].startswith("undo  no forget gate")
    assert lines[2].startswith("make  one network computes the new memory")
    assert "− c' = c + i ⊙ z" in lines
    assert "+ c' = tanh(U_c m + b_c)" in lines
    assert "W_o" not in shown
    assert lines[-1].endswith("3,936 → 4,704 (+768)")
    assert "different roots" in whygates("cells", "--diff", "gru", "rnn", cwd=tmp_path).stdout


def test_two_cells_are_told_apart_as_data(tmp_path: Path) -> None:
    asked = ("cells", "--diff", "lstm", "lstm_full_recurrence", "--inputs", "2", "--hidden", "3", "--json")
    found = json.loads(whygates(*asked, cwd=tmp_path).stdout)
    assert found["common"] == "lstm"
    made = ["lstm_peephole", "lstm_full_recurrence"]
    assert [(change["cell"], change["undone"]) for change in found["changes"]] == [(cell, False) for cell in made]
    assert found["weights"][0] == []
    assert found["weights"][1][:3] == [f"P_{g} [1, 3], zeros" for g in "ifo"]
    assert found["parameters"][1] - found["parameters"][0] == 3 * 3 + 9 * 3 * 3
    same = json.loads(whygates("cells", "--diff", "gru", "gru", "--json", cwd=tmp_path).stdout)
    assert (same["changes"], same["equations"], same["weights"]) == ([], [[], []], [[], []])


def test_a_dry_run_says_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    shown = whygates("sweep", "tiny.toml", "--dry-run", cwd=tmp_path)
    assert shown.returncode == 0
    assert "4 arms, 32 members" in shown.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_status_counts_every_member(swept: Path) -> None:
    arms = json.loads(whygates("status", "tiny", "--json", cwd=swept).stdout)
    assert len(arms) == 4
    for arm in arms:
        assert arm["state"] == "done"
        assert [(arm[phase]["done"], arm[phase]["of"]) for phase in ("tune", "confirm")] == [(4, 4), (4, 4)]
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


REFUSALS = {
    "unknown study": (["sweep", "smok"], "did you mean 'smoke'"),
    "unknown cell": (["sweep", "smoke", "--set", 'cells=["lstn"]'], "unknown cell 'lstn'; did you mean 'lstm'?"),
    "unknown cell to tell apart": (["cells", "--diff", "lstn", "gru"], "unknown cell 'lstn'; did you mean 'lstm'?"),
    "unknown key": (["sweep", "smoke", "--set", "train.step=5"], "unknown key 'step'; did you mean 'steps'?"),
    "unknown engine": (["sweep", "smoke", "--engine", "egaer"], "unknown engine 'egaer'; did you mean 'eager'?"),
    "corrupt file": (["sweep", "broken.toml"], "broken.toml: not valid TOML"),
    "not a store": (["sweep", "smoke", "--store", "full"], "is not a whygates store"),
    "no store": (["status", "smoke", "--store", "nowhere"], "there is no such folder"),
    "unwritable store": (["sweep", "smoke", "--store", "/proc/nowhere/store"], "cannot be written to"),
    "unwritable report": (["demo", "--out", "/proc/nowhere/report"], "cannot be written to"),
    "missing columns": (["report", "--from", "full/results.csv", "--out", "r"], "phase"),
    "missing table": (["report", "--from", "nowhere.csv", "--out", "r"], "nowhere.csv"),
    "never swept": (["report", "smoke", "--store", "empty", "--out", "r"], "nothing was swept here yet"),
    "nothing to browse": (["ui", "--store", "empty"], "nothing was swept here yet"),
    "nothing named": (["report"], "name either a STUDY or --from"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_gets_one_clear_message_and_leaves_all_untouched(tmp_path: Path, case: str) -> None:
    arguments, said = REFUSALS[case]
    (tmp_path / "broken.toml").write_text("name = ")
    Store.create(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "results.csv").write_text("study,cell,task\na,b,c\n")
    before = digests(tmp_path)
    done = whygates(*arguments, cwd=tmp_path)
    assert not (tmp_path / "r").exists()
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert digests(tmp_path) == before


def test_a_store_in_use_is_refused(swept: Path) -> None:
    with FileLock(swept / "whygates-store" / "sweep.lock"):
        done = whygates("sweep", "tiny.toml", cwd=swept)
    assert done.returncode == 2
    assert "another sweep is using it" in done.stderr


def test_an_unreachable_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    done = whygates("sweep", "tiny.toml", cwd=tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("whygates: the MLflow server at http://127.0.0.1:9 ")


def test_a_failing_arm_fails_alone_and_keeps_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    small = ["tiny.toml", "--set", "train.steps=2", "--set", "tune.trials=1", "--set", "confirm.seeds=2"]
    shown = whygates("sweep", *small, "--dry-run", cwd=tmp_path)
    assert shown.returncode == 0
    store = Store.create(tmp_path / "whygates-store")
    arm = load(str(tmp_path / "tiny.toml"), small[2::2]).arms()[0]
    (store.checkpoints / f"{arm.hash}-tune-0.pt").mkdir()  # no checkpoint can be written there
    done = whygates("sweep", *small, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 of 4 arms done" in done.stdout
    assert "failed" in done.stdout
    states = [a["state"] for a in json.loads(whygates("status", "tiny", "--json", cwd=tmp_path).stdout)]
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


def test_a_command_to_go_on_with_can_be_pasted() -> None:
    told = _command(
        "sweep", "my study.toml", "--set", "cells=['rnn']", store=Path("a b"), workers=CORES + 1, engine="eager"
    )
    words = ["whygates", "sweep", "my study.toml", "--set", "cells=['rnn']"]
    assert shlex.split(told) == [*words, "--store", "a b", "--workers", str(CORES + 1), "--engine", "eager"]
    assert _command("ui", store=Path("whygates-store"), workers=CORES, engine="auto") == "whygates ui"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_display_takes_labels_and_errors_as_they_are_and_counts_what_was_known(terminal: bool) -> None:
    cells = [{"cell": "rnn", "label": "a[/x]"}, {"cell": "gru", "label": "b[red] :x:"}]
    tasks = [{"name": "recall", "lags": [2]}]
    study = Study.model_validate({"name": "odd", "cells": cells, "task": tasks})
    first, second = study.arms()
    shown = Console(
        file=io.StringIO(), markup=False, emoji=False, width=160, force_terminal=terminal, color_system=None
    )
    with Display(study, shown) as display:
        display.known({(first.hash, "confirm"): [1, 0]})
        display.delivered({"arm": first.hash, "phase": "confirm", "metrics": {"solved": 1}})
        display.progress(Progress(second.hash, "tune", 1, 2, 0.5))
        display.warn("a[/warning]")
        display.stopping()
        ended = [Ended(first, "done"), Ended(second, "failed", "Trouble: d[k[/v]]")]
        for arm in ended:
            display.ended(arm)
    display.summary(ended)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "stopping: populations are being saved" in text
    for part in ("a[/x]", "b[red] :x:", "a[/warning]", "Trouble: d[k[/v]]", "2/3", "2 of 3 confirmed seeds solved"):
        assert part in text
