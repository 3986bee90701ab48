"""Copy: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tasks.copy import Copy
from tests.tasks.batches import draw


def letters(sequence: list[list[float]]) -> str:
    assert all(sum(step) == 1 for step in sequence)
    return "".join("abcdefgh.!"[step.index(1)] for step in sequence)


def outputs_for(guess: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(guess, 8).float()


@settings(max_examples=40, deadline=None)
@given(symbols=st.integers(1, 15), variable=st.booleans(), lag=st.integers(1, 80), seed=st.integers(0, 2**40))
def test_sequences_follow_the_definition(symbols, variable, lag, seed):
    task = Copy(symbols=symbols, variable=variable)
    batch = draw(task, 3, lag, seed)
    for i in range(3):
        text = letters(batch.inputs[:, i].tolist())
        written, rest = text[:symbols], text[symbols:]
        assert set(written) <= set("abcdefgh")
        blanks, after = rest.split("!")
        assert set(blanks + after) == {"."}
        assert lag <= len(blanks) <= lag + (50 if variable else 0)
        assert len(after) >= symbols if variable else len(after) == symbols
        start = symbols + len(blanks) + 1
        assert batch.weight[:, i].nonzero().flatten().tolist() == list(range(start, start + symbols))
        due = batch.targets[start : start + symbols, i].tolist()
        assert "".join("abcdefgh"[x] for x in due) == written
        assert batch.events["cue"][:, i].nonzero().flatten().tolist() == [start - 1]
        assert batch.events["write"][:, i].nonzero().flatten().tolist() == list(range(symbols))


@pytest.mark.parametrize("variable", [False, True])
def test_reading_the_sequence_solves(variable):
    task = Copy(symbols=6, variable=variable)
    batch = draw(task, 100, 9)
    recalled = torch.zeros_like(batch.targets)
    for i in range(100):
        text = letters(batch.inputs[:, i].tolist())
        for offset, letter in enumerate(text[:6]):
            recalled[text.index("!") + 1 + offset, i] = "abcdefgh".index(letter)
    assert task.score(20 * outputs_for(recalled), *batch[1:3]) == 1
    assert task.solved(20 * outputs_for(recalled), *batch[1:3])


def test_shortcuts_score_zero_or_1_over_n():
    task = Copy(symbols=5)
    batch = draw(task, 8000, 12)
    symbol = batch.inputs[..., :8].argmax(-1)
    constant = torch.full_like(batch.targets, 3)
    assert task.score(outputs_for(constant), *batch[1:3]).item() == pytest.approx(0, abs=0.01)
    for place in (0, 2, 4):  # the first, third or last symbol, at every recall step
        guess = symbol[place].expand_as(batch.targets)
        assert task.score(outputs_for(guess), *batch[1:3]).item() == pytest.approx(1 / 5, abs=0.01)


def test_cue_has_a_constant_hazard_if_the_lag_varies():
    blanks = draw(Copy(symbols=3, variable=True), 40_000, 10).events["cue"].int().argmax(0) - 3
    assert blanks.min() == 10
    assert blanks.max() == 60
    for n in (10, 15, 30):
        assert (blanks == n).sum() / (blanks >= n).sum() == pytest.approx(0.1, abs=0.02)


def test_criterion_counts_symbols():
    task = Copy(symbols=4)
    batch = draw(task, 250, 3)
    for wrong, solved in ((9, True), (10, False)):
        guess = batch.targets.clone()
        guess[-1, :wrong] = (guess[-1, :wrong] + 1) % 8
        assert task.solved(outputs_for(guess), *batch[1:3]).item() is solved


def test_sizes_follow_options_and_invalid_options_raise(construct):
    assert Copy().sizes(5) == (10, 8)
    assert Copy().steps(30) == 51
    assert Copy(symbols=3, variable=True).steps(30) == 87
    with pytest.raises(ValueError, match=r"option 'symbols' is 0; allowed: whole numbers from 1 to 100"):
        construct(Copy, symbols=0)
    with pytest.raises(ValueError, match=r"option 'variable' is 1; allowed: False, True"):
        construct(Copy, variable=1)
