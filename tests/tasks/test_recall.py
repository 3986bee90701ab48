"""Recall: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tasks.recall import Recall
from tests.tasks.batches import draw


def answer(task: Recall, sequence: list[list[float]]) -> tuple[int, int, int]:
    """(cue step, query step, target) of one sequence, read step by step."""
    held = None
    for step, features in enumerate(sequence):
        *symbols, query = features
        if task.plain:
            if symbols[0] or symbols[1]:
                assert held is None, "a second x or y"
                held = step, symbols.index(1)
        else:
            *symbols, cue = symbols
            if cue:
                assert held is None, "a second cue"
                held = step, symbols.index(1)
        if query:
            assert held is not None
            assert sum(features) == 1, "the query step shows a symbol"
            assert all(sum(rest) == 0 for rest in sequence[step + 1 :]), "something after the query"
            return held[0], step, held[1]
        assert sum(symbols) == 1, "not one symbol"
    raise AssertionError("no query")


def one_hot(guess: Tensor, task: Recall, T: int) -> Tensor:
    return torch.nn.functional.one_hot(guess, task.classes).float().expand(T, *guess.shape, -1)


@settings(max_examples=40, deadline=None)
@given(
    alphabet=st.integers(2, 12),
    variant=st.sampled_from(["flagged", "plain"]),
    lag=st.integers(1, 90),
    seed=st.integers(0, 2**40),
)
def test_sequences_follow_the_definition(alphabet, variant, lag, seed):
    task = Recall(alphabet=alphabet, variant=variant)
    batch = draw(task, 3, lag, seed)
    for i in range(3):
        cue, query, symbol = answer(task, batch.inputs[:, i].tolist())
        assert cue == 0 if task.plain else 0 <= cue <= 9
        assert lag <= query - cue <= min(lag + 50, 2 * lag)
        assert batch.weight[:, i].nonzero().flatten().tolist() == [query]
        assert (batch.targets[:, i] == symbol).all()
        assert batch.events["cue"][:, i].nonzero().flatten().tolist() == [cue]
        distractors = [step for step in range(query) if step != cue]
        assert batch.events["distractor"][:, i].nonzero().flatten().tolist() == distractors


@pytest.mark.parametrize("variant", ["flagged", "plain"])
def test_reading_the_sequence_solves(variant):
    task = Recall(alphabet=5, variant=variant)
    batch = draw(task, 200, 15)
    answers = torch.tensor([answer(task, s)[2] for s in batch.inputs.transpose(0, 1).tolist()])
    outputs = 20 * one_hot(answers, task, len(batch.inputs))
    assert task.score(outputs, *batch[1:3]) == 1
    assert task.solved(outputs, *batch[1:3])


def test_cues_and_distractors_are_uniform_over_the_same_alphabet():
    batch = draw(Recall(alphabet=4), 4000, 10)
    for event in ("cue", "distractor"):
        frequency = batch.inputs[batch.events[event]][:, :4].mean(0)
        torch.testing.assert_close(frequency, torch.full((4,), 0.25), atol=0.03, rtol=0)


def test_plain_cues_are_uniform_and_never_distractors():
    batch = draw(Recall(alphabet=6, variant="plain"), 4000, 10)
    assert (batch.inputs[batch.events["distractor"]][:, :2] == 0).all()
    torch.testing.assert_close(batch.inputs[0, :, :2].mean(0), torch.full((2,), 0.5), atol=0.03, rtol=0)
    assert batch.inputs[1:][batch.events["distractor"][1:]][:, 2:8].mean(0) == pytest.approx([1 / 6] * 6, abs=0.01)


@pytest.mark.parametrize("variant", ["flagged", "plain"])
def test_query_has_a_constant_hazard(variant):
    task, lag = Recall(variant=variant), 60
    batch = draw(task, 40_000, lag)
    cue, query = (batch.events[name].int().argmax(0) for name in ("cue", "query"))
    wait = query - cue - lag
    assert wait.min() == 0
    assert wait.max() == 50
    assert wait.double().mean() == pytest.approx(8.76, abs=0.15)  # 9, less the effect of the truncation at 50
    # From lag steps after the cue on, the query has the same probability at every step.
    for n in range(0, 26, 5):
        assert (wait == n).sum() / (wait >= n).sum() == pytest.approx(0.1, abs=0.02)
    # Beyond the lag, the steps of cue and query are nearly independent.
    for step in cue.unique():
        assert wait[cue == step].bincount().max() / (cue == step).sum() < 0.13
    assert query.bincount().max() / len(query) < 0.11


@pytest.mark.parametrize("alphabet", [2, 4, 9])
def test_shortcuts_have_the_documented_scores(alphabet):
    task, lag = Recall(alphabet=alphabet), 20
    batch = draw(task, 20_000, lag)
    T = len(batch.inputs)
    symbols = batch.inputs[..., :alphabet].argmax(-1)
    query = batch.events["query"].int().argmax(0)
    shortcuts = {
        "always a": torch.zeros_like(query),
        "last symbol": symbols.gather(0, query.unsqueeze(0) - 1).squeeze(0),
    }
    for guess in shortcuts.values():
        assert abs(task.score(one_hot(guess, task, T), *batch[1:3]).item()) < 0.03
    # Any one of the first ten steps is the cue, or lag steps before the query, in one of ten sequences.
    ten_percent = {
        "first symbol": symbols[0],
        "step five": symbols[5],
        "timer": symbols.gather(0, query.unsqueeze(0) - lag).squeeze(0),
    }
    for guess in ten_percent.values():
        assert task.score(one_hot(guess, task, T), *batch[1:3]).item() == pytest.approx(0.1, abs=0.03)


def test_criteria_have_the_documented_thresholds():
    flagged = Recall()
    batch = draw(flagged, 1000, 5)
    right = one_hot(batch.targets[0], flagged, len(batch.inputs))
    for wrong, solved in ((9, True), (11, False)):
        outputs = right.clone()
        outputs[:, :wrong] = outputs[:, :wrong].roll(1, -1)
        assert flagged.solved(outputs, *batch[1:3]).item() is solved
    plain = Recall(variant="plain")
    batch = draw(plain, 1000, 5)
    for probability, wrong, solved in ((0.81, 11, True), (0.79, 11, False), (0.79, 9, True)):
        right = one_hot(batch.targets[0], plain, len(batch.inputs))
        outputs = (right * probability + (1 - right) * (1 - probability)).log()
        outputs[:, wrong:] = 30 * right[:, wrong:]  # the other sequences are certain
        assert plain.solved(outputs, *batch[1:3]).item() is solved


def test_sizes_follow_options_and_invalid_options_raise(construct):
    assert Recall(alphabet=7).sizes(10) == (9, 7)
    assert Recall(alphabet=7, variant="plain").sizes(10) == (10, 2)
    assert Recall().steps(100) == 160
    assert Recall(alphabet=7).trivial_loss(10) == pytest.approx(torch.tensor(7.0).log().item())
    with pytest.raises(ValueError, match=r"option 'alphabet' is 1; allowed: whole numbers from 2 to 1000"):
        construct(Recall, alphabet=1)
    with pytest.raises(ValueError, match=r"option 'variant' is 'hs97'; allowed: 'flagged', 'plain'"):
        construct(Recall, variant="hs97")
