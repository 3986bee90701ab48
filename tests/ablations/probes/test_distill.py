"""Distillation, where it is known what the student can learn."""

import pytest
import torch

from ablations.cells import catalogue
from ablations.cells.network import SingleNetwork
from ablations.probes import base, distill, measure
from tasks.recall import Recall
from tests.ablations.probes.analytic_networks import Latch, latch_lstm, random_members, trained
from tests.ablations.training.populations import ShortStream


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(distill, "STEPS", 400)
    monkeypatch.setattr(distill, "ROWS", 64)
    monkeypatch.setattr(distill, "TEST_SEQUENCES", 200)


def test_student_of_a_latch_solves_its_task():
    model, w = latch_lstm()
    [findings] = measure(trained(model, Latch(), 12, w), ["distill"])
    assert findings.metrics == {"distilled": pytest.approx(1, abs=0.05)}


def test_untrained_student_does_not_solve_the_task(monkeypatch):
    monkeypatch.setattr(distill, "STEPS", 0)
    model, w = latch_lstm()
    [findings] = measure(trained(model, Latch(), 12, w), ["distill"])
    assert findings.metrics["distilled"] < 0.5


def test_student_learns_the_transition_of_a_single_network(monkeypatch):
    members = random_members(SingleNetwork(activation="linear"), Recall(), 5, seeds=(1, 2))
    inputs, states = distill.visited_states(members)
    target = distill.transition(members.model, members.end, inputs.expand(2, -1, -1), states)
    errors = []
    for steps in (0, 800):
        monkeypatch.setattr(distill, "STEPS", steps)
        student, w = distill._students(members)
        predicted = distill.transition(student, w, inputs.expand(2, -1, -1), states)
        parts = [(predicted[name] - part).square().mean((1, 2)) / part.var(1).mean(1) for name, part in target.items()]
        errors.append(torch.stack(parts))
    assert (errors[1] < 0.05).all(), errors
    assert (errors[1] < 0.1 * errors[0]).all(), errors


@pytest.mark.parametrize("task", [Recall(), ShortStream(reset=True)])
def test_transition_from_visited_states_equals_the_run(task):
    members = random_members(catalogue()["lstm"](), task, 5)
    inputs, states = distill.visited_states(members)
    data = base.sequences(task, 5, distill.SEQUENCES)
    after = []

    def record(_layer, _t, state):
        after.append(state)
        return state

    start = base.initial_state(members.model, members.end, data)
    base.run(members.model, members.end, data.window, start, hook=record)
    steps = torch.arange(len(after)).unsqueeze(1) <= data.last_query
    for name, part in distill.transition(members.model, members.end, inputs.expand(3, -1, -1), states).items():
        expected = torch.stack([state[name] for state in after], 1)[:, steps]
        torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-6)


def test_students_trained_together_equal_students_trained_alone(monkeypatch):
    monkeypatch.setattr(distill, "STEPS", 3)
    members = random_members(catalogue()["lstm_peephole"](), Recall(), 5)
    _, together = distill._students(members)
    for k in range(3):
        _, alone = distill._students(members.select([k]))
        for name, weight in alone.items():
            torch.testing.assert_close(weight[0], together[name][k], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("cell", "layers"), [("gru", 1), ("lstm", 2)])
def test_only_cells_of_one_layer_with_h_and_c_are_distilled(cell, layers):
    members = random_members(catalogue()[cell](), Latch(), 3, layers=layers)
    assert [findings.metrics for findings in measure(members, ["distill"])] == [{}] * 3
