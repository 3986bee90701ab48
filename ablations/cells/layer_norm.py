"""Cells with layer normalisation: of sums over the units, at every time step, with learned gains (G) and shifts (b).

    norm(a) = (a − mean(a)) / √(variance(a) + 10⁻⁵)

Gains start at 1 and shifts where the bias does in the cell without normalisation. Controls for the claim that a gate does
no more than to keep values in range.
"""

from torch import Tensor, tanh
from torch.nn.functional import layer_norm

from ablations.cells.base import Drive, State, Tap, Weight, Weights
from ablations.cells.lstm import LSTM, seam
from ablations.cells.network import MLP
from ablations.cells.rnn import RNN


def norm(a: Tensor) -> Tensor:
    """Subtract the mean of a row and divide by its standard deviation: rows `[.., size]`."""
    return layer_norm(a, a.shape[-1:], eps=1e-5)


class LayerNormRNN(RNN):
    """Simple recurrent network with layer normalisation.

        h' = tanh(G ⊙ norm(W x + U h) + b)

    Ba, Kiros & Hinton (2016), equation 4.
    """

    name = "layer_norm_rnn"
    parent = "rnn"
    change = "layer normalisation: h' = tanh(G ⊙ norm(W x + U h) + b)"
    reference = "Ba, Kiros & Hinton 2016"

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return super().weights(inputs, hidden) | {"G": Weight(1, hidden, "ones")}

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {"h": x @ w["W"]}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        return {"h": tanh(w["G"] * norm(drive["h"] + state["h"] @ w["U"]) + w["b"])}


class LayerNormLSTM(LSTM):
    """LSTM with layer normalisation of the sums of every gate, and of the memory where it is shown.

        i  = σ(G_{xi} ⊙ norm(W_i x) + G_{hi} ⊙ norm(U_i h) + b_i)
        f  = σ(G_{xf} ⊙ norm(W_f x) + G_{hf} ⊙ norm(U_f h) + b_f)
        z  = tanh(G_{xz} ⊙ norm(W_z x) + G_{hz} ⊙ norm(U_z h) + b_z)
        o  = σ(G_{xo} ⊙ norm(W_o x) + G_{ho} ⊙ norm(U_o h) + b_o)
        h' = o ⊙ tanh(G_h ⊙ norm(c') + b_h)

    Ba, Kiros & Hinton (2016), equations 20 to 22. Two differences: each gate is normalised over its own units, not over
    those of all four gates together, so that a gate's weights affect no other gate; and the shifts of the two norms of a
    gate, which only add to its bias b, are left out.
    """

    name = "layer_norm_lstm"
    parent = "lstm"
    change = "layer normalisation of every sum, and of the memory that is shown"
    reference = "Ba, Kiros & Hinton 2016"

    def __init__(self) -> None:
        super().__init__()

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        gains = [*(f"G_{source}{g}" for source in "xh" for g in self.gates), "G_h"]
        return {
            **super().weights(inputs, hidden),
            **{name: Weight(1, hidden, "ones") for name in gains},
            "b_h": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: w[f"G_x{g}"] * norm(x @ w[f"W_{g}"]) + w[f"b_{g}"] for g in self.gates}

    def net_input(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        return drive[name] + w[f"G_h{name}"] * norm(state["h"] @ w[f"U_{name}"])

    @seam
    def expose(self, w: Weights, c_new: Tensor, o: Tensor) -> Tensor:
        return o * tanh(w["G_h"] * norm(c_new) + w["b_h"])


class LayerNormSingleNetwork(LayerNormLSTM):
    """`single_network` with layer normalisation of every sum, and of the memory that is shown.

        o  = σ(G_{xo} ⊙ norm(W_o x) + G_{ho} ⊙ norm(U_o h) + b_o)
        m  = tanh(G_m ⊙ norm(W_m x + U_m h + V_m c) + b_m)
        c' = tanh(G_c ⊙ norm(U_c m) + b_c)
        h' = o ⊙ tanh(G_h ⊙ norm(c') + b_h)

    A control: the change from `single_network` is the one from `lstm` to `layer_norm_lstm`.
    """

    name = "layer_norm_single_network"
    parent = "single_network"
    change = "layer normalisation of every sum, and of the memory that is shown"
    reference = "this project (control), after Ba, Kiros & Hinton 2016"
    decay_by = ()  # the scale of U_c has no effect

    @seam
    def remember(self, w: Weights, drive: Drive, h: Tensor, c: Tensor) -> Tensor:
        m = tanh(w["G_m"] * norm(drive["m"] + h @ w["U_m"] + c @ w["V_m"]) + w["b_m"])
        return tanh(w["G_c"] * norm(m @ w["U_c"]) + w["b_c"])

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        gains = dict.fromkeys(("G_m", "G_c"), Weight(1, hidden, "ones"))
        return super().weights(inputs, hidden) | MLP("c").weights(inputs, hidden) | gains

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return super().drive(w, x) | {"m": x @ w["W_m"]}
