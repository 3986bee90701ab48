"""Cells in which one network computes the new memory."""

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.cells.initial import initialise


@pytest.mark.parametrize("options", [{}, {"depth": 3}, {"width": 2}])
def test_a_single_network_that_starts_by_keeping_hardly_changes_a_small_memory(options):
    def change(keep: bool) -> float:
        cell = catalogue()["single_network"](keep=keep, **options)
        w = initialise(cell.weights(3, 6), {}, 50, Generator().manual_seed(0))
        state = {"h": torch.zeros(1, 6), "c": torch.full((1, 6), 0.05)}
        after = cell.step(w, cell.drive(w, torch.zeros(1, 3)), state, lambda _, value: value)
        return ((after["c"] - state["c"]).norm() / state["c"].norm()).item()

    assert change(keep=True) < 0.01
    assert change(keep=False) > 0.5
