"""Gate clamping, where it is known which gates a network needs."""

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.networks.evaluation import stack
from ablations.probes import base, clamp, measure
from tasks.recall import Recall
from tests.ablations.probes.analytic_networks import Latch, Leaky, Linear, latch_lstm, random_members, trained
from tests.ablations.training.populations import ShortStream, member, train_by_torch


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(clamp, "STEPS", 8)
    monkeypatch.setattr(clamp, "TEST_SEQUENCES", 200)


def score(findings, condition):
    return findings.metrics[f"clamp_{condition}"]


def test_latch_among_distractors_needs_gates_that_depend_on_the_event():
    model, w = latch_lstm()  # the inputs of Recall are those of Latch, with a distractor at every step
    [findings] = measure(trained(model, Recall(), 5, w), ["clamp"])
    assert score(findings, "none") == 1
    assert score(findings, "mean") < 0.5
    assert score(findings, "event") == 1
    assert score(findings, "shuffled") < 0.5  # the cues of two sequences coincide in one case of ten


@pytest.mark.parametrize(
    ("cell", "steps"),
    [(Leaky(), 4), (catalogue()["lstm_static_gates"](), 0)],  # fine-tuning would change the static gates
)
def test_clamping_constant_gates_changes_no_score(cell, steps, monkeypatch):
    monkeypatch.setattr(clamp, "STEPS", steps)
    for findings in measure(random_members(cell, Recall(), 3), ["clamp"]):
        for condition in ("mean", "event", "shuffled"):
            assert score(findings, condition) == pytest.approx(score(findings, "none"), abs=1e-5)


def test_cells_without_gates_have_no_results():
    members = random_members(Linear(), Latch(), 3)
    assert [findings.metrics for findings in measure(members, ["clamp"])] == [{}] * 3


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
def test_multiplicative_gates_exclude_candidates(cell, gates):
    assert clamp.multiplicative_gates(catalogue()[cell]()) == list(gates)


def test_gates_are_clamped_at_means_and_at_values_of_other_sequences():
    members = random_members(catalogue()["lstm"](), ShortStream(), 5, layers=2)
    means = clamp._gate_means(members, ["f"])
    data = base.sequences(members.task, 5, clamp.SEQUENCES)
    start = base.initial_state(members.model, members.end, data)
    recorded = base.run(members.model, members.end, data.window, start, ["f"]).gates
    steps = torch.arange(60).unsqueeze(1) <= data.last_query
    batch = members.task.stream(Generator().manual_seed(0), 7, 5).next()
    window, codes = stack(members.task, [batch]), base.event_codes(batch.weight, batch.events)
    clamped = {}
    for condition in ("mean", "event", "shuffled"):
        networks = clamp._ClampedNetworks(members, means, condition)
        clamped[condition] = networks._gates(window, codes.unsqueeze(0))
    unclamped = base.run(members.model, members.end, window, members.model.initial_state(members.end, 7), ["f"]).gates
    for layer in range(2):
        values = recorded[layer]["f"]
        for k in range(3):
            overall = values[k][steps].mean(0)
            torch.testing.assert_close(clamped["mean"][layer]["f"][k], overall.expand(60, 7, -1))
            for kind in codes.unique():
                expected = values[k][steps & (base.event_codes(steps, data.events) == kind)].mean(0)
                by_event = clamped["event"][layer]["f"][k][codes == kind]
                torch.testing.assert_close(by_event, expected.expand_as(by_event))
        assert torch.equal(clamped["shuffled"][layer]["f"][:, :, 1:], unclamped[layer]["f"][:, :, :-1])


@pytest.mark.parametrize("task", [Recall(), ShortStream(reset=True)])
@pytest.mark.parametrize("condition", clamp.CONDITIONS)
def test_members_fine_tuned_together_equal_members_fine_tuned_alone(task, condition, monkeypatch):
    monkeypatch.setattr(clamp, "STEPS", 2)
    members = random_members(catalogue()["gru"](), task, 5)
    members.settings[1]["learning_rate"] = 0.001

    def weights_and_scores(members):
        means = clamp._gate_means(members, clamp.multiplicative_gates(members.model.cell))
        w = clamp._fine_tuned(clamp._ClampedNetworks(members, means, condition))
        return members.model.pack(w), clamp._scores(members, means, condition, w)

    together, scores = weights_and_scores(members)
    for k in range(3):
        alone, alone_score = weights_and_scores(members.select([k]))
        torch.testing.assert_close(alone[0], together[k], rtol=1e-3, atol=1e-5)
        assert alone_score == pytest.approx([scores[k]], abs=1e-3)


def test_fine_tuning_without_clamping_equals_training_by_torch(monkeypatch):
    monkeypatch.setattr(clamp, "BATCH", 4)
    members = random_members(catalogue()["lstm"](), ShortStream(), 5, hidden=3, seeds=(1,))
    reference = member(0)
    members.settings[0].update(reference.settings)
    members.seeds[0] = -(2**48)  # fine-tuning adds 2^49 to the seed of its data, train_by_torch adds 2^48
    initial = members.model.initialise(reference.settings, 5, Generator().manual_seed(0))
    members = members._replace(end={name: x.unsqueeze(0) for name, x in initial.items()})
    w = clamp._fine_tuned(clamp._ClampedNetworks(members, clamp._gate_means(members, []), "none"))
    expected, _, _ = train_by_torch(members.task, 5, reference, clamp.STEPS)
    torch.testing.assert_close(members.model.pack(w)[0], expected, rtol=1e-3, atol=1e-5)


def test_member_that_diverges_during_fine_tuning_scores_zero():
    members = random_members(catalogue()["lstm_no_candidate_tanh"](), Recall(), 3)
    members.settings[0]["learning_rate"] = 3e38
    diverged, other, _ = measure(members, ["clamp"])
    assert score(diverged, "none") == 0
    assert score(other, "none") != 0
