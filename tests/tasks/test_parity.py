"""Parity: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks.parity import Parity
from tests.tasks.batches import draw


def outputs_for(guess: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(guess, 2).float()


@settings(max_examples=40, deadline=None)
@given(lag=st.integers(2, 90), seed=st.integers(0, 2**40))
def test_target_is_the_parity_of_the_ones_so_far(lag, seed):
    batch = draw(Parity(), 3, lag, seed)
    assert batch.inputs.shape == (lag, 3, 2)
    assert (batch.inputs.sum(-1) == 1).all()
    for i in range(3):
        bits = batch.inputs[:, i, 1].tolist()
        assert batch.targets[:, i].tolist() == [bits[: t + 1].count(1) % 2 for t in range(lag)]
    assert (batch.weight == 1).all()
    assert torch.equal(batch.events["flip"], batch.inputs[..., 1] == 1)


def test_bits_and_parities_are_uniformly_distributed():
    batch = draw(Parity(), 4000, 20)
    assert batch.inputs[..., 1].mean(1).tolist() == pytest.approx([0.5] * 20, abs=0.03)
    assert batch.targets.float().mean(1).tolist() == pytest.approx([0.5] * 20, abs=0.03)


@pytest.mark.parametrize("lag", [10, 40])
def test_shortcuts_are_at_chance_after_the_first_steps(lag):
    task = Parity()
    batch = draw(task, 6000, lag)
    bit = batch.inputs.argmax(-1)
    window = (bit + bit.roll(1, 0)) % 2  # of two bits
    window[0] = bit[0]
    shortcuts = {
        "constant": (torch.zeros_like(bit), 0),
        "timer": ((torch.arange(lag) % 2).unsqueeze(1).expand_as(bit), 0),
        "last bit": (bit, 1),
        "last two": (window, 2),
        "first bit": (bit[:1].expand_as(bit), 1),
    }
    for guess, correct in shortcuts.values():
        assert task.score(outputs_for(guess), *batch[1:3]).item() == pytest.approx(correct / lag, abs=0.02)


def test_criterion_allows_one_per_cent_of_errors():
    task = Parity()
    batch = draw(task, 500, 8)
    for errors, solved in ((39, True), (41, False)):
        guess = batch.targets.clone()
        guess[3, :errors] = 1 - guess[3, :errors]
        assert task.solved(outputs_for(guess), *batch[1:3]).item() is solved


def test_extra_test_measures_the_steps_before_the_first_error():
    extra = Parity().extra_tests(Generator().manual_seed(0), 6)["error_free_steps"]
    (longer,) = extra.windows
    assert longer.inputs.shape == (60, 64, 2)
    assert extra.threshold == 59.4
    guess = longer.targets.clone()
    assert extra.measure(outputs_for(guess), *longer[1:3]) == 60
    guess[20, :32] = 1 - guess[20, :32]  # half of the sequences have 20 steps before the first error
    assert extra.measure(outputs_for(guess), *longer[1:3]) == 40
    coin = torch.randint(2, guess.shape, generator=Generator().manual_seed(1))
    assert extra.measure(outputs_for(coin), *longer[1:3]).item() == pytest.approx(1, abs=0.5)
