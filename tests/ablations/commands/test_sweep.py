"""`whygates sweep`: output and exit codes, repeated sweeps, failing arms, and plug-ins."""

import json
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from ablations.studies.loading import load
from ablations.sweeps import workers
from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_process import networks
from tests.ablations.cli_runner import Outcome, whygates

EXAMPLES = Path(__file__).parents[3] / "examples"
CELL, TASK, STUDY = (str(EXAMPLES / name) for name in ("ugrnn.py", "delayed_match.py", "own.toml"))
PLUGINS = ("--plugin", CELL, "--plugin", TASK)
SMALL = [word for change in ("train.steps=2", "tune.trials=1", "confirm.seeds=2") for word in ("--set", change)]

UNTIL_UNSOLVED = """
name = "short"
cells = ["rnn"]
sizes = [60]
task = [{ name = "recall", lags = [2, 4], until_unsolved = true }]
train = { steps = 2, eval_every = 1, test = 20 }
tune = { searches = 2, trials = 2, rerank_seeds = 1, rerank = 1 }
confirm = { seeds = 2, probes = ["flow"] }
"""


def states(study: str, cwd: Path, *plugins: str) -> dict[tuple[str, str], str]:
    """The states of a study's arms, by cell and task."""
    arms = json.loads(whygates("status", study, *plugins, "--json", cwd=cwd).stdout)
    return {(arm["cell"], arm["task"]): arm["state"] for arm in arms}


def test_a_sweep_prints_engines_outcomes_and_the_next_commands(first_sweep: tuple[Path, Outcome]) -> None:
    _, outcome = first_sweep
    assert outcome.stdout.startswith("tiny: 4 arms, 2 workers\n")
    assert re.search("engine (fused|eager)", outcome.stdout)
    assert "4 of 4 arms done" in outcome.stdout
    assert outcome.stdout.endswith("Report:      whygates report tiny\nBrowse:      whygates ui\n")


def test_a_second_sweep_trains_nothing_and_leaves_the_table_unchanged(swept: Path, reported: Path) -> None:
    members = Store.open(swept / "whygates-store").members
    before = {path.name: path.stat().st_mtime_ns for path in members.glob("*.json")}
    assert len(before) == 32
    outcome = whygates("sweep", "tiny.toml", cwd=swept)
    assert outcome.code == 0
    assert re.search(r"recall +│ +2 │ +60 │ +\d/4 │ +\d/4 ", outcome.stdout)  # includes members of the first sweep
    assert {path.name: path.stat().st_mtime_ns for path in members.glob("*.json")} == before
    assert whygates("report", "tiny", "--out", "second", cwd=swept).code == 0
    tables = [networks(folder) for folder in (reported, swept / "second")]
    pd.testing.assert_frame_equal(*tables)


def test_searches_may_be_in_a_database_of_ones_own(swept: Path, reported: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_bytes((swept / "tiny.toml").read_bytes())
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    outcome = whygates("sweep", "tiny.toml", "--optuna-storage", url, cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert not (tmp_path / "whygates-store" / "optuna.db").exists()
    with closing(sqlite3.connect(tmp_path / "mine.db")) as database:
        assert database.execute("select count(*) from trials").fetchone() == (16,)
    assert whygates("report", "tiny", "--out", "report", cwd=tmp_path).code == 0
    tables = [networks(folder).drop(columns="seconds") for folder in (reported, tmp_path / "report")]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "--optuna-storage nonsense: allowed is the URL of a database, such as postgresql+psycopg://user@host/name"),
        ("me:secret@host", "--optuna-storage host: allowed is the URL of a database, such as postgresql+psycopg://user@host/name"),
        ("postgresql+none://me:secret@host/x", "--optuna-storage postgresql+none://me:***@host/x cannot be used: Can't load plugin"),
        ("sqlite:////no/folder/x.db", "--optuna-storage sqlite:////no/folder/x.db cannot be used: unable to open database file"),
    ],
)  # fmt: skip
def test_a_database_of_searches_that_cannot_be_used_is_named_without_its_password(
    tiny: Path, url: str, message: str
) -> None:
    outcome = whygates("sweep", "tiny.toml", "--engine", "eager", cwd=tiny, WHYGATES_OPTUNA_STORAGE=url)
    assert outcome.code == 2
    assert outcome.stderr.startswith(f"whygates: {message}")
    assert len(outcome.stderr.splitlines()) == 1
    assert "secret" not in outcome.stdout + outcome.stderr


