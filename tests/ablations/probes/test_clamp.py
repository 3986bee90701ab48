"""Clamping, where it is known which gates a network needs."""

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.probes import base, clamp, measure
from tasks.continual_adding import ContinualAdding
from tasks.recall import Recall
from tests.ablations.probes.known_cells import Latch, Leaky, Linear, drawn, latching, trained
from tests.ablations.training.populations import Stream, by_torch, member


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(clamp, "STEPS", 8)
    monkeypatch.setattr(clamp, "TEST", 200)


def score(found, way):
    return found.metrics[f"clamp_{way}"]


def test_a_latch_among_distractors_needs_its_gates_at_the_cue_and_nowhere_else():
    model, w = latching()  # recall's inputs are the latch's, and a distractor at every step
    [found] = measure(trained(model, Recall(), 5, w), ["clamp"])
    assert score(found, "none") == 1
    assert score(found, "mean") < 0.5
    assert score(found, "event") == 1
    assert score(found, "shuffled") < 0.5  # in one sequence of ten the other cue is at the same step


@pytest.mark.parametrize(("cell", "steps"), [(Leaky(), 4), (catalogue()["lstm_static_gates"](), 0)])  # its gates learn
def test_gates_that_never_change_can_be_held(cell, steps, monkeypatch):
    monkeypatch.setattr(clamp, "STEPS", steps)
    for found in measure(drawn(cell, Recall(), 3), ["clamp"]):
        for way in ("mean", "event", "shuffled"):
            assert score(found, way) == pytest.approx(score(found, "none"), abs=1e-5)


def test_cells_without_gates_say_nothing():
    assert [found.metrics for found in measure(drawn(Linear(), Latch(), 3), ["clamp"])] == [{}] * 3


@pytest.mark.parametrize(
    ("cell", "gates"),
    [
        ("lstm", "ifo"),
        ("gru", "rz"),
        ("lstm_network_readout", "if"),
        ("memory_gated", "rf"),
        ("janet", "fi"),
        ("rnn", ""),
    ],
)
def test_gates_that_multiply_are_told_from_candidates(cell, gates):
    assert clamp.multiplying(catalogue()[cell]()) == list(gates)


def test_a_step_is_of_the_kind_of_all_its_events():
    batch = ContinualAdding().stream(Generator().manual_seed(0), 30, 4).next()
    code = clamp.code_of(batch.weight, batch.events)
    assert code.unique().tolist() == list(range(8))
    mark, reset, query = batch.events.values()
    assert torch.equal(code == 5, mark & ~reset & query)


def test_gates_are_held_at_what_they_were():
    asked = drawn(catalogue()["lstm"](), Stream(), 5, layers=2)
    usual = clamp._usual(asked, ["f"])
    data = base.sequences(asked.task, 5, clamp.SEQUENCES)
    gates = base.run(asked.model, asked.end, data.window, base.warmed(asked.model, asked.end, data), ["f"]).gates
    counts = torch.arange(60).unsqueeze(1) <= data.end
    batch = asked.task.stream(Generator().manual_seed(0), 7, 5).next()
    window, code = clamp.stack(asked.task, [batch]), clamp.code_of(batch.weight, batch.events)
    held = {}
    for way in ("mean", "event", "shuffled"):
        clamped = clamp._Clamped(asked, usual, way)
        clamped.start(7)
        held[way] = clamped._held(window, code.unsqueeze(0))
    own = base.run(asked.model, asked.end, window, asked.model.zero_state(3, 7), ["f"]).gates
    for layer in range(2):
        before = gates[layer]["f"]
        for k in range(3):
            whole = before[k][counts].mean(0)
            torch.testing.assert_close(held["mean"][layer]["f"][k], whole.expand(60, 7, -1))
            for kind in code.unique():
                expected = before[k][counts & (clamp.code_of(counts, data.events) == kind)].mean(0)
                found = held["event"][layer]["f"][k][code == kind]
                torch.testing.assert_close(found, expected.expand_as(found))
        assert torch.equal(held["shuffled"][layer]["f"][:, :, 1:], own[layer]["f"][:, :, :-1])


@pytest.mark.parametrize("task", [Recall(), Stream(reset=True)])
def test_members_are_trained_on_as_each_would_be_alone(task, monkeypatch):
    monkeypatch.setattr(clamp, "STEPS", 2)
    asked = drawn(catalogue()["gru"](), task, 5)
    asked.settings[1]["learning_rate"] = 0.001
    for k, found in enumerate(measure(asked, ["clamp"])):
        [alone] = measure(asked.of([k]), ["clamp"])
        assert alone.metrics == pytest.approx(found.metrics, abs=1e-3)


def test_training_on_is_training(monkeypatch):
    monkeypatch.setattr(clamp, "BATCH", 4)
    asked = drawn(catalogue()["lstm"](), Stream(), 5, hidden=3, seeds=(1,))
    one = member(0)
    asked.settings[0].update(one.settings)
    asked.seeds[0] = -(2**48)  # by_torch draws its data from the member's seed plus this, and training on from twice
    fresh = asked.model.initialise(one.settings, 5, Generator().manual_seed(0))
    asked = asked._replace(end={name: x.unsqueeze(0) for name, x in fresh.items()})
    found = clamp._trained_on(clamp._Clamped(asked, clamp._usual(asked, []), "none"))
    expected, _, _ = by_torch(asked.task, 5, one, clamp.STEPS)
    torch.testing.assert_close(asked.model.pack(found)[0], expected, rtol=1e-3, atol=1e-5)


def test_a_network_that_diverges_meanwhile_scores_nothing():
    asked = drawn(catalogue()["lstm_no_candidate_tanh"](), Recall(), 3)
    asked.settings[0]["learning_rate"] = 3e38
    found = measure(asked, ["clamp"])
    assert score(found[0], "none") == 0
    assert score(found[1], "none") != 0
