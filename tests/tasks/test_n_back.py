"""N-back: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tasks.n_back import NBack
from tests.tasks.batches import draw


def outputs_for(guess: Tensor, alphabet: int = 4) -> Tensor:
    return torch.nn.functional.one_hot(guess, alphabet).float()


@settings(max_examples=40, deadline=None)
@given(alphabet=st.integers(2, 9), lag=st.integers(1, 70), seed=st.integers(0, 2**40))
def test_sequences_follow_the_definition(alphabet, lag, seed):
    batch = draw(NBack(alphabet=alphabet), 3, lag, seed)
    for i in range(3):
        symbols = [step.index(1) for step in batch.inputs[:, i].tolist()]
        assert (batch.inputs[:, i].sum(-1) == 1).all()
        assert len(symbols) == lag + 50
        assert batch.weight[:, i].tolist() == [0] * lag + [1] * 50
        assert batch.targets[lag:, i].tolist() == symbols[:50]
        assert batch.targets[:lag, i].tolist() == [symbols[0]] * lag
    assert batch.inputs.shape[-1] == alphabet


def test_symbols_are_uniformly_distributed():
    batch = draw(NBack(alphabet=5), 4000, 3)
    assert batch.inputs.mean((0, 1)).tolist() == pytest.approx([0.2] * 5, abs=0.005)


@pytest.mark.parametrize("lag", [1, 2, 8])
def test_queue_of_length_lag_solves_and_other_lengths_score_zero(lag):
    task = NBack()
    batch = draw(task, 2000, lag)
    symbol = batch.inputs.argmax(-1)
    for shift in range(lag + 2):  # 0 repeats the current symbol
        outputs = outputs_for(symbol.roll(shift, 0))
        assert task.score(outputs, *batch[1:3]).item() == pytest.approx(float(shift == lag), abs=0.02)
        assert task.solved(outputs, *batch[1:3]).item() is (shift == lag)
    first = outputs_for(symbol[:1].expand_as(symbol))
    assert task.score(first, *batch[1:3]).item() == pytest.approx(
        1 / 50, abs=0.02
    )  # correct at the first step that counts


def test_criterion_has_the_documented_threshold():
    task = NBack()
    batch = draw(task, 100, 2)
    for wrong, solved in ((49, True), (50, False)):  # of 5,000
        guess = batch.targets.clone()
        guess[-1, :wrong] = (guess[-1, :wrong] + 1) % 4
        if wrong == 50:
            guess[-2, :1] = (guess[-2, :1] + 1) % 4
        assert task.solved(outputs_for(guess), *batch[1:3]).item() is solved


def test_sizes_follow_options_and_invalid_options_raise(construct):
    assert NBack(alphabet=7).sizes(3) == (7, 7)
    assert NBack().steps(3) == 53
    assert NBack(alphabet=7).trivial_loss(3) == pytest.approx(torch.tensor(7.0).log().item())
    with pytest.raises(ValueError, match=r"option 'alphabet' is 1; allowed: whole numbers from 2 to 1000"):
        construct(NBack, alphabet=1)
