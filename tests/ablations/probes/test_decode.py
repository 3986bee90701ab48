"""Probes of what a state holds and what gates do, where the answer is known."""

import math

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.networks.evaluation import evaluation_set, gate_statistics
from ablations.probes import PROBES, Findings, base, clamp, decode, gates, measure
from tasks.adding import Adding
from tasks.continual_adding import ContinualAdding
from tasks.continual_reber import ContinualReber
from tasks.copy import Copy
from tasks.flip_flop import FlipFlop
from tasks.recall import Recall
from tests.ablations.probes.known_cells import Latch, Leaky, drawn, latching, trained

LAG = 12


def points(found, curve):
    return dict(found.curves[curve])


def last(found, curve):
    [(step, value)] = found.curves[curve]
    assert step == 0
    return value


def test_the_gates_of_a_latch_open_at_the_cue_and_stay_shut():
    model, w = latching()
    [found] = measure(trained(model, Latch(), LAG, w), ["gates"], trace=[0])
    expected = {"f": (1, 1, 1), "i": (1, 0, 0), "o": (0.5, 0.5, 0.5)}
    for gate, values in expected.items():
        for event, value in zip(("cue", "query", "other"), values, strict=True):
            assert last(found, f"gate/{gate}/{event}/mean") == pytest.approx(value, abs=1e-6)
            assert last(found, f"gate/{gate}/{event}/low") == (value == 0)
            assert last(found, f"gate/{gate}/{event}/high") == (value == 1)
    assert last(found, "gate/z/cue/high") == 0.25  # the symbol's own unit
    assert found.curves["trace/gate/i"] == [(t, pytest.approx(float(t == 0), abs=1e-6)) for t in range(LAG + 1)]
    c = math.tanh(3) / 4
    assert found.curves["trace/state/c"] == [(t, pytest.approx(c)) for t in range(LAG + 1)]
    assert found.curves["trace/event/cue"] == [(t, float(t == 0)) for t in range(LAG + 1)]
    assert found.curves["trace/event/query"] == [(t, float(t == LAG)) for t in range(LAG + 1)]


def test_a_gate_that_is_constant_is_the_same_at_every_event():
    for found in measure(drawn(Leaky(), Latch(), LAG), ["gates"]):
        for event in ("cue", "query", "other"):
            statistics = [last(found, f"gate/a/{event}/{what}") for what in ("mean", "low", "high")]
            assert statistics == [0.25, 0, 0]
    for found in measure(drawn(catalogue()["lstm_static_gates"](), Latch(), LAG), ["gates"], trace=[0, 1, 2]):
        assert last(found, "gate/f/cue/mean") == pytest.approx(1 / (1 + math.exp(-1)))
        assert [value for _, value in found.curves["trace/gate/f"]] == [pytest.approx(1 / (1 + math.exp(-1)))] * (
            LAG + 1
        )


def test_the_statistics_of_events_are_those_of_all_steps_in_parts(monkeypatch):
    task = FlipFlop()  # every step is one event, and the last is asked
    asked = drawn(catalogue()["gru"](), task, 4, layers=2)
    found = measure(asked, ["gates"])
    data = base.sequences(task, 4, gates.SEQUENCES)
    share = {event: on.float().mean().item() for event, on in data.events.items()}
    whole = gate_statistics(asked.model, asked.end, evaluation_set(task, 4, gates.SEQUENCES, base.SEED, final=False))
    assert not any("other" in curve for curve in found[0].curves)
    for name in ("gate/z", "gate/1.r", "gate/1.n"):
        for what in ("mean", "low", "high"):
            for k, member in enumerate(found):
                parts = [share[event] * last(member, f"{name}/{event}/{what}") for event in share]
                assert sum(parts) == pytest.approx(whole[f"{name}/{what}"][k].item(), abs=1e-5)


def test_only_who_is_asked_for_leaves_a_trace():
    found = measure(drawn(catalogue()["rnn"](), Latch(), LAG), ["gates"], trace=[1])
    assert [sorted(member.curves) for member in found] == [
        [],
        ["trace/event/cue", "trace/event/query", "trace/state/h"],
        [],
    ]


def test_what_a_latch_holds_can_be_read_off_it_from_the_cue_to_the_query():
    model, w = latching()
    [found] = measure(trained(model, Latch(), LAG, w), ["decode"])
    assert set(points(found, "decode/true").values()) == {1}
    assert list(points(found, "decode/true")) == [0, *base.distances(LAG, decode.POINTS - 1)]
    assert points(found, "decode/shuffled") == pytest.approx(dict.fromkeys(points(found, "decode/true"), 0.25), abs=0.1)
    assert found.metrics["decodability"] == pytest.approx(0.75, abs=0.1)


