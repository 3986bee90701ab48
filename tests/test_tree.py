"""The source tree: the README shows its folders, and modules are short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ablations", "tasks", "reports")


def folders_in_readme() -> set[str]:
    """The folders of the tree in the README, as paths."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tree,) = (block for block in readme.split("```") if block.startswith("\nablations/"))
    above: list[str] = []
    found = set()
    for indent, name in re.findall(r"^( *)(\w+)/ ", tree, re.MULTILINE):
        above = [*above[: len(indent) // 2], name]
        found.add("/".join(above))
    return found


def test_the_readme_shows_every_package_and_no_folder_that_does_not_exist() -> None:
    shown = folders_in_readme()
    assert {path for path in shown if not (ROOT / path).is_dir()} == set()
    packages = {
        str(file.parent.relative_to(ROOT)) for package in PACKAGES for file in (ROOT / package).rglob("__init__.py")
    }
    assert packages - shown == set()


@pytest.mark.parametrize("folder", [*PACKAGES, "tests", "examples"])
def test_no_module_is_longer_than_300_lines(folder: str) -> None:
    files = [file for file in (ROOT / folder).rglob("*.py") if "bench" not in file.parts]  # a benchmark is one script
    assert files
    lines = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8").count("\n") for file in files}
    assert {file: count for file, count in lines.items() if count > 300} == {}


def test_the_command_line_only_parses_and_dispatches() -> None:
    assert (ROOT / "ablations" / "cli.py").read_text(encoding="utf-8").count("\n") <= 200
