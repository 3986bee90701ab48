"""Probes where the answer is known, and what all probes keep."""

import math

import pytest
import torch

from ablations.cells import catalogue
from ablations.probes import base, flow, measure, retention
from tasks import catalogue as tasks
from tasks.continual_adding import ContinualAdding
from tasks.embedded_reber import EmbeddedReber
from tasks.recall import Recall
from tests.ablations.probes.known_cells import Latch, Leaky, Linear, drawn, latching, trained
from tests.ablations.training.populations import Stream

LAG = 12


def rotation(size, scale, seed=0):
    """A matrix that turns and scales: what it leaves of any vector is `scale`."""
    return scale * torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed))).Q


def rotating(cell, scales):
    """A member for each factor that one step leaves, the same before, half way and after training."""
    asked = drawn(cell, Latch(), LAG, 5, seeds=range(len(scales)))
    asked.init["0.U"] = torch.stack([rotation(5, scale) for scale in scales])
    return trained(asked.model, asked.task, LAG, asked.init)


def points(found, curve):
    return dict(found.curves[curve])


@pytest.mark.parametrize("probe", ["flow", "retention"])
def test_a_linear_recurrence_keeps_what_its_eigenvalues_say(probe):
    scales = [0.5, 0.97, 1.0, 1.2]
    for found, scale in zip(measure(rotating(Linear(), scales), [probe]), scales, strict=True):
        curves = [f"flow/{when}/whole" for when in ("init", "half", "end")] if probe == "flow" else ["retention"]
        assert set(found.curves) == set(curves)
        for curve in curves:
            assert list(points(found, curve)) == list(range(1, LAG + 1))
            for k, share in points(found, curve).items():
                assert share == pytest.approx(scale**k, rel=1e-5)
        if probe == "flow":
            assert found.metrics == {f"decay_{when}": pytest.approx(scale) for when in ("init", "half", "end")}
        else:
            assert found.metrics == {"retained": pytest.approx(scale**LAG, rel=1e-5)}


def test_what_a_single_precision_number_cannot_hold_is_still_seen():
    [found] = measure(rotating(Linear(), [0.002]), ["flow", "retention"])
    assert points(found, "flow/end/whole")[LAG] == pytest.approx(0.002**LAG, rel=1e-4)
    assert points(found, "retention")[LAG] == pytest.approx(0.002**LAG, rel=1e-4)


def test_the_additive_path_is_what_is_left_with_gates_held():
    [found] = measure(rotating(Leaky(), [0.9]), ["flow", "retention"])
    for k, share in points(found, "flow/init/held").items():
        assert share == pytest.approx(0.25**k)
    assert points(found, "flow/init/whole")[1] > 0.3
    assert found.metrics["time_constant"] == pytest.approx(-1 / math.log(0.25))


@pytest.mark.parametrize("cell", ["lstm", "single_network", "lstm_full_recurrence"])
def test_the_flow_is_the_gradient_with_respect_to_the_state_that_a_sequence_goes_on_from(cell):
    asked = drawn(catalogue()[cell](), Recall(), 5)
    data = base.sequences(asked.task, 5, flow.SEQUENCES).double()
    w, model = base.double(asked.end), asked.model
    assert data.end.unique().numel() > 5
    found, logs = flow.shares_left(model, asked.task, 5, w, data), []
    for b, end in enumerate(data.end.tolist()):
        x = data.window.inputs[:, :, b : b + 1].expand(3, -1, -1, -1)
        state = [{name: part.double() for name, part in layer.items()} for layer in model.zero_state(3, 1)]
        _, [state] = model(w, x[:, : end - 4], state)
        state = {name: part.requires_grad_() for name, part in state.items()}
        outputs, _ = model(w, x[:, end - 4 : end + 1], [state])
        loss = torch.nn.functional.cross_entropy(
            outputs[:, -1, 0], data.window.targets[0, end, b].expand(3), reduction="sum"
        )
        gradients = torch.autograd.grad(loss, list(state.values()), materialize_grads=True)
        read = outputs[:, -1, 0].detach().softmax(-1) - torch.eye(4)[data.window.targets[0, end, b]]
        at_end = (read.unsqueeze(1) @ w["readout.V"].mT).norm(dim=(1, 2))  # of the last state, h alone is seen
        logs.append((torch.cat(gradients, -1).norm(dim=(1, 2)) / at_end).log())
    assert found[5] == pytest.approx(torch.stack(logs).mean(0).exp().tolist())


@pytest.mark.parametrize("layers", [1, 2])
def test_retention_is_what_is_left_of_a_small_difference(layers):
    asked = drawn(catalogue()["gru"](), Latch(), LAG, layers=layers)
    data = base.sequences(asked.task, LAG, retention.SEQUENCES).double()
    w = base.double(asked.end)
    found = measure(asked, ["retention"])
    ran = []
    for size in (0, 1e-6):
        generator = torch.Generator().manual_seed(base.SEED)
        direction = [torch.randn(32, 4, generator=generator).double() for _ in range(layers)]
        kept = [[] for _ in range(layers)]

        def nudge(layer, t, state, size=size, direction=direction, kept=kept):
            state = {"h": state["h"] + size * direction[layer] * (t == 0)}
            kept[layer].append(state["h"])
            return state

        base.run(asked.model, w, data.window, base.warmed(asked.model, w, data), after=nudge)
        ran.append(torch.stack([torch.stack(states, 1) for states in kept], -1))
    size = (ran[1] - ran[0]).flatten(3).norm(dim=-1)
    for k in (1, 3, LAG):
        expected = (size[:, k] / size[:, 0]).log().mean(1).exp()
        assert [points(f, "retention")[k] for f in found] == pytest.approx(expected.tolist(), rel=1e-3)


