"""Probing the confirmed members of an arm: which members each probe runs on, once, and that interruptions change nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ablations.errors import InputError
from ablations.studies.study import Arm
from ablations.sweeps import arm as arm_module
from ablations.sweeps import probing
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Context, Interrupted, Logged
from ablations.sweeps.probing import probe_arm
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.store import PROBED, Store
from ablations.training.result import Member
from tests.ablations.cli_process import digests
from tests.ablations.sweeps.small_arms import context, small_arm

DEFAULT_PROBES = {"flow", "retention", "gates", "decode"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[MemberSpec]]:
    """A store with an arm that is confirmed and not probed yet."""
    store = Store.create(tmp_path_factory.mktemp("swept") / "store")
    return store.folder, [spec for spec in run_arm(small_arm(1), context(store)) if spec.phase == "confirm"]


@pytest.fixture
def store(swept: tuple[Path, list[MemberSpec]], tmp_path: Path) -> Store:
    return Store.open(Path(shutil.copytree(swept[0], tmp_path / "store")))


@pytest.fixture
def confirmed(swept: tuple[Path, list[MemberSpec]]) -> list[MemberSpec]:
    return swept[1]


def upload(store: Store, arm: Arm) -> dict[str, Logged]:
    """Empty the queue; returns what the tracker would then have."""
    logged = {}
    for path, record in store.queued("tiny"):
        logged[record["hash"]] = Logged(arm.hash, frozenset(record["findings"]) if "findings" in record else None)
        path.unlink()
    return logged


def test_every_confirmed_member_is_probed_enqueued_and_drawn_and_one_is_traced(store, confirmed):
    probe_arm(small_arm(1), confirmed, context(store))
    members = {spec.hash(small_arm(1)) for spec in confirmed}
    assert len(members) == 4
    assert {path.stem for path in store.probes.glob("*.json")} == members
    assert {path.stem for path in store.probes.glob("*.svg")} == members
    assert {path.stem for path in store.weights.iterdir()} == members
    findings = {member: store.findings(member) for member in members}
    assert all(findings[member].keys() - {"trace"} == DEFAULT_PROBES for member in members)
    (traced,) = [member for member in members if "trace" in findings[member]]
    assert traced == confirmed[0].hash(small_arm(1))
    assert {metric.split("/")[0] for metric in findings[traced]["trace"]["curves"]} == {"trace"}
    assert not any(m.startswith("trace/") for f in findings.values() for m in f["gates"]["curves"])
    queued = {path.name for path, _ in store.queued("tiny")}
    assert {name.removesuffix(PROBED) for name in queued if name.endswith(PROBED)} == members
    record = {r["hash"]: r for path, r in store.queued("tiny") if path.name.endswith(PROBED)}[traced]
    assert record["findings"] == findings[traced]
    assert record["phase"] == "confirm"


def test_logged_findings_are_neither_measured_nor_enqueued_again(store, confirmed, monkeypatch):
    probe_arm(small_arm(1), confirmed, context(store))
    logged = upload(store, small_arm(1))
    monkeypatch.setattr(probing, "measure", None)
    monkeypatch.setattr(probing, "_figure", None)
    probe_arm(small_arm(1), confirmed, context(store, logged))
    assert not list(store.queued("tiny"))


def test_adding_a_probe_runs_only_that_probe(store, confirmed, monkeypatch):
    few = small_arm(1, confirm={"seeds": 4, "probes": ["retention"]})
    assert few.hash == small_arm(1).hash
    probe_arm(few, confirmed, context(store))
    logged, probes, original = upload(store, few), [], probing.measure
    monkeypatch.setattr(
        probing, "measure", lambda t, which, trace=(): probes.extend(which) or original(t, which, trace)
    )
    monkeypatch.setattr(arm_module, "Population", None)
    more = small_arm(1, confirm={"seeds": 4, "probes": ["retention", "decode"]})
    probe_arm(more, run_arm(more, context(store, logged)), context(store, logged))
    assert probes == ["decode"]
    records = [record for _, record in store.queued("tiny")]
    assert len(records) == 4
    assert all(record["findings"].keys() - {"trace"} == {"retention", "decode"} for record in records)


class Killed(BaseException):
    """In place of kill -9: the code under test does not catch it."""


@pytest.mark.parametrize("calls", [1, 9, 17])
def test_killed_and_repeated_probing_equals_an_uninterrupted_one(store, swept, confirmed, tmp_path, monkeypatch, calls):
    uninterrupted = Store.open(Path(shutil.copytree(swept[0], tmp_path / "uninterrupted")))
    probe_arm(small_arm(1), confirmed, context(uninterrupted))
    original, count = Store.add_findings, iter(range(100))

    def killed(*arguments: Any) -> None:
        if next(count) == calls:
            raise Killed
        original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_findings", killed)
        if calls < 17:  # there are 16 findings and a trace
            with pytest.raises(Killed):
                probe_arm(small_arm(1), confirmed, context(store))
        else:
            with pytest.raises(Interrupted):
                probe_arm(small_arm(1), confirmed, context(store, stopping=lambda: True))
    probe_arm(small_arm(1), confirmed, context(store))
    assert digests(store.probes) == digests(uninterrupted.probes)
    assert digests(store.weights) == digests(uninterrupted.weights)
    assert [record for _, record in store.queued("tiny")] == [record for _, record in uninterrupted.queued("tiny")]


def confirmed_members(statuses: list[list[str]], store: Store, arm: Arm) -> list[MemberSpec]:
    """Confirmed members with the given statuses, by search; member k of search s has the seed 10 s + k."""
    members = []
    for search, of_search in enumerate(statuses):
        for k, status in enumerate(of_search):
            members.append(MemberSpec("confirm", search, 0, Member(10 * search + k, arm.settings({}))))
            store.put(members[-1].hash(arm), {"status": status, "seed": 0, "settings": {}, "metrics": {}, "curves": {}})
    return members


D, S, U = "diverged", "solved", "unsolved"


@pytest.mark.parametrize(
    ("statuses", "finite", "first_solved", "traced"),
    [
        ([[U, U], [U, U]], [0, 1, 10, 11], [], 0),
        ([[U, S], [S, S]], [0, 1, 10, 11], [1, 10], 1),
        ([[D, U], [U, S]], [1, 10, 11], [11], 1),
        ([[D, D], [S, D]], [10], [10], 10),
        ([[D, D], [D, D]], [], [], None),
    ],
)
def test_which_members_each_probe_runs_on(store, statuses, finite, first_solved, traced):
    chosen = small_arm(1, confirm={"seeds": 4, "probes": ["clamp", "flow", "distill"]})
    confirmed = confirmed_members(statuses, store, chosen)
    seeds = {spec.hash(chosen): spec.member.seed for spec in confirmed}
    plan = {probe: [seeds[m] for m in members] for probe, members in probing._plan(chosen, confirmed, store)}
    expected = {"flow": finite, "clamp": first_solved, "distill": first_solved}
    expected["trace"] = [] if traced is None else [traced]
    assert plan == {probe: members for probe, members in expected.items() if members}


def test_diverged_member_is_drawn_and_enqueued_without_findings(store, confirmed):
    member = confirmed[1].hash(small_arm(1))
    store.put(member, (store.get(member) or {}) | {"status": "diverged"})
    store.weights_path(member).unlink()
    probe_arm(small_arm(1), confirmed, context(store))
    assert store.findings(member) == {}
    assert store.figure_path(member).exists()
    assert upload(store, small_arm(1))[member] == Logged(small_arm(1).hash, frozenset())


def test_missing_weights_are_trained_again_and_damaged_ones_are_named(store, confirmed):
    before = digests(store.weights)
    for spec in confirmed:
        store.weights_path(spec.hash(small_arm(1))).unlink()
    run_arm(small_arm(1), context(store))
    assert digests(store.weights) == before
    path = store.weights_path(confirmed[0].hash(small_arm(1)))
    path.write_bytes(b"not a safetensors file")
    with pytest.raises(InputError, match=f"{path.name}: not a file of a network's weights, or damaged"):
        probe_arm(small_arm(1), confirmed, context(store))


def test_progress_is_reported_before_each_probe(store, confirmed):
    events = []
    probe_arm(small_arm(1), confirmed, Context(store, "eager", {}, events.append, lambda: False))
    assert [(p.probe, p.done, p.of) for p in events] == [
        (probe, k, 5) for k, probe in enumerate(["flow", "retention", "gates", "decode", "trace"])
    ]


def test_findings_are_stored_by_probe(store):
    store.add_findings("a", "flow", {"metrics": {"decay_end": 0.5}, "curves": {}})
    store.add_findings("a", "decode", {"metrics": {}, "curves": {"decode/true": [(1, 0.5)]}})
    assert json.loads((store.probes / "a.json").read_text()) == store.findings("a")
    assert store.findings("a").keys() == {"flow", "decode"}
    assert store.findings("b") == {}
