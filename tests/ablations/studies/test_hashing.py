"""Content hashes: equal for equal content, different for different content."""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.studies.hashing import derive_seed, digest, source_digest

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


@pytest.fixture
def digests(tmp_path: Path) -> dict[str, str]:
    """The source digest of the class `Cell` of each source."""
    digests = {}
    for name, text in SOURCES.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        digests[name] = source_digest(module.Cell)
        del sys.modules[name]
    return digests


def test_source_digest_ignores_comments_docstrings_and_unused_code(digests: dict[str, str]) -> None:
    assert digests["plain"] == digests["with_comments"]
    assert digests["with_constant"] == digests["with_unused_constant"]


def test_source_digest_depends_on_the_class_its_bases_and_the_constants_it_uses(digests: dict[str, str]) -> None:
    different = set(SOURCES) - {"with_comments", "with_unused_constant"}
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
