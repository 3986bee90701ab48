"""Continual adding: batches checked against the definition, from inputs alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from tasks.continual_adding import ContinualAdding
from tests.tasks.batches import draw_windows


def sums(inputs: Tensor) -> list[float]:
    """The sum after every step of one stream, by the definition: reset, then mark."""
    s, after = 0.0, []
    for value, mark, reset, _ in inputs.tolist():
        if reset:
            s = 0.0
        if mark:
            s += value
        after.append(s)
    return after


@settings(max_examples=30, deadline=None)
@given(lag=st.integers(2, 300), seed=st.integers(0, 2**40))
def test_target_is_sum_since_the_last_reset(lag, seed):
    stream = draw_windows(ContinualAdding(), 2, lag, 5, seed)
    for i in range(2):
        torch.testing.assert_close(stream.targets[:, i, 0], torch.tensor(sums(stream.inputs[:, i])), atol=1e-5, rtol=0)
    assert ((stream.inputs[..., 0] >= -0.5) & (stream.inputs[..., 0] < 0.5)).all()
    for name, flag in zip(("mark", "reset", "query"), stream.inputs[..., 1:].unbind(-1), strict=True):
        assert torch.equal(flag, stream.events[name].float())
    assert torch.equal(stream.weight, stream.inputs[..., 3])


def test_reset_mark_and_query_of_one_step_apply_in_this_order():
    stream = draw_windows(ContinualAdding(), 500, 2, 5)
    both = stream.events["reset"] & stream.events["mark"] & stream.events["query"]
    assert both.any()
    torch.testing.assert_close(stream.targets[..., 0][both], stream.inputs[..., 0][both], atol=1e-6, rtol=0)
    assert (stream.targets[..., 0][stream.events["reset"] & ~stream.events["mark"]] == 0).all()


def test_sums_continue_across_windows():
    stream = draw_windows(ContinualAdding(), 2000, 50, 2)
    quiet = ~(stream.events["reset"][60] | stream.events["mark"][60])
    assert quiet.any()
    assert torch.equal(stream.targets[60][quiet], stream.targets[59][quiet])
    assert (stream.targets[59][quiet] != 0).any()


def test_flags_have_the_documented_rates_and_are_independent():
    stream = draw_windows(ContinualAdding(), 500, 20, 20)
    flags = stream.inputs[..., 1:].flatten(0, 1)
    assert flags.mean(0).tolist() == pytest.approx([0.15, 1 / 20, 0.2], abs=0.003)
    columns = torch.corrcoef(stream.inputs.flatten(0, 1).T)
    assert (columns - torch.eye(4)).abs().max() < 0.01


@pytest.mark.parametrize("lag", [2, 10, 40])
def test_variance_of_the_target_equals_the_formula(lag):
    """Var s = lag/80 in the long run, and lag/80 · (1 − (1 − 1/lag)ᵗ) t steps after the start."""
    task = ContinualAdding()
    start = draw_windows(ContinualAdding(), 20_000, lag, 1)
    for t in (1, 5, 60):
        expected = lag / 80 * (1 - (1 - 1 / lag) ** t)
        assert start.targets[t - 1].square().mean().item() == pytest.approx(expected, rel=0.1)
    late = draw_windows(ContinualAdding(), 4000, lag, 5, skip=8)
    assert task.trivial_loss(lag) == pytest.approx(lag / 80)
    outputs = torch.zeros_like(late.targets)
    assert task.loss(outputs, *late[1:3]).item() == pytest.approx(task.trivial_loss(lag), rel=0.03)
    assert task.score(outputs, *late[1:3]).item() == pytest.approx(0, abs=0.002)


def test_evaluation_judges_the_last_300_of_3000_steps():
    batch, warm_up, windows = ContinualAdding().evaluation(2000, final=True)
    assert (batch, (warm_up + windows) * 60, windows * 60) == (64, 3000, 300)
    assert ContinualAdding().evaluation(2000, final=False) == (32, 5, 5)


def test_running_sum_solves():
    task = ContinualAdding()
    stream = draw_windows(ContinualAdding(), 16, 30, 5)
    outputs = torch.tensor([sums(stream.inputs[:, i]) for i in range(16)]).T.unsqueeze(-1)
    assert task.score(outputs, *stream[1:3]).item() == pytest.approx(1, abs=1e-5)
    assert task.solved(outputs, *stream[1:3])


@pytest.mark.parametrize("lag", [10, 40])
def test_sums_without_resets_and_single_steps_score_at_most_chance(lag):
    task = ContinualAdding()
    stream = draw_windows(ContinualAdding(), 500, lag, 20)
    added = stream.inputs[..., 0] * stream.inputs[..., 1]
    late = slice(900, None)
    judged = stream.targets[late], stream.weight[late]
    assert task.score(added.cumsum(0).unsqueeze(-1)[late], *judged) < -1
    # The value of the current step is 1/lag of the variance.
    assert task.score(added.unsqueeze(-1)[late], *judged).item() == pytest.approx(1 / lag, abs=0.03)


def test_criterion_has_the_documented_threshold():
    task = ContinualAdding()
    stream = draw_windows(ContinualAdding(), 64, 20, 5)
    for share, solved in ((0.04, True), (0.06, False)):  # outputs off by a share of the variance
        outputs = stream.targets * (1 + share**0.5)
        assert task.score(outputs, *stream[1:3]).item() == pytest.approx(1 - share, abs=0.002)
        assert task.solved(outputs, *stream[1:3]).item() is solved


def test_control_resets_the_model_where_the_stream_is_reset():
    events = draw_windows(ContinualAdding(), 8, 5, 1).events
    assert torch.equal(ContinualAdding(reset=True).reset(events), events["reset"])
    members = {name: event.expand(3, -1, -1) for name, event in events.items()}
    assert ContinualAdding(reset=True).reset(members).shape == (3, 60, 8)
    assert ContinualAdding().reset(events) is None
    control = ContinualAdding(reset=True).stream(Generator().manual_seed(0), 8, 5).next()
    assert torch.equal(
        control.inputs, draw_windows(ContinualAdding(), 8, 5, 1).inputs
    )  # the same sequences; only the model's state is reset


def test_window_without_a_query_has_loss_zero():
    task = ContinualAdding()
    assert task.loss(torch.ones(60, 2, 1), torch.zeros(60, 2, 1), torch.zeros(60, 2)) == 0


def test_invalid_options_raise(construct):
    with pytest.raises(ValueError, match=r"option 'reset' is 'yes'; allowed: False, True"):
        construct(ContinualAdding, reset="yes")