def test_what_is_forgotten_cannot_be_read():
    model, w = latching()
    w["0.b_f"] -= 60
    [found] = measure(trained(model, Latch(), LAG, w), ["decode"])
    assert points(found, "decode/true")[0] == 1
    assert points(found, "decode/true")[LAG] == pytest.approx(0.25, abs=0.1)
    assert found.metrics["decodability"] == pytest.approx(0, abs=0.1)


def gaussians(centres, sequences, spread, units=3):
    """Members whose states lie around the centre of their class, on one line."""
    generator = Generator().manual_seed(0)
    labels = torch.arange(sequences) % len(centres)
    x = spread * torch.randn(2, sequences, units, generator=generator)
    x[..., 0] += torch.tensor(centres)[labels]
    return x, labels, torch.arange(sequences) < sequences // 2


def test_a_linear_probe_is_as_good_as_the_best():
    x, labels, fitted = gaussians([-1.0, 1.0], 40_000, 1.0)
    best = (1 + math.erf(1 / math.sqrt(2))) / 2  # of two Gaussians two standard deviations apart
    for accuracy in decode.balanced_accuracy(x, labels, fitted).tolist():
        assert accuracy == pytest.approx(best, abs=0.01)
    x, labels, fitted = gaussians([0.0, 1.0, 2.0, 3.0], 200, 0.05)  # classes in between are not overlooked
    assert decode.balanced_accuracy(1e-4 * x + 7, labels, fitted).tolist() == [1, 1]


def test_accuracy_is_balanced():
    x = torch.zeros(1, 200, 2)
    labels = (torch.arange(200) % 10 == 0).long()
    assert decode.balanced_accuracy(x, labels, torch.arange(200) < 100).tolist() == [0.5]  # not 0.9
    assert decode.balanced_accuracy(x, 0 * labels, torch.arange(200) < 100).isnan().all()
    x[0, 3, 1] = torch.inf
    assert decode.balanced_accuracy(x, labels, torch.arange(200) < 100).isnan().all()


@pytest.mark.parametrize(
    ("task", "lag", "classes"),
    [(Recall(), 8, 4), (Adding(), 12, 2), (Copy(symbols=2), 5, 8), (ContinualAdding(), 9, 2)],
)
def test_the_stored_value_is_what_is_asked_for_at_the_end(task, lag, classes):
    data = base.sequences(task, lag, 200)
    labels, shown = decode.stored(data), decode.shown_at(data, lag)
    assert labels.unique().tolist() == list(range(classes))
    assert (shown <= data.end).all()
    rows = torch.arange(len(shown))
    if isinstance(task, Recall):
        assert torch.equal(data.window.inputs[0, shown, rows, :4].argmax(-1), labels)
        assert data.events["cue"][shown, rows].all()
    elif isinstance(task, Copy):
        assert set(shown.tolist()) == {1}  # the last of the two symbols is the last to be recalled
        assert torch.equal(data.window.inputs[0, shown, rows, :8].argmax(-1), labels)
    elif isinstance(task, Adding):
        assert data.events["mark"][shown, rows].all()
        assert labels.sum() == 100
    else:
        kept = shown >= 0
        target = data.window.targets[0, :, :, 0]
        assert torch.equal(target[shown, rows][kept], target[data.end, rows][kept])


def test_a_task_without_events_is_probed_all_the_same(monkeypatch):
    class Silent(Latch):
        def sample(self, generator, batch, lag):
            return super().sample(generator, batch, lag)._replace(events={})

    monkeypatch.setattr(clamp, "STEPS", 2)
    (found,) = measure(drawn(catalogue()["lstm"](), Silent(), 4, seeds=(1,)), ["gates", "clamp"], trace=[0])
    assert {metric.split("/")[2] for metric in found.curves if metric.startswith("gate/")} == {"other"}
    assert found.metrics["clamp_mean"] == pytest.approx(found.metrics["clamp_event"])


def test_a_window_in_which_nothing_is_asked_has_nothing_to_say():
    """At a lag of 200, no string of the grammar ends within the window that is looked at."""
    asked = drawn(catalogue()["lstm"](), ContinualReber(), 200, seeds=(1,))
    assert measure(asked, PROBES) == [Findings({}, {})]


def test_what_explodes_is_large_and_no_more():
    found = Findings({}, {})
    found.put("decay_end", 1e200)
    found.log("flow/end/whole", 3, -1e200)
    assert found == Findings({"decay_end": 1e30}, {"flow/end/whole": [(3, -1e30)]})
