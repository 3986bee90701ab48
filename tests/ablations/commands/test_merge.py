"""`whygates merge`: networks of other stores are not trained again."""

import shutil
from pathlib import Path

import pandas as pd

from ablations.sweeps.store import Store
from tests.ablations.cli_process import networks
from tests.ablations.cli_runner import whygates

STORE = "whygates-store"


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
    assert f"/a: {len(members) // 2 - 1} networks copied, 1 left out" in outcome.stdout
    together = Store.open(copied / "together")
    before = {path.name: path.stat().st_mtime_ns for path in together.members.glob("*.json")}
    assert sorted(before) == [f"{member}.json" for member in members[1:]]
    again = whygates("merge", "a", "b", "--store", "together", cwd=copied)
    assert "0 networks copied" in again.stdout
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
