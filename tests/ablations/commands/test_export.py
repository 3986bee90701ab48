"""`whygates export`: the tables that it writes."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ablations.cli_runner import whygates


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("table", "rows"), [("members", 16), ("trials", 16)])
def test_export_has_the_networks_of_the_report(
    swept: Path, reported: Path, tmp_path: Path, suffix: str, table: str, rows: int
) -> None:
    out = tmp_path / f"x.{suffix}"
    outcome = whygates("export", "tiny", "--out", out, "--table", table, cwd=swept)
    assert outcome.code == 0, outcome
    found = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    expected = pd.read_csv(reported / {"members": "results.csv", "trials": "trials.csv"}[table])
    assert len(found) == len(expected) == rows
    assert found["score"].tolist() == pytest.approx(expected["score"].tolist())
    assert found["hash"].tolist() == expected["hash"].tolist()


def test_export_of_curves(swept: Path, reported: Path, tmp_path: Path) -> None:
    assert whygates("export", "tiny", "--out", tmp_path / "x.parquet", "--table", "curves", cwd=swept).code == 0
    found, expected = pd.read_parquet(tmp_path / "x.parquet"), pd.read_csv(reported / "curves.csv")
    found = found[found["hash"].isin(expected["hash"])]  # a report has the curves of confirmation networks
    assert found["value"].tolist() == pytest.approx(expected["value"].tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.txt"], "--out x.txt: the name of the file must end in .csv or .parquet"),
        (["--out", "tiny.toml.csv"], "--out tiny.toml.csv: it exists; name a new file"),
        (
            ["--out", "no/folder/x.csv"],
            "--out no/folder/x.csv: cannot be written: Cannot save file into a non-existent directory: 'no/folder'",
        ),
    ],
)
def test_export_refuses(swept: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "tiny.toml.csv").write_text("mine")
    outcome = whygates("export", "tiny", "--store", swept / "whygates-store", *arguments, cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (2, f"whygates: {message}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml.csv"]
