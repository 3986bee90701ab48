"""Imports of plug-ins from beside them: found without PYTHONPATH, part of the hash, read once."""

import sys
from pathlib import Path

import pytest

from ablations.cells import base
from ablations.contract import plugins, siblings
from ablations.errors import InputError
from ablations.studies.hashing import source_digest
from tests.ablations.cli_process import TINY
from tests.ablations.cli_runner import restored_registries, whygates
from tests.ablations.contract.example_plugins import CELL

pytestmark = pytest.mark.usefixtures("registries")

HELPER = "from deeper import factor\n\ndef scaled(x):\n    return factor() * x\n"
DEEPER = "def factor():\n    return 1.0\n"


def plugin(folder: Path, imports: str = "from helper import scaled", **files: str) -> Path:
    """A copy of the example cell that uses a function of a file beside it."""
    folder.mkdir(exist_ok=True)
    for name, text in {"helper": HELPER, "deeper": DEEPER, **files}.items():
        (folder / f"{name}.py").write_text(text)
    text = CELL.read_text().replace("z * (h - n)}", "scaled(z * (h - n))}")
    (folder / "mine.py").write_text(f"{imports}\n{text}")
    return folder / "mine.py"


def digest_of(file: Path) -> str:
    with restored_registries():
        (kind,) = plugins.defined(file)
        return source_digest(kind)


def test_a_file_beside_a_plugin_is_imported_and_only_while_the_plugin_runs(tmp_path):
    before = list(sys.meta_path)
    plugins.load([plugin(tmp_path)])
    assert sys.meta_path == before
    assert set(siblings.texts) == {str(tmp_path / "helper.py"), str(tmp_path / "deeper.py")}
    with pytest.raises(ModuleNotFoundError):
        __import__("mine")


@pytest.mark.parametrize(
    ("imports", "changed"),
    [
        ("from helper import scaled", {"helper": HELPER.replace("factor() *", "2 * factor() *")}),
        ("from helper import scaled", {"deeper": DEEPER.replace("1.0", "2.0")}),
        ("from helper import *", {"helper": HELPER.replace("factor() *", "2 * factor() *")}),
        ("import helper; scaled = helper.scaled", {"deeper": DEEPER.replace("1.0", "2.0")}),
        ("from helper import scaled as scaled", {"helper": HELPER + "\nimport math\n"}),
        ("def scaled(x):\n    from helper import scaled as s\n    return s(x)\nimport helper", {"deeper": DEEPER.replace("1.0", "2.0")}),
    ],
)  # fmt: skip
def test_an_edited_file_beside_a_plugin_changes_its_digest(imports, changed, tmp_path):
    first = digest_of(plugin(tmp_path / "a", imports))
    assert digest_of(plugin(tmp_path / "b", imports)) == first
    assert digest_of(plugin(tmp_path / "c", imports, **changed)) != first
    assert digest_of(plugin(tmp_path / "d", imports, unused="x = 1\n")) == first


