"""Evaluation, extra tests and gate statistics, against the same quantities computed one member at a time."""

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


def random_members(task, lag, cell="lstm", layers=1):
    """A model, and weights of `K` members from different seeds."""
    model = Model(catalogue()[cell](), *task.sizes(lag), 4, scan, layers)
    members = [model.initialise({}, lag, Generator().manual_seed(seed)) for seed in range(K)]
    return model, {name: torch.stack([m[name] for m in members]).requires_grad_() for name in model.shapes}


def member_weights(w, k):
    """The weights of one member, with its leading axis."""
    return {name: weight[k : k + 1] for name, weight in w.items()}


@pytest.mark.parametrize(("task", "lag"), [(Adding(), 7), (Recall(alphabet=3), 2)], ids=["regression", "classes"])
def test_every_member_is_evaluated_as_if_alone(task, lag):
    model, w = random_members(task, lag)
    data = evaluation_set(task, lag, 40, seed=5, final=True)
    evaluated = evaluate(model, w, task, data)
    batch = task.stream(Generator().manual_seed(5), 40, lag).next()
    for k in range(K):
        w_k = member_weights(w, k)
        outputs, _ = model(w_k, batch.inputs.unsqueeze(0), model.initial_state(w_k, 40))
        for function, values in (
            (task.loss, evaluated.loss),
            (task.score, evaluated.score),
            (task.solved, evaluated.solved),
        ):
            torch.testing.assert_close(values[k], function(outputs[0], batch.targets, batch.weight))
    assert evaluated.loss.unique().numel() == K
    assert not evaluated.loss.requires_grad
    assert evaluated.solved.dtype == torch.bool


@pytest.mark.parametrize(("chunk", "chunks"), [(1, [1, 1, 1]), (2, [2, 1])])
def test_evaluating_members_in_chunks_gives_the_same_results(chunk, chunks, monkeypatch):
    task = Adding()
    model, w = random_members(task, 7)
    data = evaluation_set(task, 7, 40, seed=5, final=True)
    whole = evaluate(model, w, task, data)
    sizes, call = [], Model.__call__

    def record_size(self, weights, x, *rest):
        sizes.append(len(x))
        return call(self, weights, x, *rest)

    monkeypatch.setattr(Model, "__call__", record_size)
    monkeypatch.setattr(evaluation, "MAX_FLOATS", chunk * 7 * 40 * (2 + 4 * 4))
    torch.testing.assert_close(evaluate(model, w, task, data), whole)
    assert sizes == chunks


@pytest.mark.parametrize("final", [False, True])
def test_continual_task_is_scored_after_the_warm_up_windows(final):
    task, lag = ContinualAdding(), 10
    model, w = random_members(task, lag, layers=2)
    evaluated = evaluate(model, w, task, evaluation_set(task, lag, 999, seed=5, final=final))
    batch, warmup, scored = task.evaluation(999, final)
    stream = task.stream(Generator().manual_seed(5), batch, lag)
    windows = [stream.next() for _ in range(warmup + scored)]
    x, targets, weight = (torch.cat([window[i] for window in windows]) for i in range(3))
    outputs, state = model(w, x.expand(K, -1, -1, -1), model.initial_state(w, batch))  # one scan over all windows
    scored_steps = slice(warmup * 60, None)
    for k in range(K):
        for function, values in ((task.loss, evaluated.loss), (task.score, evaluated.score)):
            expected = function(outputs[k, scored_steps], targets[scored_steps], weight[scored_steps])
            torch.testing.assert_close(values[k], expected)
    assert evaluated.state_norm.shape == (K, warmup + scored)
    squares = sum(part.detach().square().sum(-1) for layer in state for part in layer.values())
    torch.testing.assert_close(evaluated.state_norm[:, -1], squares.sqrt().mean(-1))


def test_state_norm_is_measured_at_the_end_of_every_window():
    task, lag = ContinualAdding(), 10
    model, w = random_members(task, lag)
    data = evaluation_set(task, lag, 0, seed=5, final=False)
    evaluated = evaluate(model, w, task, data)
    for n in range(1, len(data.windows) + 1):
        x = torch.cat([window.inputs for window in data.windows[:n]], 1).expand(K, -1, -1, -1)
        _, [state] = model(w, x, model.initial_state(w, 32))
        expected = (state["h"].square().sum(-1) + state["c"].square().sum(-1)).sqrt().mean(-1)
        torch.testing.assert_close(evaluated.state_norm[:, n - 1], expected)


