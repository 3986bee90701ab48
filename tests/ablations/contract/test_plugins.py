"""Loading plug-ins: an unusable file is refused with file and line, and the digest of a plug-in depends on its code."""

import re
from pathlib import Path

import pytest

from ablations.cells import base
from ablations.contract import plugins
from ablations.errors import InputError
from ablations.studies.hashing import digest, source_digest
from tests.ablations.contract.example_plugins import CELL, TASK, edited_copy, line_number

pytestmark = pytest.mark.usefixtures("registries")

REFUSED = {
    "a name that is taken": ('name = "ugrnn"', 'name = "lstm"', "class UGRNN", "two cells are named 'lstm': LSTM in "),
    "no equations": (re.compile(r"\n        [zn]  = .*|\n        h' = .*"), "", "class UGRNN", "the docstring has no equations"),
    "an unknown parent": ('parent = "gru"', 'parent = "grv"', "class UGRNN", "unknown parent 'grv'; did you mean 'gru'?"),
    "not Python": ("    name = ", "    name == = ", "name == =", "SyntaxError: invalid syntax"),
    "raises at import": ("class UGRNN", "print(nowhere)\n\n\nclass UGRNN", "print(nowhere)", "NameError: name 'nowhere' is not defined"),
    "exits at import": ("class UGRNN", "raise SystemExit(3)\n\n\nclass UGRNN", "raise SystemExit", "SystemExit: 3"),
    "imports an unknown module": ("from torch import", "from torhc import", "from torhc", "ModuleNotFoundError: No module named 'torhc'"),
    "raises in a step": ('h = state["h"]', 'h = state["c"]', 'h = state["c"]', "KeyError: 'c'"),
    "raises in a matrix product": ('h @ w["U_z"]', 'h @ w["W_z"]', "z = tap", "RuntimeError: Expected size for first two"),
    "has a state of constant size": ('"h": n + z * (h - n)}', '"h": n + z * (h - n)}\n\n    def state_sizes(self, hidden):\n        return {"h": 3}', "def state_sizes", "`state_sizes` does not grow with the hidden size"),
    "has no step": ("def step", "def stepp", "class UGRNN", "TypeError: Can't instantiate abstract class UGRNN"),
    "is not at the top of the module": ("class UGRNN(Cell):", "if True:\n  class UGRNN(Cell):", "class UGRNN", "it is not at the top of a module"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_unusable_cell_is_refused_with_its_line(case, tmp_path):
    old, new, start, message = REFUSED[case]
    text = CELL.read_text()
    changed = old.sub(new, text) if isinstance(old, re.Pattern) else text.replace(old, new)
    assert changed != text
    mine = tmp_path / "mine.py"
    mine.write_text(changed)
    with pytest.raises(InputError) as raised:
        plugins.load([mine])
    assert str(raised.value).startswith(f"{mine}:{line_number(mine, start)}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "defines neither a cell nor a task"),
        (b"from ablations.cells.gru import GRU", "defines neither a cell nor a task"),
        (b"x = '\xff'", "not a Python file"),
        (b"x = 1\0", "null bytes"),
    ],
)
def test_a_file_that_is_not_a_plugin_is_refused(content, message, tmp_path):
    mine = tmp_path / "mine.py"
    if content is not None:
        mine.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        plugins.load([mine])
    assert str(mine) in str(raised.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        plugins.load([tmp_path])


def test_a_task_with_a_name_that_is_taken_is_refused(tmp_path):
    taken = edited_copy(TASK, tmp_path, 'name = "delayed_match"', 'name = "recall"')
    with pytest.raises(InputError, match=r"mine\.py:15: ValueError: two tasks are named 'recall'"):
        plugins.load([taken])


LSTM_WITH_AN_OLD_SEAM = """from ablations.cells.lstm import LSTM


class Mine(LSTM):
    name = "mine"

    def expose(self, c, o):
        return o * c
"""


def test_a_cell_with_an_invalid_seam_is_refused_with_its_line(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(LSTM_WITH_AN_OLD_SEAM)
    with pytest.raises(InputError) as raised:
        plugins.load([mine])
    message = "TypeError: Mine.expose: the new memory is called `c_new`; write `c_new` in place of `c`"
    assert str(raised.value) == f"{mine}:4: {message}"


def digest_of_text(file: Path, text: str) -> str:
    """The source digest of the cell that a text defines; the cell is not registered afterwards."""
    file.write_text(text)
    (kind,) = plugins.defined(file)
    base.registry.pop(kind.name)
    return source_digest(kind)


def test_the_digest_of_a_plugin_depends_on_its_code_and_not_on_its_place_or_docstrings(tmp_path):
    text = CELL.read_text()
    first = digest_of_text(tmp_path / "a.py", text)
    renamed = "# a comment\n" + text.replace("Update gate", "Another")
    assert renamed.count("Another") == 1
    assert digest_of_text(tmp_path / "b.py", renamed) == first
    assert digest_of_text(tmp_path / "c.py", text.replace("n + z * (h - n)", "n - z * (n - h)")) != first
    with_helper = text.replace("z * (h - n)}", "z * helper(h - n)}")
    assert digest_of_text(tmp_path / "d.py", with_helper + "\n\ndef helper(x):\n    return x\n") != digest_of_text(
        tmp_path / "e.py", with_helper + "\n\ndef helper(x):\n    return 2 * x\n"
    )


def test_the_digest_of_a_plugin_depends_on_the_cell_that_it_subclasses(tmp_path):
    text = "from ablations.cells{}\n\nclass Mine({}):\n    name = 'mine'\n"
    parents = (".lstm_variants import LSTMNoInput as Start", ".lstm_variants import LSTMCoupled as Start")
    one, other = (
        digest_of_text(tmp_path / f"{number}.py", text.format(parent, "Start")) for number, parent in enumerate(parents)
    )
    assert one != other


def test_the_digest_of_a_plugin_depends_on_a_base_class_that_is_named_through_its_module(tmp_path):
    text = "from ablations.cells import lstm_variants as start\n\n\nclass Mine(start.{}):\n    name = 'mine'\n"
    (tmp_path / "mine.py").write_text(text.format("LSTMCoupled"))
    (kind,) = plugins.defined(tmp_path / "mine.py")
    assert source_digest(kind) != digest(sorted([["class Mine(start.LSTMCoupled):\n    name = 'mine'"]]))
