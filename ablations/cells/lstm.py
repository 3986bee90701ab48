"""The LSTM and its family. An ablation overrides one seam: what a gate sees, how memory is updated, or how it is shown.

A seam names what it needs in its signature: gates by their letter, the old memory `c` and hidden state `h`, the weights
`w` and the `drive`. The gates that the seams name are the gates that exist: drop `f` from `remember`, and the forget
gate, its weights and its bias are gone.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, sigmoid, tanh

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights, check_option


class LSTMFamily(Cell):
    """What every cell with a memory `c` beside its hidden state `h` shares: gates, then `remember`, then `expose`."""

    state = ("h", "c")
    activation: ClassVar[dict[str, Callable[[Tensor], Tensor]]] = {
        "i": sigmoid,
        "f": sigmoid,
        "z": tanh,
        "o": sigmoid,
        "n": tanh,
    }
    """The letters that a seam may ask for: three gates, the candidate for the memory, and one for the hidden state."""
    bias: ClassVar[dict[str, str]] = {"i": "input_bias", "f": "forget_bias", "z": "zeros", "o": "zeros", "n": "zeros"}

    remember: Callable[..., Tensor]
    """A seam: the new memory."""
    expose: Callable[..., Tensor]
    """A seam: the new hidden state, from the new memory."""
    asks: ClassVar[dict[str, tuple[str, ...]]]
    """What each seam names in its signature."""
    gates_of: ClassVar[dict[str, tuple[str, ...]]]
    """The gates that are computed for each seam."""
    decay_by = ("b_f",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        cls.asks = {
            seam: tuple(p for p in inspect.signature(getattr(cls, seam)).parameters if p != "self")
            for seam in ("remember", "expose")
        }
        writing = tuple(p for p in cls.asks["remember"] if p in cls.activation)
        showing = tuple(p for p in cls.asks["expose"] if p in cls.activation and p not in writing)
        cls.gates_of = {"remember": writing, "expose": showing}
        cls.gates = writing + showing
        super().__init_subclass__(**kwargs)

    def __init__(self, *, peephole: bool = False) -> None:
        """`peephole`: the gates i, f and o also see the memory, unit by unit (see `lstm_peephole`)."""
        check_option("peephole", peephole, isinstance(peephole, bool), "true, false")
        self.peephole = peephole

    def weights(self, inputs: int, hidden: int) -> dict[str, Weight]:
        peepholes = [g for g in self.gates if g in ("i", "f", "o")] if self.peephole else []
        return {
            **{f"W_{g}": Weight(inputs, hidden, "uniform") for g in self.gates},
            **{f"U_{g}": Weight(hidden, hidden, "recurrent_init") for g in self.gates},
            **{f"P_{g}": Weight(1, hidden, "zeros") for g in peepholes},
            **{f"b_{g}": Weight(1, hidden, self.bias[g]) for g in self.gates},
        }

    def drive(self, w: Weights, x: Tensor) -> Drive:
        return {g: x @ w[f"W_{g}"] + w[f"b_{g}"] for g in self.gates if f"W_{g}" in w}

    def net(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        """The net input of one gate: of the input, the hidden state and, through a peephole, the memory."""
        seen = drive[name] + state["h"] @ w[f"U_{name}"]
        return seen + w[f"P_{name}"] * state["c"] if f"P_{name}" in w else seen

    def gate(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        """A seam: the value of one gate. Where it serves `expose`, the `c` in `state` is the new memory already."""
        return self.activation[name](self.net(name, w, drive, state))

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        known: dict[str, Any] = {"w": w, "drive": drive, **state}
        seen = dict(state)
        for seam, compute, part in (("remember", self.remember, "c"), ("expose", self.expose, "h")):
            known |= {g: tap(g, self.gate(g, w, drive, seen)) for g in self.gates_of[seam]}
            known[part] = seen[part] = compute(**{name: known[name] for name in self.asks[seam]})
        return {part: known[part] for part in self.state}


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
