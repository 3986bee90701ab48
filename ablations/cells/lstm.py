"""The LSTM and the base class of its family.

A cell of the family overrides one of three methods, its seams: `gate` (the value of one gate), `remember` (the new memory
c') or `expose` (the new hidden state h').

The parameters of `remember` and `expose` are passed by name: gates and candidates by their letter, the parts of the old
state (`h`, `c`), the weights `w` and the `drive`. In `expose` the new memory is `c_new`, and the old one is not available.
A gate exists if one of the two names it: without `f` in `remember` there is no forget gate, and no W_f, U_f and b_f.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, sigmoid, tanh

from ablations.cells import seams
from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights, check_option


def seam(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let overrides of a method have other parameters, for the type checker. Returns the method unchanged."""
    return method


class LSTMFamily(Cell):
    """Cells with a memory `c` beside the hidden state `h`: compute gates, then `remember`, then `expose`.

    Raises TypeError for a subclass with a seam that cannot be called, when the subclass is defined.
    """

    state = ("h", "c")
    activation: ClassVar[dict[str, Callable[[Tensor], Tensor]]] = {
        "i": sigmoid,
        "f": sigmoid,
        "z": tanh,
        "o": sigmoid,
        "n": tanh,
    }
    """Activation functions by letter: three gates, the candidate z for the memory, and n for the hidden state."""
    bias: ClassVar[dict[str, str]] = {"i": "input_bias", "f": "forget_bias", "z": "zeros", "o": "zeros", "n": "zeros"}
    """The initialiser of each bias, by letter."""

    remember: ClassVar[Callable[..., Tensor]]
    """Seam: compute the new memory."""
    expose: ClassVar[Callable[..., Tensor]]
    """Seam: compute the new hidden state from the new memory."""
    seam_arguments: ClassVar[dict[str, tuple[str, ...]]]
    """The arguments that `remember` and `expose` take, by seam."""
    seam_gates: ClassVar[dict[str, tuple[str, ...]]]
    """The gates that are computed before `remember` and, in addition, before `expose`, by seam."""
    decay_by = ("b_f",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        seams.check(cls, cls.state, cls.activation)
        arguments = {
            method: tuple(inspect.signature(getattr(cls, method)).parameters)[1:] for method in ("remember", "expose")
        }
        before_remember = tuple(name for name in arguments["remember"] if name in cls.activation)
        before_expose = tuple(
            name for name in arguments["expose"] if name in cls.activation and name not in before_remember
        )
        cls.seam_arguments = arguments
        cls.seam_gates = {"remember": before_remember, "expose": before_expose}
        cls.gates = before_remember + before_expose
        super().__init_subclass__(**kwargs)

    def __init__(self, *, peephole: bool = False) -> None:
        """`peephole`: the gates i, f and o also receive the memory, unit by unit (see `lstm_peephole`)."""
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

    def net_input(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        """The value of one gate before its activation: W x + U h + b, with a peephole plus P ⊙ c."""
        net = drive[name] + state["h"] @ w[f"U_{name}"]
        return net + w[f"P_{name}"] * state["c"] if f"P_{name}" in w else net

    def gate(self, name: str, w: Weights, drive: Drive, state: State) -> Tensor:
        """Seam: compute one gate. For a gate that only `expose` takes, `state["c"]` is the new memory."""
        return self.activation[name](self.net_input(name, w, drive, state))

    def step(self, w: Weights, drive: Drive, state: State, tap: Tap) -> State:
        values: dict[str, Any] = {"w": w, "drive": drive, **state}

        def compute(method: str, state: State) -> Tensor:
            for gate in self.seam_gates[method]:
                values[gate] = tap(gate, self.gate(gate, w, drive, state))
            return getattr(self, method)(**{name: values[name] for name in self.seam_arguments[method]})

        values["c_new"] = compute("remember", state)
        h_new = compute("expose", state | {"c": values["c_new"]})
        new = values | {"c": values["c_new"], "h": h_new}
        return {part: new[part] for part in self.state}


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

    @seam
    def remember(self, c: Tensor, i: Tensor, f: Tensor, z: Tensor) -> Tensor:
        return f * c + i * z

    @seam
    def expose(self, c_new: Tensor, o: Tensor) -> Tensor:
        return o * tanh(c_new)
