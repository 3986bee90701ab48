"""Cells in which a network takes the place of gates: the two questions this project started from."""

# A seam's signature says what it needs, so it differs from its parent's.
# pyright: reportIncompatibleMethodOverride=false

from torch import Tensor, tanh

from ablations.cells.base import Drive, Weight, Weights
from ablations.cells.lstm import LSTM


class SingleNetwork(LSTM):
    """Why not let one network take the input, the hidden state and the old memory, and compute the new memory?

        m  = tanh(W_m x + U_m h + V_m c + b_m)
        c' = tanh(U_c m + b_c)
        o  = σ(W_o x + U_o h + b_o)
        h' = o ⊙ tanh(c')

    The memory is shown as in the LSTM, so that the update is the only difference.
    """

    name = "single_network"
    parent = "lstm"
    change = "one network computes the new memory: c' = MLP(x, h, c)"
    reference = "the question this project asks"

    def remember(self, w: Weights, drive: Drive, h: Tensor, c: Tensor) -> Tensor:
        m = tanh(drive["m"] + h @ w["U_m"] + c @ w["V_m"])
        return tanh(m @ w["U_c"] + w["b_c"])

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return super().weights(inputs, hidden) | {
            "W_m": Weight(inputs, hidden, "uniform"),
            "U_m": Weight(hidden, hidden, "recurrent_init"),
            "V_m": Weight(hidden, hidden, "recurrent_init"),
            "b_m": Weight(1, hidden, "zeros"),
            "U_c": Weight(hidden, hidden, "recurrent_init"),
            "b_c": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return super().drive(w, x) | {"m": x @ w["W_m"] + w["b_m"]}
