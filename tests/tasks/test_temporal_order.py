"""Temporal order: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks.temporal_order import TemporalOrder
from tests.tasks.batches import draw

PLACES = {2: [(0.10, 0.20), (0.50, 0.60)], 3: [(0.10, 0.20), (0.33, 0.43), (0.66, 0.76)]}


def letters(sequence: list[list[float]]) -> str:
    for step in sequence:
        assert sum(step) in (0, 1)
    return "".join("abcdXYEB"[step.index(1)] if 1 in step else "." for step in sequence)


def order(text: str) -> int:
    """The class of a sequence: its X and Y read as a binary number."""
    return int("".join("01"["XY".index(letter)] for letter in text if letter in "XY"), 2)


def outputs_for(task: TemporalOrder, guess: Tensor, T: int) -> Tensor:
    return torch.nn.functional.one_hot(guess, 2**task.symbols).float().expand(T, *guess.shape, -1)


@settings(max_examples=40, deadline=None)
@given(symbols=st.sampled_from([2, 3]), lag=st.integers(10, 150), seed=st.integers(0, 2**40))
def test_sequences_follow_the_definition(symbols, lag, seed):
    task = TemporalOrder(symbols=symbols)
    batch = draw(task, 3, lag, seed)
    assert len(batch.inputs) == lag + lag // 10
    for i in range(3):
        text = letters(batch.inputs[:, i].tolist())
        end = text.index("B")
        assert text[0] == "E"
        assert lag <= end + 1 <= lag + lag // 10
        assert set(text[end + 1 :]) <= {"."}
        places = [step for step, letter in enumerate(text) if letter in "XY"]
        for place, (low, high) in zip(places, PLACES[symbols], strict=True):
            assert int(low * lag + 1e-9) <= place <= high * lag + 1e-9
        assert set(text[1:end]) <= set("abcdXY")
        assert (batch.targets[:, i] == order(text)).all()
        assert batch.weight[:, i].nonzero().flatten().tolist() == [end]
        assert batch.events["cue"][:, i].nonzero().flatten().tolist() == places
        fillers = [step for step, letter in enumerate(text) if letter in "abcd"]
        assert batch.events["distractor"][:, i].nonzero().flatten().tolist() == fillers


@pytest.mark.parametrize("symbols", [2, 3])
def test_random_parts_are_uniformly_distributed(symbols):
    task = TemporalOrder(symbols=symbols)
    batch = draw(task, 20_000, 100)
    classes = batch.targets[0].bincount(minlength=2**symbols) / 20_000
    assert classes.tolist() == pytest.approx([0.5**symbols] * 2**symbols, abs=0.012)
    ends = batch.weight.mean(1)
    assert ends[99:110].tolist() == pytest.approx([1 / 11] * 11, abs=0.01)
    places = batch.events["cue"].float().mean(1)
    for low, high in PLACES[symbols]:
        inside = places[round(low * 100) : round(high * 100) + 1]
        assert inside.tolist() == pytest.approx([1 / 11] * 11, abs=0.01)
    fillers = batch.inputs[batch.events["distractor"]].mean(0)
    assert fillers[:4].tolist() == pytest.approx([0.25] * 4, abs=0.005)


@pytest.mark.parametrize("symbols", [2, 3])
def test_reading_the_sequence_solves(symbols):
    task = TemporalOrder(symbols=symbols)
    batch = draw(task, 300, 30)
    classes = torch.tensor([order(letters(s)) for s in batch.inputs.transpose(0, 1).tolist()])
    outputs = 20 * outputs_for(task, classes, len(batch.inputs))
    assert task.score(outputs, *batch[1:3]) == 1
    assert task.solved(outputs, *batch[1:3])


@pytest.mark.parametrize(("symbols", "accuracy"), [(2, 0.75), (3, 0.5)])
def test_counts_without_order_score_zero(symbols, accuracy):
    task = TemporalOrder(symbols=symbols)
    batch = draw(task, 20_000, 20)
    ys = (batch.inputs.argmax(-1) == 5).sum(0)
    guess = 2**ys - 1  # for every count one class that has it: X…XY…Y
    outputs = outputs_for(task, guess, len(batch.inputs))
    assert task.accuracy(outputs, *batch[1:3]).item() == pytest.approx(accuracy, abs=0.01)
    assert task.score(outputs, *batch[1:3]).item() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("symbols", [2, 3])
def test_first_or_last_symbol_alone_scores_zero(symbols):
    task = TemporalOrder(symbols=symbols)
    batch = draw(task, 20_000, 20)
    coin = torch.randint(2 ** (symbols - 1), (20_000,), generator=Generator().manual_seed(1))
    truth = batch.targets[0]
    last, first = truth % 2, truth >> (symbols - 1)
    guesses = {
        "last, the rest by chance": 2 * coin + last,
        "first, the rest by chance": coin + (first << (symbols - 1)),
        "last, and never all equal": torch.where(last == 1, 1, 2**symbols - 2),
        "first, and never all equal": torch.where(first == 1, 2 ** (symbols - 1), 2 ** (symbols - 1) - 1),
        "constant": torch.ones_like(truth),
    }
    for guess in guesses.values():
        assert task.score(outputs_for(task, guess, len(batch.inputs)), *batch[1:3]).item() < 0.03


def test_score_ignores_an_empty_group_of_sequences():
    task = TemporalOrder()
    targets = torch.tensor([[1, 2, 1, 2]])
    weight = torch.ones(1, 4)
    assert task.score(outputs_for(task, targets[0], 1), targets, weight) == 1
    assert task.score(outputs_for(task, torch.tensor([1, 1, 1, 1]), 1), targets, weight) == 0
    assert task.score(outputs_for(task, torch.tensor([0, 3]), 1), torch.tensor([[0, 3]]), torch.ones(1, 2)) == 1


@pytest.mark.parametrize(("probability", "solved"), [(0.85, True), (0.79, False), (0.69, False)])
def test_criterion_has_the_documented_threshold(probability, solved):
    """With four classes a probability p of the target is a mean error of (1 − p)/2, which is below 0.1 if p > 0.8."""
    task = TemporalOrder()
    batch = draw(task, 100, 20)
    right = outputs_for(task, batch.targets[0], len(batch.inputs))
    outputs = (right * probability + (1 - right) * (1 - probability) / 3).log()
    assert task.solved(outputs, *batch[1:3]).item() is solved


def test_criterion_allows_no_error_of_0_3():
    task = TemporalOrder()
    batch = draw(task, 100, 20)
    right = outputs_for(task, batch.targets[0], len(batch.inputs))
    for probability, solved in ((0.71, True), (0.69, False)):
        outputs = 30 * right
        outputs[:, 0] = (right[:, 0] * probability + (1 - right[:, 0]) * (1 - probability) / 3).log()
        assert task.solved(outputs, *batch[1:3]).item() is solved


def test_sizes_follow_options_and_invalid_options_raise(construct):
    assert TemporalOrder().sizes(50) == (8, 4)
    assert TemporalOrder(symbols=3).sizes(50) == (8, 8)
    with pytest.raises(ValueError, match=r"option 'symbols' is 4; allowed: 2, 3"):
        construct(TemporalOrder, symbols=4)
