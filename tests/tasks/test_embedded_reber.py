"""Embedded Reber strings, checked against an automaton that the tests define."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tasks.embedded_reber import EmbeddedReber
from tests.tasks.batches import draw
from tests.tasks.reber_reader import read

NAMES = "BTPSXVE"


def letters(sequence: Tensor) -> str:
    shown = sequence[: int(sequence.sum())]
    assert (shown.sum(-1) == 1).all()
    assert (sequence[len(shown) :] == 0).all()
    return "".join(NAMES[step.argmax()] for step in shown)


def outputs_for(sets: list[list[set[str]]], T: int) -> Tensor:
    outputs = torch.full((T, len(sets), 7), -1.0)
    for i, sequence in enumerate(sets):
        for step, symbols in enumerate(sequence):
            for symbol in symbols:
                outputs[step, i, NAMES.index(symbol)] = 1
    return outputs


@settings(max_examples=40, deadline=None)
@given(lag=st.integers(5, 60), seed=st.integers(0, 2**40))
def test_strings_are_of_the_grammar_and_targets_are_the_symbols_it_allows(lag, seed):
    batch = draw(EmbeddedReber(), 3, lag, seed)
    T = len(batch.inputs)
    assert lag + 24 == T
    for i in range(3):
        text = letters(batch.inputs[:, i])
        legal, returns, inner = read(text)
        whole = len(text) < T or text.endswith(text[1] + "E")
        assert not whole or (len(returns) == 1 and len(inner[0]) >= lag and len(text) == len(inner[0]) + 4)
        counted = text[:-1] if whole else text  # nothing follows the last E
        assert batch.weight[:, i].tolist() == [1] * len(counted) + [0] * (T - len(counted))
        for step in range(len(counted)):
            names = {name for name, may in zip(NAMES, batch.targets[step, i], strict=True) if may}
            assert names == legal[step]
        assert batch.events["due"][:, i].nonzero().flatten().tolist() == returns
        assert batch.events["cue"][:, i].nonzero().flatten().tolist() == [1]
        assert batch.events["start"][:, i].nonzero().flatten().tolist() == [0]


def test_branches_have_probability_one_half_and_few_strings_are_cut():
    """At the shortest lag every branch of the grammar is taken half of the time."""
    batch = draw(EmbeddedReber(), 20_000, 5)
    texts = [letters(batch.inputs[:, i]) for i in range(20_000)]
    cut = sum(not read(text)[1] for text in texts) / 20_000
    assert 0 < cut < 1 / 400
    strings = Counter(texts)
    # B, outer (1/2), BTXSE: T, X, S, each 1/2; and so on, one half for every choice.
    for inner, choices in (("BTXSE", 3), ("BPVVE", 3), ("BTSXSE", 4), ("BPTVVE", 4), ("BPVPSE", 4), ("BTXXVVE", 5)):
        for outer in "TP":
            share = strings[f"B{outer}{inner}{outer}E"] / 20_000
            assert share == pytest.approx(0.5 ** (choices + 1), abs=0.005), inner


def test_end_of_a_long_inner_string_is_unpredictable():
    lag = 20
    batch = draw(EmbeddedReber(), 20_000, lag)
    lengths = [len(inner) for i in range(20_000) for *_, (inner,) in [read(letters(batch.inputs[:, i]))]]
    counts = torch.tensor(lengths).bincount(minlength=45)
    assert min(lengths) == lag
    for length in range(lag, lag + 12):
        assert counts[length] / counts[length:].sum() < 0.45


@pytest.mark.parametrize("lag", [5, 20])
def test_trivial_loss_equals_simulated_loss_of_the_best_constant(lag):
    task = EmbeddedReber()
    batch = draw(EmbeddedReber(), 20_000, lag)
    constant = batch.targets[batch.weight > 0].mean(0).logit().expand_as(batch.targets)
    assert task.loss(constant, *batch[1:3]).item() == pytest.approx(task.trivial_loss(lag), rel=0.005)
    assert task.score(constant, *batch[1:3]).item() == pytest.approx(0, abs=0.03)


def test_automaton_solves_and_shortcuts_for_the_outer_symbol_score_zero():
    task, lag = EmbeddedReber(), 8
    batch = draw(EmbeddedReber(), 4000, lag)
    T = len(batch.inputs)
    texts = [letters(batch.inputs[:, i]) for i in range(4000)]
    legal = [read(text)[0] for text in texts]
    outputs = outputs_for(legal, T)
    assert task.score(outputs, *batch[1:3]) == 1
    assert task.solved(outputs, *batch[1:3])

    def score(symbol_for):
        """The score if a shortcut replaces the outer symbol and all else is correct."""
        guess = [[*sets] for sets in legal]
        for text, sets in zip(texts, guess, strict=True):
            for step in read(text)[1]:
                sets[step] = {symbol_for(text, step)}
        outputs = outputs_for(guess, T)
        assert not task.solved(outputs, *batch[1:3])
        return task.score(outputs, *batch[1:3]).item()

    shortcuts = {
        "constant": lambda text, step: "T",
        "last T or P": lambda text, step: next(s for s in reversed(text[2 : step + 1]) if s in "TP"),
        "first of the inner string": lambda text, step: text[3],
        "more of": lambda text, step: max("TP", key=text[2 : step + 1].count),  # order-blind, without the outer one
        "timer": lambda text, step: "TP"[step % 2],
    }
    for name, shortcut in shortcuts.items():
        assert score(shortcut) == pytest.approx(0, abs=0.05), name
    counted = score(lambda text, step: max("TP", key=text[: step + 1].count))
    assert counted < 0.7  # the outer symbol is one of those counted


def test_criterion_requires_every_symbol_and_score_only_the_outer_one():
    task = EmbeddedReber()
    batch = draw(EmbeddedReber(), 50, 6)
    outputs = 2 * batch.targets - 1
    outputs[3, 4] *= -1  # inside
    assert not task.solved(outputs, *batch[1:3])
    assert task.score(outputs, *batch[1:3]) == 1
    outputs = 2 * batch.targets - 1
    outputs[..., 3] = torch.where(batch.events["due"], 0.5, outputs[..., 3])  # S, too, has a probability above ½
    assert not task.solved(outputs, *batch[1:3])
    assert task.score(outputs, *batch[1:3]) == 1


def test_sizes_and_smallest_lag():
    assert EmbeddedReber().sizes(9) == (7, 7)
    with pytest.raises(ValueError, match=r"lag is 4; allowed for 'embedded_reber': at least 5"):
        EmbeddedReber().steps(4)
