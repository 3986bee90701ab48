"""The comparison of batches that the checks of tasks use."""

import pytest
import torch

from ablations.contract.judging import same
from tasks.base import Batch


def batch(value: float = 0.0, **events: bool) -> Batch:
    steps = torch.full((3, 2, 1), value)
    marks = {name: torch.full((3, 2), mark) for name, mark in events.items()}
    return Batch(inputs=steps, targets=steps, weight=torch.ones(3, 2), events=marks)


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        (batch(cue=True), True),
        (batch(cue=False), False),
        (batch(query=True), False),
        (batch(cue=True, query=True), False),
        (batch(), False),
        (batch(1.0, cue=True), False),
    ],
)
def test_batches_are_the_same_with_their_tensors_and_events(other: Batch, equal: bool) -> None:
    assert same(batch(cue=True), other) is equal
    assert same(other, batch(cue=True)) is equal
