"""Streams of embedded Reber strings, checked against an automaton that the tests define."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks.continual_reber import ContinualReber
from tests.tasks.batches import draw_windows
from tests.tasks.reber_reader import read

NAMES = "BTPSXVE"


def letters(sequence: Tensor) -> str:
    assert (sequence.sum(-1) == 1).all()
    return "".join(NAMES[step.argmax()] for step in sequence)


@settings(max_examples=30, deadline=None)
@given(lag=st.integers(5, 60), seed=st.integers(0, 2**40))
def test_streams_are_consecutive_strings_across_windows(lag, seed):
    stream = draw_windows(ContinualReber(), 2, lag, 4, seed)
    assert len(stream.inputs) == 240
    assert (stream.weight == 1).all()
    for i in range(2):
        text = letters(stream.inputs[:, i])
        legal, returns, inner = read(text)
        assert all(len(string) >= lag for string in inner[: len(returns)])
        for step in range(240):
            assert {name for name, may in zip(NAMES, stream.targets[step, i], strict=True) if may} == legal[step]
        assert stream.events["due"][:, i].nonzero().flatten().tolist() == returns
        starts = [0] + [step + 1 for step in range(1, 239) if step - 2 in returns]
        assert stream.events["start"][:, i].nonzero().flatten().tolist() == starts
        cues = [step + 1 for step in starts if step < 239]
        assert stream.events["cue"][:, i].nonzero().flatten().tolist() == cues


def test_outer_symbols_are_uniform_and_independent():
    stream = draw_windows(ContinualReber(), 200, 5, 40)
    cues = stream.inputs[stream.events["cue"]]
    assert cues[:, 1].mean().item() == pytest.approx(0.5, abs=0.01)
    by_stream = [stream.inputs[:, i][stream.events["cue"][:, i]][:, 1] for i in range(200)]
    same = torch.cat([(cue[1:] == cue[:-1]).float() for cue in by_stream])
    assert same.mean().item() == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("lag", [5, 20])
def test_trivial_loss_equals_simulated_loss_of_the_best_constant(lag):
    task = ContinualReber()
    stream = draw_windows(ContinualReber(), 500, lag, 30)
    late = [part[600:] for part in stream[:3]]
    constant = late[1].mean((0, 1)).logit().expand_as(late[1])
    assert task.loss(constant, *late[1:]).item() == pytest.approx(task.trivial_loss(lag), rel=0.005)
    assert task.score(constant, *late[1:]).item() == pytest.approx(0, abs=0.03)


def test_first_or_previous_outer_symbol_scores_zero():
    task = ContinualReber()
    stream = draw_windows(ContinualReber(), 300, 6, 10)
    truth = 2 * stream.targets - 1
    first, previous = truth.clone(), truth.clone()
    for i in range(300):
        cues, before = list(letters(stream.inputs[:, i][stream.events["cue"][:, i]])), "T"
        for step, cue in zip(stream.events["due"][:, i].nonzero().flatten().tolist(), cues, strict=False):
            for outputs, symbol in ((first, cues[0]), (previous, before)):
                outputs[step, i, 1:3] = torch.tensor([1.0, -1]) if symbol == "T" else torch.tensor([-1.0, 1])
            before = cue
    late = slice(60, None)
    judged = stream.targets[late], stream.weight[late]
    assert task.score(truth[late], *judged) == 1
    assert task.solved(truth[late], *judged)
    for outputs in (first, previous):
        assert task.score(outputs[late], *judged).item() == pytest.approx(0, abs=0.06)
        assert not task.solved(outputs[late], *judged)


def test_extra_test_measures_error_free_steps_of_long_streams():
    task = ContinualReber()
    windows, measure, threshold = task.extra_tests(Generator().manual_seed(0), 5)["error_free_steps"]
    targets, weight = (torch.cat([window[i] for window in windows]) for i in (1, 2))
    inputs = torch.cat([window.inputs for window in windows])
    assert inputs.shape == (102_000, 10, 7)
    assert weight[:2000].sum() == 0
    assert (weight[2000:] == 1).all()
    assert threshold == 1000
    outputs = 2 * targets - 1
    assert measure(outputs, targets, weight) == 100_000
    outputs[2500, :5] *= -1
    outputs[2700:, 0] *= -1
    outputs[:2000] = -1  # the warm-up does not count
    assert measure(outputs, targets, weight) == (5 * 500 + 5 * 100_000) / 10
    outputs[2000] = 0  # a probability of ½ is not above ½
    assert measure(outputs, targets, weight) == 0
    legal, *_ = read(letters(inputs[:5000, 3]))  # over more than one window
    targeted = [{name for name, may in zip(NAMES, row, strict=True) if may} for row in targets[:5000, 3]]
    assert targeted == legal


def test_criterion_is_a_mean_of_1000_steps_without_an_error():
    task = ContinualReber()
    stream = draw_windows(ContinualReber(), 60, 5, 20)
    for wrong, solved in ((20, True), (21, False)):  # of 60 streams, half way: 1,200 − 600 · 20/60 = 1,000
        outputs = 2 * stream.targets - 1
        outputs[600, :wrong] *= -1
        outputs[900, :wrong] *= -1  # a later error has no effect
        assert task.error_free_steps(outputs, *stream[1:3]).item() == pytest.approx(1200 - 10 * wrong)
        assert task.solved(outputs, *stream[1:3]).item() is solved
    short = [part[:300] for part in stream[:3]]
    for wrong, solved in ((10, True), (11, False)):  # of 60 streams at their first step: a validation has 300
        outputs = 2 * short[1] - 1
        outputs[0, :wrong] *= -1
        assert task.solved(outputs, *short[1:]).item() is solved


def test_control_resets_the_model_where_a_string_starts():
    events = draw_windows(ContinualReber(), 8, 5, 1).events
    assert torch.equal(ContinualReber(reset=True).reset(events), events["start"])
    assert ContinualReber().reset(events) is None
    assert torch.equal(
        draw_windows(ContinualReber(reset=True), 8, 5, 2).inputs, draw_windows(ContinualReber(), 8, 5, 2).inputs
    )  # only the model's state is reset


def test_evaluation_judges_the_last_1200_of_1500_steps():
    batch, warm_up, windows = ContinualReber().evaluation(2000, final=True)
    assert (batch, (warm_up + windows) * 60, windows * 60) == (64, 1500, 1200)


def test_invalid_options_and_lags_raise(construct):
    with pytest.raises(ValueError, match=r"option 'reset' is 1; allowed: False, True"):
        construct(ContinualReber, reset=1)
    with pytest.raises(ValueError, match=r"lag is 4; allowed for 'continual_reber': at least 5"):
        ContinualReber().stream(Generator(), 2, 4)
