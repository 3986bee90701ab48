"""Importing `ablations` where another module has the name of one of its packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ablations

ROOT = Path(ablations.__file__).parents[1]
SCRIPT = "import sys\nfrom ablations.__main__ import main\nsys.exit(main())\n"
"""The file that an installer writes for the command `whygates`."""


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the current folder before this project on its search path."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([".", str(ROOT)])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


def sentence(name: str, path: Path) -> str:
    """The error message for a path in the way of a package."""
    return (
        f"whygates needs its own package `{name}`, but Python finds {path.resolve()} first: "
        "rename it, or start Python in another folder"
    )


@pytest.fixture(params=["tasks.py", "reports.py", "tasks/__init__.py", "reports/__init__.py"])
def shadow(request, tmp_path: Path) -> tuple[str, Path]:
    """A module of the same name as one of the project's packages in the current folder: the name, and its path."""
    file = tmp_path / request.param
    file.parent.mkdir(exist_ok=True)
    file.touch()
    path = file.parent if file.name == "__init__.py" else file
    return path.stem, path


def test_import_names_the_file_that_shadows_a_package(shadow, tmp_path):
    done = python("-c", "import ablations", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {sentence(*shadow)}"


def test_module_command_prints_one_sentence_and_exits_with_2(tmp_path):
    (tmp_path / "reports.py").touch()
    done = python("-m", "ablations", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{sentence('reports', tmp_path / 'reports.py')}\n")


@pytest.mark.parametrize("file", ["whygates", "whygates.exe"])
def test_installed_command_prints_one_sentence_and_exits_with_2(tmp_path, file):
    (tmp_path / "tasks.py").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / file).write_text(SCRIPT)
    done = python(f"bin/{file}", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{sentence('tasks', tmp_path / 'tasks.py')}\n")


def test_module_that_is_already_imported_shadows_too(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "tasks.py").touch()
    code = "import sys; sys.path.insert(0, 'elsewhere'); import tasks; del sys.path[0]; import ablations"
    done = python("-c", code, cwd=tmp_path)
    assert done.stderr.splitlines()[-1].startswith("ImportError: whygates needs its own package `tasks`")


def test_folders_without_init_do_not_shadow(tmp_path):
    for name in ("tasks", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "note.py").touch()
    done = python("-c", "import ablations, tasks; print(tasks.catalogue.__module__)", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "tasks\n"), done.stderr
    assert python("-m", "ablations", "--version", cwd=tmp_path).stdout == f"whygates {ablations.__version__}\n"


def test_import_succeeds_through_a_symbolic_link(tmp_path):
    (tmp_path / "link").symlink_to(ROOT)
    done = python("-c", "import sys; sys.path.insert(0, 'link'); import ablations, tasks", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
