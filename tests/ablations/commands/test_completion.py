"""Shell completion: the names are those of the catalogues, and no heavy module is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from ablations import cells
from ablations.commands.completion import complete_cell, complete_study, complete_task
from ablations.studies.loading import presets


def test_completed_names_are_those_of_the_catalogues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no TOML file is there
    assert complete_cell() == sorted(cells.catalogue())
    assert sorted(complete_task()) == sorted(tasks.catalogue())
    assert complete_study("") == sorted(presets())


def test_studies_are_also_completed_to_toml_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sanity.toml", "other.toml", "sanity.txt"):
        Path(name).touch()
    assert [name for name in complete_study("san") if name.startswith("san")] == ["sanity", "sanity.toml"]


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("whygates sweep sm", ["smoke"]),
        ("whygates status gre", ["greff"]),
        ("whygates cells lstm_p", ["lstm_peephole"]),
        ("whygates cells --diff gru lstm_p", ["lstm_peephole"]),
        ("whygates tasks reca", ["recall"]),
        ("whygates sweep --engine fu", ["fused"]),
    ],
)
def test_the_shell_gets_completions(words: str, completions: list[str]) -> None:
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(sorted({'torch', 'mlflow', 'pandas', 'numpy'} & {*sys.modules})))\n"
        "from ablations.__main__ import main; main()"
    )
    request = {"_WHYGATES_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | request, capture_output=True, text=True)
    assert done.stdout.splitlines() == [*completions, "[]"], done.stderr
