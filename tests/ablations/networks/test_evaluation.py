"""Evaluation against the same numbers computed directly."""

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.engines.eager import scan
from ablations.networks import evaluation
from ablations.networks.evaluation import (
    EXTRA_TEST_SEED,
    Stacked,
    evaluate,
    evaluation_set,
    gate_statistics,
    run_extra_tests,
    stack,
)
from ablations.networks.model import Model
from tasks import catalogue as tasks
from tasks.adding import Adding
from tasks.base import ExtraTest
from tasks.continual_adding import ContinualAdding
from tasks.parity import Parity
from tasks.recall import Recall

K = 3


def network(task, lag, cell="lstm", layers=1):
    """A model of `K` members that differ, and its weights."""
    model = Model(catalogue()[cell](), *task.sizes(lag), 4, scan, layers)
    members = [model.initialise({}, lag, Generator().manual_seed(seed)) for seed in range(K)]
    return model, {name: torch.stack([m[name] for m in members]).requires_grad_() for name in model.shapes}


def member(w, k):
    return {name: weight[k : k + 1] for name, weight in w.items()}


@pytest.mark.parametrize(("task", "lag"), [(Adding(), 7), (Recall(alphabet=3), 2)], ids=["regression", "classes"])
def test_every_member_is_judged_as_it_would_be_alone(task, lag):
    model, w = network(task, lag)
    data = evaluation_set(task, lag, 40, seed=5, final=True)
    seen = evaluate(model, w, task, data)
    batch = task.stream(Generator().manual_seed(5), 40, lag).next()
    for k in range(K):
        outputs, _ = model(member(w, k), batch.inputs.unsqueeze(0), model.zero_state(1, 40))
        for judge, found in ((task.loss, seen.loss), (task.score, seen.score), (task.solved, seen.solved)):
            torch.testing.assert_close(found[k], judge(outputs[0], batch.targets, batch.weight))
    assert seen.loss.unique().numel() == K
    assert not seen.loss.requires_grad
    assert seen.solved.dtype == torch.bool


@pytest.mark.parametrize("together", [1, 2])
def test_members_that_do_not_fit_are_judged_in_groups(together, monkeypatch):
    task = Adding()
    model, w = network(task, 7)
    data = evaluation_set(task, 7, 40, seed=5, final=True)
    at_once = evaluate(model, w, task, data)
    sizes, call = [], Model.__call__

    def spy(self, weights, x, *rest):
        sizes.append(len(x))
        return call(self, weights, x, *rest)

    monkeypatch.setattr(Model, "__call__", spy)
    monkeypatch.setattr(evaluation, "MAX_FLOATS", together * 7 * 40 * (2 + 4 * 4))
    torch.testing.assert_close(evaluate(model, w, task, data), at_once)
    assert sizes == {1: [1, 1, 1], 2: [2, 1]}[together]


@pytest.mark.parametrize("final", [False, True])
def test_a_stream_is_judged_after_its_warm_up(final):
    task, lag = ContinualAdding(), 10
    model, w = network(task, lag, layers=2)
    seen = evaluate(model, w, task, evaluation_set(task, lag, 999, seed=5, final=final))
    batch, warmup, scored = task.evaluation(999, final)
    stream = task.stream(Generator().manual_seed(5), batch, lag)
    windows = [stream.next() for _ in range(warmup + scored)]
    x, targets, weight = (torch.cat([window[i] for window in windows]) for i in range(3))
    outputs, state = model(w, x.expand(K, -1, -1, -1), model.zero_state(K, batch))  # one scan, no windows
    judged = slice(warmup * 60, None)
    for k in range(K):
        for judge, found in ((task.loss, seen.loss), (task.score, seen.score)):
            torch.testing.assert_close(found[k], judge(outputs[k, judged], targets[judged], weight[judged]))
    assert seen.state_norm.shape == (K, warmup + scored)
    squares = sum(part.detach().square().sum(-1) for layer in state for part in layer.values())
    torch.testing.assert_close(seen.state_norm[:, -1], squares.sqrt().mean(-1))


