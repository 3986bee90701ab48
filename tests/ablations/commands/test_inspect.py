"""`whygates inspect`: one network asked again from its stored weights, and what cannot be looked into."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from ablations.commands.inspect import inspect
from ablations.errors import InputError
from ablations.sweeps.probing import TRACE
from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_process import TINY, digests, whygates

PLUGIN = Path(__file__).parents[3] / "examples" / "ugrnn.py"
SMALL = (
    "cells=['ugrnn']",
    "task.recall.lags=[5]",
    "train.steps=6",
    "train.eval_every=3",
    "tune.trials=1",
    "confirm.seeds=2",
)
UNASKED = "confirm.probes=['flow']"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which a plug-in's cell was confirmed, and asked for its gradients only."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "tiny.toml").write_text(TINY)
    changes = [word for change in (*SMALL, UNASKED) for word in ("--set", change)]
    done = whygates("sweep", "tiny.toml", "--plugin", PLUGIN, *changes, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def store(swept: Path) -> Store:
    return Store.open(swept / "whygates-store")


def runs(store: Store, **tags: str) -> dict[str, str]:
    """The ids of runs with some tags, by the hash of their member."""
    where = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    return {r.data.tags.get("hash", ""): r.info.run_id for r in Tracker(store, "tiny")._runs(where)}


def test_a_network_is_asked_again_drawn_and_summed_up(swept: Path, store: Store) -> None:
    member, run_id = next(iter(runs(store, phase="confirm", task="recall").items()))
    before = digests(store.folder / "weights") | digests(store.probes)
    shown = whygates("inspect", run_id, "--plugin", PLUGIN, "--out", "figures", cwd=swept)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert not shown.stderr
    result = json.loads((store.members / f"{member}.json").read_text())
    for said in (
        member,
        run_id,
        str(result["seed"]),
        "ugrnn · recall · lag 5",
        "at step 6 of 6",
        "gradient left per step",
    ):
        assert said in shown.stdout
    stored = store.findings(member)
    assert stored.keys() - {TRACE} == {"flow"}
    decay = "init {decay_init:.3g}, half {decay_half:.3g}, end {decay_end:.3g}".format(**stored["flow"]["metrics"])
    assert decay in shown.stdout
    for unasked in ("perturbation left after the lag", "stored value decodable"):
        assert unasked in shown.stdout
    assert re.search(r"│ z +│ 0\.\d\d \(0\.\d\d, 0\.\d\d\)", shown.stdout)
    figures = {path.name for path in (swept / "figures" / member).iterdir()}
    assert figures == {f"{name}.svg" for name in ("learning", "flow", "retention", "decode", "trace")}
    assert digests(store.folder / "weights") | digests(store.probes) == before


@pytest.mark.parametrize("command", ["unknown", "without its plug-in"])
def test_the_command_refuses_in_one_sentence(swept: Path, store: Store, command: str) -> None:
    known = command != "unknown"
    done = whygates("inspect", next(iter(runs(store, phase="confirm"))) if known else "f00f00", cwd=swept)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert ("unknown cell 'ugrnn'" in done.stderr and "--plugin FILE" in done.stderr) is known
    assert ("run 'f00f00': there is none in" in done.stderr) is not known


def refused(store: Store, name: str, tmp_path: Path) -> str:
    with pytest.raises(InputError) as caught:
        inspect(name, store, tmp_path / "figures", Console(file=io.StringIO()))
    assert not (tmp_path / "figures").exists()
    return str(caught.value)


def test_what_cannot_be_looked_into_is_named(store: Store, tmp_path: Path) -> None:
    member = next(iter(runs(store, phase="confirm")))
    trial = next(iter(runs(store, phase="tune").values()))
    assert "is that of an arm" in refused(store, runs(store, kind="arm")[""], tmp_path)
    assert "is that of a study" in refused(store, runs(store, kind="study")[""], tmp_path)
    assert "only confirmed networks keep their weights" in refused(store, trial, tmp_path)
    for nonsense in ("", "x", "' or 1 = 1", "%"):
        assert refused(store, nonsense, tmp_path)
    path = store.weights_path(member)
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-5])
        assert f"{path.name}: no weights of a member, or damaged" in refused(store, member[:12], tmp_path)
        path.unlink()
        assert f"{path.name}: No such file" in refused(store, member, tmp_path)
    finally:
        path.write_bytes(whole)
