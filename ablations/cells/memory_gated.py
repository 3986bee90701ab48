"""A gated memory without a hidden state."""

from torch import Tensor, sigmoid

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights


class MemoryGated(Cell):
    """Gated memory without a hidden state: gates and candidate are computed from the input and the memory.

        r  = σ(W_r x + U_r c + b_r)         M_R: how much to write
        f  = σ(W_f x + U_f c + b_f)         M_F: how much to keep
        z  = W_z x + U_z c + b_z            M_in: what to write
        c' = f ⊙ c + r ⊙ z

    The form in which gates are introduced in teaching; no paper. Each M is a matrix on [x, c], here split into W and U. The
    output matrix M_out of that form is the network's readout. The candidate z is linear, so U_z starts near 0: otherwise
    the memory could grow by a factor of up to f + r at every step.
    """

    name = "memory_gated"
    reference = "form used in teaching, no paper"
    state = ("c",)
    output = "c"
    gates = ("r", "f", "z")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        recurrent = {"r": "recurrent_init", "f": "recurrent_init", "z": "near_zero"}
        bias = {"r": "input_bias", "f": "forget_bias", "z": "zeros"}
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"U_{g}": Weight(hidden, hidden, recurrent[g]) for g in self.gates},
            **{f"b_{g}": Weight(1, hidden, bias[g]) for g in self.gates},
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        c = state["c"]
        r = tap("r", sigmoid(drive["r"] + c @ w["U_r"]))
        f = tap("f", sigmoid(drive["f"] + c @ w["U_f"]))
        z = tap("z", drive["z"] + c @ w["U_z"])
        return {"c": f * c + r * z}
