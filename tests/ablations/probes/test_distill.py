"""Distillation, where it is known what can be learned."""

import pytest
import torch

from ablations.cells import catalogue
from ablations.cells.network import SingleNetwork
from ablations.probes import base, distill, measure
from tasks.recall import Recall
from tests.ablations.probes.known_cells import Latch, drawn, latching, trained
from tests.ablations.training.populations import Stream


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(distill, "STEPS", 400)
    monkeypatch.setattr(distill, "ROWS", 64)
    monkeypatch.setattr(distill, "TEST", 200)


def test_a_latch_can_be_imitated():
    model, w = latching()
    [found] = measure(trained(model, Latch(), 12, w), ["distill"])
    assert found.metrics == {"distilled": pytest.approx(1, abs=0.05)}


def test_without_lessons_nothing_is_learned(monkeypatch):
    monkeypatch.setattr(distill, "STEPS", 0)
    model, w = latching()
    [found] = measure(trained(model, Latch(), 12, w), ["distill"])
    assert found.metrics["distilled"] < 0.5


def test_a_single_networks_own_transition_is_learned(monkeypatch):
    asked = drawn(SingleNetwork(activation="linear"), Recall(), 5, seeds=(1, 2))
    inputs, states = distill.visited(asked)
    aim = distill.transition(asked.model, asked.end, inputs.expand(2, -1, -1), states)
    errors = []
    for steps in (0, 800):
        monkeypatch.setattr(distill, "STEPS", steps)
        student, w = distill._student(asked)
        got = distill.transition(student, w, inputs.expand(2, -1, -1), states)
        parts = [(got[name] - part).square().mean((1, 2)) / part.var(1).mean(1) for name, part in aim.items()]
        errors.append(torch.stack(parts))
    assert (errors[1] < 0.05).all(), errors
    assert (errors[1] < 0.1 * errors[0]).all(), errors


@pytest.mark.parametrize("task", [Recall(), Stream(reset=True)])
def test_a_transition_is_a_step_from_a_state_that_was_visited(task):
    asked = drawn(catalogue()["lstm"](), task, 5)
    inputs, states = distill.visited(asked)
    data = base.sequences(task, 5, distill.SEQUENCES)
    after = []

    def watch(_layer, _t, state):
        after.append(state)
        return state

    base.run(asked.model, asked.end, data.window, base.warmed(asked.model, asked.end, data), after=watch)
    counts = torch.arange(len(after)).unsqueeze(1) <= data.end
    for name, part in distill.transition(asked.model, asked.end, inputs.expand(3, -1, -1), states).items():
        expected = torch.stack([state[name] for state in after], 1)[:, counts]
        torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-6)


def test_members_are_imitated_as_each_would_be_alone(monkeypatch):
    monkeypatch.setattr(distill, "STEPS", 3)
    asked = drawn(catalogue()["lstm_peephole"](), Recall(), 5)
    _, together = distill._student(asked)
    for k in range(3):
        _, alone = distill._student(asked.of([k]))
        for name, weight in alone.items():
            torch.testing.assert_close(weight[0], together[name][k], rtol=1e-3, atol=1e-5)


def test_only_cells_with_h_and_c_are_imitated():
    asked = [drawn(catalogue()["gru"](), Latch(), 3), drawn(catalogue()["lstm"](), Latch(), 3, layers=2)]
    assert [found.metrics for members in asked for found in measure(members, ["distill"])] == [{}] * 6
