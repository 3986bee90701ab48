"""Selective copy: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tasks.selective_copy import SelectiveCopy
from tests.tasks.batches import draw


def letters(sequence: Tensor) -> str:
    assert (sequence.sum(-1) == 1).all()
    return "".join("abcdefgh.!"[step.argmax()] for step in sequence)


def outputs_for(guess: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(guess, 8).float()


@settings(max_examples=40, deadline=None)
@given(symbols=st.integers(1, 12), lag=st.integers(1, 80), seed=st.integers(0, 2**40))
def test_sequences_follow_the_definition(symbols, lag, seed):
    task = SelectiveCopy(symbols=symbols)
    batch = draw(task, 3, lag, seed)
    assert len(batch.inputs) == 2 * symbols + lag + 51
    for i in range(3):
        text = letters(batch.inputs[:, i])
        before, after = text.split("!")
        written = before.replace(".", "")
        assert len(written) == symbols
        assert lag <= before.count(".") <= lag + 50
        assert set(after) == {"."}
        start = len(before) + 1
        assert batch.weight[:, i].nonzero().flatten().tolist() == list(range(start, start + symbols))
        assert "".join("abcdefgh"[x] for x in batch.targets[start : start + symbols, i]) == written
        assert batch.events["cue"][:, i].nonzero().flatten().tolist() == [start - 1]
        places = [step for step, letter in enumerate(before) if letter != "."]
        assert batch.events["write"][:, i].nonzero().flatten().tolist() == places


def test_number_of_blanks_before_a_symbol_is_uniform():
    batch = draw(SelectiveCopy(symbols=1), 60_000, 5)
    blanks = batch.events["cue"].int().argmax(0) - 1
    place = batch.events["write"].int().argmax(0)
    for noise in (5, 6, 9):
        counts = place[blanks == noise].bincount(minlength=noise + 1)
        assert len(counts) == noise + 1
        assert (counts / counts.sum()).tolist() == pytest.approx([1 / (noise + 1)] * (noise + 1), abs=0.03)
    two = draw(SelectiveCopy(symbols=2), 60_000, 5)
    blanks = two.events["cue"].int().argmax(0) - 2
    places = two.events["write"][:, blanks == 5].int().T.topk(2).indices.sort(-1).values - torch.tensor([0, 1])
    counts = (places[:, 0] * 6 + places[:, 1]).bincount(minlength=36).view(6, 6).double()
    expected = torch.full((6, 6), 2 / 36).double().triu() - torch.eye(6) / 36  # two drawn by themselves, sorted
    torch.testing.assert_close(counts / counts.sum(), expected, atol=0.01, rtol=0)


def test_cue_has_a_constant_hazard():
    blanks = draw(SelectiveCopy(symbols=3), 40_000, 10).events["cue"].int().argmax(0) - 3
    assert (blanks.min(), blanks.max()) == (10, 60)
    for n in (10, 15, 30):
        assert (blanks == n).sum() / (blanks >= n).sum() == pytest.approx(0.1, abs=0.02)


def test_reading_solves_and_shortcuts_do_not():
    n, lag = 4, 30
    task = SelectiveCopy(symbols=n)
    batch = draw(task, 4000, lag)
    written = torch.tensor(
        [["abcdefgh".index(x) for x in letters(batch.inputs[:, i]) if x in "abcdefgh"] for i in range(4000)]
    ).T
    cue = batch.events["cue"].int().argmax(0)
    due = (torch.arange(len(batch.inputs)).unsqueeze(1) - cue - 1).clamp(0, n - 1)
    shown = batch.inputs[..., :8].argmax(-1)  # a blank reads as the first symbol
    guesses = {
        "in order": (written.gather(0, due), 1),
        "backwards": (written.gather(0, n - 1 - due), 0),
        "constant": (torch.full_like(due, 3), 0),
        "always the first": (written[:1].expand_as(due), 1 / n),
        "always the last": (written[-1:].expand_as(due), 1 / n),
    }
    for name, (guess, score) in guesses.items():
        assert task.score(outputs_for(guess), *batch[1:3]).item() == pytest.approx(score, abs=0.03), name
        assert task.solved(outputs_for(guess), *batch[1:3]).item() is (name == "in order")
    for distance in (10, 20, 30):  # a delay line, which solves `copy`
        assert task.score(outputs_for(shown.roll(distance, 0)), *batch[1:3]).item() < 0.12


def test_sizes_follow_options_and_invalid_options_raise(construct):
    assert SelectiveCopy().sizes(5) == (10, 8)
    assert SelectiveCopy().steps(5) == 64
    with pytest.raises(ValueError, match=r"option 'symbols' is 101; allowed: whole numbers from 1 to 100"):
        construct(SelectiveCopy, symbols=101)
