"""Recurrent networks without gates."""

import torch
from torch import Tensor

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights


class RNN(Cell):
    """Simple recurrent network (Elman network).

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


class IdentityRNN(Cell):
    """Recurrent network of rectified linear units whose recurrent matrix starts as the identity (IRNN).

        h' = relu(W x + U h + b)

    Le, Jaitly & Hinton (2015). U starts as the identity, b at 0 and W near 0 (in the paper, W is normally distributed
    with standard deviation 0.001).
    """

    name = "identity_rnn"
    reference = "Le, Jaitly & Hinton 2015"

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return {
            "W": Weight(inputs, hidden, "near_zero"),
            "U": Weight(hidden, hidden, "identity"),
            "b": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {"h": x @ w["W"] + w["b"]}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        return {"h": torch.relu(drive["h"] + state["h"] @ w["U"])}
