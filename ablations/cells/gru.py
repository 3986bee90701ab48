"""The gated recurrent unit."""

from torch import Tensor, sigmoid, tanh

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights


class GRU(Cell):
    """Gated recurrent unit (GRU): a reset gate r, an update gate z, and no memory beside the hidden state.

        r  = σ(W_r x + U_r h + b_r)                how much of the state enters the candidate
        z  = σ(W_z x + U_z h + b_z)                how much to keep
        n  = tanh(W_n x + b_n + r ⊙ (U_n h + d_n)) the candidate
        h' = z ⊙ h + (1 − z) ⊙ n

    Cho et al. (2014), with the reset gate applied after the matrix product, as in `torch.nn.GRU` and cuDNN. z weights the
    old state, so its bias is initialised as a forget bias.
    """

    name = "gru"
    reference = "Cho et al. 2014"
    gates = ("r", "z", "n")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        bias = {"r": "zeros", "z": "forget_bias", "n": "zeros"}
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"U_{g}": Weight(hidden, hidden, "recurrent_init") for g in self.gates},
            **{f"b_{g}": Weight(1, hidden, bias[g]) for g in self.gates},
            "d_n": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        h = state["h"]
        r = tap("r", sigmoid(drive["r"] + h @ w["U_r"]))
        z = tap("z", sigmoid(drive["z"] + h @ w["U_z"]))
        n = tap("n", tanh(drive["n"] + r * (h @ w["U_n"] + w["d_n"])))
        return {"h": n + z * (h - n)}
