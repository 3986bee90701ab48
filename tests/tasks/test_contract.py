"""The contract that every task keeps, run on all that are registered: a new task is tested by being there."""

import doctest
import importlib
import inspect
import random
import sys
import types
from typing import get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

import tasks
from tasks import Batch, Task, base, catalogue
from tasks.base import Classification
from tasks.prediction import Prediction

TASKS = [pytest.param(task, id=name) for name, task in catalogue().items()]
OPTIONS = [
    pytest.param(task, option, id=f"{name}-{option}")
    for name, task in catalogue().items()
    for option in inspect.signature(task).parameters
]
every_task = pytest.mark.parametrize("cls", TASKS)


def stream(task: Task, seed: int = 0, batch: int = 4, more: int = 5):
    return task.stream(Generator().manual_seed(seed), batch, task.minimum_lag + more)


def scored(task: Task, seed: int = 0, sequences: int = 64, more: int = 5) -> Batch:
    """What an evaluation judges: the scored windows, one after the other in time."""
    batch, warm_up, windows = task.evaluation(sequences, final=False)
    source = stream(task, seed, max(batch, sequences), more)
    for _ in range(warm_up):
        source.next()
    parts = [source.next() for _ in range(windows)]
    inputs, targets, weight = (torch.cat([part[i] for part in parts]) for i in range(3))
    return Batch(inputs, targets, weight, {k: torch.cat([p.events[k] for p in parts]) for k in parts[0].events})


def perfect(task: Task, targets: Tensor, outputs: int) -> Tensor:
    if isinstance(task, Classification):
        return 50 * torch.nn.functional.one_hot(targets, outputs).float()
    if isinstance(task, Prediction):
        return 100 * targets - 50
    return targets.clone()


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True)) and all(
        torch.equal(a.events[k], b.events[k]) for k in a.events.keys() | b.events.keys()
    )


@every_task
def test_it_says_what_it_is(cls):
    task = cls()
    assert catalogue()[cls.name] is cls
    assert all(text.strip() for text in (cls.name, cls.group, cls.reference, cls.lag_means, task.criterion))
    assert cls.minimum_lag >= 1
    for part in ("score = ", "inputs: ", "outputs: ", "targets: ", "trivial predictor", ">>>"):
        assert part in cls.__doc__.lower()
    assert "differences" in cls.__doc__.lower() or cls.reference.startswith("this project")


@every_task
def test_the_examples_in_the_docstring_hold(cls):
    results = doctest.testmod(sys.modules[cls.__module__])
    assert results.attempted >= 2
    assert results.failed == 0


@every_task
@settings(max_examples=12, deadline=None)
@given(batch=st.integers(1, 5), more=st.integers(0, 40), seed=st.integers(0, 2**48))
def test_batches_have_the_declared_form(cls, batch, more, seed):
    task = cls()
    lag = task.minimum_lag + more
    T = task.steps(lag)
    inputs, outputs = task.sizes(lag)
    source = stream(task, seed, batch, more)
    for _ in range(2):
        made = source.next()
        assert made.inputs.shape == (T, batch, inputs)
        assert made.inputs.dtype == made.weight.dtype == torch.float32
        assert made.weight.shape == (T, batch)
        if isinstance(task, Classification):
            assert made.targets.shape == (T, batch)
            assert made.targets.dtype == torch.int64
            assert made.targets.min() >= 0
            assert made.targets.max() < outputs
        else:
            assert made.targets.shape == (T, batch, outputs)
            assert made.targets.dtype == torch.float32
            assert made.targets.isfinite().all()
        assert made.inputs.isfinite().all()
        assert all(x.is_contiguous() for x in made[:3])
        assert ((made.weight == 0) | (made.weight == 1)).all()
        assert task.continual or (made.weight.sum(0) >= 1).all()
        assert torch.equal(made.events["query"], made.weight.bool())
        assert all(e.shape == (T, batch) and e.dtype == torch.bool for e in made.events.values())


@every_task
def test_a_task_that_samples_alone_keeps_its_lag(cls):
    task = cls()
    for lag in (task.minimum_lag - 1, 0, -3):
        for ask in (task.steps, lambda lag: task.stream(Generator(), 2, lag)):
            with pytest.raises(ValueError, match=rf"lag is {lag}; .*'{cls.name}'.* {task.minimum_lag}$"):
                ask(lag)


