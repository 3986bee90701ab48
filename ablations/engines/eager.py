"""The reference engine: a loop over time in Python, differentiated by autograd. Other engines are tested against it."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ablations.cells import Cell, State, Weights
from ablations.engines.noise import step_input


class Scanned(NamedTuple):
    """The result of a scan."""

    outputs: Float[Tensor, "members time batch hidden"]
    state: State
    """The state after the last step, detached: `[members, batch, size]` each."""
    recorded: dict[str, Float[Tensor, "members time batch hidden"]]
    """The values of the recorded gates."""


Scan = Callable[..., Scanned]
"""The type of every engine's `scan`, with the signature and meaning of the one below. Only this engine has `after`."""


def scan(
    cell: Cell,
    w: Weights,
    x: Float[Tensor, "members time batch inputs"],
    state: State,
    reset: Bool[Tensor, "members time batch"] | None = None,
    record: Collection[str] = (),
    override: Mapping[str, Tensor] | None = None,
    after: Callable[[int, State], State] | None = None,
    noise: Float[Tensor, "members time batch sizes"] | None = None,
) -> Scanned:
    """Run a cell over a sequence, differentiable with respect to `w`, `x` and the initial `state`.

    Weights are `[members, in, out]` and `[members, 1, out]`, the state's parts `[members, batch, size]`. Where `reset` is
    true, the state is set to its initial value before the step (the control of Gers et al. 2000). `record` names gates to return.
    `override` holds values `[members, time, batch, size]` that replace gates. `after(t, state)` is called after every step
    and returns the state to continue from. `noise` is the cell's noise, as `ablations.engines.noise.draw` returns it; by default its
    mean. Raises ValueError for a gate that the cell does not have.
    """
    override = override or {}
    for name in [*record, *override]:
        if name not in cell.gates:
            raise ValueError(f"{cell.name} has no gate {name!r}; it has: {', '.join(cell.gates) or 'none'}")
    steps, batch = x.shape[1:3]
    not_reset = None if reset is None else (~reset).to(x.dtype).unsqueeze(-1)
    # Time is folded into the rows: without a time axis, nothing broadcasts against the members by accident.
    rows = step_input(cell, w, x.flatten(1, 2), state, None if noise is None else noise.flatten(1, 2))
    drive = {name: part.unflatten(1, (steps, batch)).unbind(1) for name, part in rows.items()}
    tap = _Tap(record, override)
    outputs: list[Tensor] = []
    for t in range(steps):
        tap.time = t
        if not_reset is not None:
            state = {name: part * not_reset[:, t] for name, part in state.items()}
            for name, weight in cell.initial_state.items():
                state[name] = state[name] + w[weight] * (1 - not_reset[:, t])
        state = cell.step(w, {name: rows[t] for name, rows in drive.items()}, state, tap)
        if after is not None:
            state = after(t, state)
        outputs.append(state[cell.output])
    return Scanned(
        torch.stack(outputs, 1),
        {name: part.detach() for name, part in state.items()},
        {name: torch.stack(values, 1) for name, values in tap.recorded.items()},
    )


class _Tap:
    """The tap of a scan: replaces the gates that are overridden and stores those that are recorded."""

    def __init__(self, record: Collection[str], override: Mapping[str, Tensor]) -> None:
        self.override = override
        self.recorded: dict[str, list[Tensor]] = {name: [] for name in record}
        self.time = 0

    def __call__(self, name: str, value: Tensor) -> Tensor:
        if name in self.override:
            value = self.override[name][:, self.time]
        if name in self.recorded:
            self.recorded[name].append(value)
        return value


def linear(
    x: Float[Tensor, "members rows inputs"],
    V: Float[Tensor, "members inputs outputs"],
    b: Float[Tensor, "members 1 outputs"],
) -> Float[Tensor, "members rows outputs"]:
    """Compute the readout x V + b of every member."""
    return x @ V + b


Linear = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The type of every engine's readout."""
