"""Cells in which a network (an MLP) replaces gates.

They test two alternatives: one network computes the new memory (`single_network` and its variants), or a network computes
the hidden state from the new memory (`lstm_network_readout`).
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
    """An MLP of the input, the hidden state and the memory, with `depth` hidden layers of `width` · H units:

    m = tanh(W_m x + U_m h + V_m c + b_m)
    m = tanh(U_m2 m + b_m2)    for each further layer
    y = U_y m + b_y            H values; y is the letter `output`

    With `keep`, V_m, U_m2, …, U_y start as the identity, and W_m and U_m near 0: y ≈ c where c is small.
    """

    output: str
    depth: int = 1
    width: int = 1
    keep: bool = False

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        units = self.width * hidden
        sources, path = ("near_zero", "identity") if self.keep else ("recurrent_init", "recurrent_init")
        deeper = {}
        for layer in range(2, self.depth + 1):
            deeper[f"U_m{layer}"] = Weight(units, units, path)
            deeper[f"b_m{layer}"] = Weight(1, units, "zeros")
        return {
            "W_m": Weight(inputs, units, "near_zero" if self.keep else "uniform"),
            "U_m": Weight(hidden, units, sources),
            "V_m": Weight(hidden, units, path),
            "b_m": Weight(1, units, "zeros"),
            **deeper,
            f"U_{self.output}": Weight(units, hidden, path),
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
    """LSTM in which one MLP computes the new memory from the input, the hidden state and the old memory.

        m  = tanh(W_m x + U_m h + V_m c + b_m)
        c' = tanh(U_c m + b_c)

    The hidden state is computed as in the LSTM, so the memory update is the only difference.
    """

    name = "single_network"
    parent = "lstm"
    change = "one network computes the new memory: c' = MLP(x, h, c)"
    reference = "this project"
    decay_by = ("V_m", "U_c")

    def __init__(
        self,
        *,
        peephole: bool = False,
        depth: int = 1,
        width: int = 1,
        activation: str = "tanh",
        keep: bool = False,
    ) -> None:
        """`peephole`: the output gate receives the new memory. `depth`: hidden layers m. `width`: units of each, in
        multiples of H. `activation`: the activation function of the new memory: tanh, sigmoid, relu or linear. `keep`: whether
        the initial weights keep the memory, c' ≈ c (see `MLP`)."""
        super().__init__(peephole=peephole)
        for option, value in (("depth", depth), ("width", width)):
            check_option(option, value, type(value) is int and 1 <= value <= 16, "whole numbers from 1 to 16")
        check_option(
            "activation",
            activation,
            isinstance(activation, str) and activation in ACTIVATIONS,
            ", ".join(map(repr, ACTIVATIONS)),
        )
        check_option("keep", keep, isinstance(keep, bool), "true and false")
        self.network = MLP("c", depth, width, keep)
        self.activation_name = activation

    def remember(self, w: Weights, drive: Drive, h: Tensor, c: Tensor) -> Tensor:
        return ACTIVATIONS[self.activation_name](self.network(w, drive, h, c))

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return super().weights(inputs, hidden) | self.network.weights(inputs, hidden)

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return super().drive(w, x) | self.network.drive(w, x)


class SingleNetworkSigmoid(SingleNetwork):
    """`single_network` with a sigmoid as its last activation function.

        c' = σ(U_c m + b_c)

    The new memory lies in (0, 1), as the value of a gate does.
    """

    name = "single_network_sigmoid"
    parent = "single_network"
    change = "σ in place of tanh: c' = σ(U_c m + b_c)"
    reference = "this project"

    def __init__(self, *, peephole: bool = False, depth: int = 1, width: int = 1) -> None:
        """Options as in `single_network`."""
        super().__init__(peephole=peephole, depth=depth, width=width, activation="sigmoid")


class SingleNetworkResidual(SingleNetwork):
    """`single_network` with a residual connection: the MLP's output is added to the memory, without gates.

        c' = c + U_c m + b_c

    A control. U_c starts near 0, where the memory is constant.
    """

    name = "single_network_residual"
    parent = "single_network"
    change = "the network is added to the memory: c' = c + MLP(x, h, c)"
    reference = "this project (control)"

    def __init__(self, *, peephole: bool = False, depth: int = 1, width: int = 1) -> None:
        """Options as in `single_network`."""
        super().__init__(peephole=peephole, depth=depth, width=width, activation="linear")

    def remember(self, w: Weights, drive: Drive, h: Tensor, c: Tensor) -> Tensor:
        return c + super().remember(w, drive, h, c)

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        weights = super().weights(inputs, hidden)
        return weights | {"U_c": weights["U_c"]._replace(initialiser="near_zero")}


class LSTMSigmoidCell(LSTM):
    """LSTM in which σ(c') scales n, a candidate for the hidden state.

        n  = tanh(W_n x + U_n h + b_n)    what to show
        h' = n ⊙ σ(c')

    Compared with the LSTM's o ⊙ tanh(c'), σ and tanh are swapped.
    """

    name = "lstm_sigmoid_cell"
    parent = "lstm"
    change = "σ(c') scales a candidate for the hidden state: h' = n ⊙ σ(c')"
    reference = "this project"

    @seam
    def expose(self, c_new: Tensor, n: Tensor) -> Tensor:
        return n * sigmoid(c_new)


class LSTMNetworkReadout(LSTMSigmoidCell):
    """LSTM in which an MLP computes the hidden state from the input, the old hidden state and the new memory.

        m  = tanh(W_m x + U_m h + V_m c' + b_m)
        h' = tanh(U_h m + b_h)

    The MLP is that of `single_network`, with the new memory in place of the old.
    """

    name = "lstm_network_readout"
    parent = "lstm_sigmoid_cell"
    change = "one network computes the hidden state: h' = MLP(x, h, c')"
    reference = "this project"
    network = MLP("h")

    def expose(self, w: Weights, drive: Drive, h: Tensor, c_new: Tensor) -> Tensor:
        return tanh(self.network(w, drive, h, c_new))

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return super().weights(inputs, hidden) | self.network.weights(inputs, hidden)

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return super().drive(w, x) | self.network.drive(w, x)
