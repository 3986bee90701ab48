"""Folders that are written: which are refused, and that files of others survive."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.output import LIST, Occupied, check, listed, write

FILES = {"report.html": "page", "figures/scores.svg": "<svg/>"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_of_an_earlier_report_are_replaced_or_deleted_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "below"
    write(folder, FILES)
    assert listed(folder) == ["figures/scores.svg", "report.html"]
    for name in ("figures/mine.svg", "notes.txt"):
        (folder / name).write_text("mine")
    (tmp_path / "table").write_text("a,b")
    write(folder, {"report.html": "other", "results.csv": tmp_path / "table"})
    own = {"report.html": b"other", "results.csv": b"a,b"}
    list_file = {LIST: b'[\n "report.html",\n "results.csv"\n]\n'}
    assert contents(folder) == own | list_file | dict.fromkeys(["figures/mine.svg", "notes.txt"], b"mine")


@pytest.mark.parametrize("name", [".DS_Store", ".git/config", "figures"])
def test_hidden_files_and_empty_folders_do_not_make_a_folder_occupied(tmp_path: Path, name: str) -> None:
    if name == "figures":
        write(tmp_path, {})
        (tmp_path / "figures").mkdir()
    else:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    write(tmp_path, FILES)
    assert {*contents(tmp_path)} - {name} == {*FILES, LIST}


def link(folder: Path) -> None:
    outside = folder.with_name("outside")
    outside.mkdir()
    (outside / "scores.svg").write_text("mine")
    folder.mkdir()
    (folder / LIST).write_text(json.dumps([*FILES]))
    (folder / "figures").symlink_to(outside, target_is_directory=True)


def made(**texts: str) -> Callable[[Path], None]:
    """Makes a folder with files; `__` stands for a slash, and `_` for a dot."""

    def make(folder: Path) -> None:
        for name, text in texts.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


def with_list(text: str, *names: str) -> Callable[[Path], None]:
    """Makes a folder with this list, and further files."""

    def make(folder: Path) -> None:
        folder.mkdir()
        folder.with_name("thesis.tex").write_text("mine")
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("mine")
        (folder / LIST).write_text(text)

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (made(thesis_tex="mine"), "it has files, and no whygates-files.json"),
        (made(report_html="of an older version"), "it has files, and no whygates-files.json"),
        (made(figures__mine_svg="mine"), "it has files, and no whygates-files.json"),
        (lambda folder: folder.write_text("mine"), "it is not a folder"),
        (lambda folder: folder.symlink_to("nowhere"), "it is not a folder"),
        (with_list("[]", "report.html"), "report.html in it is not in whygates-files.json"),
        (with_list("[]", "figures"), "figures in it is not a folder, or a link"),
        (link, "figures in it is not a folder, or a link"),
        (with_list('["report.html"]', "report.html/mine"), "report.html in it is a folder"),
        (with_list('["../thesis.tex"]'), "whygates-files.json in it is damaged"),
        (with_list('["figures/../../thesis.tex"]'), "whygates-files.json in it is damaged"),
        (with_list('["/etc/hostname"]'), "whygates-files.json in it is damaged"),
        (with_list('["", 3]'), "whygates-files.json in it is damaged"),
        (with_list('{"report.html": 1}'), "whygates-files.json in it is damaged"),
        (with_list("[" * 100_000), "whygates-files.json in it is damaged"),
        (with_list("\x00"), "whygates-files.json in it is damaged"),
        (lambda folder: (folder.mkdir(), (folder / LIST).mkdir()), "whygates-files.json in it is damaged"),
        (lambda folder: (folder.mkdir(), (folder / LIST).symlink_to("nowhere")), "whygates-files.json in it is damaged"),
    ],
)  # fmt: skip
def test_a_folder_with_files_of_others_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    folder = tmp_path / "out"
    make(folder)
    before = contents(tmp_path)
    for refused in (write, check):
        with pytest.raises(Occupied) as caught:
            refused(folder, FILES)
        assert reason in str(caught.value)
        assert str(caught.value).startswith(f"{folder}: ")
        assert "empty or new" in str(caught.value)
    assert contents(tmp_path) == before


def test_a_folder_may_be_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    write(tmp_path / "link", FILES)
    write(tmp_path / "link", FILES)
    assert {*contents(tmp_path / "real")} == {*FILES, LIST}


def test_a_report_that_was_killed_is_replaced_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, done = os.replace, []

    def killed(source: Path, target: Path) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("reports.output.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, FILES)
    assert 0 < len(contents(tmp_path)) < 3
    write(tmp_path, FILES)
    assert {*contents(tmp_path)} == {*FILES, LIST}