def test_a_cell_is_not_trained_beyond_a_lag_that_none_of_its_networks_solves(tmp_path: Path) -> None:
    """Eight networks cannot learn in two steps: lag 4 is skipped, and the report says so."""
    (tmp_path / "short.toml").write_text(UNTIL_UNSOLVED)
    outcome = whygates("sweep", "short.toml", "--engine", "eager", cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert "rnn · recall · lag 4 · 60: not trained, as no network solved the next shorter lag" in outcome.stdout
    assert re.search(
        r"1 of 2 arms done in .*, 1 not trained \(no network solved the next shorter lag\)", outcome.stdout
    )
    status = whygates("status", "short", cwd=tmp_path)
    assert status.code == 0, status
    assert "8 of 8 members finished" in status.stdout
    assert states("short", tmp_path) == {("rnn", "recall"): "skipped"}
    assert whygates("report", "short", "--out", "report", cwd=tmp_path).code == 0
    assert len(networks(tmp_path / "report")) == 8
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "8 networks of 1 arm count as unsolved without having been trained" in page
    assert "Every network that the study defines is in these tables." in page
    rates = pd.read_csv(tmp_path / "report" / "figures" / "solve_rates.csv")
    assert rates[["lag", "solved", "seeds"]].to_numpy().tolist() == [[2, 0, 2]], "no cell was trained at lag 4"


def test_an_arm_that_fails_does_not_stop_the_others_and_its_traceback_is_logged(tiny: Path) -> None:
    store = Store.create(tiny / "whygates-store")
    arm = load(str(tiny / "tiny.toml"), SMALL[1::2]).arms()[0]
    (store.checkpoints / f"{arm.hash}-tune-0.pt").mkdir()  # no checkpoint can be written there
    outcome = whygates("sweep", "tiny.toml", *SMALL, cwd=tiny)
    assert outcome.code == 1, outcome
    assert "3 of 4 arms done" in outcome.stdout
    assert "failed" in outcome.stdout
    assert sorted(states("tiny", tiny).values()) == ["done", "done", "done", "failed"]
    assert list(store.artifacts.rglob("traceback.txt"))


@pytest.fixture(scope="module")
def swept_plugins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder in which the example study of plug-ins was swept, and the arguments of that sweep."""
    folder = tmp_path_factory.mktemp("swept")
    changes = ("train.steps=4", "train.eval_every=2", "train.test=50", "task.delayed_match.lags=[3]", "tune.trials=1")
    sets = [word for change in (*changes, "confirm.seeds=2") for word in ("--set", change)]
    arguments = ["sweep", STUDY, *PLUGINS, *sets]
    outcome = whygates(*arguments, "--workers", "2", cwd=folder)
    assert outcome.code == 0, outcome
    assert "3 of 3 arms done" in outcome.stdout
    assert re.search(r"engine \w+ \(.*\): .*ugrnn", outcome.stdout)
    return folder, arguments


def test_the_report_of_plugins_contains_their_results_and_their_source(swept_plugins: tuple[Path, list[str]]) -> None:
    folder, _ = swept_plugins
    assert whygates("report", STUDY, *PLUGINS, "--out", "report", cwd=folder).code == 0
    table = networks(folder / "report")
    assert table.groupby(["cell", "task"]).size().to_dict() == {
        (cell, "delayed_match"): 4 for cell in ("gru", "lstm", "ugrnn")
    }
    study = json.loads((folder / "report" / "study.json").read_text())
    assert study["plugins"] == {file: Path(file).read_text() for file in (CELL, TASK)}
    assert {"cell": "ugrnn", "parent": "gru", "change": "no reset gate"} in study["lattice"]
    assert "ugrnn" in (folder / "report" / "report.md").read_text()


def test_a_second_sweep_of_plugins_trains_nothing(swept_plugins: tuple[Path, list[str]]) -> None:
    folder, arguments = swept_plugins
    members = folder / "whygates-store" / "members"
    before = {path.name: path.stat().st_mtime_ns for path in members.glob("*.json")}
    assert len(before) == 12
    assert whygates(*arguments, cwd=folder).code == 0
    assert {path.name: path.stat().st_mtime_ns for path in members.glob("*.json")} == before
    assert list(states(STUDY, folder, *PLUGINS).values()) == ["done"] * 3


FAILING_CELL = '''
from ablations.cells.gru import GRU


class Mine(GRU):
    """Fails.

        z  = σ(W_z x + U_z h + b_z)

    Test.
    """

    name, parent, change = "mine", "gru", "it fails"

    def step(self, w, drive, state, tap):
        if state["h"].shape[-2] == 8:  # the batch size of the study
            raise ArithmeticError("an error in the step")
        return super().step(w, drive, state, tap)
'''


def test_a_cell_that_raises_in_training_fails_only_its_own_arms(tiny: Path) -> None:
    (tiny / "mine.py").write_text(FAILING_CELL)
    arguments = ["--plugin", "mine.py", "--set", 'cells=["mine", "rnn"]', *SMALL, "--engine", "eager"]
    outcome = whygates("sweep", "tiny.toml", *arguments, cwd=tiny)
    assert outcome.code == 1, outcome
    assert "2 of 4 arms done" in outcome.stdout
    assert outcome.stdout.count("ArithmeticError: an error in the step (its run in MLflow has the traceback)") == 2
    assert {(cell, state) for (cell, _), state in states("tiny", tiny).items()} == {("mine", "failed"), ("rnn", "done")}
    tracebacks = list(Store.open(tiny / "whygates-store").artifacts.rglob("traceback.txt"))
    assert len(tracebacks) == 2
    for traceback in tracebacks:
        line = 'File "mine.py", line 17, in step\n    raise ArithmeticError("an error in the step")'
        assert line in traceback.read_text()


def test_results_that_are_not_uploaded_are_said_everywhere_and_delivered_by_the_same_command(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members of the swept store are reused under another name, so that nothing is trained."""
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    command = ["sweep", "tiny.toml", "--set", "name=other", "--workers", "1"]
    original, attempts = Tracker.deliver, []

    def refuse_after_twenty(tracker: Tracker, record: dict[str, Any]) -> bool:
        attempts.append(record["hash"])
        if len(attempts) > 20:
            raise MlflowException("connection refused")
        return original(tracker, record)

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "deliver", refuse_after_twenty)
        outcome = whygates(*command, cwd=tmp_path)
    queued = len(Store.open(tmp_path / "whygates-store").queued_arms("other"))
    assert outcome.code == 3, outcome
    resume = "whygates sweep tiny.toml --set name=other --workers 1"
    assert f"{queued} results wait in " in outcome.stdout
    assert f"Upload with:  {resume}\n" in outcome.stdout
    sentences = f"{queued} results wait for upload to MLflow and are not counted.\nContinue with:  {resume}\n"
    assert sentences in whygates("status", "other", cwd=tmp_path).stdout
    assert sentences in whygates("report", "other", "--out", "unfinished", cwd=tmp_path).stdout
    page = (tmp_path / "unfinished" / "report.md").read_text()
    assert "**Unfinished.**" in page.split("\n\n")[3]
    assert f"{queued} results are trained, but not uploaded to MLflow yet." in page
    assert f"<code>{resume}</code>" in page

    assert whygates(*command, cwd=tmp_path).code == 0
    complete = whygates("status", "other", cwd=tmp_path).stdout
    assert complete.endswith("32 of 32 members finished; no sweep is running\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ray", "auto"], '--ray needs Ray, which is not installed: pip install "whygates[cluster]"'),
        (["--shared", "folder"], "--shared is the folder of a Ray cluster: give --ray too"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_sentence(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ablations.sweeps.workers.cluster", raising=False)
    monkeypatch.delattr(workers, "cluster", raising=False)
    outcome = whygates("sweep", "tiny.toml", *arguments, cwd=tiny)
    assert (outcome.code, outcome.stderr) == (2, f"whygates: {message}\n")
    assert not (tiny / "whygates-store").exists()