def test_the_state_norm_is_that_of_every_windows_end():
    task, lag = ContinualAdding(), 10
    model, w = network(task, lag)
    data = evaluation_set(task, lag, 0, seed=5, final=False)
    seen = evaluate(model, w, task, data)
    for n in range(1, len(data.windows) + 1):
        x = torch.cat([window.inputs for window in data.windows[:n]], 1).expand(K, -1, -1, -1)
        _, [state] = model(w, x, model.zero_state(K, 32))
        expected = (state["h"].square().sum(-1) + state["c"].square().sum(-1)).sqrt().mean(-1)
        torch.testing.assert_close(seen.state_norm[:, n - 1], expected)


def test_the_warm_up_does_not_count():
    task, lag = ContinualAdding(), 10
    model, w = network(task, lag)
    data = evaluation_set(task, lag, 0, seed=5, final=False)
    before = evaluate(model, w, task, data)
    for number, window in enumerate(data.windows):
        window.targets.add_(1000 if number < data.warmup else 0)
    after = evaluate(model, w, task, data)
    assert torch.equal(after.loss, before.loss)
    data.windows[data.warmup].targets.add_(1000)
    assert (evaluate(model, w, task, data).loss > 1000 * before.loss).all()


def test_a_control_is_reset_from_outside():
    free, control = ContinualAdding(), ContinualAdding(reset=True)
    model, w = network(free, 10)
    losses = []
    for task in (free, control):
        data = evaluation_set(task, 10, 0, seed=5, final=False)
        losses.append(evaluate(model, w, task, data).loss)
        assert (data.windows[0].reset is not None) == (task is control)
    assert (losses[0] != losses[1]).all()
    stream = control.stream(Generator().manual_seed(5), 32, 10)
    windows = [stream.next() for _ in range(10)]
    x = torch.cat([batch.inputs for batch in windows]).expand(K, -1, -1, -1)
    reset = torch.cat([batch.events["reset"] for batch in windows]).expand(K, -1, -1)
    outputs, _ = model(w, x, model.zero_state(K, 32), reset)
    targets, weight = (torch.cat([b[i] for b in windows[5:]]) for i in (1, 2))
    torch.testing.assert_close(losses[1], control.loss(outputs[:, 300:], targets, weight).detach())


class Lengths(ContinualAdding):
    """With probes: the loss over three windows, which is not enough at lag 11, and over one, which always is."""

    def extra_tests(self, generator, lag):
        stream = self.stream(generator, 6, lag)
        return {
            "three": ExtraTest([stream.next() for _ in range(3)], self.loss, 1e6 if lag == 11 else 0.0),
            "one": ExtraTest([stream.next()], self.loss, 0.0),
        }


@pytest.mark.parametrize("reset", [False, True])
def test_probes_run_over_windows_that_follow_each_other(reset):
    task = Lengths(reset=reset)
    model, w = network(task, 10)
    passed, found = run_extra_tests(model, w, task, 10)
    stream = task.stream(Generator().manual_seed(EXTRA_TEST_SEED), 6, 10)
    for name, count in (("three", 3), ("one", 1)):
        windows = [stream.next() for _ in range(count)]
        x, targets, weight = (torch.cat([window[i] for window in windows]) for i in range(3))
        where = torch.cat([w.events["reset"] for w in windows]).expand(K, -1, -1) if reset else None
        outputs, _ = model(w, x.expand(K, -1, -1, -1), model.zero_state(K, 6), where)  # one scan, no windows
        torch.testing.assert_close(found[name], task.loss(outputs, targets, weight).detach())
    assert passed.tolist() == [True] * K
    assert run_extra_tests(model, w, task, 11)[0].tolist() == [False] * K  # one of two is not enough


def test_a_probe_asks_every_member_as_if_it_were_alone(monkeypatch):
    task, lag = Parity(), 3
    model, w = network(task, lag)
    passed, found = run_extra_tests(model, w, task, lag)
    (longer,), *_ = task.extra_tests(Generator().manual_seed(EXTRA_TEST_SEED), lag)["error_free_steps"]
    for k in range(K):
        outputs, _ = model(member(w, k), longer.inputs.unsqueeze(0), model.zero_state(1, 64))
        wrong = (outputs[0].argmax(-1) != longer.targets).T.tolist()
        free = sum(sequence.index(True) if True in sequence else 30 for sequence in wrong) / 64
        assert found["error_free_steps"][k].item() == pytest.approx(free)
    assert passed.tolist() == [False] * K
    monkeypatch.setattr(evaluation, "MAX_FLOATS", 1)  # one at a time
    torch.testing.assert_close(run_extra_tests(model, w, task, lag).values, found)


