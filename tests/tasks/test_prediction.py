"""What all tasks of next-symbol prediction share."""

import pytest
import torch

from tasks.counting import Counting
from tasks.prediction import best_constant_loss
from tests.tasks.batches import draw


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_step_is_correct_if_all_symbols_are(wrong):
    task = Counting()
    batch = draw(task, 5, 3)
    outputs = (2 * batch.targets - 1) * 0.01
    assert task.correct(outputs, batch.targets).all()
    outputs[2, 1, wrong] *= -1
    right = task.correct(outputs, batch.targets)
    assert not right[2, 1]
    assert right.sum() == right.numel() - 1
    outputs[2, 1, wrong] = torch.nan
    assert torch.equal(task.correct(outputs, batch.targets), right)


def test_loss_is_the_binary_cross_entropy_summed_over_symbols():
    task = Counting()
    targets, weight = torch.tensor([[[1.0, 1, 0]]]), torch.ones(1, 1)
    outputs = torch.tensor([[[2.0, -1, 0.5]]])
    p = 1 / (1 + torch.exp(-outputs[0, 0]))
    expected = -(p[0].log() + p[1].log() + (1 - p[2]).log())
    assert task.loss(outputs, targets, weight).item() == pytest.approx(expected.item(), rel=1e-6)


def test_best_constant_loss_is_the_minimum_over_constants():
    targets = (torch.arange(10).unsqueeze(1) < torch.tensor([2, 5, 9])).float()
    losses = [
        Counting().loss(torch.full((10, 1, 3), p).logit(), targets.unsqueeze(1), torch.ones(10, 1)).item()
        for p in (0.2, 0.5, 0.9)
    ]
    best = targets.mean(0).logit().expand(10, 1, 3)
    loss = Counting().loss(best, targets.unsqueeze(1), torch.ones(10, 1)).item()
    assert best_constant_loss(targets.mean(0)) == pytest.approx(loss, rel=1e-6)
    assert loss < min(losses)
