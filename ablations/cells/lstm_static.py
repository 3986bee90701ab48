"""The LSTM with gates that are learned constants: is it the gate that matters, or that it depends on the data?"""

from typing import ClassVar

import torch
from torch import Tensor, sigmoid

from ablations.cells.base import Drive, State, Weight, Weights, check_option
from ablations.cells.lstm import LSTM


class LSTMStaticLeak(LSTM):
    """The memory leaks at a rate of its own in every unit, whatever the input.

        f  = σ(b_f)

    A control. With `leak = 0.9` it is the control of Gers, Schmidhuber & Cummins (2000): f = 0.9, fixed, in every unit.
    """

    name = "lstm_static_leak"
    parent = "lstm"
    change = "the forget gate is a learned constant: f = σ(b_f)"
    reference = "control, after Gers, Schmidhuber & Cummins 2000"
    static: ClassVar[tuple[str, ...]] = ("f",)
    """The gates that see nothing."""

    def __init__(self, *, peephole: bool = False, leak: float | None = None) -> None:
        """`peephole`: as in the LSTM, for the gates that are no constants. `leak`: fix f at this number instead of
        learning it, above 0 and below 1."""
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
        gone = {f"{kind}_{g}" for g in self.static for kind in "WUP"} | ({"b_f"} if self.leak is not None else set())
        return {name: weight for name, weight in super().weights(inputs, hidden).items() if name not in gone}


class LSTMStaticGates(LSTMStaticLeak):
    """No gate depends on the data; the additive path is the LSTM's.

        i  = σ(b_i)
        o  = σ(b_o)

    A control: it tells "gates that depend on the data" from "memory that is added to".
    """

    name = "lstm_static_gates"
    parent = "lstm_static_leak"
    change = "the input and output gates are learned constants too"
    reference = "control"
    static = ("i", "f", "o")

    def __init__(self, *, leak: float | None = None) -> None:
        """`leak`: as in `lstm_static_leak`."""
        super().__init__(leak=leak)
