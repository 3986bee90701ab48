"""The LSTM family. An ablation overrides one seam: what a gate sees, how memory is updated, or how it is shown.

A seam names what it needs in its signature: gates by their letter, the old memory `c` and hidden state `h`, the weights
`w` and the `drive`. The gates that the seams name are the gates that exist: drop `f` from `remember`, and the forget
gate, its weights and its bias are gone.
"""

# A seam's signature says what it needs, so it differs from its parent's.
# pyright: reportIncompatibleMethodOverride=false

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, sigmoid, tanh

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights


class LSTMFamily(Cell):
    """What every cell with a memory `c` beside its hidden state `h` shares: gates, then `remember`, then `expose`."""

    state = ("h", "c")
    activation: ClassVar[dict[str, Callable[[Tensor], Tensor]]] = {"i": sigmoid, "f": sigmoid, "z": tanh, "o": sigmoid}
    bias: ClassVar[dict[str, str]] = {"i": "input_bias", "f": "forget_bias", "z": "zeros", "o": "zeros"}

    remember: Callable[..., Tensor]
    """A seam: the new memory."""
    expose: Callable[..., Tensor]
    """A seam: the new hidden state, from the new memory."""
    asks: ClassVar[dict[str, tuple[str, ...]]]
    """What each seam names in its signature."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        cls.asks = {
            seam: tuple(p for p in inspect.signature(getattr(cls, seam)).parameters if p != "self")
            for seam in ("remember", "expose")
        }
        cls.gates = tuple(dict.fromkeys(p for asked in cls.asks.values() for p in asked if p in cls.activation))
        super().__init_subclass__(**kwargs)

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"U_{g}": Weight(hidden, hidden, "recurrent_init") for g in self.gates},
            **{f"b_{g}": Weight(1, hidden, self.bias[g]) for g in self.gates},
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates}

    def gate(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        """A seam: the value of one gate. It sees the input and the hidden state."""
        return self.activation[name](drive[name] + state["h"] @ w[f"U_{name}"])

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        gates = {g: tap(g, self.gate(g, w, drive, state)) for g in self.gates}
        known = {"w": w, "drive": drive, **state, **gates}
        known["c"] = c = self.remember(**{name: known[name] for name in self.asks["remember"]})
        return {"h": self.expose(**{name: known[name] for name in self.asks["expose"]}), "c": c}


class LSTM(LSTMFamily):
    """Long short-term memory with a forget gate.

        i  = σ(W_i x + U_i h + b_i)       how much to write
        f  = σ(W_f x + U_f h + b_f)       how much to keep
        z  = tanh(W_z x + U_z h + b_z)    what to write
        o  = σ(W_o x + U_o h + b_o)       how much to show
        c' = f ⊙ c + i ⊙ z
        h' = o ⊙ tanh(c')

    Gers, Schmidhuber & Cummins (2000), as in `torch.nn.LSTM`.
    """

    name = "lstm"
    reference = "Gers, Schmidhuber & Cummins 2000"

    def remember(self, c: Tensor, i: Tensor, f: Tensor, z: Tensor) -> Tensor:
        return f * c + i * z

    def expose(self, c: Tensor, o: Tensor) -> Tensor:
        return o * tanh(c)


class LSTMNoForget(LSTM):
    """The LSTM of 1997: what is written stays.

        c' = c + i ⊙ z

    Hochreiter & Schmidhuber (1997).
    """

    name = "lstm_no_forget"
    parent = "lstm"
    change = "no forget gate: c' = c + i ⊙ z"
    reference = "Hochreiter & Schmidhuber 1997"

    def remember(self, c: Tensor, i: Tensor, z: Tensor) -> Tensor:
        return c + i * z
