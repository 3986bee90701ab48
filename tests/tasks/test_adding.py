"""Adding: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import Batch
from tasks.adding import Adding
from tests.tasks.batches import draw


def constant(value: float, batch: Batch) -> torch.Tensor:
    return torch.full_like(batch.targets, value)


@settings(max_examples=40, deadline=None)
@given(lag=st.integers(2, 120), seed=st.integers(0, 2**40))
def test_target_is_sum_of_one_marked_value_in_each_half(lag, seed):
    batch = draw(Adding(), 3, lag, seed)
    assert len(batch.inputs) == lag
    assert ((batch.inputs[..., 0] >= 0) & (batch.inputs[..., 0] <= 1)).all()
    for i in range(3):
        marked = [step for step, (_, mark) in enumerate(batch.inputs[:, i].tolist()) if mark == 1]
        assert len(marked) == 2
        assert marked[0] < lag // 2 <= marked[1]
        total = sum(batch.inputs[step, i, 0].item() for step in marked)
        assert batch.targets[:, i, 0].tolist() == pytest.approx([total] * lag, abs=1e-6)
        assert batch.weight[:, i].tolist() == [0] * (lag - 1) + [1]
    assert torch.equal(batch.inputs[..., 1], batch.events["mark"].float())


@settings(max_examples=40, deadline=None)
@given(lag=st.integers(22, 130), seed=st.integers(0, 2**40))
def test_hs97_sequences_follow_the_paper(lag, seed):
    batch = draw(Adding(variant="hs97"), 4, lag, seed)
    assert len(batch.inputs) == lag + lag // 10
    for i in range(4):
        pairs = batch.inputs[:, i].tolist()
        (end,) = batch.weight[:, i].nonzero().flatten().tolist()
        assert lag <= end + 1 <= lag + lag // 10
        marks = [mark for _, mark in pairs]
        marked = [step for step, mark in enumerate(marks) if mark == 1]
        assert len(marked) == 2
        assert min(marked) < 10
        assert max(marked) <= max(lag // 2 - 1, 9)
        assert marks[end] == -1
        assert marks[0] == (1 if 0 in marked else -1)
        assert 0 not in marked or pairs[0][0] == 0
        assert all(marks[step] == 0 for step in range(1, end) if step not in marked)
        assert all(-1 <= value <= 1 for value, _ in pairs)
        assert all(pair == [0, 0] for pair in pairs[end + 1 :])
        target = 0.5 + sum(value for value, mark in pairs if mark == 1) / 4
        assert batch.targets[end, i, 0].item() == pytest.approx(target, abs=1e-6)
        assert batch.events["mark"][:, i].nonzero().flatten().tolist() == marked


@pytest.mark.parametrize(("variant", "lag"), [("halves", 10), ("hs97", 22), ("hs97", 100)])
def test_trivial_loss_equals_simulated_loss_of_the_mean(variant, lag):
    task = Adding(variant=variant)
    batch = draw(task, 40_000, lag)
    outputs = constant(0.5 if task.hs97 else 1.0, batch)
    assert task.loss(outputs, *batch[1:3]).item() == pytest.approx(task.trivial_loss(lag), rel=0.02)
    assert task.score(outputs, *batch[1:3]).item() == pytest.approx(0, abs=0.002)


def test_trivial_losses_equal_those_in_the_docstring():
    assert Adding().trivial_loss(50) == pytest.approx(0.1667, abs=5e-5)
    assert Adding(variant="hs97").trivial_loss(100) == pytest.approx(0.0392, abs=5e-5)
    assert Adding(variant="hs97").trivial_loss(100_000) == pytest.approx(0.0396, abs=5e-5)


@pytest.mark.parametrize("variant", ["halves", "hs97"])
def test_sum_of_marked_values_solves_and_one_value_alone_scores_half(variant):
    task = Adding(variant=variant)
    batch = draw(task, 5000, 40)
    value, marked = batch.inputs[..., 0], batch.inputs[..., 1] == 1
    total, gain, offset = (value * marked).sum(0), *((0.25, 0.5) if task.hs97 else (1, 0))
    outputs = (offset + gain * total).expand(len(value), -1).unsqueeze(-1)
    assert task.score(outputs, *batch[1:3]).item() == pytest.approx(1, abs=1e-5)
    assert task.solved(outputs, *batch[1:3])
    last = len(value) - 1 - marked.flip(0).int().argmax(0)
    mean = 0 if task.hs97 else 0.5
    late = value.gather(0, last.unsqueeze(0)) + mean  # the second value, and the mean in place of the first
    outputs = (offset + gain * late).expand(len(value), -1).unsqueeze(-1)
    assert task.score(outputs, *batch[1:3]).item() == pytest.approx(
        0.5, abs=0.07
    )  # hs97: a little more, as the first may be 0
    assert not task.solved(outputs, *batch[1:3])


def test_value_at_the_query_is_uncorrelated_with_the_target():
    task = Adding(variant="hs97")
    batch = draw(task, 20_000, 30)
    target = batch.targets[..., 0].T[batch.weight.T > 0]
    value = batch.inputs[..., 0].T[batch.weight.T > 0]
    assert abs(torch.corrcoef(torch.stack([value, target]))[0, 1]) < 0.03


def test_criteria_have_the_documented_thresholds():
    halves, hs97 = Adding(), Adding(variant="hs97")
    batch = draw(halves, 500, 30)
    assert halves.solved(batch.targets + 0.099, *batch[1:3])
    assert not halves.solved(batch.targets + 0.101, *batch[1:3])
    batch = draw(hs97, 500, 30)
    assert hs97.solved(batch.targets - 0.009, *batch[1:3])
    assert not hs97.solved(batch.targets - 0.011, *batch[1:3])
    for error, sequences, solved in ((0.039, 6, True), (0.041, 6, False), (0.041, 4, True)):
        outputs = batch.targets.clone()
        outputs[:, :sequences] += error
        assert hs97.solved(outputs, *batch[1:3]).item() is solved


def test_invalid_options_and_lags_raise(construct):
    with pytest.raises(ValueError, match=r"option 'variant' is 'plain'; allowed: 'halves', 'hs97'"):
        construct(Adding, variant="plain")
    with pytest.raises(ValueError, match=r"lag is 21; allowed for 'adding': at least 22"):
        Adding(variant="hs97").steps(21)
    assert Adding.minimum_lag == 2
