"""`whygates rm`: what it removes, and what it does not."""

import json
import shutil
from pathlib import Path

import optuna

from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from ablations.tracking.runs import using
from ablations.tracking.tracked import TrackedStudy
from tests.ablations.cli_process import TINY
from tests.ablations.cli_runner import whygates

STORE = "whygates-store"
PLUGIN = Path(__file__).parents[3] / "examples" / "ugrnn.py"


def test_rm_removes_a_study_and_only_the_networks_that_no_other_has(copied: Path) -> None:
    """`half` has the networks of one of tiny's cells, and one more that waits for upload."""
    (copied / "half.toml").write_text(TINY.replace('"tiny"', '"half"').replace('["rnn", "gru"]', '["gru"]'))
    assert whygates("sweep", "half.toml", cwd=copied).code == 0
    store = Store.open(copied / STORE)
    assert len(list(store.members.glob("*.json"))) == 32
    searches = set(optuna.get_all_study_names(storage(store)))
    with using(store):
        uploaded = TrackedStudy(store, "half").hashes()
    queued = min({path.stem for path in store.members.glob("*.json")} - uploaded)
    store.enqueue("half", queued, {"arm": "an arm"})

    outcome = whygates("rm", "tiny", "--yes", cwd=copied)
    assert outcome.code == 0, outcome
    assert "tiny: 32 networks, 15 of them in no other study" in outcome.stdout
    assert {path.stem for path in store.members.glob("*.json")} == uploaded | {queued}
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


def test_rm_needs_confirmation_or_yes(copied: Path) -> None:
    outcome = whygates("rm", "tiny", cwd=copied)
    assert (outcome.code, outcome.stderr) == (
        2, "whygates: rm: nothing was removed; add --yes to remove it without confirmation\n",
    )  # fmt: skip
    assert len(list((copied / STORE / "members").glob("*.json"))) == 32


def test_the_searches_of_a_plugin_are_removed_if_its_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY.replace('["rnn", "gru"]', '["gru", "ugrnn"]'))
    assert (
        whygates(
            "sweep", "tiny.toml", "--plugin", PLUGIN, "--only", "task:recall", "--only", "cell:ugrnn", cwd=tmp_path
        ).code
        == 0
    )
    store = Store.open(tmp_path / STORE)
    shutil.copytree(store.folder, tmp_path / "again")
    searches = len(optuna.get_all_study_names(storage(store)))

    outcome = whygates("rm", "tiny", "--yes", cwd=tmp_path)
    assert "Its Optuna searches will stay" in outcome.stdout
    assert outcome.stdout.endswith("Removed tiny: 8 networks, 0 searches.\n")
    outcome = whygates("rm", "tiny", "--yes", "--plugin", PLUGIN, "--store", "again", cwd=tmp_path)
    assert "will stay" not in outcome.stdout
    assert outcome.stdout.endswith(f"Removed tiny: 8 networks, {searches} searches.\n")
