"""Arbitrary results tables: they are read, or refused in one sentence."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.tables import CURVES, MANIFEST, BadTable, read
from tests.reports.tables_by_hand import ROW

CELLS = [
    "",
    "0",
    "1",
    "-1",
    "nan",
    "inf",
    "1e400",
    "1,5",
    "9" * 400,
    "true",
    "None",
    '"',
    "\0",
    "é",
    "=1+1",
    "2020-01-01",
    "1\n2",
]
cells = st.sampled_from(CELLS) | st.text(max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
MANY = settings(
    max_examples=1000, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def reads_or_is_refused(path: Path) -> None:
    """Tables, or a BadTable that names the file."""
    refusal = None
    try:
        read(path)
    except BadTable as error:
        refusal = str(error)
    assert refusal is None or str(path) in refusal


@st.composite
def texts(draw: st.DrawFn, header: list[str], row: list[str]) -> bytes:
    """A table of a header and rows with some values replaced, some columns gone or repeated, and some bytes replaced."""
    columns = list(range(len(header)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        columns = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=len(columns)))
    rows = [
        [f"{value}{number}" if name == "hash" else value for name, value in zip(header, row, strict=True)]
        for number in range(3)
    ]
    for _ in range(draw(st.integers(0, 3))):
        rows[draw(st.integers(0, 2))][draw(st.integers(0, len(header) - 1))] = draw(cells)
    separator = draw(st.sampled_from(",,,;\t"))
    lines = [separator.join(line[k] for k in columns) for line in [header, *rows[: draw(st.integers(0, 3))]]]
    text = "\n".join(lines).encode("utf-8", errors="replace")
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.binary(max_size=6)) + text[draw(st.integers(start, min(start + 6, len(text)))) :]
    return text


@MANY
@given(texts(list(ROW), list(ROW.values())))
def test_any_results_are_read_or_refused_in_a_sentence(tmp_path: Path, table: bytes) -> None:
    (tmp_path / "results.csv").write_bytes(table)
    reads_or_is_refused(tmp_path / "results.csv")


@MANY
@given(texts(list(CURVES), ["a", "1", "eval/score", "0.5"]), st.dictionaries(st.sampled_from([*MANIFEST]), json_values))
def test_any_curves_and_manifest_are_read_or_refused_in_a_sentence(tmp_path: Path, curves: bytes, study: dict) -> None:
    (tmp_path / "results.csv").write_text(",".join(ROW) + "\n" + ",".join(ROW.values()) + "\n")
    (tmp_path / "curves.csv").write_bytes(curves)
    (tmp_path / "study.json").write_text(json.dumps(study))
    reads_or_is_refused(tmp_path)
