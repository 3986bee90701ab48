"""Arbitrary headers of plug-ins (names, parents, docstrings, options) and arbitrary files: loaded, or refused in one sentence."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablations.contract import plugins
from ablations.errors import InputError
from tests.ablations.cli_runner import restored_registries

CELL = """from ablations.cells.gru import GRU


class Mine(GRU):
    {doc!r}

    name, parent, change = {name!r}, {parent!r}, {change!r}
    {attribute} = {value!r}
"""
DOC = "Mine.\n\n    z  = σ(W_z x + U_z h + b_z)\n\nTest."
literals = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.binary(max_size=4)
literals |= st.lists(st.sampled_from(["z", "h", 1]), max_size=2) | st.dictionaries(
    st.text(max_size=3), st.integers(), max_size=2
)
MANY = settings(
    max_examples=1000, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def loads_or_is_refused(path: Path) -> None:
    """A cell or task, or an InputError that names the file."""
    with restored_registries():
        refusal = None
        try:
            plugins.defined(path)
        except InputError as error:
            refusal = str(error)
        assert refusal is None or refusal.startswith(str(path))


@MANY
@given(
    doc=st.just(DOC) | literals, name=st.just("mine") | literals, parent=st.just("gru") | literals,
    change=st.just("a change") | literals, value=literals,
    attribute=st.sampled_from(["state", "gates", "output", "options", "group", "reference", "initial_state", "other", "class", "é"]),
)  # fmt: skip
def test_any_header_is_a_plugin_or_refused_in_a_sentence(tmp_path: Path, **header: object) -> None:
    path = tmp_path / "mine.py"
    path.write_text(CELL.format(**header), encoding="utf-8", errors="replace")
    loads_or_is_refused(path)


@MANY
@given(
    st.binary(max_size=40),
    st.sampled_from([b"", b"# coding: nothing\n", b"\xef\xbb\xbf", b"class ", b"(" * 300, b"\0"]),
)
def test_any_file_is_a_plugin_or_refused_in_a_sentence(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(start + b"import nowhere_to_be_found\n" + content)
    loads_or_is_refused(path)
