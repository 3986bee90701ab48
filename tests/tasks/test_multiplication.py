"""Multiplication: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.multiplication import Multiplication
from tests.tasks.batches import draw


@settings(max_examples=40, deadline=None)
@given(lag=st.integers(2, 120), seed=st.integers(0, 2**40))
def test_target_is_product_of_one_marked_value_in_each_half(lag, seed):
    batch = draw(Multiplication(), 3, lag, seed)
    assert len(batch.inputs) == lag
    assert ((batch.inputs[..., 0] >= 0) & (batch.inputs[..., 0] <= 1)).all()
    for i in range(3):
        (early, a), (late, b) = [(t, v) for t, (v, mark) in enumerate(batch.inputs[:, i].tolist()) if mark == 1]
        assert early < lag // 2 <= late
        assert batch.targets[:, i, 0].tolist() == pytest.approx([a * b] * lag, abs=1e-6)
        assert batch.weight[:, i].tolist() == [0] * (lag - 1) + [1]
    assert torch.equal(batch.inputs[..., 1], batch.events["mark"].float())


@settings(max_examples=40, deadline=None)
@given(lag=st.integers(22, 130), seed=st.integers(0, 2**40))
def test_hs97_sequences_follow_the_paper(lag, seed):
    batch = draw(Multiplication(variant="hs97"), 4, lag, seed)
    for i in range(4):
        pairs = batch.inputs[:, i].tolist()
        (end,) = batch.weight[:, i].nonzero().flatten().tolist()
        assert lag <= end + 1 <= lag + lag // 10
        marked = [step for step, (_, mark) in enumerate(pairs) if mark == 1]
        assert len(marked) == 2
        assert min(marked) < 10
        assert [step for step, (_, mark) in enumerate(pairs) if mark == -1] == sorted({0, end} - set(marked))
        assert 0 not in marked or pairs[0][0] == 1
        assert all(0 <= value <= 1 for value, _ in pairs)
        assert all(pair == [0, 0] for pair in pairs[end + 1 :])
        product = pairs[marked[0]][0] * pairs[marked[1]][0]
        assert batch.targets[end, i, 0].item() == pytest.approx(product, abs=1e-6)


@pytest.mark.parametrize(("variant", "lag"), [("halves", 10), ("hs97", 22), ("hs97", 100)])
def test_trivial_loss_equals_simulated_loss_of_the_mean(variant, lag):
    task = Multiplication(variant=variant)
    batch = draw(task, 60_000, lag)
    counted = batch.targets[batch.weight > 0]
    assert counted.var().item() == pytest.approx(task.trivial_loss(lag), rel=0.02)
    mean = counted.mean().expand_as(batch.targets)
    assert task.loss(mean, *batch[1:3]).item() == pytest.approx(task.trivial_loss(lag), rel=0.02)
    assert task.score(mean, *batch[1:3]).item() == pytest.approx(0, abs=0.002)


def test_trivial_losses_equal_those_in_the_docstring():
    assert Multiplication().trivial_loss(50) == pytest.approx(0.0486, abs=5e-5)
    assert Multiplication(variant="hs97").trivial_loss(100) == pytest.approx(0.0592, abs=5e-5)
    assert Multiplication(variant="hs97").trivial_loss(10**6) == pytest.approx(0.0577, abs=5e-5)


@pytest.mark.parametrize("variant", ["halves", "hs97"])
def test_product_solves_and_sum_or_one_value_alone_do_not(variant):
    task = Multiplication(variant=variant)
    batch = draw(task, 5000, 40)
    value, marked = batch.inputs[..., 0], batch.inputs[..., 1] == 1
    product = value.masked_fill(~marked, 1).prod(0)
    late = value.gather(0, (len(value) - 1 - marked.flip(0).int().argmax(0)).unsqueeze(0)).squeeze(0)
    added = (value * marked).sum(0)
    guesses = {"product": product, "late": late / 2, "added": added / 2 - 0.25}
    scores, solved = {}, {}
    for name, guess in guesses.items():
        outputs = guess.expand(len(value), -1).unsqueeze(-1)
        scores[name] = task.score(outputs, *batch[1:3]).item()
        solved[name] = task.solved(outputs, *batch[1:3]).item()
    assert scores["product"] == pytest.approx(1, abs=1e-5)
    assert solved == {"product": True, "late": False, "added": False}
    # Of the variance 7/144, U/2 explains 1/4 · 1/12 = 3/144, and so does the other: adding explains 6/144.
    if variant == "halves":
        assert scores["late"] == pytest.approx(3 / 7, abs=0.03)
        assert scores["added"] == pytest.approx(6 / 7, abs=0.02)
    else:
        assert max(scores["late"], scores["added"]) < 0.9


def test_value_at_the_query_is_uncorrelated_with_the_target():
    task = Multiplication(variant="hs97")
    batch = draw(task, 20_000, 30)
    target = batch.targets[..., 0].T[batch.weight.T > 0]
    value = batch.inputs[..., 0].T[batch.weight.T > 0]
    assert abs(torch.corrcoef(torch.stack([value, target]))[0, 1]) < 0.03
    ends = batch.weight.sum(1).nonzero().flatten().tolist()
    assert ends == list(range(29, 33))  # and its step is one of several


@pytest.mark.parametrize("variant", ["halves", "hs97"])
def test_criterion_counts_errors_above_4_hundredths(variant):
    task = Multiplication(variant=variant)
    batch = draw(task, 2000, 30)
    assert task.solved(batch.targets + 0.039, *batch[1:3])
    for wrong, solved in ((12, True), (13, False)):
        outputs = batch.targets.clone()
        outputs[:, :wrong] -= 0.041
        assert task.solved(outputs, *batch[1:3]).item() is solved


def test_invalid_options_and_lags_raise(construct):
    with pytest.raises(ValueError, match=r"option 'variant' is 'plain'; allowed: 'halves', 'hs97'"):
        construct(Multiplication, variant="plain")
    with pytest.raises(ValueError, match=r"lag is 21; allowed for 'multiplication': at least 22"):
        Multiplication(variant="hs97").steps(21)
    assert Multiplication.minimum_lag == 2
