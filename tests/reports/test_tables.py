"""Valid tables are read unchanged; invalid ones raise one sentence that names the place."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

import reports
from reports.tables import CURVES, NUMBERS, NUMBERS_OR_EMPTY, REQUIRED, BadTable, read
from tests.reports.tables_by_hand import ROW


@pytest.fixture
def write(tmp_path):
    def write(*changes: dict[str, str], drop: str = "", **columns: str):
        rows = [ROW | {"hash": f"h{number}"} | change | columns for number, change in enumerate(changes or ({},))]
        file = tmp_path / "results.csv"
        pd.DataFrame(rows).drop(columns=[drop] if drop else []).to_csv(file, index=False)
        return file

    return write


def error_message(path) -> str:
    with pytest.raises(BadTable) as error:
        read(path)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_columns_have_their_types(write):
    tables = read(write({}, {"solved": "true", "diverged": "False"}, {"trial": "", "solved": "0"}, search="3"))
    assert tables.curves is None
    assert tables.study == {}
    assert tables.results["solved"].tolist() == [True, True, False]
    assert tables.results["diverged"].dtype == bool
    assert tables.results["trial"].isna().tolist() == [False, False, True]
    assert tables.results["lag"].tolist() == [10, 10, 10]
    assert tables.results["search"].tolist() == [3, 3, 3]


def test_text_stays_text(write):
    table = read(write({"cell": "1"}, {"cell": "nan"}, {"cell": "NA"}, {"cell": "true"}, forget_bias="1")).results
    assert table["cell"].tolist() == ["1", "nan", "NA", "true"]
    assert table["forget_bias"].tolist() == ["1"] * 4


def test_empty_group_is_looked_up_by_base_name(write):
    tasks = ("continual_adding+reset", "continual_adding+reset+x=2", "copy+symbols=3", "recall", "mine")
    table = read(write(*({"task": task} for task in tasks))).results
    assert table["group"].tolist() == ["control", "control", "capacity", "latch", ""]


def test_group_in_the_table_has_priority(write):
    table = read(write({"task": "recall", "group": "mine"}, {"task": "recall", "group": ""})).results
    assert table["group"].tolist() == ["mine", "latch"]
    reset = {"task": "continual_adding+reset"}
    assert read(write(reset | {"group": "erase"})).results["group"].tolist() == ["erase"]


def test_folder_is_read_with_curves_and_manifest(write, tmp_path):
    write()
    (tmp_path / "curves.csv").write_text("hash,step,metric,value\nh0,25,eval/score,0.5\n")
    (tmp_path / "study.json").write_text(json.dumps({"study": "s"}))
    tables = read(tmp_path)
    assert tables.curves is not None
    assert tables.curves.astype({"hash": str, "metric": str}).to_dict("records") == [
        {"hash": "h0", "step": 25, "metric": "eval/score", "value": 0.5}
    ]
    assert tables.study == {"study": "s"}
    assert read(tmp_path / "results.csv").curves is None


def test_curves_are_read_from_parquet_as_from_csv(write, tmp_path):
    write()
    curves = pd.DataFrame({"hash": ["h0", "h0"], "step": [25, 50], "metric": ["eval/score"] * 2, "value": [1 / 3, 1.0]})
    curves.to_csv(tmp_path / "curves.csv", index=False)
    from_csv = read(tmp_path).curves
    (tmp_path / "curves.csv").unlink()
    curves.to_parquet(tmp_path / "curves.parquet", index=False)
    pd.testing.assert_frame_equal(read(tmp_path).curves, from_csv)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("step", 1e300, "curves.parquet: column step, row 2: 1e+300 must be a number up to 1e+15"),
        ("value", float("nan"), "curves.parquet: column value, row 2: nan must be a number up to 1e+100"),
        ("value", "two", "curves.parquet: this is not a Parquet table with the columns hash, step, metric, value"),
        ("other", 1.0, "curves.parquet: this is not a Parquet table with the columns hash, step, metric, value"),
    ],
)
def test_invalid_parquet_curves_are_named(write, tmp_path, column, value, message):
    write()
    good = pd.DataFrame({"hash": ["h0"], "step": [25], "metric": ["eval/score"], "value": [0.5]})
    curves = good.drop(columns="step").assign(other=1) if column == "other" else good.assign(**{column: value})
    curves.to_parquet(tmp_path / "curves.parquet", index=False)
    assert message in error_message(tmp_path)
    (tmp_path / "curves.parquet").write_bytes(b"PAR1 truncated")
    assert "curves.parquet: this is not a Parquet table" in error_message(tmp_path)


@pytest.mark.parametrize("column", REQUIRED)
def test_missing_column_is_named(write, column):
    assert re.search(rf"results\.csv: missing column {column}\b", error_message(write(drop=column)))


def test_similar_column_is_suggested_for_a_missing_one(write):
    assert "missing column hidden_size (should hiddensize be named hidden_size?)" in error_message(
        write(drop="hidden_size", hiddensize="3")
    )


@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize("cell", ["", "nan", "inf", "-inf", "many"])
def test_numbers_must_be_finite(write, column, cell):
    message = error_message(write({}, {column: cell}))
    assert f"results.csv: column {column}, row 3: {cell!r}" in message
    assert "finite number" in message


@pytest.mark.parametrize("column", NUMBERS_OR_EMPTY)
def test_optional_numbers_may_be_empty(write, column):
    assert read(write({column: "2"}, {column: ""})).results[column].isna().tolist() == [False, True]
    assert "finite number or empty" in error_message(write({column: "2"}, {column: "inf"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phase": "test"}, "column phase, row 2: 'test'"),
        ({"solved": "maybe"}, "column solved, row 2: 'maybe'"),
        ({"censored": ""}, "column censored, row 2: ''"),
        ({"diverged": "2"}, "column diverged, row 2: '2'"),
        ({"lag": "1e300"}, "column lag, row 2: '1e300' must be a number between −1e+15 and 1e+15"),
        ({"seconds": "-1e16"}, "column seconds, row 2: '-1e16'"),
        ({"score": "1e300"}, "column score, row 2: '1e300' must be a number between −1e+100 and 1e+100"),
        ({"learning_rate": "0"}, "column learning_rate, row 2: '0' must be above 0 or empty"),
        ({"cell": ""}, "column cell, row 2: '' must not be empty"),
    ],
)
def test_invalid_value_is_named_with_column_and_row(write, change, message):
    assert message in error_message(write(change))


def test_measurements_may_be_huge(write):
    huge = {
        "score": "-1e38",
        "loss": "1e38",
        "flops_per_step": "1e18",
        "state_norm_last": "3e38",
        "seed": "1" + "0" * 18,
    }
    table = read(write(huge)).results
    assert all(table[column].tolist() == [float(value)] for column, value in huge.items())


def test_hashes_must_be_unique(write):
    assert "column hash, row 4: 'x' must be unique" in error_message(write({"hash": "x"}, {"hash": "y"}, {"hash": "x"}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (",".join(ROW).encode(), "the table has a header but no rows"),
        (b"\x89PNG\xff\x00\x12", "not a CSV table"),
        (b'a,b\n1,"2\n', "not a CSV table"),
        (b"Dear reader,\nthis is a letter", "not a table of whygates"),
    ],
)
def test_other_files_are_rejected(tmp_path, content, message):
    (tmp_path / "results.csv").write_bytes(content)
    assert message in error_message(tmp_path)


def test_missing_file_or_folder_is_named(tmp_path):
    assert "no such file" in error_message(tmp_path / "nowhere")
    assert "no results.csv" in error_message(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("curves.csv", "hash,step,metric\nh0,1,x\n", "curves.csv: missing column value"),
        ("curves.csv", "hash,step,metric,value\nh0,1,x,nan\n", "curves.csv: column value, row 2: 'nan'"),
        ("curves.csv", "hash,step,metric,value\nh0,1e300,x,1\n", "curves.csv: column step, row 2: '1e300'"),
        ("study.json", "{", "study.json: this is not JSON"),
        ("study.json", "[]", "study.json: must hold one JSON object, not a list"),
        ("study.json", '{"cells": ["lstm"]}', "study.json: cells must be an object, not a list"),
        ("study.json", '{"arms": 3}', "study.json: arms must be a list, not a whole number"),
        ("study.json", '{"lattice": ["lstm"]}', "study.json: every entry of lattice must be an object"),
        ("study.json", '{"lattice": [{}]}', "study.json: every entry of lattice must name its cell"),
        (
            "study.json",
            '{"hyperparameters": {"learning_rate": {"scale": "ln"}}}',
            "study.json: the scale of hyperparameter learning_rate must be log, linear or categories",
        ),
        ("study.json", '{"cells": {"a": {"cell": ["x"]}}}', "study.json: cell of an entry of cells must be a text"),
    ],
)
def test_invalid_curves_or_manifest_is_named(write, tmp_path, name, content, message):
    write()
    (tmp_path / name).write_text(content)
    assert message in error_message(tmp_path)


def test_tables_beyond_the_row_limit_are_rejected(write, tmp_path, monkeypatch):
    monkeypatch.setattr("reports.tables.LARGEST_TABLE", 2)
    monkeypatch.setattr("reports.tables.LARGEST_CURVES", 2)
    assert len(read(write({}, {})).results) == 2
    assert "results.csv: more than 2 rows do not fit into a report" in error_message(write({}, {}, {}))
    write()
    (tmp_path / "curves.csv").write_text("hash,step,metric,value\n" + "h0,1,x,1\n" * 3)
    assert "curves.csv: more than 2 rows" in error_message(tmp_path)


@pytest.mark.parametrize("cell", ["", "nan", "NA", "inf", "1e101", "two"])
def test_invalid_curve_value_is_named_with_its_row(write, tmp_path, cell):
    write()
    (tmp_path / "curves.csv").write_text(f"hash,step,metric,value\nh0,1,x,1\nh0,2,x,{cell}\n")
    assert f"curves.csv: column value, row 3: {cell!r}" in error_message(tmp_path)


@pytest.mark.parametrize("column", sorted({*REQUIRED, *NUMBERS_OR_EMPTY, *CURVES, "group"}))
def test_every_column_is_documented(column):
    assert f"`{column}`" in (Path(reports.__file__).parent / "templates" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_that_a_spreadsheet_saved_are_read(write, tmp_path, separator, newline, mark):
    """With semicolons or tabs between the values, the decimal mark may be a comma or a point."""
    expected = read(write({"score": "0.925"}, {"score": "-1.5e-3"}))
    results = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    curves = pd.DataFrame({"hash": ["h0", "h1"], "step": "1", "metric": "eval/score", "value": ["0.5", "-0.25"]})
    for decimal in (".",) if separator == "," else (".", ","):
        folder = tmp_path / f"saved {ord(decimal)}"
        folder.mkdir()
        for name, table in (("results.csv", results), ("curves.csv", curves)):
            numbers = table.apply(lambda column, mark=decimal: column.str.replace(".", mark, regex=False))
            text = numbers.to_csv(index=False, sep=separator, lineterminator=newline)
            (folder / name).write_bytes((mark + text).encode())
        (folder / "study.json").write_text(mark + '{"study": "saved", "queued": 3}', encoding="utf-8")
        found = read(folder)
        assert found.results["score"].tolist() == expected.results["score"].tolist() == [0.925, -0.0015]
        assert found.curves["value"].tolist() == [0.5, -0.25]
        assert found.study["study"] == "saved"


@pytest.mark.parametrize(
    ("cell", "separator"), [("1.234,5", ";"), ("0,5,1", ";"), ("0_5", "\t"), ("1 000", ";"), ("0,5", ",")]
)
def test_a_value_that_fits_no_notation_is_named(write, tmp_path, cell, separator):
    table = pd.read_csv(write({}, {}), dtype=str, keep_default_na=False)
    table.loc[1, "score"] = cell
    table.to_csv(tmp_path / "results.csv", index=False, sep=separator)
    assert f"column score, row 3: '{cell}' must be a finite number" in error_message(tmp_path)


@pytest.mark.parametrize("key", ["failed", "queued", "command"])
def test_the_state_of_a_study_has_its_types(write, tmp_path, key):
    write({})
    (tmp_path / "study.json").write_text(json.dumps({key: {}}))
    assert f"{key} must be a" in error_message(tmp_path)


def test_trials_may_have_a_table_of_their_own(write, tmp_path):
    """Confirmation networks come first, wherever they are, and a column that one table lacks is empty."""
    whole = read(write({"phase": "tune", "hash": "t"}, {}, engine="eager"))
    table = pd.read_csv(tmp_path / "results.csv", dtype=str)
    table[table["phase"] == "confirm"].to_csv(tmp_path / "results.csv", index=False)
    trials = table[table["phase"] == "tune"]
    trials.to_csv(tmp_path / "trials.csv", index=False)
    pd.testing.assert_frame_equal(read(tmp_path).results, whole.results)
    assert whole.results["hash"].tolist() == ["h1", "t"]
    trials.drop(columns="engine").to_csv(tmp_path / "trials.csv", index=False)
    assert read(tmp_path).results["engine"].tolist() == ["eager", ""]
    trials.assign(hash="h1").to_csv(tmp_path / "trials.csv", index=False)
    assert "trials.csv: the network 'h1' is also in results.csv" in error_message(tmp_path)
    trials.assign(score="x").to_csv(tmp_path / "trials.csv", index=False)
    assert "trials.csv: column score, row 2: 'x' must be a finite number" in error_message(tmp_path)
    (tmp_path / "trials.csv").unlink()
    trials.to_csv(packed := tmp_path / "trials.csv.gz", index=False)
    pd.testing.assert_frame_equal(read(tmp_path).results, whole.results)
    for damaged in ((content := packed.read_bytes())[:-30], content[:20] + bytes(10) + content[30:], b"hash,cell"):
        packed.write_bytes(damaged)
        assert "trials.csv.gz: this is not a CSV table" in error_message(tmp_path)


def test_a_study_that_is_only_tuned_has_no_confirmation_networks(write, tmp_path):
    table = pd.read_csv(write({"phase": "tune"}), dtype=str)
    table.to_csv(tmp_path / "trials.csv", index=False)
    table.iloc[:0].to_csv(tmp_path / "results.csv", index=False)
    assert read(tmp_path).results["phase"].tolist() == ["tune"]
    assert "results.csv: the table has a header but no rows" in error_message(tmp_path / "results.csv")
