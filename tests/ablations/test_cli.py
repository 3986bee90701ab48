"""The entry point: what it imports, its exit codes, and the one line that invalid input gets."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from ablations.sweeps.store import Store
from tests.ablations.cli_process import digests, whygates_process
from tests.ablations.cli_runner import whygates

COMMANDS = ("demo", "sweep", "status", "report", "inspect", "ui", "export", "merge", "rm", "cells", "tasks", "check")
EXAMPLES = Path(__file__).parents[2] / "examples"
CELL, TASK, STUDY = (str(EXAMPLES / name) for name in ("ugrnn.py", "delayed_match.py", "own.toml"))


def test_help_names_every_command(tmp_path: Path) -> None:
    done = whygates_process("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert tuple(re.findall(r"^│ (\w+)  ", done.stdout.partition("Commands")[2], re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    done = whygates(command, "--help", cwd=tmp_path)
    assert done.code == 0
    assert f"whygates {command}" in done.stdout
    assert "[[" not in done.stdout


def test_without_arguments_the_help_is_printed(tmp_path: Path) -> None:
    assert whygates(cwd=tmp_path) == whygates("--help", cwd=tmp_path)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import ablations", ["torch", "mlflow", "optuna", "pandas"]),
        ("from ablations.__main__ import run; run(['--help'])", ["torch", "mlflow", "optuna", "pandas", "numpy"]),
        (
            "from ablations.__main__ import run; run(['cells', '--help'])",
            ["torch", "mlflow", "optuna", "pandas", "numpy"],
        ),
        ("import reports.build", ["torch", "mlflow", "optuna", "ablations", "tasks"]),
        ("import ablations.sweeps.workers.local", ["mlflow", "pandas"]),
    ],
)
def test_imports_stay_cheap(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys; print('imported:', sorted(set(sys.modules) & set({absent})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported: []"


def test_the_process_exits_with_the_code_of_the_command(tmp_path: Path) -> None:
    assert whygates_process("--version", cwd=tmp_path).returncode == 0
    refused = whygates_process("status", "smoke", "--store", "nowhere", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("whygates: --store nowhere: there is no such folder")


INVALID = {
    "unknown command": (["swep"], "No such command 'swep'. Did you mean 'sweep'?"),
    "missing argument": (["inspect"], "Missing argument 'RUN'"),
    "unknown study": (["sweep", "smok"], "did you mean 'smoke'"),
    "unknown cell": (["sweep", "smoke", "--set", 'cells=["lstn"]'], "unknown cell 'lstn'; did you mean 'lstm'?"),
    "unknown cell to show": (["cells", "lstn"], "unknown cell 'lstn'; did you mean 'lstm'?"),
    "unknown cell to compare": (["cells", "--diff", "lstn", "gru"], "unknown cell 'lstn'; did you mean 'lstm'?"),
    "unknown task to show": (["tasks", "recal"], "unknown task 'recal'; did you mean 'recall'?"),
    "a cell and a pair": (["cells", "lstm", "--diff", "lstm", "gru"], "give either one CELL or --diff A B"),
    "unknown key": (["sweep", "smoke", "--set", "train.step=5"], "unknown key 'step'; did you mean 'steps'?"),
    "unknown device": (["sweep", "smoke", "--device", "gpu"], "Invalid value for '--device': 'gpu' is not one of"),
    "unknown engine": (["sweep", "smoke", "--engine", "egaer"], "Invalid value for '--engine': 'egaer' is not one of"),
    "no workers": (["sweep", "smoke", "--workers", "0"], "Invalid value for '--workers'"),
    "corrupt file": (["sweep", "broken.toml"], "broken.toml: not valid TOML"),
    "not a store": (["sweep", "smoke", "--store", "full"], "is not a whygates store"),
    "a file as store": (["sweep", "smoke", "--store", "broken.toml"], "Invalid value for '--store'"),
    "no store": (["status", "smoke", "--store", "nowhere"], "there is no such folder"),
    "unwritable store": (["sweep", "smoke", "--store", "/proc/nowhere/store"], "cannot be written to"),
    "unwritable report": (["demo", "--out", "/proc/nowhere/report"], "cannot be written to"),
    "a file as report": (["demo", "--out", "broken.toml"], "Invalid value for '--out'"),
    "missing columns": (["report", "--from", "full/results.csv", "--out", "r"], "phase"),
    "missing table": (["report", "--from", "nowhere.csv", "--out", "r"], "'nowhere.csv' does not exist"),
    "never swept": (["report", "smoke", "--store", "empty", "--out", "r"], "no study was swept into this store yet"),
    "nothing to browse": (["ui", "--store", "empty"], "no study was swept into this store yet"),
    "neither study nor tables": (["report"], "give either a STUDY or --from TABLES"),
    "study and tables": (["report", "smoke", "--from", "full"], "give either a STUDY or --from TABLES"),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_input_is_reported_in_one_line_and_changes_no_file(tmp_path: Path, case: str) -> None:
    arguments, message = INVALID[case]
    (tmp_path / "broken.toml").write_text("name = ")
    Store.create(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "results.csv").write_text("study,cell,task\na,b,c\n")
    before = digests(tmp_path)
    done = whygates(*arguments, cwd=tmp_path)
    assert not (tmp_path / "r").exists()
    assert done.code == 2, done
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert digests(tmp_path) == before


BREAKS_LATER = """
    def weights(self, inputs, hidden):
        if hidden > 50:
            raise RuntimeError("too many units")
        return super().weights(inputs, hidden)