@every_task
def test_randomness_is_the_generators_alone(cls):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002 (the global one)
    first, again, other = (stream(cls(), seed) for seed in (7, 7, 8))
    for _ in range(3):
        batch = first.next()
        assert same(batch, again.next())
        assert not same(batch, other.next())
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert (before[2] == np.random.get_state()[1]).all()  # noqa: NPY002


@every_task
def test_batches_are_fresh(cls):
    source = stream(cls())
    first = source.next()
    kept = Batch(*(x.clone() for x in first[:3]), {k: e.clone() for k, e in first.events.items()})
    assert not same(first, source.next())
    assert same(first, kept)


@every_task
def test_a_stream_continues_where_its_state_was_taken(cls):
    source = stream(cls())
    source.next()
    state = source.state()
    assert all(isinstance(value, Tensor) for value in state.values())
    saved = {name: value.clone() for name, value in state.items()}
    future = [source.next() for _ in range(3)]
    assert all(torch.equal(state[name], saved[name]) for name in saved)
    elsewhere = stream(cls(), seed=99)
    elsewhere.next()
    for resumed in (source, elsewhere):
        resumed.load(state)
        assert all(same(batch, resumed.next()) for batch in future)


@every_task
def test_evaluation_asks_for_what_the_study_asks(cls):
    for final in (False, True):
        batch, warm_up, windows = cls().evaluation(123, final)
        assert (batch, warm_up, windows) == (123, 0, 1) if not cls.continual else min(batch, warm_up, windows) >= 1


@every_task
def test_perfect_outputs_score_one_and_solve(cls):
    task = cls()
    batch = scored(task)
    outputs = perfect(task, batch.targets, task.sizes(task.minimum_lag + 5)[1])
    assert task.score(outputs, *batch[1:3]).item() == pytest.approx(1, abs=1e-6)
    assert task.loss(outputs, *batch[1:3]).item() == pytest.approx(0, abs=1e-6)
    assert task.solved(outputs, *batch[1:3]).item() is True


@every_task
@pytest.mark.parametrize("more", [8, 35])
def test_the_best_constant_has_the_trivial_loss_and_scores_nothing(cls, more):
    task = cls()
    batch = scored(task, sequences=2000, more=more)
    where = batch.weight > 0
    if isinstance(task, Classification):
        frequency = torch.bincount(batch.targets[where], minlength=task.sizes(task.minimum_lag + more)[1]) / where.sum()
        constant = frequency.log()
    else:
        constant = batch.targets[where].mean(0)
        if isinstance(task, Prediction):
            constant = constant.logit()
    outputs = constant.expand(*where.shape, -1)
    assert task.loss(outputs, *batch[1:3]).item() == pytest.approx(task.trivial_loss(task.minimum_lag + more), rel=0.06)
    assert task.score(outputs, *batch[1:3]).item() < 0.05
    assert not task.solved(outputs, *batch[1:3])