def test_a_task_without_probes_and_members_who_are_none():
    model, w = network(Adding(), 5)
    passed, found = run_extra_tests(model, w, Adding(), 5)
    assert (passed.tolist(), found) == ([True] * K, {})
    model, w = network(Parity(), 5)
    passed, found = run_extra_tests(model, {name: weight[:0] for name, weight in w.items()}, Parity(), 5)
    assert (passed.tolist(), found) == ([], {})


@pytest.mark.parametrize("name", tasks())
def test_a_network_that_has_learned_nothing_scores_like_the_trivial_predictor(name):
    task = tasks()[name]()
    lag = task.minimum_lag + 4
    model, w = network(task, lag, cell="rnn")
    seen = evaluate(model, w, task, evaluation_set(task, lag, 1000, seed=5, final=False))
    assert (seen.score < 0.15).all()
    assert not seen.solved.any()


def test_an_evaluation_set_is_decided_by_its_seed():
    task = Adding()
    one, again, other = (evaluation_set(task, 9, 20, seed=s, final=True).windows[0] for s in (1, 1, 2))
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.inputs, other.inputs)
    assert one.inputs.shape == (1, 9, 20, 2)


def test_batches_are_stacked_member_first():
    task = ContinualAdding(reset=True)
    batches = [task.stream(Generator().manual_seed(seed), 4, 10).next() for seed in range(K)]
    stacked = stack(task, batches)
    assert isinstance(stacked, Stacked)
    for k, batch in enumerate(batches):
        for whole, own in zip(stacked, [*batch[:3], batch.events["reset"]], strict=True):
            assert torch.equal(whole[k], own)
    assert stack(ContinualAdding(), batches).reset is None


def test_gate_statistics_of_a_gate_that_is_known() -> None:
    """An LSTM with no weights has gates that its biases alone decide."""
    task = ContinualAdding()
    model = Model(catalogue()["lstm"](), *task.sizes(5), 4, scan)
    w = {name: torch.zeros(2, weight.rows, weight.columns) for name, weight in model.shapes.items()}
    w["0.b_f"][1, 0, :2] = 30.0  # the second member's forget gate is open in half of its units
    w["0.b_i"][0] = -30.0  # the first member's input gate is shut
    found = gate_statistics(model, w, evaluation_set(task, 5, 8, seed=3, final=False))
    assert set(found) == {f"gate/{gate}/{what}" for gate in "ifzo" for what in ("mean", "low", "high")}
    assert found["gate/f/mean"].tolist() == [0.5, 0.75]
    assert found["gate/f/high"].tolist() == [0.0, 0.5]
    assert found["gate/i/low"].tolist() == [1.0, 0.0]
    assert found["gate/z/low"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("layer", [0, 1])
def test_gate_statistics_are_those_of_the_last_window_of_a_stream(layer):
    task, lag = ContinualAdding(), 10
    model, w = network(task, lag, layers=2)
    data = evaluation_set(task, lag, 0, seed=5, final=False)
    found = gate_statistics(model, w, data)
    x = torch.cat([window.inputs for window in data.windows], 1).expand(K, -1, -1, -1)  # one scan, no windows
    scans = list(model.scans(w, x, model.zero_state(K, 32), record=model.cell.gates))
    for gate, values in scans[layer].recorded.items():
        last = values[:, -60:].detach().flatten(1)
        name = f"gate/{gate}" if layer == 0 else f"gate/1.{gate}"
        torch.testing.assert_close(found[f"{name}/mean"], last.mean(1))
        torch.testing.assert_close(found[f"{name}/low"], (last.abs() < 0.1).float().mean(1))
        torch.testing.assert_close(found[f"{name}/high"], (last.abs() > 0.9).float().mean(1))