CHANGES = {
    "an import under another name": ("from torch import tanh as act", "from torch import sigmoid as act"),
    "a branch": ("if True:\n    act = abs", "if False:\n    act = abs\nelse:\n    act = min"),
    "a loop": ("for act in (min, max): pass", "for act in (max, min): pass"),
    "a try": ("try:\n    act = abs\nexcept OSError: pass", "try:\n    act = min\nexcept OSError: pass"),
    "an augmented assignment": ("act = 1\nact += 1", "act = 1\nact += 2"),
    "a call": ("act = []\nact.append(1)", "act = []\nact.append(2)"),
    "a star import": ("from math import *", "from cmath import *"),
    "an attribute that is set after the class": ("act = 1", "act = 1\nsetattr(base, 'unused', 1)"),
    "a class that nothing uses": ("act = 1", "act = 1\nclass Act: pass"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_statement_of_a_plugin_is_part_of_its_digest(change, tmp_path):
    def digest(k: int) -> str:
        folder = tmp_path / str(k)
        folder.mkdir()
        text = CELL.read_text().replace(
            "class UGRNN", "from ablations.cells import base\n" + CHANGES[change][k] + "\n\n\nclass UGRNN"
        )
        (folder / "mine.py").write_text(text)
        return digest_of(folder / "mine.py")

    assert digest(0) != digest(1)


def test_an_edit_after_the_import_has_no_effect(tmp_path):
    file = plugin(tmp_path)
    with restored_registries():
        (kind,) = plugins.defined(file)
        first, texts = source_digest(kind), (plugins.loaded(), dict(siblings.texts))
    (tmp_path / "deeper.py").write_text("raise RuntimeError('edited')\n")
    file.write_text("raise RuntimeError('edited')\n")
    with restored_registries():
        plugins.replay(*texts)
        assert source_digest(base.registry["ugrnn"]) == first


def test_an_error_beside_a_plugin_is_described_with_its_file_and_line(tmp_path):
    with pytest.raises(InputError, match=r"deeper\.py:2: ZeroDivisionError: division by zero"):
        plugins.defined(plugin(tmp_path, deeper="factor = 1\nfactor / 0\n"))


def test_two_files_of_one_name_beside_different_plugins_are_refused(tmp_path):
    plugins.defined(plugin(tmp_path / "a"))
    other = plugin(tmp_path / "b")
    other.write_text(other.read_text().replace('"ugrnn"', '"other"'))
    with pytest.raises(InputError, match=r"two plug-ins lie beside different files named \w+\.py"):
        plugins.defined(other)


def test_an_installed_module_comes_before_a_file_of_its_name(tmp_path):
    plugins.defined(plugin(tmp_path, "from helper import scaled; import colorsys", colorsys="raise RuntimeError\n"))


DERIVED = """from first import UGRNN


class Derived(UGRNN):
    '''UGRNN that forgets.

        h' = z ⊙ h + (1 − z) ⊙ n / 2

    Test.
    '''

    name, parent, change = "derived", "ugrnn", "half the candidate"

    def step(self, w, drive, state, tap):
        return {"h": super().step(w, drive, state, tap)["h"] / 2}
"""


def derived(folder: Path, text: str | None = None) -> list[Path]:
    """Two plug-ins, the second of which derives its cell from that of the first."""
    folder.mkdir(exist_ok=True)
    (folder / "first.py").write_text(text or CELL.read_text())
    (folder / "second.py").write_text(DERIVED)
    return [folder / "first.py", folder / "second.py"]


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [1]])
def test_a_cell_may_derive_from_that_of_another_plugin(order, tmp_path):
    files = derived(tmp_path)
    plugins.load([files[k] for k in order])
    first, second = base.registry["ugrnn"], base.registry["derived"]
    assert second.__bases__ == (first,)
    assert [kind.name for kind in plugins.defined(files[1])] == ["derived"]
    assert [kind.name for kind in plugins.defined(files[0])] == ["ugrnn"]


def test_the_digest_of_a_derived_cell_depends_on_both_files_in_any_order_and_in_a_worker(tmp_path):
    def digests(folder: Path, order: list[int], text: str | None = None) -> list[str]:
        files = derived(folder, text)
        with restored_registries():
            for k in order:
                plugins.defined(files[k])
            arguments = plugins.loaded(), dict(siblings.texts)
            here = [source_digest(base.registry[name]) for name in ("ugrnn", "derived")]
        with restored_registries():
            plugins.replay(*arguments)
            assert [source_digest(base.registry[name]) for name in ("ugrnn", "derived")] == here
        return here

    expected = digests(tmp_path / "a", [0, 1])
    assert digests(tmp_path / "b", [1, 0]) == expected
    edited = digests(tmp_path / "c", [0, 1], CELL.read_text().replace("n + z * (h - n)", "n - z * (n - h)"))
    assert edited[0] != expected[0]
    assert edited[1] != expected[1]


def test_a_cell_beside_a_plugin_is_checked_too(tmp_path):
    files = derived(tmp_path, CELL.read_text().replace("reference = ", "source = "))
    with pytest.raises(InputError, match=r"first\.py:\d+: `reference` is missing"):
        plugins.load(files[1:])


def test_two_cells_of_one_file_may_derive_from_each_other(tmp_path):
    (tmp_path / "both.py").write_text(CELL.read_text() + "\n\n" + DERIVED.partition("\n")[2])
    plugins.load([tmp_path / "both.py"], complete=True)
    assert base.registry["derived"].__bases__ == (base.registry["ugrnn"],)


def test_a_derived_cell_is_swept_with_its_parent(tmp_path):
    derived(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)
    changes = ('cells=["ugrnn", "derived"]', "tune.trials=1", "confirm.probes=[]", "train.steps=5")
    sets = [word for change in changes for word in ("--set", change)]
    arguments = ["sweep", "tiny.toml", "--plugin", "first.py", "--plugin", "second.py", *sets, "--engine", "eager"]
    outcome = whygates(*arguments, cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert "4 of 4 arms done" in outcome.stdout
