"""Rows may be sliced and concatenated at any columns."""

import pytest
import torch

from ablations.cells import Weight
from ablations.engines import choose
from tests.ablations.engines.reference_scans import assert_fused_equals_eager
from tests.ablations.engines.step_cells import StepCell, cell_from_step


class PackedLSTM(StepCell):
    """An LSTM with one matrix for all gates, whose product is sliced; `slices(rows, hidden)` returns the four gates."""

    name: str
    state = ("c", "h")
    output = "h"

    def weights(self, inputs, hidden):
        return {"W": Weight(inputs + hidden, 4 * hidden, "uniform"), "b": Weight(1, 4 * hidden, "zeros")}

    def drive(self, w, x):
        return {"x": x}

    def step(self, w, drive, state, tap):
        gates = torch.cat([drive["x"], state["h"]], -1) @ w["W"] + w["b"]
        i, f, z, o = self.slices(gates, state["h"].shape[-1])
        c = torch.sigmoid(f) * state["c"] + torch.sigmoid(i) * torch.tanh(z)
        return {"c": c, "h": torch.sigmoid(o) * torch.tanh(c)}


SLICES = {
    "chunks": lambda g, H: g.chunk(4, -1),
    "a split": lambda g, H: g.split([H, H, H, H], -1),
    "slices": lambda g, H: (g[..., :H], g[..., H : 2 * H], g[..., 2 * H : 3 * H], g[..., 3 * H :]),
    "slices from the end": lambda g, H: (g[..., -H:], g[..., :H], g[..., 2 * H : -H], g[..., H : -2 * H]),
    "slices of slices": lambda g, H: (*(g[..., : 3 * H][..., H:]).chunk(2, -1), g.narrow(-1, 0, H), g[..., 3 * H :]),
    "slices that overlap, and one that is not used": lambda g, H: (g[..., :H], g[..., :H], g[..., H : 2 * H] ** 2, 1 / (2 + g[..., :H] ** 2)),
    "a concatenation of slices": lambda g, H: (torch.tanh(torch.cat([g[..., H : 2 * H], g[..., :H]], -1) * g[..., 2 * H :])).chunk(2, -1) * 2,
}  # fmt: skip


@pytest.mark.parametrize("slices", SLICES)
@pytest.mark.parametrize("shape", [(2, 11, 30, 3, 20), (1, 4, 2, 5, 3), (2, 9, 7, 17, 33), (1, 5, 3, 16, 16)])
def test_products_may_be_sliced_and_concatenated(slices, shape):
    kind = type("Sliced", (PackedLSTM,), {"slices": staticmethod(SLICES[slices])})
    kind.name = "sliced"
    cell = kind()
    assert choose("fused", cell).name == "fused"
    assert_fused_equals_eager(cell, shape, reset=True)


def test_input_and_state_may_be_sliced_and_concatenated():
    def rotated(w, x, h):
        first, second = torch.cat([x, h], -1).split([x.shape[-1], h.shape[-1]], -1)
        return torch.tanh(second + first @ w["U"] + torch.cat([h, first], -1)[..., first.shape[-1] :] @ w["U"])

    assert_fused_equals_eager(cell_from_step(rotated), (2, 8, 5, 3, 20))


def test_weights_may_be_sliced_by_size():
    def sliced_weight(w, x, h):
        half = h.shape[-1] // 2
        return torch.tanh(x + h[..., :half] @ w["U"][..., :half, :])

    assert_fused_equals_eager(cell_from_step(sliced_weight), (2, 8, 5, 3, 21))
