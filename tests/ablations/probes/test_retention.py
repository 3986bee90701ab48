"""Retention and time constants, where they are known analytically or computed by finite differences."""

import math

import pytest
import torch

from ablations.cells import catalogue
from ablations.probes import base, measure, retention
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


def test_perturbation_of_a_scaled_rotation_decays_by_its_scale():
    scales = [0.5, 0.97, 1.0, 1.2]
    for findings, scale in zip(measure(rotating(Linear(), scales, LAG), ["retention"]), scales, strict=True):
        assert set(findings.curves) == {"retention"}
        assert points(findings, "retention") == pytest.approx({k: scale**k for k in range(1, LAG + 1)}, rel=1e-5)
        assert findings.metrics == {"retained": pytest.approx(scale**LAG, rel=1e-5)}


def test_perturbations_below_the_range_of_single_precision_are_measured():
    [findings] = measure(rotating(Linear(), [0.002], LAG), ["retention"])
    assert points(findings, "retention")[LAG] == pytest.approx(0.002**LAG, rel=1e-4)


@pytest.mark.parametrize("layers", [1, 2])
def test_retention_equals_the_finite_difference_of_two_runs(layers):
    members = random_members(catalogue()["gru"](), Latch(), LAG, layers=layers)
    data = base.sequences(members.task, LAG, retention.SEQUENCES).double()
    w = base.double(members.end)
    findings = measure(members, ["retention"])
    runs = []
    for size in (0, 1e-6):
        generator = torch.Generator().manual_seed(base.SEED)
        direction = [torch.randn(32, 4, generator=generator).double() for _ in range(layers)]
        states = [[] for _ in range(layers)]

        def perturb(layer, t, state, size=size, direction=direction, states=states):
            state = {"h": state["h"] + size * direction[layer] * (t == 0)}
            states[layer].append(state["h"])
            return state

        base.run(members.model, w, data.window, base.initial_state(members.model, w, data), hook=perturb)
        runs.append(torch.stack([torch.stack(layer, 1) for layer in states], -1))
    norm = (runs[1] - runs[0]).flatten(3).norm(dim=-1)
    for k in (1, 3, LAG):
        expected = (norm[:, k] / norm[:, 0]).log().mean(1).exp()
        assert [points(f, "retention")[k] for f in findings] == pytest.approx(expected.tolist(), rel=1e-3)


def test_latch_retains_the_cell_state_and_not_the_output():
    model, w = latch_lstm()
    [findings] = measure(trained(model, Latch(), LAG, w), ["retention"])
    # Of a random direction in (h, c), the part along c is retained: √½ of the norm on average.
    assert findings.metrics["retained"] == pytest.approx(0.7, abs=0.1)
    assert points(findings, "retention")[1] == pytest.approx(findings.metrics["retained"], rel=0.5)
    assert findings.metrics["time_constant"] > 1e12


def test_time_constant_is_that_of_the_additive_path():
    [findings] = measure(rotating(Leaky(), [0.9], LAG), ["retention"])
    assert findings.metrics["time_constant"] == pytest.approx(-1 / math.log(0.25))


@pytest.mark.parametrize(
    ("cell", "options", "expected"),
    [
        ("lstm_static_leak", {"leak": 0.9}, -1 / math.log(0.9)),
        ("lstm_no_forget", {}, None),  # infinite
        ("single_network", {}, None),  # no gate on the memory's path
        ("rnn", {}, None),
    ],
)
def test_time_constant_is_that_of_the_gate_on_the_memory_path(cell, options, expected):
    for findings in measure(random_members(catalogue()[cell](**options), Latch(), LAG), ["retention"]):
        assert findings.metrics.get("time_constant") == (expected and pytest.approx(expected))


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "f"), ("gru", "z"), ("memory_gated", "f"), ("lstm_coupled", "f")])
def test_memory_retention_is_the_median_of_the_gate(cell, gate):
    members = random_members(catalogue()[cell](), Latch(), LAG)
    data = base.sequences(members.task, LAG, retention.SEQUENCES).double()
    w = base.double(members.end)
    start = base.initial_state(members.model, w, data)
    [gates] = base.run(members.model, w, data.window, start, [gate]).gates
    expected = [values[1:].median().item() for values in gates[gate]]
    assert retention.memory_retention(members, data) == pytest.approx(expected)
