"""Asking an arm's confirmed members: who is asked what, once, and that an interruption changes nothing."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace as Space
from typing import Any

import pytest

from ablations.errors import InputError
from ablations.studies.study import Arm
from ablations.sweeps import arm as sweep
from ablations.sweeps import probing
from ablations.sweeps.arm import Context, Interrupted, Logged
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.store import PROBED, Store
from ablations.sweeps.workers import local as workers
from ablations.training.population import Member
from tests.ablations.cli_process import digests
from tests.ablations.sweeps.test_arm import arm, context

USUAL = {"flow", "retention", "gates", "decode"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[MemberSpec]]:
    """A store with an arm that is confirmed, and not asked yet."""
    store = Store.create(tmp_path_factory.mktemp("swept") / "store")
    return store.folder, sweep.run(arm(1), context(store))


@pytest.fixture
def store(swept: tuple[Path, list[MemberSpec]], tmp_path: Path) -> Store:
    return Store.open(Path(shutil.copytree(swept[0], tmp_path / "store")))


@pytest.fixture
def confirmed(swept: tuple[Path, list[MemberSpec]]) -> list[MemberSpec]:
    return swept[1]


def told(store: Store, arm: Arm) -> dict[str, Logged]:
    """What the tracker would know, once it has taken what waits."""
    known = {}
    for path, record in store.waiting("tiny"):
        known[record["hash"]] = Logged(arm.hash, frozenset(record["findings"]) if "findings" in record else None)
        path.unlink()
    return known


def test_every_confirmed_member_is_asked_told_of_and_drawn_and_one_is_watched(store, confirmed):
    probing.run(arm(1), confirmed, context(store))
    members = {place.hash(arm(1)) for place in confirmed}
    assert len(members) == 4
    assert {path.stem for path in store.probes.glob("*.json")} == members
    assert {path.stem for path in store.probes.glob("*.svg")} == members
    assert {path.stem for path in store.weights.iterdir()} == members
    found = {member: store.findings(member) for member in members}
    assert all(found[member].keys() - {"trace"} == USUAL for member in members)
    (watched,) = [member for member in members if "trace" in found[member]]
    assert watched == confirmed[0].hash(arm(1))
    assert {metric.split("/")[0] for metric in found[watched]["trace"]["curves"]} == {"trace"}
    assert not any(m.startswith("trace/") for f in found.values() for m in f["gates"]["curves"])
    waiting = {path.name for path, _ in store.waiting("tiny")}
    assert {name.removesuffix(PROBED) for name in waiting if name.endswith(PROBED)} == members
    record = {r["hash"]: r for path, r in store.waiting("tiny") if path.name.endswith(PROBED)}[watched]
    assert record["findings"] == found[watched]
    assert record["phase"] == "confirm"


def test_what_is_known_is_neither_asked_nor_told_again(store, confirmed, monkeypatch):
    probing.run(arm(1), confirmed, context(store))
    known = told(store, arm(1))
    monkeypatch.setattr(probing, "measure", None)
    monkeypatch.setattr(probing, "_draw", None)
    probing.run(arm(1), confirmed, context(store, known))
    assert not list(store.waiting("tiny"))


def test_other_probes_cost_no_training_and_only_themselves(store, confirmed, monkeypatch):
    few = arm(1, confirm={"seeds": 4, "probes": ["retention"]})
    assert few.hash == arm(1).hash
    probing.run(few, confirmed, context(store))
    known, asked, original = told(store, few), [], probing.measure
    monkeypatch.setattr(probing, "measure", lambda t, which, trace=(): asked.extend(which) or original(t, which, trace))
    monkeypatch.setattr(sweep, "Population", None)
    more = arm(1, confirm={"seeds": 4, "probes": ["retention", "decode"]})
    probing.run(more, sweep.run(more, context(store, known)), context(store, known))
    assert asked == ["decode"]
    news = [record for _, record in store.waiting("tiny")]
    assert len(news) == 4
    assert all(record["findings"].keys() - {"trace"} == {"retention", "decode"} for record in news)


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("calls", [1, 9, 17])
def test_a_stage_that_is_killed_ends_like_an_undisturbed_one(store, swept, confirmed, tmp_path, monkeypatch, calls):
    undisturbed = Store.open(Path(shutil.copytree(swept[0], tmp_path / "undisturbed")))
    probing.run(arm(1), confirmed, context(undisturbed))
    original, count = Store.add_findings, iter(range(100))

    def killed(*arguments: Any) -> None:
        if next(count) == calls:
            raise Killed
        original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_findings", killed)
        if calls < 17:  # there are 16 findings and a trace
            with pytest.raises(Killed):
                probing.run(arm(1), confirmed, context(store))
        else:
            with pytest.raises(Interrupted):
                probing.run(arm(1), confirmed, context(store, stopping=lambda: True))
    probing.run(arm(1), confirmed, context(store))
    assert digests(store.probes) == digests(undisturbed.probes)
    assert digests(store.weights) == digests(undisturbed.weights)
    assert [record for _, record in store.waiting("tiny")] == [record for _, record in undisturbed.waiting("tiny")]


def places(ends: list[list[str]], store: Store, arm: Arm) -> list[MemberSpec]:
    """The confirmed members of searches, which ended so."""
    found = []
    for search, own in enumerate(ends):
        for k, status in enumerate(own):
            found.append(MemberSpec("confirm", search, 0, Member(10 * search + k, arm.settings({}))))
            store.put(found[-1].hash(arm), {"status": status})
    return found


D, S, U = "diverged", "solved", "unsolved"


@pytest.mark.parametrize(
    ("ends", "whole", "dear", "watched"),
    [
        ([[U, U], [U, U]], [0, 1, 10, 11], [], 0),
        ([[U, S], [S, S]], [0, 1, 10, 11], [1, 10], 1),
        ([[D, U], [U, S]], [1, 10, 11], [11], 1),
        ([[D, D], [S, D]], [10], [10], 10),
        ([[D, D], [D, D]], [], [], None),
    ],
)
def test_who_is_asked_what(store, ends, whole, dear, watched):
    chosen = arm(1, confirm={"seeds": 4, "probes": ["clamp", "flow", "distill"]})
    confirmed = places(ends, store, chosen)
    seeds = {place.hash(chosen): place.member.seed for place in confirmed}
    asked = {probe: [seeds[m] for m in members] for probe, members in probing._asked(chosen, confirmed, store)}
    expected = {"flow": whole, "clamp": dear, "distill": dear, "trace": [] if watched is None else [watched]}
    assert asked == {probe: members for probe, members in expected.items() if members}


def test_who_diverged_is_drawn_and_told_of_all_the_same(store, confirmed):
    member = confirmed[1].hash(arm(1))
    store.put(member, (store.get(member) or {}) | {"status": "diverged"})
    store.weights_of(member).unlink()
    probing.run(arm(1), confirmed, context(store))
    assert store.findings(member) == {}
    assert store.portrait_of(member).exists()
    assert told(store, arm(1))[member] == Logged(arm(1).hash, frozenset())


def test_a_probe_that_fails_fails_the_arm_and_keeps_its_results(store, confirmed, monkeypatch):
    def broken(*_: Any, **__: Any) -> None:
        raise ArithmeticError("no such thing as a gradient")

    monkeypatch.setattr(probing, "measure", broken)
    here = Space(told={}, progress=Space(put=lambda _: None), stop=Space(is_set=lambda: False))
    monkeypatch.setattr(workers, "_Worker", here)
    ended = workers._arm(arm(1), store, "eager")
    assert (ended.status, ended.error.splitlines()[-1]) == ("failed", "ArithmeticError: no such thing as a gradient")
    assert len([r for _, r in store.waiting("tiny") if r["phase"] == "confirm"]) == 4


def test_weights_that_are_gone_are_trained_again_and_damaged_ones_are_named(store, confirmed):
    before = digests(store.weights)
    for place in confirmed:
        store.weights_of(place.hash(arm(1))).unlink()
    sweep.run(arm(1), context(store))
    assert digests(store.weights) == before
    path = store.weights_of(confirmed[0].hash(arm(1)))
    path.write_bytes(b"a disk that lies")
    with pytest.raises(InputError, match=f"{path.name}: no weights of a member, or damaged"):
        probing.run(arm(1), confirmed, context(store))


def test_a_probe_is_reported_before_it_is_put(store, confirmed):
    seen = []
    probing.run(arm(1), confirmed, Context(store, "eager", {}, seen.append, lambda: False))
    assert [(p.probe, p.done, p.of) for p in seen] == [
        (probe, k, 5) for k, probe in enumerate(["flow", "retention", "gates", "decode", "trace"])
    ]


def test_findings_are_kept_by_probe(store):
    store.add_findings("a", "flow", {"metrics": {"decay_end": 0.5}, "curves": {}})
    store.add_findings("a", "decode", {"metrics": {}, "curves": {"decode/true": [(1, 0.5)]}})
    assert json.loads((store.probes / "a.json").read_text()) == store.findings("a")
    assert store.findings("a").keys() == {"flow", "decode"}
    assert store.findings("b") == {}
