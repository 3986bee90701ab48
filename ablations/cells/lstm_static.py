"""LSTMs whose gates are learned constants: controls for gates that depend on the data."""

from typing import ClassVar

import torch
from torch import Tensor, sigmoid

from ablations.cells.base import Drive, State, Weight, Weights, check_option
from ablations.cells.lstm import LSTM


class LSTMStaticLeak(LSTM):
    """LSTM whose forget gate is a learned constant per unit.

        f  = σ(b_f)

    A control. With `leak = 0.9` it is the control of Gers, Schmidhuber & Cummins (2000): f = 0.9, fixed, in every unit.
    """

    name = "lstm_static_leak"
    parent = "lstm"
    change = "the forget gate is a learned constant: f = σ(b_f)"
    reference = "control, after Gers, Schmidhuber & Cummins 2000"
    static: ClassVar[tuple[str, ...]] = ("f",)
    """The gates that are constants."""

    def __init__(self, *, peephole: bool = False, leak: float | None = None) -> None:
        """`peephole`: as in the LSTM, for the gates that are not constants. `leak`: fix f at this number, above 0 and
        below 1, instead of learning it."""
        super().__init__(peephole=peephole)
        fits = leak is None or (isinstance(leak, float) and 0 < leak < 1)
        check_option("leak", leak, fits, "numbers above 0 and below 1")
        self.leak = leak

    def gate(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        if name not in self.static:
            return super().gate(name, w, drive, state)
        if name == "f" and self.leak is not None:
            return torch.full_like(w["b_z"], self.leak)
        return sigmoid(w[f"b_{name}"])

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        absent = {f"{kind}_{g}" for g in self.static for kind in "WUP"} | ({"b_f"} if self.leak is not None else set())
        return {name: weight for name, weight in super().weights(inputs, hidden).items() if name not in absent}


class LSTMStaticGates(LSTMStaticLeak):
    """LSTM whose input, forget and output gates are learned constants per unit.

        i  = σ(b_i)
        o  = σ(b_o)

    A control: it has the LSTM's additive memory, and no gate that depends on the data.
    """

    name = "lstm_static_gates"
    parent = "lstm_static_leak"
    change = "the input and output gates are learned constants too: i = σ(b_i), o = σ(b_o)"
    reference = "this project (control)"
    static = ("i", "f", "o")

    def __init__(self, *, leak: float | None = None) -> None:
        """`leak`: as in `lstm_static_leak`."""
        super().__init__(leak=leak)