def test_targets_of_the_warm_up_do_not_affect_the_loss():
    task, lag = ContinualAdding(), 10
    model, w = random_members(task, lag)
    data = evaluation_set(task, lag, 0, seed=5, final=False)
    before = evaluate(model, w, task, data)
    for number, window in enumerate(data.windows):
        window.targets.add_(1000 if number < data.warmup else 0)
    after = evaluate(model, w, task, data)
    assert torch.equal(after.loss, before.loss)
    data.windows[data.warmup].targets.add_(1000)
    assert (evaluate(model, w, task, data).loss > 1000 * before.loss).all()


def test_state_is_reset_where_the_task_requires_it():
    without, control = ContinualAdding(), ContinualAdding(reset=True)
    model, w = random_members(without, 10)
    losses = []
    for task in (without, control):
        data = evaluation_set(task, 10, 0, seed=5, final=False)
        losses.append(evaluate(model, w, task, data).loss)
        assert (data.windows[0].reset is not None) == (task is control)
    assert (losses[0] != losses[1]).all()
    stream = control.stream(Generator().manual_seed(5), 32, 10)
    windows = [stream.next() for _ in range(10)]
    x = torch.cat([batch.inputs for batch in windows]).expand(K, -1, -1, -1)
    reset = torch.cat([batch.events["reset"] for batch in windows]).expand(K, -1, -1)
    outputs, _ = model(w, x, model.initial_state(w, 32), reset)
    targets, weight = (torch.cat([b[i] for b in windows[5:]]) for i in (1, 2))
    torch.testing.assert_close(losses[1], control.loss(outputs[:, 300:], targets, weight).detach())


class TwoExtraTests(ContinualAdding):
    """With extra tests that measure the loss: `three` over three windows, never passed at lag 11, and `one` over one window,
    always passed."""

    def extra_tests(self, generator, lag):
        stream = self.stream(generator, 6, lag)
        return {
            "three": ExtraTest([stream.next() for _ in range(3)], self.loss, 1e6 if lag == 11 else 0.0),
            "one": ExtraTest([stream.next()], self.loss, 0.0),
        }


@pytest.mark.parametrize("reset", [False, True])
def test_extra_tests_run_over_consecutive_windows(reset):
    task = TwoExtraTests(reset=reset)
    model, w = random_members(task, 10)
    passed, values = run_extra_tests(model, w, task, 10)
    stream = task.stream(Generator().manual_seed(EXTRA_TEST_SEED), 6, 10)
    for name, count in (("three", 3), ("one", 1)):
        windows = [stream.next() for _ in range(count)]
        x, targets, weight = (torch.cat([window[i] for window in windows]) for i in range(3))
        where = torch.cat([w.events["reset"] for w in windows]).expand(K, -1, -1) if reset else None
        outputs, _ = model(w, x.expand(K, -1, -1, -1), model.initial_state(w, 6), where)  # one scan over all windows
        torch.testing.assert_close(values[name], task.loss(outputs, targets, weight).detach())
    assert passed.tolist() == [True] * K
    assert run_extra_tests(model, w, task, 11)[0].tolist() == [False] * K  # `three` is not passed


def test_extra_tests_evaluate_every_member_as_if_alone(monkeypatch):
    task, lag = Parity(), 3
    model, w = random_members(task, lag)
    passed, values = run_extra_tests(model, w, task, lag)
    (longer,), *_ = task.extra_tests(Generator().manual_seed(EXTRA_TEST_SEED), lag)["error_free_steps"]
    for k in range(K):
        w_k = member_weights(w, k)
        outputs, _ = model(w_k, longer.inputs.unsqueeze(0), model.initial_state(w_k, 64))
        wrong = (outputs[0].argmax(-1) != longer.targets).T.tolist()
        free = sum(sequence.index(True) if True in sequence else 30 for sequence in wrong) / 64
        assert values["error_free_steps"][k].item() == pytest.approx(free)
    assert passed.tolist() == [False] * K
    monkeypatch.setattr(evaluation, "MAX_FLOATS", 1)  # one member per chunk
    torch.testing.assert_close(run_extra_tests(model, w, task, lag).values, values)


