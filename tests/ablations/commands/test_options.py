"""Arguments and options: their choices, and the study that an argument names."""

import os
import threading
from pathlib import Path
from typing import get_args

import pytest

from ablations.commands.options import Device, Engine, study_name
from ablations.engines import ENGINES
from ablations.engines.device import DEVICES
from ablations.errors import InputError
from tests.ablations.cli_process import digests
from tests.ablations.cli_runner import whygates


def test_the_choices_of_engine_are_the_engines_that_exist() -> None:
    assert sorted(get_args(Engine)) == sorted(ENGINES)
    assert sorted(get_args(Device)) == sorted(DEVICES)


FILE_NAMES = [
    "tiny.toml", "study.txt", "TINY.TOML", "study", "my study", "a#b?c%2F.toml", "Größe🎉", "two\nlines.toml", "-x.toml", "back\\slash'\"",
]  # fmt: skip


@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_study_file_of_any_name_is_one_for_every_command(tiny: Path, name: str) -> None:
    (tiny / "tiny.toml").rename(tiny / name)
    assert study_name(str(tiny / name)) == "tiny"
    assert "tiny: 4 arms, 32 networks" in whygates("sweep", "--dry-run", "--", name, cwd=tiny).stdout
    for command in ("status", "report"):
        assert "whygates-store: there is no such folder" in whygates(command, "--", name, cwd=tiny).stderr


def test_any_other_study_argument_is_a_name_in_the_store(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny)
    Path("smoke").write_text("a preset's name is not a file")
    Path("folder").mkdir()
    for name in ("smoke", "folder", "swept", "", "a\0b"):
        assert study_name(name) == name
    with pytest.raises(InputError, match=r"study 'missing.TOML': no such file"):
        study_name("missing.TOML")


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "pipe"],
        ["status", "pipe"],
        ["report", "pipe"],
        ["sweep", "/dev/null"],
        ["status", "/dev/stdin"],
        ["sweep", "/dev/fd/0"],
        ["sweep", "/proc/self/fd/0"],
        ["sweep", "tiny.toml", "--plugin", "pipe"],
        ["report", "tiny", "--plugin", "/dev/stdin"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_read_again_is_refused(tiny: Path, arguments: list[str]) -> None:
    os.mkfifo(tiny / "pipe")
    # Whoever reads the pipe does not wait for ever.
    writer = threading.Thread(target=(tiny / "pipe").write_text, args=[""], daemon=True)
    writer.start()
    refused = whygates(*arguments, cwd=tiny)
    os.close(os.open(tiny / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    writer.join(10)
    assert refused.code == 2
    assert "it is not a regular file, and cannot be read again; save it as one and name that" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert {path.name for path in tiny.iterdir()} == {"tiny.toml", "pipe"}


LONG = "ü" * 128
"""256 bytes."""


@pytest.mark.parametrize("name", [LONG, f"new/{LONG}", f"{LONG}/below", "\udcff", "a\udcffb/c"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "tiny.toml", "--store"],
        ["demo", "--out"],
        ["report", "--from", "tiny.toml", "--out"],
        ["inspect", "abc", "--out"],
        ["sweep"],
        ["status"],
        ["load", "--plugin"],
        ["check"],
    ],
    ids=" ".join,
)
def test_a_path_that_no_file_can_have_is_refused_before_anything_is_written(
    tiny: Path, arguments: list[str], name: str
) -> None:
    before = digests(tiny)
    refused = whygates(*arguments, name, cwd=tiny)
    assert refused.code == 2
    assert len(refused.stderr.splitlines()) == 1
    assert digests(tiny) == before
    assert [path.name for path in tiny.iterdir()] == ["tiny.toml"]


@pytest.mark.parametrize(
    "name", ["a#b.py", "50%2F?.py", 'it\'s "x".py', "Größe🎉.py", "two\nlines.py", "-x.py", "plugin", "n" * 252 + ".py"]
)
def test_a_plugin_of_any_name_is_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes((Path(__file__).parents[3] / "examples" / "ugrnn.py").read_bytes())
    assert "h' = " in whygates("cells", "ugrnn", "--plugin", name, cwd=tmp_path).stdout
