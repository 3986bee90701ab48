"""A recurrent network: layers of one cell and a linear readout. Its weights carry a leading member axis throughout."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from ablations.cells import Cell, State, Weight, Weights
from ablations.cells.initial import Setting, initialise
from ablations.engines import eager
from ablations.engines.eager import Linear, Scan, Scanned


class Model:
    """`layers` of a cell with `hidden` units each, from `inputs` features to `outputs` values."""

    def __init__(
        self,
        cell: Cell,
        inputs: int,
        outputs: int,
        hidden: int,
        scan: Scan = eager.scan,
        layers: int = 1,
        linear: Linear = eager.linear,
    ) -> None:
        self.cell = cell
        self.inputs, self.outputs = inputs, outputs
        self.hidden = hidden
        self.layers = layers
        self.scan, self.linear = scan, linear
        seen = [inputs] + [cell.state_sizes(hidden)[cell.output]] * layers
        self.parts = {str(layer): cell.weights(seen[layer], hidden) for layer in range(layers)}
        self.parts["readout"] = {"V": Weight(seen[-1], outputs, "uniform"), "b": Weight(1, outputs, "zeros")}
        self.shapes = {f"{part}.{name}": weight for part, ws in self.parts.items() for name, weight in ws.items()}

    @property
    def parameters(self) -> int:
        """Trainable numbers of one member."""
        return sum(weight.rows * weight.columns for weight in self.shapes.values())

    @cached_property
    def flops(self) -> int:
        """Floating point operations of the products, for one row and one time step, forward only."""
        w = {name: torch.zeros(1, weight.rows, weight.columns) for name, weight in self.shapes.items()}
        plain = Model(self.cell, self.inputs, self.outputs, self.hidden, layers=self.layers)
        with FlopCounterMode(display=False) as counter:
            plain(w, torch.zeros(1, 1, 1, self.inputs), self.zero_state(1, 1))
        return counter.get_total_flops()

    def initialise(self, settings: Mapping[str, Setting], lag: int, generator: Generator) -> Weights:
        """One member's weights, without a member axis."""
        return {
            f"{part}.{name}": weight
            for part, shapes in self.parts.items()
            for name, weight in initialise(shapes, settings, lag, generator).items()
        }

    def zero_state(self, members: int, batch: int) -> list[State]:
        """The state before a sequence, a dictionary per layer."""
        sizes = self.cell.state_sizes(self.hidden)
        return [{name: torch.zeros(members, batch, size) for name, size in sizes.items()} for _ in range(self.layers)]

    def __call__(
        self,
        w: Weights,
        x: Float[Tensor, "members time batch inputs"],
        state: Sequence[State],
        reset: Bool[Tensor, "members time batch"] | None = None,
    ) -> tuple[Float[Tensor, "members time batch outputs"], list[State]]:
        """The outputs, and the detached state after the last step, which a stream's next window starts from.

        Where `reset` is true, the state is zeroed from outside before the step.
        """
        scans = list(self.scans(w, x, state, reset))
        outputs = scans[-1].outputs
        rows = self.linear(outputs.flatten(1, 2), w["readout.V"], w["readout.b"])
        return rows.unflatten(1, outputs.shape[1:3]), [scanned.state for scanned in scans]

    def scans(
        self, w: Weights, x: Tensor, state: Sequence[State], reset: Tensor | None = None, record: Collection[str] = ()
    ) -> Iterator[Scanned]:
        """What each layer does, the first one first; `record` names gates to keep."""
        for layer in range(self.layers):
            scanned = self.scan(self.cell, self.layer_weights(w, layer), x, state[layer], reset, record)
            yield scanned
            x = scanned.outputs

    def pack(self, w: Weights) -> Float[Tensor, "members parameters"]:
        """All weights of a member in one row."""
        return torch.cat([w[name].flatten(1) for name in self.shapes], 1)

    def unpack(self, flat: Float[Tensor, "members parameters"]) -> Weights:
        """Named weights, as views of the flat ones."""
        pieces = flat.split([weight.rows * weight.columns for weight in self.shapes.values()], dim=1)
        return {
            name: piece.unflatten(1, (weight.rows, weight.columns))
            for (name, weight), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def layer_weights(self, w: Weights, layer: int) -> Weights:
        """The weights of one layer under the names its cell gave them."""
        prefix = f"{layer}."
        return {name.removeprefix(prefix): weight for name, weight in w.items() if name.startswith(prefix)}


Match = Literal["parameters", "hidden", "state"]
"""What is held equal between cells: trainable numbers, units per layer, or numbers in the state of a layer."""


def hidden_size(cell: Cell, inputs: int, outputs: int, match: Match, size: int, layers: int = 1) -> int:
    """The number of hidden units with which a network comes nearest to `size` of what is matched; at least 1."""

    def measure(hidden: int) -> int:
        if match == "hidden":
            return hidden
        if match == "state":
            return sum(cell.state_sizes(hidden).values())
        return Model(cell, inputs, outputs, hidden, layers=layers).parameters

    above = 1
    while measure(above) < size:
        above *= 2
    low, high = max(above // 2, 1), above
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measure(middle) <= size else (low, middle)
    return min((low, high), key=lambda hidden: abs(measure(hidden) - size))