def test_extra_tests_of_a_task_without_any_and_of_no_members_are_empty():
    model, w = random_members(Adding(), 5)
    passed, values = run_extra_tests(model, w, Adding(), 5)
    assert (passed.tolist(), values) == ([True] * K, {})
    model, w = random_members(Parity(), 5)
    passed, values = run_extra_tests(model, {name: weight[:0] for name, weight in w.items()}, Parity(), 5)
    assert (passed.tolist(), values) == ([], {})


@pytest.mark.parametrize("name", tasks())
def test_untrained_network_scores_near_zero_and_does_not_solve(name):
    task = tasks()[name]()
    lag = task.minimum_lag + 4
    model, w = random_members(task, lag, cell="rnn")
    evaluated = evaluate(model, w, task, evaluation_set(task, lag, 1000, seed=5, final=False))
    assert (evaluated.score < 0.15).all()
    assert not evaluated.solved.any()


def test_evaluation_set_depends_on_its_seed_only():
    task = Adding()
    one, again, other = (evaluation_set(task, 9, 20, seed=s, final=True).windows[0] for s in (1, 1, 2))
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.inputs, other.inputs)
    assert one.inputs.shape == (1, 9, 20, 2)


def test_stacked_batches_have_a_leading_member_axis():
    task = ContinualAdding(reset=True)
    batches = [task.stream(Generator().manual_seed(seed), 4, 10).next() for seed in range(K)]
    stacked = stack(task, batches)
    assert isinstance(stacked, Stacked)
    for k, batch in enumerate(batches):
        for field, expected in zip(stacked, [*batch[:3], batch.events["reset"]], strict=True):
            assert torch.equal(field[k], expected)
    assert stack(ContinualAdding(), batches).reset is None


def test_gate_statistics_of_known_gate_values():
    """The gates of an LSTM whose matrices are zero depend on its biases only."""
    task = ContinualAdding()
    model = Model(catalogue()["lstm"](), *task.sizes(5), 4, scan)
    w = {name: torch.zeros(2, weight.rows, weight.columns) for name, weight in model.shapes.items()}
    w["0.b_f"][1, 0, :2] = 30.0  # the second member's forget gate is open in two of its four units
    w["0.b_i"][0] = -30.0  # the first member's input gate is shut
    statistics = gate_statistics(model, w, evaluation_set(task, 5, 8, seed=3, final=False))
    assert set(statistics) == {f"gate/{gate}/{what}" for gate in "ifzo" for what in ("mean", "low", "high")}
    assert statistics["gate/f/mean"].tolist() == [0.5, 0.75]
    assert statistics["gate/f/high"].tolist() == [0.0, 0.5]
    assert statistics["gate/i/low"].tolist() == [1.0, 0.0]
    assert statistics["gate/z/low"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("layer", [0, 1])
def test_gate_statistics_are_computed_over_the_last_window(layer):
    task, lag = ContinualAdding(), 10
    model, w = random_members(task, lag, layers=2)
    data = evaluation_set(task, lag, 0, seed=5, final=False)
    statistics = gate_statistics(model, w, data)
    x = torch.cat([window.inputs for window in data.windows], 1).expand(K, -1, -1, -1)  # one scan over all windows
    scans = list(model.scans(w, x, model.initial_state(w, 32), record=model.cell.gates))
    for gate, values in scans[layer].recorded.items():
        last = values[:, -60:].detach().flatten(1)
        name = f"gate/{gate}" if layer == 0 else f"gate/1.{gate}"
        torch.testing.assert_close(statistics[f"{name}/mean"], last.mean(1))
        torch.testing.assert_close(statistics[f"{name}/low"], (last.abs() < 0.1).float().mean(1))
        torch.testing.assert_close(statistics[f"{name}/high"], (last.abs() > 0.9).float().mean(1))
