"""Counting: batches checked against the definition, from inputs alone."""

import re
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks.counting import Counting
from tests.tasks.batches import draw

both = pytest.mark.parametrize("symbols", [2, 3])


def letters(task: Counting, sequence: Tensor) -> str:
    shown = sequence[: int(sequence.sum())]  # one symbol at a step, and nothing after the end
    assert (shown.sum(-1) == 1).all()
    assert (sequence[len(shown) :] == 0).all()
    return "".join("Sabc"[step.argmax()] for step in shown)


@cache
def legal(prefix: str, last: str) -> frozenset[str]:
    """The symbols that may follow a prefix: those with which some string of the language continues it."""
    strings = ["S" + "".join(letter * n for letter in "abc"[: "abc".index(last) + 1]) + "T" for n in range(1, 30)]
    return frozenset(s[len(prefix)] for s in strings if s.startswith(prefix) and len(s) > len(prefix))


def outputs_for(task: Counting, sets: list[list[set[str]]], T: int) -> Tensor:
    """Outputs whose positive logits are a given set at every step of every sequence."""
    names = "abc"[: task.symbols] + "T"
    outputs = torch.full((T, len(sets), len(names)), -1.0)
    for i, sequence in enumerate(sets):
        for step, symbols in enumerate(sequence):
            for symbol in symbols:
                outputs[step, i, names.index(symbol)] = 1
    return outputs


@settings(max_examples=30, deadline=None)
@given(symbols=st.sampled_from([2, 3]), lag=st.integers(2, 25), seed=st.integers(0, 2**40))
def test_strings_are_of_the_language_and_targets_are_the_symbols_that_may_follow(symbols, lag, seed):
    task = Counting(symbols=symbols)
    batch = draw(task, 3, lag, seed)
    assert batch.inputs.shape == (1 + symbols * lag, 3, symbols + 1)
    for i in range(3):
        text = letters(task, batch.inputs[:, i])
        n = text.count("a")
        assert 1 <= n <= lag
        assert text == "S" + "a" * n + "b" * n + "c" * n * (symbols == 3)
        assert batch.weight[:, i].tolist() == [1] * len(text) + [0] * (symbols * (lag - n))
        for step in range(len(text)):
            names = {name for name, may in zip("abc"[:symbols] + "T", batch.targets[step, i], strict=True) if may}
            assert names == legal(text[: step + 1], "abc"[symbols - 1])
        turns = [match.end() - 1 for match in re.finditer(r"b+|c+", text)]
        assert batch.events["turn"][:, i].nonzero().flatten().tolist() == turns


def test_n_is_uniformly_distributed():
    batch = draw(Counting(), 20_000, 8)
    n = (batch.inputs[..., 1].sum(0)).long()
    assert (n.bincount()[1:] / 20_000).tolist() == pytest.approx([1 / 8] * 8, abs=0.01)


@both
@pytest.mark.parametrize("lag", [3, 20])
def test_trivial_loss_equals_simulated_loss_of_the_best_constant(symbols, lag):
    task = Counting(symbols=symbols)
    batch = draw(task, 20_000, lag)
    constant = batch.targets[batch.weight > 0].mean(0).logit().expand_as(batch.targets)
    assert task.loss(constant, *batch[1:3]).item() == pytest.approx(task.trivial_loss(lag), rel=0.01)
    assert task.score(constant, *batch[1:3]) == 0


@both
def test_counter_solves_and_predictor_without_memory_scores_1_over_lag(symbols):
    task, lag = Counting(symbols=symbols), 10
    batch = draw(task, 4000, lag)
    T, last = len(batch.inputs), "abc"[symbols - 1]
    texts = [letters(task, batch.inputs[:, i]) for i in range(4000)]

    def counter(text):
        return [legal(text[: t + 1], last) for t in range(len(text))]

    def without_memory(text, stay):
        after = {"S": {"a"}, "a": {"a", "b"}, "b": {"b"} if stay else {"c"} if symbols == 3 else {"T"}}
        return [(after | {"c": {"c"} if stay else {"T"}})[letter] for letter in text]

    for sets_for, score in (
        (counter, 1),
        (lambda text: without_memory(text, True), 0),
        (lambda text: without_memory(text, False), 1 / lag),
    ):
        outputs = outputs_for(task, [sets_for(text) for text in texts], T)
        assert task.score(outputs, *batch[1:3]).item() == pytest.approx(score, abs=0.02)
        assert task.solved(outputs, *batch[1:3]).item() is (score == 1)


def test_timer_is_correct_at_powers_of_two_only():
    """Given the time and the last symbol but not n, the best rule predicts the end at steps 2, 4, 8, 16."""
    task, lag = Counting(), 10
    batch = draw(task, 4000, lag)

    def timer(text):
        end = {2, 4, 8, 16}
        return [{"S": {"a"}, "a": {"a", "b"}, "b": {"T"} if t in end else {"b"}}[s] for t, s in enumerate(text)]

    outputs = outputs_for(task, [timer(letters(task, batch.inputs[:, i])) for i in range(4000)], len(batch.inputs))
    assert task.score(outputs, *batch[1:3]).item() == pytest.approx(4 / lag, abs=0.03)


@both
def test_extra_test_measures_the_largest_n(symbols):
    extra = Counting(symbols=symbols).extra_tests(Generator(), 4)["largest_n"]
    (strings,) = extra.windows
    assert (strings.inputs[..., 1].sum(0) == torch.arange(1, 41)).all()
    assert len(strings.inputs) == 1 + symbols * 40
    assert extra.threshold == 8
    right = 2 * strings.targets - 1
    assert extra.measure(right, *strings[1:3]) == 40
    for wrong in (0, 6, 39):
        outputs = right.clone()
        outputs[1, wrong] *= -1
        outputs[1, 30] *= -1  # a later error does not matter
        assert extra.measure(outputs, *strings[1:3]) == min(wrong, 30)
    outputs = right.clone()
    outputs[-1, :-1] *= -1  # the steps after an end do not count
    assert extra.measure(outputs, *strings[1:3]) == 40


def test_sizes_follow_options_and_invalid_options_raise(construct):
    assert Counting().sizes(5) == (3, 3)
    assert Counting(symbols=3).sizes(5) == (4, 4)
    with pytest.raises(ValueError, match=r"option 'symbols' is 4; allowed: 2, 3"):
        construct(Counting, symbols=4)
