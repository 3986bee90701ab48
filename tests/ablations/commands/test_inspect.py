"""`whygates inspect`: a member that is probed again from its saved weights, and members that cannot be."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from ablations.commands.inspect import inspect_member
from ablations.errors import InputError
from ablations.sweeps.probing import TRACE
from ablations.sweeps.store import Store
from ablations.tracking.runs import find_member
from ablations.tracking.tracker import Tracker
from reports.output import LIST
from tests.ablations.cli_process import TINY, digests
from tests.ablations.cli_runner import whygates

PLUGIN = Path(__file__).parents[3] / "examples" / "ugrnn.py"
CHANGES = (
    "cells=['ugrnn']",
    "task.recall.lags=[5]",
    "train.steps=6",
    "train.eval_every=3",
    "tune.trials=1",
    "confirm.seeds=2",
    "confirm.probes=['flow']",
)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which the cell of a plug-in was confirmed; of the probes, only `flow` was run."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "tiny.toml").write_text(TINY)
    changes = [word for change in CHANGES for word in ("--set", change)]
    outcome = whygates("sweep", "tiny.toml", "--plugin", PLUGIN, *changes, cwd=folder)
    assert outcome.code == 0, outcome
    return folder


@pytest.fixture
def store(swept: Path) -> Store:
    return Store.open(swept / "whygates-store")


@pytest.fixture
def member(store: Store) -> str:
    """The hash of a confirmed member on `recall`."""
    tracker = Tracker(store, "tiny")
    table = tracker.results(tracker.manifest())
    return table[(table.phase == "confirm") & (table.task == "recall")].hash.iloc[0]


def test_a_member_is_probed_again_plotted_and_summarised(swept: Path, store: Store, member: str) -> None:
    run_id = find_member(store, member).id
    before = digests(store.weights) | digests(store.probes)
    outcome = whygates("inspect", run_id[:20], "--plugin", PLUGIN, "--out", "figures", cwd=swept)
    assert outcome.code == 0, outcome
    assert not outcome.stderr
    result = json.loads((store.members / f"{member}.json").read_text())
    for part in (member, run_id, f"seed {result['seed']}", "ugrnn · recall · lag 5", "at step 6 of 6"):
        assert part in outcome.stdout
    stored = store.findings(member)
    assert stored.keys() - {TRACE} == {"flow"}
    decay = "init {decay_init:.3g}, half {decay_half:.3g}, end {decay_end:.3g}".format(**stored["flow"]["metrics"])
    assert re.search(rf"gradient factor per step +│ {re.escape(decay)}", outcome.stdout)
    for not_stored in ("perturbation remaining after the lag", "decoding accuracy of the stored value"):
        assert not_stored in outcome.stdout
    assert re.search(r"│ z +│ [01]\.\d\d \([01]\.\d\d, [01]\.\d\d\)", outcome.stdout)
    figures = {path.name for path in (swept / "figures" / member).iterdir()}
    assert figures == {f"{name}.svg" for name in ("learning", "flow", "retention", "decode", "trace")} | {LIST}
    assert digests(store.weights) | digests(store.probes) == before


def test_a_member_of_a_plugin_needs_the_plugin(swept: Path, member: str) -> None:
    outcome = whygates("inspect", member, cwd=swept)
    assert outcome.code == 2
    assert "unknown cell 'ugrnn'" in outcome.stderr
    assert "--plugin FILE" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_damaged_and_missing_weights_are_refused_before_anything_is_written(
    store: Store, member: str, tmp_path: Path
) -> None:
    path = store.weights_path(member)
    content = path.read_bytes()

    def refusal() -> str:
        with pytest.raises(InputError) as caught:
            inspect_member(member, store.folder, tmp_path / "figures", Console(file=io.StringIO()))
        assert not (tmp_path / "figures").exists()
        return str(caught.value)

    try:
        path.write_bytes(content[:-5])
        assert re.search(rf"{path.name}: .*damaged", refusal())
        path.unlink()
        assert f"{path.name}: No such file" in refusal()
    finally:
        path.write_bytes(content)


def test_figures_of_others_are_neither_replaced_nor_deleted(swept: Path, member: str, tmp_path: Path) -> None:
    arguments = ("inspect", member, "--plugin", PLUGIN, "--store", swept / "whygates-store", "--out", "figures")
    folder = tmp_path / "figures" / member
    folder.mkdir(parents=True)
    (folder / "flow.svg").write_text("mine")
    refused = whygates(*arguments, cwd=tmp_path)
    assert refused.code == 2
    assert refused.stderr.startswith(f"whygates: --out figures/{member}: it has files")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"flow.svg": "mine"}
    (folder / "flow.svg").unlink()
    for _ in range(2):
        assert whygates(*arguments, cwd=tmp_path).code == 0
        (folder / "mine.svg").write_text("mine")
    assert (folder / "mine.svg").read_text() == "mine"
    (folder / "trace.svg").unlink()
    (folder / "trace.svg").mkdir()
    assert "trace.svg in it is a folder" in whygates(*arguments, cwd=tmp_path).stderr
