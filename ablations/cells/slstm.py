"""The sLSTM of xLSTM."""

from torch import Tensor, exp, maximum, sigmoid, tanh
from torch.nn.functional import logsigmoid

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights, check_option


class SLSTM(Cell):
    """sLSTM: an LSTM with exponential gates; the memory c is divided by n, the sum of the weights of what was written.

        i  = W_i x + U_i h + b_i              logarithm of the input gate
        f  = log σ(W_f x + U_f h + b_f)       logarithm of the forget gate
        z  = tanh(W_z x + U_z h + b_z)        what to write
        o  = σ(W_o x + U_o h + b_o)           how much to show
        m' = max(f + m, i)                    stabiliser
        c' = exp(f + m − m') ⊙ c + exp(i − m') ⊙ z
        n' = exp(f + m − m') ⊙ n + exp(i − m')
        h' = o ⊙ c' / n'

    Beck et al. (2024), with one head: U is not block-diagonal. In real numbers, h does not depend on m, which keeps the
    exponentials at most 1. As the input gate exp(i) may be too large for a floating-point number, `i` and `f` are recorded and
    overridden as logarithms. With the option `forget = "exp"`, f = W_f x + U_f h + b_f.
    """

    name = "slstm"
    reference = "Beck et al. 2024"
    state = ("h", "c", "n", "m")
    gates = ("i", "f", "z", "o")

    def __init__(self, *, forget: str = "sigmoid") -> None:
        """`forget`: the forget gate is a sigmoid or an exponential function: sigmoid or exp."""
        check_option("forget", forget, forget in ("sigmoid", "exp"), "'sigmoid', 'exp'")
        self.forget = forget

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        bias = {"i": "input_bias", "f": "forget_bias", "z": "zeros", "o": "zeros"}
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"U_{g}": Weight(hidden, hidden, "recurrent_init") for g in self.gates},
            **{f"b_{g}": Weight(1, hidden, bias[g]) for g in self.gates},
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        h, m = state["h"], state["m"]
        i = tap("i", drive["i"] + h @ w["U_i"])
        f = drive["f"] + h @ w["U_f"]
        f = tap("f", logsigmoid(f) if self.forget == "sigmoid" else f)
        z = tap("z", tanh(drive["z"] + h @ w["U_z"]))
        o = tap("o", sigmoid(drive["o"] + h @ w["U_o"]))
        m_new = maximum(f + m, i)
        keep, write = exp(f + m - m_new), exp(i - m_new)
        c, n = keep * state["c"] + write * z, keep * state["n"] + write
        return {"h": o * c / n, "c": c, "n": n, "m": m_new}
