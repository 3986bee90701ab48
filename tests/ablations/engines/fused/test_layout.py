"""State parts of different sizes."""

import pytest
import torch

from ablations.cells import Cell, Weight, catalogue
from ablations.engines.fused.layout import size_names
from ablations.engines.fused.plan import plan
from ablations.engines.fused.trace import trace
from tests.ablations.engines.reference_scans import assert_fused_equals_eager


class Uneven(Cell):
    """Two state parts of different sizes; the smaller one is the output."""

    name: str
    state = ("m", "h")
    output = "h"

    def state_sizes(self, hidden):
        return {"m": 2 * hidden, "h": hidden}

    def weights(self, inputs, hidden):
        return {
            "W": Weight(inputs, 2 * hidden, "uniform"),
            "U": Weight(hidden, 2 * hidden, "uniform"),
            "V": Weight(2 * hidden, hidden, "uniform"),
            "b": Weight(1, hidden, "zeros"),
        }

    def drive(self, w, x):
        return {"m": x @ w["W"]}

    def step(self, w, drive, state, tap):
        m = 0.9 * state["m"] + torch.tanh(drive["m"] + state["h"] @ w["U"])
        return {"m": m, "h": torch.tanh(m @ w["V"] + w["b"])}


Uneven.name = "uneven"


@pytest.mark.parametrize("shape", [(2, 10, 30, 3, 20), (3, 9, 5, 2, 16)])
def test_state_parts_may_differ_in_size(shape):
    assert_fused_equals_eager(Uneven(), shape, reset=True)


def test_a_kernel_gets_the_sizes_of_input_state_and_weights():
    assert size_names(plan(trace(Uneven()))) == ["I", "N5", "H"]
    assert size_names(plan(trace(catalogue()["lstm"]()))) == ["I", "H"]
