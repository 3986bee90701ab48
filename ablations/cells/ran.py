"""The recurrent additive network."""

from torch import Tensor

from ablations.cells.base import Drive, State, Weight, Weights, check_option
from ablations.cells.lstm_variants import LSTMNoOutput
from ablations.cells.network import ACTIVATIONS


class RAN(LSTMNoOutput):
    """Recurrent additive network (RAN): what is written is a linear function of the input alone.

        z  = W_z x

    Lee, Levy & Zettlemoyer (2017). The memory is a sum of inputs, weighted by the gates; only the gates receive h. With the
    option `activation = "linear"`, h' = c'.
    """

    name = "ran"
    parent = "lstm_no_output"
    change = "the candidate is a linear function of the input alone: z = W_z x"
    reference = "Lee, Levy & Zettlemoyer 2017"

    def __init__(self, *, peephole: bool = False, activation: str = "tanh") -> None:
        """`peephole`: as in the LSTM. `activation`: the function g of h' = g(c'): tanh or linear."""
        super().__init__(peephole=peephole)
        check_option("activation", activation, activation in ("tanh", "linear"), "'tanh', 'linear'")
        self.activation_name = activation

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        absent = ("U_z", "b_z")
        return {name: weight for name, weight in super().weights(inputs, hidden).items() if name not in absent}

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {"z": x @ w["W_z"], **{g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in ("i", "f")}}

    def gate(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        return drive["z"] if name == "z" else super().gate(name, w, drive, state)

    def expose(self, c_new: Tensor) -> Tensor:
        return ACTIVATIONS[self.activation_name](c_new)
