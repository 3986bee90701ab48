"""Gradient flow, where it is known analytically or computed by plain autograd."""

import math

import pytest
import torch

from ablations.cells import catalogue
from ablations.probes import base, flow, measure
from tasks.recall import Recall
from tests.ablations.probes.analytic_networks import (
    Latch,
    Leaky,
    Linear,
    latch_lstm,
    points,
    random_members,
    rotating,
    trained,
)

LAG = 12


def test_gradient_of_a_scaled_rotation_decays_by_its_scale():
    scales = [0.5, 0.97, 1.0, 1.2]
    for findings, scale in zip(measure(rotating(Linear(), scales, LAG), ["flow"]), scales, strict=True):
        assert set(findings.curves) == {f"flow/{stage}/whole" for stage in ("init", "half", "end")}
        for curve in findings.curves:
            assert points(findings, curve) == pytest.approx({k: scale**k for k in range(1, LAG + 1)}, rel=1e-5)
        assert findings.metrics == {f"decay_{stage}": pytest.approx(scale) for stage in ("init", "half", "end")}


def test_gradients_below_the_range_of_single_precision_are_measured():
    [findings] = measure(rotating(Linear(), [0.002], LAG), ["flow"])
    assert points(findings, "flow/end/whole")[LAG] == pytest.approx(0.002**LAG, rel=1e-4)


def test_held_gates_leave_the_gradient_of_the_additive_path():
    [findings] = measure(rotating(Leaky(), [0.9], LAG), ["flow"])
    assert points(findings, "flow/init/held") == pytest.approx({k: 0.25**k for k in range(1, LAG + 1)})
    assert points(findings, "flow/init/whole")[1] > 0.3


@pytest.mark.parametrize("cell", ["lstm", "single_network", "lstm_full_recurrence"])
def test_gradient_ratios_equal_those_of_a_network_restarted_from_the_state(cell):
    members = random_members(catalogue()[cell](), Recall(), 5)
    data = base.sequences(members.task, 5, flow.SEQUENCES).double()
    w, model = base.double(members.end), members.model
    assert data.last_query.unique().numel() > 5
    ratios, logs = flow.gradient_ratios(model, members.task, 5, w, data), []
    for b, query in enumerate(data.last_query.tolist()):
        x = data.window.inputs[:, :, b : b + 1].expand(3, -1, -1, -1)
        _, [state] = model(w, x[:, : query - 4], model.initial_state(w, 1))
        state = {name: part.requires_grad_() for name, part in state.items()}
        outputs, _ = model(w, x[:, query - 4 : query + 1], [state])
        target = data.window.targets[0, query, b]
        loss = torch.nn.functional.cross_entropy(outputs[:, -1, 0], target.expand(3), reduction="sum")
        gradients = torch.autograd.grad(loss, list(state.values()), materialize_grads=True)
        error = outputs[:, -1, 0].detach().softmax(-1) - torch.eye(4)[target]
        at_query = (error.unsqueeze(1) @ w["readout.V"].mT).norm(dim=(1, 2))  # the readout depends on h alone
        logs.append((torch.cat(gradients, -1).norm(dim=(1, 2)) / at_query).log())
    assert ratios[5] == pytest.approx(torch.stack(logs).mean(0).exp().tolist())


def test_gradient_of_a_latch_does_not_decay():
    model, w = latch_lstm()
    [findings] = measure(trained(model, Latch(), LAG, w), ["flow"])
    assert findings.metrics["decay_end"] == pytest.approx(1, abs=1e-3)


def test_decay_per_step_is_the_geometric_mean_beyond_a_quarter_of_the_lag():
    ratios = {1: [0.5], 2: [0.4], 4: [0.3], 8: [0.3 * 0.9**4]}
    assert flow.decay_per_step(ratios, 1) == [pytest.approx((0.3 / 0.4 * 0.9**4) ** (1 / 6))]


def test_decay_per_step_is_nan_without_two_distances():
    one_distance, no_distance = flow.decay_per_step({1: [0.5]}, 1), flow.decay_per_step({}, 3)
    assert (len(one_distance), len(no_distance)) == (1, 3)
    assert all(math.isnan(decay) for decay in one_distance + no_distance)
