"""Gate statistics and traces, where the gates are known."""

import math

import pytest

from ablations.cells import catalogue
from ablations.networks.evaluation import evaluation_set, gate_statistics
from ablations.probes import base, gates, measure
from tasks.flip_flop import FlipFlop
from tests.ablations.probes.analytic_networks import Latch, Leaky, latch_lstm, random_members, trained

LAG = 12


def statistic(findings, curve):
    """The value of a curve's only point."""
    [(step, value)] = findings.curves[curve]
    assert step == 0
    return value


def test_latch_gates_by_event_and_its_trace():
    model, w = latch_lstm()
    [findings] = measure(trained(model, Latch(), LAG, w), ["gates"], trace=[0])
    expected = {"f": (1, 1, 1), "i": (1, 0, 0), "o": (0.5, 0.5, 0.5)}
    for gate, values in expected.items():
        for event, value in zip(("cue", "query", "other"), values, strict=True):
            assert statistic(findings, f"gate/{gate}/{event}/mean") == pytest.approx(value, abs=1e-6)
            assert statistic(findings, f"gate/{gate}/{event}/low") == (value == 0)
            assert statistic(findings, f"gate/{gate}/{event}/high") == (value == 1)
    assert statistic(findings, "gate/z/cue/high") == 0.25  # the unit of the presented symbol
    assert findings.curves["trace/gate/i"] == [(t, pytest.approx(float(t == 0), abs=1e-6)) for t in range(LAG + 1)]
    c = math.tanh(3) / 4
    assert findings.curves["trace/state/c"] == [(t, pytest.approx(c)) for t in range(LAG + 1)]
    assert findings.curves["trace/event/cue"] == [(t, float(t == 0)) for t in range(LAG + 1)]
    assert findings.curves["trace/event/query"] == [(t, float(t == LAG)) for t in range(LAG + 1)]


def test_constant_gate_has_the_same_statistics_at_every_event():
    for findings in measure(random_members(Leaky(), Latch(), LAG), ["gates"]):
        for event in ("cue", "query", "other"):
            statistics = [statistic(findings, f"gate/a/{event}/{name}") for name in ("mean", "low", "high")]
            assert statistics == [0.25, 0, 0]
    members = random_members(catalogue()["lstm_static_gates"](), Latch(), LAG)
    forget = pytest.approx(1 / (1 + math.exp(-1)))
    for findings in measure(members, ["gates"], trace=[0, 1, 2]):
        assert statistic(findings, "gate/f/cue/mean") == forget
        assert findings.curves["trace/gate/f"] == [(t, forget) for t in range(LAG + 1)]


def test_statistics_by_event_average_to_those_over_all_steps():
    task = FlipFlop()  # each step has exactly one event, and the last step is a query
    members = random_members(catalogue()["gru"](), task, 4, layers=2)
    findings = measure(members, ["gates"])
    data = base.sequences(task, 4, gates.SEQUENCES)
    share = {event: on.float().mean().item() for event, on in data.events.items()}
    overall = gate_statistics(
        members.model, members.end, evaluation_set(task, 4, gates.SEQUENCES, base.SEED, final=False)
    )
    assert not any("other" in curve for curve in findings[0].curves)
    for gate in ("gate/z", "gate/1.r", "gate/1.n"):
        for name in ("mean", "low", "high"):
            for k, member in enumerate(findings):
                weighted = [share[event] * statistic(member, f"{gate}/{event}/{name}") for event in share]
                assert sum(weighted) == pytest.approx(overall[f"{gate}/{name}"][k].item(), abs=1e-5)


def test_only_members_in_trace_have_traces():
    findings = measure(random_members(catalogue()["rnn"](), Latch(), LAG), ["gates"], trace=[1])
    traces = ["trace/event/cue", "trace/event/query", "trace/state/h"]
    assert [sorted(member.curves) for member in findings] == [[], traces, []]
