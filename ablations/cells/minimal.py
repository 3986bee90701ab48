"""Cells with fewer gates than the gated recurrent unit, and no memory beside the hidden state.

In `minimal_gated` and `min_gru` the gate g weights the candidate and 1 − g the old state, as in the papers. The bias of g
is therefore initialised as an `input_bias`; with the setting `chrono` it is negative.
"""

from torch import Tensor, sigmoid, tanh

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights


class MinimalGated(Cell):
    """Minimal gated unit (MGU): one gate serves as reset gate and as update gate.

        f  = σ(W_f x + U_f h + b_f)
        n  = tanh(W_n x + U_n (f ⊙ h) + b_n)
        h' = (1 − f) ⊙ h + f ⊙ n

    Zhou et al. (2016).
    """

    name = "minimal_gated"
    reference = "Zhou et al. 2016"
    gates = ("f", "n")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"U_{g}": Weight(hidden, hidden, "recurrent_init") for g in self.gates},
            "b_f": Weight(1, hidden, "input_bias"),
            "b_n": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        h = state["h"]
        f = tap("f", sigmoid(drive["f"] + h @ w["U_f"]))
        n = tap("n", tanh(drive["n"] + (f * h) @ w["U_n"]))
        return {"h": (1 - f) * h + f * n}


class JANET(Cell):
    """JANET ("just another network"): an LSTM with a forget gate only.

        s  = W_s x + U_s h + b_s
        f  = σ(s)                       how much to keep
        i  = 1 − σ(s − 1)               how much to write: a little more than 1 − f
        n  = tanh(W_n x + U_n h + b_n)
        h' = f ⊙ h + i ⊙ n

    Van der Westhuizen & Lasenby (2018), with β = 1.
    """

    name = "janet"
    reference = "van der Westhuizen & Lasenby 2018"
    gates = ("f", "i", "n")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return {
            **{f"W_{part}": Weight(inputs, hidden, "uniform") for part in ("s", "n")},
            **{f"U_{part}": Weight(hidden, hidden, "recurrent_init") for part in ("s", "n")},
            "b_s": Weight(1, hidden, "forget_bias"),
            "b_n": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {part: x @ w[f"W_{part}"] + w[f"b_{part}"] for part in ("s", "n")}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        h = state["h"]
        s = drive["s"] + h @ w["U_s"]
        f = tap("f", sigmoid(s))
        i = tap("i", 1 - sigmoid(s - 1))
        n = tap("n", tanh(drive["n"] + h @ w["U_n"]))
        return {"h": f * h + i * n}


class MinGRU(Cell):
    """minGRU: the gate and the candidate depend on the input alone, so the recurrence is linear in the state.

        z  = σ(W_z x + b_z)             how much to write
        n  = W_n x + b_n
        h' = (1 − z) ⊙ h + z ⊙ n

    Feng et al. (2024).
    """

    name = "min_gru"
    reference = "Feng et al. 2024"
    gates = ("z", "n")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            "b_z": Weight(1, hidden, "input_bias"),
            "b_n": Weight(1, hidden, "zeros"),
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        z = tap("z", sigmoid(drive["z"]))
        n = tap("n", drive["n"])
        return {"h": (1 - z) * state["h"] + z * n}


class MinLSTM(MinGRU):
    """minLSTM: a forget gate and an input gate, divided by their sum, in place of one gate.

        f  = σ(W_f x + b_f)             how much to keep
        i  = σ(W_i x + b_i)             how much to write
        h' = f / (f + i) ⊙ h + i / (f + i) ⊙ n

    Feng et al. (2024), with normalised gates, so that the scale of h does not depend on time.
    """

    name = "min_lstm"
    parent = "min_gru"
    change = "two gates, divided by their sum: f / (f + i) and i / (f + i)"
    reference = "Feng et al. 2024"
    gates = ("f", "i", "n")

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        bias = {"f": "forget_bias", "i": "input_bias", "n": "zeros"}
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"b_{g}": Weight(1, hidden, bias[g]) for g in self.gates},
        }

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        f = tap("f", sigmoid(drive["f"]))
        i = tap("i", sigmoid(drive["i"]))
        n = tap("n", drive["n"])
        return {"h": (f * state["h"] + i * n) / (f + i)}
