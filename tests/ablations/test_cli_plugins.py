"""Plug-ins on the command line: sweep, report, catalogue and check, and the refusal of unusable files."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from ablations.sweeps.store import Store
from tests.ablations.cli_process import digests, whygates

EXAMPLES = Path(__file__).parents[2] / "examples"
CELL, TASK, STUDY = (str(EXAMPLES / name) for name in ("ugrnn.py", "delayed_match.py", "own.toml"))
BOTH = ("--plugin", CELL, "--plugin", TASK)
SMALL = ("train.steps=4", "train.eval_every=2", "train.test=50", "task.delayed_match.lags=[3]", "tune.trials=1")
SETS = [word for change in (*SMALL, "confirm.seeds=2") for word in ("--set", change)]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    done = whygates("sweep", STUDY, *BOTH, *SETS, "--workers", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 arms done" in done.stdout
    assert re.search(r"engine \w+ \(.*\): .*ugrnn", done.stdout)
    return folder


def test_a_cell_and_a_task_from_plugins_are_swept_and_reported(swept: Path) -> None:
    assert whygates("report", STUDY, *BOTH, "--out", "report", cwd=swept).returncode == 0
    table = pd.read_csv(swept / "report" / "results.csv")
    assert table.groupby(["cell", "task"]).size().to_dict() == {
        (cell, "delayed_match"): 4 for cell in ("gru", "lstm", "ugrnn")
    }
    study = json.loads((swept / "report" / "study.json").read_text())
    assert study["plugins"] == {file: Path(file).read_text() for file in (CELL, TASK)}
    assert {"cell": "ugrnn", "parent": "gru", "change": "no reset gate"} in study["lattice"]
    assert "ugrnn" in (swept / "report" / "report.md").read_text()


def test_members_of_plugin_cells_are_not_trained_again(swept: Path) -> None:
    members = sorted((swept / "whygates-store" / "members").glob("*.json"))
    assert len(members) == 12
    before = [(path.name, path.stat().st_mtime_ns) for path in members]
    assert whygates("sweep", STUDY, *BOTH, *SETS, cwd=swept).returncode == 0
    after = sorted((swept / "whygates-store" / "members").glob("*.json"))
    assert [(path.name, path.stat().st_mtime_ns) for path in after] == before
    states = json.loads(whygates("status", STUDY, *BOTH, "--json", cwd=swept).stdout)
    assert [arm["state"] for arm in states] == ["done"] * 3


def test_plugins_are_listed_in_the_catalogues(tmp_path: Path) -> None:
    shown = whygates("cells", "--plugin", CELL, cwd=tmp_path).stdout
    assert re.search(r"── gru .*\n(.*\n)*?(│ )? +└── ugrnn .*\n.*no reset gate\n", shown)
    difference = whygates("cells", "--plugin", CELL, "--diff", "gru", "ugrnn", cwd=tmp_path).stdout
    assert "make  no reset gate  (ugrnn)" in difference
    tasks = json.loads(whygates("tasks", "--plugin", TASK, "--json", cwd=tmp_path).stdout)
    assert {"name": "delayed_match", "options": {"symbols": 4}}.items() <= {t["name"]: t for t in tasks}[
        "delayed_match"
    ].items()


def test_check_prints_the_checks_that_pass_and_those_that_fail(tmp_path: Path) -> None:
    good = whygates("check", TASK, cwd=tmp_path)
    assert good.returncode == 0, good.stdout
    assert good.stdout.startswith(
        "delayed_match, a task\n  passes Every option is a keyword-only argument with a default.\n"
    )
    assert good.stdout.endswith("every check passes\n")
    (tmp_path / "mine.py").write_text(
        Path(CELL).read_text().replace("n + z * (h - n)", "n + z * (h - n.mean(-2, keepdim=True))")
    )
    bad = whygates("check", "mine.py", cwd=tmp_path)
    assert bad.returncode == 1
    assert re.search(
        r"  FAILS  NaN in the input and state of one row reaches the outputs of that row only.\n +mine.py:35: rows mix: ",
        bad.stdout,
    )
    assert "  passes The outputs depend on every weight." in bad.stdout
    assert "engine eager (no fused kernel: " in bad.stdout
    assert bad.stdout.endswith("checks that fail: 1\n")
    (tmp_path / "mine.py").write_text(Path(CELL).read_text().replace("reference = ", "source = "))
    unusable = whygates("check", "mine.py", cwd=tmp_path)
    assert unusable.returncode == 1
    assert "  the other 9 checks come after these" in unusable.stdout


RAISES_ABOVE_50_UNITS = """
    def weights(self, inputs, hidden):
        if hidden > 50:
            raise RuntimeError("too many units")
        return super().weights(inputs, hidden)