@every_task
def test_only_the_steps_that_count_count(cls):
    task = cls()
    batch = scored(task)
    width = task.sizes(task.minimum_lag + 5)[1]
    outputs = torch.randn(*batch.weight.shape, width, generator=Generator().manual_seed(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(task.loss(outputs, *batch[1:3]), outputs)
    assert (gradient[batch.weight == 0] == 0).all()
    assert (gradient[batch.weight > 0] != 0).any(-1).all()
    elsewhere = torch.where(batch.weight.unsqueeze(-1) > 0, outputs, outputs + 5)
    for judge in (task.loss, task.score, task.solved):
        assert torch.equal(judge(outputs, *batch[1:3]), judge(elsewhere, *batch[1:3]))


@every_task
def test_every_member_is_judged_alone(cls):
    task = cls()
    batches = [scored(task, seed) for seed in range(3)]
    width = task.sizes(task.minimum_lag + 5)[1]
    noise = torch.randn(3, *batches[0].weight.shape, width, generator=Generator().manual_seed(0))
    outputs = (
        torch.stack([perfect(task, b.targets, width) for b in batches])
        + torch.tensor([0, 0.1, 40.0]).view(3, 1, 1, 1) * noise
    )
    stacked = [torch.stack([b[i] for b in batches]) for i in (1, 2)]
    for judge in (task.loss, task.score, task.solved):
        own = judge(outputs, *stacked)
        shared = judge(outputs, *batches[0][1:3])
        deeper = judge(outputs.unsqueeze(0), *(x.unsqueeze(0) for x in stacked))
        assert own.shape == shared.shape == (3,)
        assert torch.equal(deeper.squeeze(0), own)
        for k in range(3):
            torch.testing.assert_close(own[k], judge(outputs[k], *batches[k][1:3]))
            torch.testing.assert_close(shared[k], judge(outputs[k], *batches[0][1:3]))
    assert task.solved(outputs, *stacked).tolist()[::2] == [True, False]


@every_task
def test_a_broken_member_is_not_solved(cls):
    task = cls()
    batch = scored(task)
    outputs = torch.full((*batch.weight.shape, task.sizes(task.minimum_lag + 5)[1]), torch.nan)
    assert not task.solved(outputs, *batch[1:3])
    assert task.loss(outputs, *batch[1:3]).isnan()


@every_task
def test_probes_are_fresh_sequences_that_the_generator_decides(cls):
    task, lag = cls(), cls().minimum_lag + 1
    inputs, outputs = task.sizes(lag)
    ask = [task.probes(Generator().manual_seed(seed), lag) for seed in (5, 5)]
    for name, (windows, measure, least) in ask[0].items():
        assert name.isidentifier()
        assert all(same(*pair) for pair in zip(windows, ask[1][name].windows, strict=True))
        assert all(w.inputs.shape == (*w.weight.shape, inputs) for w in windows)
        targets, weight = (torch.cat([w[i] for w in windows]) for i in (1, 2))
        right = perfect(task, targets, outputs)
        both = torch.stack([right, -right])
        found = measure(both, targets.unsqueeze(0), weight.unsqueeze(0))
        assert found.shape == (2,)
        assert found.isfinite().all()
        assert found[0] >= least > found[1]
        assert found[0] == measure(right, targets, weight)


@every_task
def test_a_reset_from_outside_is_an_event_or_nothing(cls):
    events = stream(cls()).next().events
    assert cls().reset(events) is None  # only controls, which are options, are reset


@pytest.mark.parametrize(("cls", "option"), OPTIONS)
def test_options_are_typed_keywords_with_defaults(cls, option):
    parameter = inspect.signature(cls).parameters[option]
    assert parameter.kind is parameter.KEYWORD_ONLY
    assert parameter.default is not parameter.empty
    assert option in get_type_hints(cls.__init__)
    assert f"`{option}`" in cls.__init__.__doc__


@pytest.mark.parametrize(("cls", "option"), OPTIONS)
@pytest.mark.parametrize("value", [None, -1, 2.5, "nonsense", [3]])
def test_bad_options_are_refused_by_name(cls, option, value, construct):
    with pytest.raises(ValueError, match=f"option '{option}' is ") as raised:
        construct(cls, **{option: value})
    assert f"{value!r}; allowed: " in str(raised.value)


def test_a_new_file_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "registry", registry := dict(base.registry))
    monkeypatch.setattr(tasks, "registry", registry)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    (tmp_path / "found_by_test.py").write_text(
        "from tasks.base import Classification\n\n\nclass Found(Classification):\n    name = 'found'\n"
    )
    assert "found" not in base.registry
    try:
        importlib.invalidate_caches()
        assert catalogue()["found"].__module__ == "tasks.found_by_test"
    finally:
        sys.modules.pop("tasks.found_by_test", None)
        vars(tasks).pop("found_by_test", None)


def test_a_name_that_is_taken_is_refused_with_both_places():
    name = next(iter(catalogue()))
    held = catalogue()[name]
    with pytest.raises(ValueError, match=f"'{name}'") as raised:
        types.new_class("Again", (Task,), exec_body=lambda body: body.update(name=name, __module__="elsewhere"))
    assert f"{held.__module__}.{held.__qualname__}" in str(raised.value)
    assert "elsewhere.Again" in str(raised.value)
    assert catalogue()[name] is held


def test_an_abstract_task_is_not_registered():
    known = catalogue()
    types.new_class("Nameless", (Task,))
    assert catalogue() == known


def test_geometric_has_no_lump_at_its_end():
    drawn = base.geometric(Generator().manual_seed(0), 400_000, mean=10, most=50)
    expected = 0.9 ** torch.arange(51).double()
    expected /= expected.sum()
    frequency = torch.bincount(drawn, minlength=51).double() / len(drawn)
    assert len(frequency) == 51
    torch.testing.assert_close(frequency, expected, atol=0.002, rtol=0)
    assert frequency[50] < 0.0012
