"""Cells in which a network takes the place of gates: the two questions this project started from.

Why not let one network compute the new memory (`single_network` and what answers to it), and why not feed the new memory
into a network that computes the hidden state (`lstm_network_readout`)?
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, relu, sigmoid, tanh

from ablations.cells.base import Drive, Weight, Weights, check_option
from ablations.cells.lstm import LSTM, seam

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "linear": lambda value: value,
}


class MLP(NamedTuple):
    """A network of the input, the hidden state and the memory, with `depth` hidden layers of `width` · H units:

    m = tanh(W_m x + U_m h + V_m c + b_m)
    m = tanh(U_m2 m + b_m2)    and so on, up to the depth
    y = U_y m + b_y            H values; y is the `output`'s letter
    """

    output: str
    depth: int = 1
    width: int = 1

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        units = self.width * hidden
        deeper = {}
        for layer in range(2, self.depth + 1):
            deeper[f"U_m{layer}"] = Weight(units, units, "recurrent_init")
            deeper[f"b_m{layer}"] = Weight(1, units, "zeros")
        return {
            "W_m": Weight(inputs, units, "uniform"),
            "U_m": Weight(hidden, units, "recurrent_init"),
            "V_m": Weight(hidden, units, "recurrent_init"),
            "b_m": Weight(1, units, "zeros"),
            **deeper,
            f"U_{self.output}": Weight(units, hidden, "recurrent_init"),
            f"b_{self.output}": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {"m": x @ w["W_m"] + w["b_m"]}

    def __call__(self, w: Weights, drive: Drive, h: Tensor, c: Tensor) -> Tensor:
        m = tanh(drive["m"] + h @ w["U_m"] + c @ w["V_m"])
        for layer in range(2, self.depth + 1):
            m = tanh(m @ w[f"U_m{layer}"] + w[f"b_m{layer}"])
        return m @ w[f"U_{self.output}"] + w[f"b_{self.output}"]


class SingleNetwork(LSTM):
    """Why not let one network take the input, the hidden state and the old memory, and compute the new memory?

        m  = tanh(W_m x + U_m h + V_m c + b_m)
        c' = tanh(U_c m + b_c)

    The memory is shown as in the LSTM, so that the update is the only difference.
    """

    name = "single_network"
    parent = "lstm"
    change = "one network computes the new memory: c' = MLP(x, h, c)"
    reference = "the question this project asks"
    decay_by = ("V_m", "U_c")

    def __init__(self, *, peephole: bool = False, depth: int = 1, width: int = 1, activation: str = "tanh") -> None:
        """`peephole`: the output gate sees the new memory. `depth`: hidden layers m. `width`: units of each, in
        multiples of H. `activation`: what squashes the new memory: tanh, sigmoid, relu or linear."""
        super().__init__(peephole=peephole)
        for option, value in (("depth", depth), ("width", width)):
            check_option(option, value, type(value) is int and 1 <= value <= 16, "whole numbers from 1 to 16")
        check_option(
            "activation",
            activation,
            isinstance(activation, str) and activation in ACTIVATIONS,
            ", ".join(map(repr, ACTIVATIONS)),
        )
        self.network = MLP("c", depth, width)
        self.squash = activation

    def remember(self, w: Weights, drive: Drive, h: Tensor, c: Tensor) -> Tensor:
        return ACTIVATIONS[self.squash](self.network(w, drive, h, c))

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return super().weights(inputs, hidden) | self.network.weights(inputs, hidden)

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return super().drive(w, x) | self.network.drive(w, x)


class SingleNetworkSigmoid(SingleNetwork):
    """One network with a sigmoid at its end.

        c' = σ(U_c m + b_c)

    An answer to the question: "it would have to be one network with a sigmoid".
    """

    name = "single_network_sigmoid"
    parent = "single_network"
    change = "the new memory is squashed by σ in place of tanh"
    reference = "an answer to the question this project asks"

    def __init__(self, *, peephole: bool = False, depth: int = 1, width: int = 1) -> None:
        """Options as in `single_network`."""
        super().__init__(peephole=peephole, depth=depth, width=width, activation="sigmoid")


class SingleNetworkResidual(SingleNetwork):
    """The network computes what is added to the memory: the additive path without gates.

        c' = c + U_c m + b_c

    A control. U_c starts near 0, so that the memory starts as one that keeps.
    """

    name = "single_network_residual"
    parent = "single_network"
    change = "the network is added to the memory: c' = c + MLP(x, h, c)"
    reference = "control"

    def __init__(self, *, peephole: bool = False, depth: int = 1, width: int = 1) -> None:
        """Options as in `single_network`."""
        super().__init__(peephole=peephole, depth=depth, width=width, activation="linear")

    def remember(self, w: Weights, drive: Drive, h: Tensor, c: Tensor) -> Tensor:
        return c + super().remember(w, drive, h, c)

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        weights = super().weights(inputs, hidden)
        return weights | {"U_c": weights["U_c"]._replace(initialiser="near_zero")}


class LSTMSigmoidCell(LSTM):
    """The memory scales a hidden state that has a network of its own.

        n  = tanh(W_n x + U_n h + b_n)    what to show
        h' = n ⊙ σ(c')

    The form in the question: beside the LSTM's o ⊙ tanh(c'), it swaps which factor is squashed how.
    """

    name = "lstm_sigmoid_cell"
    parent = "lstm"
    change = "the memory scales a hidden state of its own network: h' = n ⊙ σ(c')"
    reference = "the question this project asks"

    @seam
    def expose(self, c_new: Tensor, n: Tensor) -> Tensor:
        return n * sigmoid(c_new)


class LSTMNetworkReadout(LSTMSigmoidCell):
    """Why not feed the new memory into a network that computes the hidden state?

        m  = tanh(W_m x + U_m h + V_m c' + b_m)
        h' = tanh(U_h m + b_h)

    The network is that of `single_network`, with the new memory in place of the old.
    """

    name = "lstm_network_readout"
    parent = "lstm_sigmoid_cell"
    change = "a network shows the memory: h' = MLP(x, h, c')"
    reference = "the question this project asks"
    network = MLP("h")

    def expose(self, w: Weights, drive: Drive, h: Tensor, c_new: Tensor) -> Tensor:
        return tanh(self.network(w, drive, h, c_new))

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return super().weights(inputs, hidden) | self.network.weights(inputs, hidden)

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return super().drive(w, x) | self.network.drive(w, x)
