"""The plain recurrent network."""

import torch
from torch import Tensor

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights


class RNN(Cell):
    """The simple recurrent network: one layer computes the new state from the input and the old one.

        h' = tanh(W x + U h + b)

    Elman (1990), as in `torch.nn.RNN`.
    """

    name = "rnn"
    reference = "Elman 1990"

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return {
            "W": Weight(inputs, hidden, "uniform"),
            "U": Weight(hidden, hidden, "recurrent_init"),
            "b": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {"h": x @ w["W"] + w["b"]}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        return {"h": torch.tanh(drive["h"] + state["h"] @ w["U"])}
