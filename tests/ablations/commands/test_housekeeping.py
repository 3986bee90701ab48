"""`whygates export`, `merge` and `rm`."""

import json
import shutil
from pathlib import Path

import optuna
import pandas as pd
import pytest

from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from tests.ablations.cli_process import TINY, networks
from tests.ablations.cli_runner import whygates

STORE = "whygates-store"


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
    outcome = whygates("export", "tiny", "--store", swept / STORE, *arguments, cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (2, f"whygates: {message}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml.csv"]


@pytest.fixture
def copied(swept: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the swept store."""
    shutil.copytree(swept / STORE, tmp_path / STORE)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


def test_a_merged_store_trains_nothing_again(copied: Path) -> None:
    """Two stores with half of the networks each, one of them without weights, and a damaged result."""
    halves = [Store.create(copied / name) for name in ("a", "b")]
    whole = Store.open(copied / STORE)
    members = sorted(path.stem for path in whole.members.glob("*.json"))
    for k, member in enumerate(members):
        for path, to in zip(whole.files(member), halves[k % 2].files(member), strict=True):
            if path.exists():
                shutil.copyfile(path, to)
    (halves[0].members / f"{members[0]}.json").write_text("{")
    outcome = whygates("merge", "a", "b", "--store", "together", cwd=copied)
    assert outcome.code == 0, outcome
    assert f"/a: {len(members) // 2 - 1} networks taken over, 1 left out" in outcome.stdout
    together = Store.open(copied / "together")
    before = {path.name: path.stat().st_mtime_ns for path in together.members.glob("*.json")}
    assert sorted(before) == [f"{member}.json" for member in members[1:]]
    again = whygates("merge", "a", "b", "--store", "together", cwd=copied)
    assert "0 networks taken over" in again.stdout
    assert whygates("sweep", "tiny.toml", "--store", "together", cwd=copied).code == 0
    assert {name: (together.members / name).stat().st_mtime_ns for name in before} == before
    for name, store in (("one", STORE), ("two", "together")):
        assert whygates("report", "tiny", "--store", store, "--out", name, cwd=copied).code == 0
    tables = [networks(copied / name).drop(columns="seconds") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*tables)


def test_merge_refuses_itself_and_what_is_no_store(copied: Path) -> None:
    outcome = whygates("merge", STORE, "--store", STORE, cwd=copied)
    assert (outcome.code, outcome.stderr.endswith("it is the store to merge into\n")) == (2, True)
    (copied / "other").mkdir()
    assert whygates("merge", "other", "--store", STORE, cwd=copied).code == 2


def test_rm_removes_a_study_and_only_the_networks_that_no_other_has(copied: Path) -> None:
    """`half` has the networks of one of tiny's cells."""
    (copied / "half.toml").write_text(TINY.replace('"tiny"', '"half"').replace('["rnn", "gru"]', '["gru"]'))
    assert whygates("sweep", "half.toml", cwd=copied).code == 0
    store = Store.open(copied / STORE)
    assert len(list(store.members.glob("*.json"))) == 32
    searches = set(optuna.get_all_study_names(storage(store)))

    outcome = whygates("rm", "tiny", "--yes", cwd=copied)
    assert outcome.code == 0, outcome
    assert "tiny: 32 networks, 16 of them in no other study" in outcome.stdout
    assert len(list(store.members.glob("*.json"))) == 16
    left = searches - set(optuna.get_all_study_names(storage(store)))
    assert len(left) == len(searches) // 2
    assert all(name.startswith("rnn ") for name in left)
    assert not (store.artifacts / "tiny").exists()
    status = whygates("status", "tiny", cwd=copied)
    assert (status.code, status.stderr.endswith("which has: half\n")) == (2, True)

    assert json.loads(whygates("status", "half", "--json", cwd=copied).stdout)
    assert whygates("rm", "half", "--yes", cwd=copied).code == 0
    leftover = [path for part in (store.members, store.weights, store.probes) for path in part.glob("[!.]*")]
    assert leftover == []
    assert whygates("sweep", "half.toml", cwd=copied).code == 0, "its name can be used again"


def test_rm_asks_and_without_a_terminal_needs_yes(copied: Path) -> None:
    outcome = whygates("rm", "tiny", cwd=copied)
    assert (outcome.code, outcome.stderr) == (
        2, "whygates: rm: nothing was removed; add --yes to remove it without being asked\n",
    )  # fmt: skip
    assert len(list((copied / STORE / "members").glob("*.json"))) == 32