def test_a_latch_keeps_what_it_holds():
    model, w = latching()
    [found] = measure(trained(model, Latch(), LAG, w), ["flow", "retention"])
    # h is forgotten at once, c is kept for good: √½ of a change in a random direction of both, on average over directions.
    assert found.metrics["retained"] == pytest.approx(0.7, abs=0.1)
    assert points(found, "retention")[1] == pytest.approx(found.metrics["retained"], rel=0.5)
    assert found.metrics["decay_end"] == pytest.approx(1, abs=1e-3)
    assert "time_constant" not in found.metrics or found.metrics["time_constant"] > 1e12


@pytest.mark.parametrize(
    ("cell", "options", "expected"),
    [
        ("lstm_static_leak", {"leak": 0.9}, -1 / math.log(0.9)),
        ("lstm_no_forget", {}, None),  # for ever
        ("single_network", {}, None),  # no gate on the memory's path
        ("rnn", {}, None),
    ],
)
def test_the_time_constant_is_that_of_the_gate_on_the_memorys_path(cell, options, expected):
    for found in measure(drawn(catalogue()[cell](**options), Latch(), LAG), ["retention"]):
        assert found.metrics.get("time_constant") == (expected and pytest.approx(expected))


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "f"), ("gru", "z"), ("memory_gated", "f"), ("lstm_coupled", "f")])
def test_what_a_unit_keeps_is_the_gate_itself(cell, gate):
    asked = drawn(catalogue()[cell](), Latch(), LAG)
    data = base.sequences(asked.task, LAG, retention.SEQUENCES).double()
    w = base.double(asked.end)
    [gates] = base.run(asked.model, w, data.window, base.warmed(asked.model, w, data), [gate]).gates
    expected = [values[1:].median().item() for values in gates[gate]]
    assert retention.kept_by_gates(asked, data) == pytest.approx(expected)


def test_distances_reach_from_one_step_to_the_lag():
    assert base.distances(0) == []
    assert base.distances(1) == [1]
    assert base.distances(12) == list(range(1, 13))
    far = base.distances(1000)
    assert (far[0], far[-1], len(far)) == (1, 1000, base.POINTS)


def test_sequences_end_where_the_memory_is_asked_for():
    reber = base.sequences(EmbeddedReber(), 5, 20)
    assert reber.events["due"][reber.end, torch.arange(20)].all()
    stream = base.sequences(ContinualAdding(), 20, 20)
    assert len(stream.before) == 5
    assert (stream.window.weight[0, stream.end, torch.arange(20)] == 1).all()
    assert stream.first(3).end.tolist() == stream.end[:3].tolist()


TASKS = {name: max(4, task.minimum_lag) for name, task in tasks().items()}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_probed_and_says_finite_numbers(task):
    asked = drawn(catalogue()["lstm"](), tasks()[task](), TASKS[task], seeds=(1, 2))
    for found in measure(asked, CHEAP, trace=[1]):
        assert found.metrics
        values = [*found.metrics.values(), *(value for curve in found.curves.values() for _, value in curve)]
        assert all(math.isfinite(value) for value in values)


@pytest.mark.parametrize("cell", ["lstm", "gru", "single_network", "lstm_full_recurrence", "lstm_static_gates", "rnn"])
def test_members_are_probed_as_each_would_be_alone(cell):
    asked = drawn(catalogue()[cell](), Stream(reset=True), 6)
    together = measure(asked, CHEAP, trace=[2])
    for k, found in enumerate(together):
        [alone] = measure(asked.of([k]), CHEAP, trace=[0] if k == 2 else [])
        assert alone.metrics.keys() == found.metrics.keys()
        assert alone.curves.keys() == found.curves.keys()
        assert alone.metrics == pytest.approx(found.metrics, rel=1e-4, abs=1e-6)
        for curve, values in alone.curves.items():
            assert points(found, curve) == pytest.approx(dict(values), rel=1e-4, abs=1e-6), curve


def test_a_member_that_diverged_has_nothing_to_say_and_disturbs_nobody():
    asked = drawn(catalogue()["lstm"](), Recall(), 5)
    healthy = measure(asked, CHEAP)
    asked.end["0.U_f"][1, 0, 0] = torch.nan
    found = measure(asked, CHEAP)
    assert found[1] == base.Findings({}, {})
    for k in (0, 2):
        assert found[k].metrics == pytest.approx(healthy[k].metrics, rel=1e-4, abs=1e-6)


def test_a_network_that_overflows_says_no_numbers_rather_than_wrong_ones():
    asked = drawn(catalogue()["identity_rnn"](), Latch(), 40)
    asked.end["0.U"][0] = 1e38
    found = measure(asked, CHEAP)
    values = [*found[0].metrics.values(), *(value for curve in found[0].curves.values() for _, value in curve)]
    assert all(math.isfinite(value) for value in values)
    assert "decay_end" not in found[0].metrics
    assert "decay_end" in found[1].metrics


def test_a_probe_that_is_none_is_named():
    with pytest.raises(ValueError, match="retention"):
        measure(drawn(catalogue()["rnn"](), Latch(), LAG), ["retentoin"])


CHEAP = ["flow", "retention", "gates", "decode"]
