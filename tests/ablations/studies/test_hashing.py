"""Content hashes: equal for equal content, different for different content."""

import importlib.util
import linecache
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.cells import catalogue
from ablations.studies.hashing import RESULTS_VERSION, derive_seed, digest, source_digest

SOURCES = {
    "plain": "class Cell:\n    def double(self, x):\n        return 2 * x\n",
    "with_comments": 'class Cell:\n    """Words."""\n\n    def double(self, x):\n        """Twice."""\n        return 2 * x  # why\n',
    "with_other_code": "class Cell:\n    def double(self, x):\n        return 3 * x\n",
    "inherited": "class Base:\n    def double(self, x):\n        return 3 * x\n\nclass Cell(Base):\n    pass\n",
    "inherited_other": "class Base:\n    def double(self, x):\n        return 4 * x\n\nclass Cell(Base):\n    pass\n",
    "with_constant": "FACTOR = 2\n\nclass Cell:\n    def double(self, x):\n        return FACTOR * x\n",
    "with_other_constant": "FACTOR = 3\n\nclass Cell:\n    def double(self, x):\n        return FACTOR * x\n",
    "with_unused_constant": "UNUSED = 1\nFACTOR = 2\n\nclass Cell:\n    def double(self, x):\n        return FACTOR * x\n",
}


STATEMENTS = {
    "branch": "if True:\n    FACTOR = 2\nelse:\n    FACTOR = 3\n",
    "other_branch": "if False:\n    FACTOR = 2\nelse:\n    FACTOR = 3\n",
    "augmented": "FACTOR = 1\nFACTOR += 1\n",
    "augmented_other": "FACTOR = 1\nFACTOR += 2\n",
    "imported": "from math import pi as FACTOR\n",
    "imported_other": "from math import e as FACTOR\n",
    "star": "from math import *\nFACTOR = 1\n",
    "other_star": "from cmath import *\nFACTOR = 1\n",
    "call": "FACTOR = [2]\nFACTOR.append(1)\n",
    "other_call": "FACTOR = [2]\nFACTOR.append(2)\n",
    "deleted": "FACTOR = 2\nOTHER = 1\ndel OTHER\n",
}
"""Statements before a class that uses FACTOR."""
USE = "\nclass Cell:\n    def double(self, x):\n        return FACTOR * x\n"


def source_digest_of(text: str, folder: Path, module_name: str) -> str:
    """The source digest of the class `Cell` in a module with this text."""
    path = folder / "source.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec
    assert spec.loader
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    try:
        exec(compile(text, str(path), "exec"), vars(module))
        linecache.checkcache()
        return source_digest(module.Cell)
    finally:
        del sys.modules[module_name]


@pytest.fixture(params=["plugin_0_mine", "ablations.cells.mine"])
def digests(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The source digest of the class `Cell` of each source, in a plug-in and in a module of `ablations`."""
    sources = SOURCES | {name: text + USE for name, text in STATEMENTS.items()}
    digests = {}
    for k, (name, text) in enumerate(sources.items()):
        (tmp_path / str(k)).mkdir()
        digests[name] = source_digest_of(text, tmp_path / str(k), request.param)
    return digests | {"module": request.param}


def test_source_digest_ignores_comments_and_docstrings(digests: dict[str, str]) -> None:
    assert digests["plain"] == digests["with_comments"]


def test_unused_code_counts_in_a_plugin_only(digests: dict[str, str]) -> None:
    is_plugin = digests["module"].startswith("plugin")
    assert (digests["with_constant"] != digests["with_unused_constant"]) == is_plugin


def test_source_digest_depends_on_the_class_its_bases_and_all_that_may_change_what_they_use(
    digests: dict[str, str],
) -> None:
    different = set(digests) - {"with_comments", "with_unused_constant", "module"}
    assert len({digests[name] for name in different}) == len(different)


def test_class_inside_a_function_has_no_source_digest() -> None:
    class Local:
        pass

    with pytest.raises(ValueError, match="Local cannot be read"):
        source_digest(Local)


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_digests_and_seeds_do_not_depend_on_the_order_of_keys(content: dict) -> None:
    backwards = dict(reversed(content.items()))
    assert digest(content) == digest(backwards)
    assert derive_seed(content) == derive_seed(backwards)
    assert digest(content) != digest(content, 0)


def test_digests_and_seeds_are_the_same_on_every_machine() -> None:
    """Recorded values: stores identify members, and derive their seeds, by them."""
    content = {"cell": ["lstm", 1, {}, {}], "lag": 2, "rate": 0.1}
    assert digest(content, "é") == "c4ccfe29941a62da"
    assert derive_seed(content, "tune", 0) == 51538219489490
    assert 0 <= derive_seed(content) < 2**48


def test_attributes_that_the_contract_gained_change_no_hash():
    """If this digest changes, no store of version 2 continues: every network that it has is trained again."""
    assert RESULTS_VERSION == 2
    assert source_digest(catalogue()["rnn"]) == "55001386290ff3e5"
