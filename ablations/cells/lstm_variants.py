"""The LSTM with one part less, or one more: the variants of Greff et al. (2017), each a single override.

The study's own baseline has peepholes: give any of these the option `peephole` to have its very variant.
"""

from torch import Tensor, tanh

from ablations.cells.base import Drive, State, Weight, Weights
from ablations.cells.lstm import LSTM


class LSTMNoForget(LSTM):
    """The LSTM of 1997: what is written stays.

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
    """Whatever comes is written.

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
    """What is forgotten is what is written.

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
    """The whole memory is shown.

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
    """The memory is shown without being squashed.

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
    """What is written is not squashed.

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
    """The gates see the memory: i and f the old one, o the new one.

        i  = σ(W_i x + U_i h + P_i ⊙ c + b_i)
        f  = σ(W_f x + U_f h + P_f ⊙ c + b_f)
        o  = σ(W_o x + U_o h + P_o ⊙ c' + b_o)

    Gers, Schraudolph & Schmidhuber (2002). Peepholes start at 0, where the cell is the LSTM.
    """

    name = "lstm_peephole"
    parent = "lstm"
    change = "the gates see the memory c"
    reference = "Gers, Schraudolph & Schmidhuber 2002"

    def __init__(self) -> None:
        super().__init__(peephole=True)


class LSTMFullRecurrence(LSTMPeephole):
    """The gates also see all gates of the step before, which are therefore parts of the state.

        i' = σ(W_i x + U_i h + P_i ⊙ c + R_ii i + R_fi f + R_oi o + b_i)
        f' = σ(W_f x + U_f h + P_f ⊙ c + R_if i + R_ff f + R_of o + b_f)
        o' = σ(W_o x + U_o h + P_o ⊙ c' + R_io i + R_fo f + R_oo o + b_o)
        c' = f' ⊙ c + i' ⊙ z
        h' = o' ⊙ tanh(c')

    Greff et al. (2017), FGR, after Hochreiter & Schmidhuber (1997). The R start near 0, where the cell is its parent.
    """

    name = "lstm_full_recurrence"
    parent = "lstm_peephole"
    change = "the gates see the previous gates"
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
