"""The command line in unusual environments: it ends with its result or one sentence, never with a traceback."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ablations.commands.environment import Output, finish, is_unicode, unusable


def run(command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell command, in which `whygates` is this installation."""
    script = f'whygates() {{ "{sys.executable}" -P -m ablations "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", script], cwd=cwd, env=os.environ | variables, capture_output=True, check=False)


UNUSUAL = {
    "output in ASCII": ("whygates cells lstm", {"PYTHONIOENCODING": "ascii"}),
    "JSON in Latin-1": ("whygates tasks recall --json", {"PYTHONIOENCODING": "latin-1"}),
    "the POSIX locale": ("whygates tasks recall", {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "warnings as errors": ("whygates cells rnn", {"PYTHONWARNINGS": "error"}),
    "closed output": ("whygates cells rnn >&-", {}),
    "closed streams": ("whygates cells rnn >&- 2>&- <&-", {}),
    "a pipe that is closed early": ("whygates cells --json | head -1", {}),
    "a narrow terminal": ("whygates cells lstm", {"COLUMNS": "20"}),
    "no home": ("whygates cells rnn", {"HOME": "/nowhere"}),
    "a backend that does not exist": ("whygates cells rnn", {"MPLBACKEND": "module://nowhere"}),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_command_ends_well_in_an_unusual_environment(name, tmp_path):
    command, variables = UNUSUAL[name]
    done = run(command, tmp_path, **variables)
    assert (done.returncode, done.stderr) == (0, b"")


REFUSED = {
    "a deleted folder": (
        "mkdir gone; cd gone; rmdir ../gone; whygates cells rnn",
        {},
        "the current folder was deleted",
    ),
    "no docstrings": ("whygates cells", {"PYTHONOPTIMIZE": "2"}, "-OO (PYTHONOPTIMIZE=2)"),
    "a full device": (
        "whygates cells > /dev/full",
        {},
        "whygates: the output cannot be written: No space left on device",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_one_sentence(name, tmp_path):
    command, variables, message = REFUSED[name]
    done = run(command, tmp_path, **variables)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr.decode()


def test_a_file_in_the_current_folder_replaces_no_module(tmp_path):
    for name in ("copy", "struct", "random", "string", "select", "typer", "rich", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('executed')\n")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}  # no relative path
    command = [sys.executable, "-m", "ablations", "cells", "rnn"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Full(io.StringIO):
    """A stream on a full device."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def fileno(self) -> int:
        return os.open(os.devnull, os.O_WRONLY)


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [(OSError(28, "No space"), 0, 2), (OSError(5, "I/O"), 1, 1), (BrokenPipeError(32, "x"), 0, 0)],
)
def test_a_failing_stream_stops_nothing_and_shows_in_the_exit_code(error, code, expected, capsys):
    output = Output(Full(error))
    assert output.write("one") == 3
    assert output.write("two") == 3
    assert output.error is error
    assert finish(output, code) == expected
    assert capsys.readouterr().err == (
        "" if expected == code == 0 else f"whygates: the output cannot be written: {error.strerror}\n"
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device", "/store/x"), "/store/x: No space left on device"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (PermissionError(13, "Permission denied", "/y"), "/y: Permission denied"),
        (MemoryError(), "not enough memory"),
        (OSError("no number"), None),
        (ValueError("a bug"), None),
    ],
)
def test_errors_of_the_machine_are_sentences_and_others_are_not_hidden(error, expected):
    assert unusable(error) == expected


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", True), ("UTF8", True), ("latin-1", False), ("ascii", False), (None, False)]
)
def test_encodings_that_show_every_character(encoding, expected, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding) if encoding else None)
    assert is_unicode() is expected