"""
UNSUPPORTED = """
    def step(self, w, drive, state, tap):
        return {"h": super().step(w, drive, state, tap)["h"].sort(-1).values}
"""
MINE = "from ablations.cells.gru import GRU\n\n\nclass Mine(GRU):\n    {}\n    name, parent, change = 'mine', 'gru', 'it breaks'\n{}"
DOCUMENTED = '"""Breaks.\n\n        z  = σ(W_z x + U_z h + b_z)\n\n    Nobody.\n    """'
INVALID_PLUGINS = {
    "no such file": (None, ["cells"], "'mine.py' does not exist"),
    "no such file to check": (None, ["check", "mine.py"], "'mine.py' does not exist"),
    "no Python": ("class Mine(:", ["tasks"], "mine.py:1: SyntaxError: invalid syntax"),
    "no Python to check": ("class Mine(:", ["check", "mine.py"], "mine.py:1: SyntaxError: invalid syntax"),
    "without equations": (MINE.format("", ""), ["sweep", "smoke", "--dry-run"], "mine.py:4: the docstring has no equations"),
    "raises when it is used": (MINE.format(DOCUMENTED, BREAKS_LATER), ["cells", "--hidden", "60"], "mine.py:15: RuntimeError: too many units"),
    "without a fused kernel": (MINE.format(DOCUMENTED, UNSUPPORTED), ["sweep", "smoke", "--set", "cells=['mine']", "--engine", "fused"], "the fused engine cannot run the cell 'mine': the operators scatter, sort are not supported"),
    "not named": (None, ["sweep", STUDY, "--plugin", TASK], "unknown cell 'ugrnn'; did you mean 'rnn'?"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID_PLUGINS)
def test_an_invalid_plugin_is_reported_in_one_line_and_changes_no_file(tmp_path: Path, case: str) -> None:
    text, arguments, message = INVALID_PLUGINS[case]
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    before = digests(tmp_path)
    plugin = () if "check" in arguments or "--plugin" in arguments else ("--plugin", "mine.py")
    done = whygates(*arguments, *plugin, cwd=tmp_path)
    assert done.code == 2, done
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert digests(tmp_path) == before


def test_a_store_in_use_is_refused(tiny: Path) -> None:
    with FileLock(Store.create(tiny / "whygates-store").folder / "sweep.lock"):
        done = whygates("sweep", "tiny.toml", cwd=tiny)
    assert done.code == 2
    assert "another sweep is using this store" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["sweep", "tiny.toml"], ["status", "tiny"], ["report", "tiny"], ["ui"], ["inspect", "abc"], ["demo"]],
    ids=" ".join,
)
def test_an_unreachable_server_is_refused_without_showing_its_password(tiny: Path, arguments: list[str]) -> None:
    done = whygates(*arguments, cwd=tiny, MLFLOW_TRACKING_URI="http://me:secret@127.0.0.1:9")
    assert done.code == 2
    assert done.stderr.strip().splitlines()[-1].startswith("whygates: the MLflow server at http://127.0.0.1:9 ")
    assert "secret" not in done.stdout + done.stderr
    assert not [path for path in tiny.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


@pytest.mark.parametrize(
    "arguments",
    [["sweep", "tiny.toml"], ["status", "tiny"], ["report", "tiny"], ["ui"], ["inspect", "abc"], ["demo"]],
    ids=" ".join,
)
@pytest.mark.parametrize("address", ["postgresql://me:secret@db/x", "file:///mlruns", "http://secret@host"])
def test_an_address_that_is_no_server_is_refused_before_anything_is_written(
    tiny: Path, arguments: list[str], address: str
) -> None:
    done = whygates(*arguments, cwd=tiny, MLFLOW_TRACKING_URI=address)
    assert done.code == 2
    assert done.stderr.startswith("whygates: MLFLOW_TRACKING_URI=")
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stdout + done.stderr
    assert not list(tiny.glob("*store*"))
