"""Variants of the LSTM that remove or add one part, after Greff et al. (2017).

Their baseline has peepholes: the option `peephole` turns a variant into exactly theirs.
"""

from torch import Tensor, tanh

from ablations.cells.base import Drive, State, Weight, Weights
from ablations.cells.lstm import LSTM


class LSTMNoForget(LSTM):
    """LSTM without a forget gate (1997).

        c' = c + i ⊙ z

    Hochreiter & Schmidhuber (1997); Greff et al. (2017), NFG.
    """

    name = "lstm_no_forget"
    parent = "lstm"
    change = "no forget gate: c' = c + i ⊙ z"
    reference = "Hochreiter & Schmidhuber 1997"

    def remember(self, c: Tensor, i: Tensor, z: Tensor) -> Tensor:
        return c + i * z


class LSTMNoInput(LSTM):
    """LSTM without an input gate.

        c' = f ⊙ c + z

    Greff et al. (2017), NIG.
    """

    name = "lstm_no_input"
    parent = "lstm"
    change = "no input gate: c' = f ⊙ c + z"
    reference = "Greff et al. 2017"

    def remember(self, c: Tensor, f: Tensor, z: Tensor) -> Tensor:
        return f * c + z


class LSTMCoupled(LSTM):
    """LSTM with coupled input and forget gates: the input gate is 1 − f.

        c' = f ⊙ c + (1 − f) ⊙ z

    Greff et al. (2017), CIFG.
    """

    name = "lstm_coupled"
    parent = "lstm"
    change = "the input gate is 1 − f"
    reference = "Greff et al. 2017"

    def remember(self, c: Tensor, f: Tensor, z: Tensor) -> Tensor:
        return f * c + (1 - f) * z


class LSTMNoOutput(LSTM):
    """LSTM without an output gate.

        h' = tanh(c')

    Greff et al. (2017), NOG.
    """

    name = "lstm_no_output"
    parent = "lstm"
    change = "no output gate: h' = tanh(c')"
    reference = "Greff et al. 2017"

    def expose(self, c_new: Tensor) -> Tensor:
        return tanh(c_new)


class LSTMNoOutputTanh(LSTM):
    """LSTM without the output activation function.

        h' = o ⊙ c'

    Greff et al. (2017), NOAF.
    """

    name = "lstm_no_output_tanh"
    parent = "lstm"
    change = "no output activation: h' = o ⊙ c'"
    reference = "Greff et al. 2017"

    def expose(self, c_new: Tensor, o: Tensor) -> Tensor:
        return o * c_new


class LSTMNoCandidateTanh(LSTM):
    """LSTM without the input activation function: the candidate z is linear.

        z  = W_z x + U_z h + b_z

    Greff et al. (2017), NIAF.
    """

    name = "lstm_no_candidate_tanh"
    parent = "lstm"
    change = "no input activation: z is linear"
    reference = "Greff et al. 2017"

    def gate(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        return self.net_input(name, w, drive, state) if name == "z" else super().gate(name, w, drive, state)


class LSTMPeephole(LSTM):
    """LSTM with peephole connections: i and f receive the old memory, o the new memory.

        i  = σ(W_i x + U_i h + P_i ⊙ c + b_i)
        f  = σ(W_f x + U_f h + P_f ⊙ c + b_f)
        o  = σ(W_o x + U_o h + P_o ⊙ c' + b_o)

    Gers, Schraudolph & Schmidhuber (2002). The P start at 0, where the cell equals the LSTM.
    """

    name = "lstm_peephole"
    parent = "lstm"
    change = "peepholes: the gates receive the memory c"
    reference = "Gers, Schraudolph & Schmidhuber 2002"

    def __init__(self) -> None:
        super().__init__(peephole=True)


class LSTMFullRecurrence(LSTMPeephole):
    """LSTM with full gate recurrence: i, f and o receive the previous i, f and o, which are part of the state.

        i' = σ(W_i x + U_i h + P_i ⊙ c + R_ii i + R_fi f + R_oi o + b_i)
        f' = σ(W_f x + U_f h + P_f ⊙ c + R_if i + R_ff f + R_of o + b_f)
        o' = σ(W_o x + U_o h + P_o ⊙ c' + R_io i + R_fo f + R_oo o + b_o)
        c' = f' ⊙ c + i' ⊙ z
        h' = o' ⊙ tanh(c')

    Greff et al. (2017), FGR, after Hochreiter & Schmidhuber (1997). The R start near 0, where
    the cell equals its parent.
    """

    name = "lstm_full_recurrence"
    parent = "lstm_peephole"
    change = "the gates receive the previous gates"
    reference = "Greff et al. 2017"
    state = ("h", "c", "i", "f", "o")

    def gate(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        if name == "z":
            return super().gate(name, w, drive, state)
        net = self.net_input(name, w, drive, state)
        for other in ("i", "f", "o"):
            net = net + state[other] @ w[f"R_{other}{name}"]
        return self.activation[name](net)

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        pairs = [f"R_{other}{name}" for name in ("i", "f", "o") for other in ("i", "f", "o")]
        return super().weights(inputs, hidden) | dict.fromkeys(pairs, Weight(hidden, hidden, "near_zero"))
