"""Associative recall: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks.associative_recall import AssociativeRecall
from tests.tasks.batches import draw


def outputs_for(guess: Tensor, values: int = 8) -> Tensor:
    return torch.nn.functional.one_hot(guess, values).float()


def answers(inputs: Tensor, lag: int) -> list[int]:
    """The value that each step of one sequence shows or queries, from a dictionary."""
    values, shown = {}, []
    for step in inputs.tolist():
        (key,), value = [k for k in range(2 * lag) if step[k]], [v for v, on in enumerate(step[2 * lag :]) if on]
        if value:
            assert len(shown) < lag, "a pair among the queries"
            assert key not in values, "a key twice"
            (values[key],) = value
        shown.append(values[key])
    return shown


@settings(max_examples=40, deadline=None)
@given(values=st.integers(2, 12), lag=st.integers(2, 20), seed=st.integers(0, 2**40))
def test_sequences_follow_the_definition(values, lag, seed):
    task = AssociativeRecall(values=values)
    batch = draw(task, 3, lag, seed)
    assert batch.inputs.shape == (2 * lag, 3, 2 * lag + values)
    for i in range(3):
        assert batch.targets[:, i].tolist() == answers(batch.inputs[:, i], lag)
        assert batch.inputs[:, i].sum(-1).tolist() == [2] * lag + [1] * lag
        assert batch.weight[:, i].tolist() == [0] * lag + [1] * lag
    assert torch.equal(batch.events["pair"], batch.weight == 0)


def test_random_parts_are_uniformly_distributed():
    lag = 4
    batch = draw(AssociativeRecall(values=5), 20_000, lag)
    key = batch.inputs[..., : 2 * lag].argmax(-1)
    assert (key.flatten().bincount() / key.numel()).tolist() == pytest.approx([1 / 8] * 8, abs=0.005)
    value = batch.inputs[:lag, :, 2 * lag :].argmax(-1)
    assert (value.flatten().bincount() / value.numel()).tolist() == pytest.approx([0.2] * 5, abs=0.01)
    # Every query is uniform over the pairs and independent of earlier queries.
    place = (key[:lag].unsqueeze(0) == key[lag:].unsqueeze(1)).int().argmax(1)
    for step in range(lag):
        assert (place[step].bincount() / 20_000).tolist() == pytest.approx([1 / lag] * lag, abs=0.015)
    pairs = (place[0] * lag + place[1]).bincount() / 20_000
    assert pairs.tolist() == pytest.approx([1 / 16] * 16, abs=0.01)


@pytest.mark.parametrize("lag", [2, 8])
def test_dictionary_solves_and_values_without_keys_score_1_over_lag(lag):
    task = AssociativeRecall()
    batch = draw(task, 6000, lag)
    value = batch.inputs[:lag, :, 2 * lag :].argmax(-1)
    queried = batch.inputs[..., : 2 * lag].argmax(-1)
    drawn = torch.randint(lag, batch.targets.shape, generator=Generator().manual_seed(1))
    guesses = {
        "dictionary": (torch.tensor([answers(batch.inputs[:, i], lag) for i in range(6000)]).T, 1),
        "constant": (torch.full_like(batch.targets, 3), 0),
        "from the key alone": (queried % 8, 0),
        "last value": (value[-1:].expand_as(batch.targets), 1 / lag),
        "first value": (value[:1].expand_as(batch.targets), 1 / lag),
        "any value": (value.gather(0, drawn), 1 / lag),
        "timer": (torch.cat([value, value]), 1 / lag),  # what came lag steps ago
    }
    for name, (guess, score) in guesses.items():
        assert task.score(outputs_for(guess), *batch[1:3]).item() == pytest.approx(score, abs=0.02), name
        assert task.solved(outputs_for(guess), *batch[1:3]).item() is (name == "dictionary")


def test_criterion_has_the_documented_threshold():
    task = AssociativeRecall()
    batch = draw(task, 100, 5)  # 500 queries
    for wrong, solved in ((4, True), (5, False)):
        guess = batch.targets.clone()
        guess[-1, :wrong] = (guess[-1, :wrong] + 1) % 8
        assert task.solved(outputs_for(guess), *batch[1:3]).item() is solved


def test_sizes_follow_options_and_invalid_options_raise(construct):
    assert AssociativeRecall(values=3).sizes(6) == (15, 3)
    assert AssociativeRecall(values=3).trivial_loss(6) == pytest.approx(torch.tensor(3.0).log().item())
    with pytest.raises(ValueError, match=r"option 'values' is 1; allowed: whole numbers from 2 to 1000"):
        construct(AssociativeRecall, values=1)