"""
MINE = "from ablations.cells.gru import GRU\n\n\nclass Mine(GRU):\n    {}\n    name, parent, change = 'mine', 'gru', 'raises an error'\n{}"
DOCUMENTED = '"""Breaks.\n\n        z  = σ(W_z x + U_z h + b_z)\n\n    Nobody.\n    """'
REFUSALS = {
    "a missing file": (None, ["cells"], "mine.py: cannot be read: No such file or directory"),
    "a missing file to check": (None, ["check", "mine.py"], "mine.py: cannot be read: No such file or directory"),
    "a syntax error": ("class Mine(:", ["tasks"], "mine.py:1: SyntaxError: invalid syntax"),
    "a syntax error to check": ("class Mine(:", ["check", "mine.py"], "mine.py:1: SyntaxError: invalid syntax"),
    "no equations": (MINE.format("", ""), ["sweep", "smoke", "--dry-run"], "mine.py:4: the docstring has no equations"),
    "an error when it is used": (MINE.format(DOCUMENTED, RAISES_ABOVE_50_UNITS), ["cells", "--hidden", "60"], "mine.py:15: RuntimeError: too many units"),
    "a missing option --plugin": (None, ["sweep", STUDY, "--plugin", TASK], "unknown cell 'ugrnn'; did you mean 'rnn'?"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_an_unusable_plugin_is_refused_in_one_line_and_no_file_changes(tmp_path: Path, case: str) -> None:
    text, arguments, message = REFUSALS[case]
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    before = digests(tmp_path)
    plugin = () if "check" in arguments or case == "a missing option --plugin" else ("--plugin", "mine.py")
    done = whygates(*arguments, *plugin, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert digests(tmp_path) == before


RAISES_IN_TRAINING = """
    def step(self, w, drive, state, tap):
        if state["h"].shape[-2] == 8:  # the study's batch
            raise ArithmeticError("raised in step")
        return super().step(w, drive, state, tap)
"""


def test_an_error_in_a_plugin_cell_fails_the_arms_of_that_cell_only(tiny: Path) -> None:
    (tiny / "mine.py").write_text(MINE.format(DOCUMENTED, RAISES_IN_TRAINING))
    small = ["--set", "train.steps=2", "--set", "tune.trials=1", "--set", "confirm.seeds=2", "--engine", "eager"]
    done = whygates("sweep", "tiny.toml", "--plugin", "mine.py", "--set", 'cells=["mine", "rnn"]', *small, cwd=tiny)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 of 4 arms done" in done.stdout
    assert done.stdout.count("ArithmeticError: raised in step (its run in MLflow has the traceback)") == 2
    states = json.loads(whygates("status", "tiny", "--json", cwd=tiny).stdout)
    assert {(arm["cell"], arm["state"]) for arm in states} == {("mine", "failed"), ("rnn", "done")}
    traces = list(Store.open(tiny / "whygates-store").artifacts.rglob("traceback.txt"))
    assert len(traces) == 2
    for trace in traces:
        assert 'File "mine.py", line 15, in step\n    raise ArithmeticError("raised in step")' in trace.read_text()
