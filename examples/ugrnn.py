"""An example of a user-defined cell: `whygates sweep examples/own.toml --plugin examples/ugrnn.py --plugin examples/delayed_match.py`."""

from torch import Tensor, sigmoid, tanh

from ablations.cells import Cell, Drive, State, Tap, Weight, Weights


class UGRNN(Cell):
    """Update gate recurrent network (UGRNN): a GRU without the reset gate.

        z  = σ(W_z x + U_z h + b_z)       how much to keep
        n  = tanh(W_n x + U_n h + b_n)    the candidate
        h' = z ⊙ h + (1 − z) ⊙ n

    Collins, Sohl-Dickstein & Sussillo (2017), where z is called g and n is called c.
    """

    name = "ugrnn"
    parent = "gru"
    change = "no reset gate"
    reference = "Collins, Sohl-Dickstein & Sussillo 2017"
    gates = ("z", "n")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        bias = {"z": "forget_bias", "n": "zeros"}
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"U_{g}": Weight(hidden, hidden, "recurrent_init") for g in self.gates},
            **{f"b_{g}": Weight(1, hidden, bias[g]) for g in self.gates},
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        h = state["h"]
        z = tap("z", sigmoid(drive["z"] + h @ w["U_z"]))
        n = tap("n", tanh(drive["n"] + h @ w["U_n"]))
        return {"h": n + z * (h - n)}
