"""Flip-flop: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks.flip_flop import FlipFlop
from tests.tasks.batches import draw


def outputs_for(guess: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(guess, 2).float()


def stored_bits(inputs: Tensor) -> list[int]:
    """The bit that a flip-flop stores after every step of one sequence."""
    bit, after = None, []
    for ignore, write, read, zero, one in inputs.tolist():
        assert ignore + write + read == 1
        assert zero + one == 1 - read
        if write:
            bit = int(one)
        assert bit is not None, "nothing was written"
        after.append(bit)
    return after


@settings(max_examples=30, deadline=None)
@given(lag=st.integers(2, 40), seed=st.integers(0, 2**40))
def test_target_is_the_bit_written_last(lag, seed):
    batch = draw(FlipFlop(), 2, lag, seed)
    assert batch.inputs.shape == (20 * lag, 2, 5)
    for i in range(2):
        assert batch.targets[:, i].tolist() == stored_bits(batch.inputs[:, i])
        assert batch.inputs[0, i, 1] == batch.inputs[-1, i, 2] == 1
    for at, event in enumerate(("ignore", "write", "query")):
        assert torch.equal(batch.inputs[..., at] == 1, batch.events[event])
    assert torch.equal(batch.weight, batch.inputs[..., 2])


@pytest.mark.parametrize("lag", [2, 10])
def test_instructions_have_the_documented_rates_and_bits_are_uniform(lag):
    batch = draw(FlipFlop(), 2000, lag)
    inside = batch.inputs[1:-1]
    assert inside.mean((0, 1))[:3].tolist() == pytest.approx([1 - 2 / lag, 1 / lag, 1 / lag], abs=0.005)
    bits = inside[inside[..., 2] == 0][:, 4]
    assert bits.mean().item() == pytest.approx(0.5, abs=0.01)
    assert batch.events["write"].sum(0).float().mean().item() == pytest.approx(21 - 2 / lag, abs=0.3)
    # A read has the same probability at every step, independent of earlier steps.
    rates = batch.weight[1:-1].mean(1)
    assert (rates - 1 / lag).abs().max() < 0.06
    after_read = batch.weight[2:-1][batch.weight[1:-2] == 1].mean()
    assert after_read.item() == pytest.approx(1 / lag, abs=0.01)


def test_last_write_is_lag_steps_before_a_read_on_average():
    lag = 5
    batch = draw(FlipFlop(), 1000, lag)
    step = torch.arange(100).unsqueeze(1)
    last = (step * batch.events["write"]).cummax(0).values
    late = batch.weight[60:] > 0  # long after the start
    assert (step - last)[60:][late].double().mean().item() == pytest.approx(lag, abs=0.3)


@pytest.mark.parametrize("lag", [3, 10, 20])
def test_shortcuts_have_the_documented_scores(lag):
    task = FlipFlop()
    batch = draw(FlipFlop(), 2000, lag)
    step = torch.arange(20 * lag).unsqueeze(1)
    bit = batch.inputs[..., 4].long()
    shown = batch.inputs[..., 2] == 0
    last_bit = bit.gather(0, (step * shown).cummax(0).values)
    truth = torch.tensor([stored_bits(batch.inputs[:, i]) for i in range(2000)]).T
    shortcuts = {
        "the truth": (truth, 1),
        "constant": (torch.ones_like(bit), 0),
        "timer": ((step % 2).expand_as(bit), 0),
        "what is shown now": (bit, 0),
        "first write": (bit[:1].expand_as(bit), -1),
        "not the first write": (1 - bit[:1].expand_as(bit), -1),
        "last bit": (last_bit, 1 / (lag - 1)),
    }
    for name, (guess, score) in shortcuts.items():
        measured = task.score(outputs_for(guess), *batch[1:3]).item()
        assert measured == pytest.approx(score, abs=0.04), name
        assert task.solved(outputs_for(guess), *batch[1:3]).item() is (name == "the truth")


def test_score_is_that_of_the_worse_group_and_ignores_an_empty_one():
    task = FlipFlop()
    targets = torch.tensor([[0], [0], [1], [1], [1], [1]])  # the first is the write
    weight = torch.tensor([[0.0], [1], [1], [1], [1], [1]])
    for guess, score in (([0, 0, 1, 1, 1, 0], 0.5), ([0, 1, 1, 1, 1, 1], -1), ([0, 0, 1, 1, 1, 1], 1)):
        assert task.score(outputs_for(torch.tensor(guess).unsqueeze(1)), targets, weight) == score
    same = torch.zeros(6, 1, dtype=torch.int64)
    assert task.score(outputs_for(same), same, weight) == 1


def test_criterion_allows_one_error_in_a_thousand_reads():
    task = FlipFlop()
    batch = draw(FlipFlop(), 200, 4)
    outputs, allowed = outputs_for(batch.targets), int(batch.weight.sum().item() / 1000)
    outputs[-1, :allowed] = outputs[-1, :allowed].flip(-1)
    assert allowed > 1
    assert task.solved(outputs, *batch[1:3])
    outputs[-1, allowed] = outputs[-1, allowed].flip(0)
    assert not task.solved(outputs, *batch[1:3])


@pytest.mark.parametrize(("name", "ignored"), [("sparse_score", 0.98), ("dense_score", 0.1)])
def test_extra_tests_have_the_documented_rates(name, ignored):
    (batch,), measure, threshold = FlipFlop().extra_tests(Generator().manual_seed(0), 5)[name]
    assert batch.inputs.shape == (512, 50, 5)
    assert batch.inputs[1:-1].mean((0, 1))[0].item() == pytest.approx(ignored, abs=0.01)
    assert batch.inputs[1:-1].mean((0, 1))[1].item() == pytest.approx((1 - ignored) / 2, abs=0.01)
    truth = torch.tensor([stored_bits(batch.inputs[:, i]) for i in range(50)]).T
    assert measure(outputs_for(truth), *batch[1:3]) == 1
    assert threshold == 0.998
