"""Parity, judged from its inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks import Batch
from tasks.parity import Parity


def draw(batch: int, lag: int, seed: int = 0) -> Batch:
    return Parity().stream(Generator().manual_seed(seed), batch, lag).next()


def say(guess: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(guess, 2).float()


@settings(max_examples=40, deadline=None)
@given(lag=st.integers(2, 90), seed=st.integers(0, 2**40))
def test_the_target_is_whether_the_ones_so_far_are_odd(lag, seed):
    batch = draw(3, lag, seed)
    assert batch.inputs.shape == (lag, 3, 2)
    assert (batch.inputs.sum(-1) == 1).all()
    for i in range(3):
        bits = batch.inputs[:, i, 1].tolist()
        assert batch.targets[:, i].tolist() == [bits[: t + 1].count(1) % 2 for t in range(lag)]
    assert (batch.weight == 1).all()
    assert torch.equal(batch.events["flip"], batch.inputs[..., 1] == 1)


def test_bits_are_alike_often_and_so_are_parities():
    batch = draw(4000, 20)
    assert batch.inputs[..., 1].mean(1).tolist() == pytest.approx([0.5] * 20, abs=0.03)
    assert batch.targets.float().mean(1).tolist() == pytest.approx([0.5] * 20, abs=0.03)


@pytest.mark.parametrize("lag", [10, 40])
def test_shortcuts_are_right_by_chance_but_for_the_first_steps(lag):
    task = Parity()
    batch = draw(6000, lag)
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
    for guess, right in shortcuts.values():
        assert task.score(say(guess), *batch[1:3]).item() == pytest.approx(right / lag, abs=0.02)


def test_the_criterion_is_that_nothing_is_wrong():
    task = Parity()
    batch = draw(500, 8)
    assert task.solved(say(batch.targets), *batch[1:3])
    guess = batch.targets.clone()
    guess[3, 7] = 1 - guess[3, 7]
    assert not task.solved(say(guess), *batch[1:3])


def test_the_probe_counts_the_steps_before_the_first_error():
    probe = Parity().extra_tests(Generator().manual_seed(0), 6)["error_free_steps"]
    (longer,) = probe.windows
    assert longer.inputs.shape == (60, 64, 2)
    assert probe.least == 60
    guess = longer.targets.clone()
    assert probe.measure(say(guess), *longer[1:3]) == 60
    guess[20, :32] = 1 - guess[20, :32]  # half of the sequences have 20 right, whatever comes later
    assert probe.measure(say(guess), *longer[1:3]) == 40
    coin = torch.randint(2, guess.shape, generator=Generator().manual_seed(1))
    assert probe.measure(say(coin), *longer[1:3]).item() == pytest.approx(1, abs=0.5)
