"""A recurrent network: stacked layers of one cell and a linear readout. All weights have a leading member axis."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from ablations.cells import Cell, State, Weight, Weights
from ablations.cells.base import initial_state, trained_parameters
from ablations.cells.initial import initialise
from ablations.engines import eager
from ablations.engines import noise as cell_noise
from ablations.engines.eager import Linear, Scan, Scanned
from ablations.hyperparameters import Setting


class Model:
    """A recurrent network with `layers` layers of `hidden` units, from `inputs` features to `outputs` values.

    It holds shapes only; weights are arguments. `scan` and `linear` are those of an engine.
    """

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
        widths = [inputs] + [cell.state_sizes(hidden)[cell.output]] * layers
        self.parts = {str(layer): cell.weights(widths[layer], hidden) for layer in range(layers)}
        self.parts["readout"] = {"V": Weight(widths[-1], outputs, "uniform"), "b": Weight(1, outputs, "zeros")}
        self.shapes = {f"{part}.{name}": weight for part, ws in self.parts.items() for name, weight in ws.items()}

    @property
    def parameters(self) -> int:
        """Number of trained parameters of one member."""
        return trained_parameters(self.shapes)

    @cached_property
    def trained(self) -> Float[Tensor, " entries"]:
        """1 for the entries of a row of `pack` that are trained, 0 for the others."""
        return torch.cat([torch.full((w.rows * w.columns,), float(w.trained)) for w in self.shapes.values()])

    @cached_property
    def flops(self) -> int:
        """Floating-point operations of the matrix products in a forward pass, for one sequence and one time step."""
        w = {name: torch.zeros(1, weight.rows, weight.columns) for name, weight in self.shapes.items()}
        eager_model = Model(self.cell, self.inputs, self.outputs, self.hidden, layers=self.layers)
        with FlopCounterMode(display=False) as counter:
            eager_model(w, torch.zeros(1, 1, 1, self.inputs), eager_model.initial_state(w, 1))
        return counter.get_total_flops()

    def initialise(self, settings: Mapping[str, Setting], lag: int, generator: Generator) -> Weights:
        """Draw the weights of one member, `[rows, columns]` each (see `ablations.cells.initial.initialise`)."""
        return {
            f"{part}.{name}": weight
            for part, shapes in self.parts.items()
            for name, weight in initialise(shapes, settings, lag, generator).items()
        }

    def initial_state(self, w: Weights, batch: int) -> list[State]:
        """The state before the first step, a dictionary per layer of `[members, batch, size]`."""
        sizes = self.cell.state_sizes(self.hidden)
        return [initial_state(self.cell, self.layer_weights(w, layer), sizes, batch) for layer in range(self.layers)]

    def draw_noise(self, generators: Sequence[Generator], steps: int, batch: int) -> list[Tensor]:
        """Draw the cell's noise for a window, per layer `[members, time, batch, sizes]`, each member's from its own generator;
        empty for a cell without noise."""
        if not self.cell.noise():
            return []
        sizes = self.cell.state_sizes(self.hidden)
        return [
            torch.stack([cell_noise.draw(self.cell, sizes, steps, batch, generator) for generator in generators])
            for _ in range(self.layers)
        ]

    def __call__(
        self,
        w: Weights,
        x: Float[Tensor, "members time batch inputs"],
        state: Sequence[State],
        reset: Bool[Tensor, "members time batch"] | None = None,
        noise: Sequence[Tensor] = (),
    ) -> tuple[Float[Tensor, "members time batch outputs"], list[State]]:
        """Run the network over a window.

        :param reset: where true, the state is set to its initial value before the step.
        :param noise: by layer, as `draw_noise` returns it; by default its mean.
        :returns: the outputs, and the detached state after the last step, from which the next window of a stream starts.
        """
        scans = list(self.scans(w, x, state, reset, noise=noise))
        outputs = scans[-1].outputs
        rows = self.linear(outputs.flatten(1, 2), w["readout.V"], w["readout.b"])
        return rows.unflatten(1, outputs.shape[1:3]), [scanned.state for scanned in scans]

    def scans(
        self,
        w: Weights,
        x: Tensor,
        state: Sequence[State],
        reset: Tensor | None = None,
        record: Collection[str] = (),
        noise: Sequence[Tensor] = (),
    ) -> Iterator[Scanned]:
        """Yield the scan of each layer, first layer first, with the values of the gates that `record` names."""
        for layer in range(self.layers):
            options = {"noise": noise[layer]} if noise else {}
            scanned = self.scan(self.cell, self.layer_weights(w, layer), x, state[layer], reset, record, **options)
            yield scanned
            x = scanned.outputs

    def pack(self, w: Weights) -> Float[Tensor, "members entries"]:
        """Concatenate all weights of a member into one row."""
        return torch.cat([w[name].flatten(1) for name in self.shapes], 1)

    def unpack(self, flat: Float[Tensor, "members entries"]) -> Weights:
        """The inverse of `pack`: weights by name, as views. Those that are not trained are detached."""
        pieces = flat.split([weight.rows * weight.columns for weight in self.shapes.values()], dim=1)
        return {
            name: (piece if weight.trained else piece.detach()).unflatten(1, (weight.rows, weight.columns))
            for (name, weight), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def layer_weights(self, w: Weights, layer: int) -> Weights:
        """The weights of one layer under the names that its cell declares."""
        prefix = f"{layer}."
        return {name.removeprefix(prefix): weight for name, weight in w.items() if name.startswith(prefix)}


Match = Literal["parameters", "hidden", "state"]
"""What is held equal between cells: trainable parameters, units per layer, or numbers in the state of a layer."""


def hidden_size(cell: Cell, inputs: int, outputs: int, match: Match, size: int, layers: int = 1) -> int:
    """The number of hidden units per layer, at least 1, for which the matched quantity comes nearest to `size`."""

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
