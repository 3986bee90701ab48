"""The parts that all probes share: trained members, fixed sequences, and a forward pass that records and overrides gates."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor

from ablations.cells import State, Weights
from ablations.cells.initial import Setting
from ablations.engines import eager
from ablations.networks.evaluation import Stacked, stack
from ablations.networks.model import Model
from tasks import Task

LARGEST = 1e30  # results are clipped to ±LARGEST; how far a ratio explodes beyond that is of no interest
SEED = 4  # of the probes' sequences and directions; evaluation uses 1, 2 and 3
POINTS = 16
"""The largest number of distances at which a curve is measured."""
MIN_RATIO_PER_STEP = 1e-3
"""The floor of a ratio, per step. It keeps a geometric mean positive if the ratio of one sequence is 0."""


class Trained(NamedTuple):
    """Members of one arm with their initial, half-way and final weights, `[members, rows, columns]` each."""

    model: Model
    task: Task
    lag: int
    init: Weights
    half: Weights
    end: Weights
    seeds: list[int]
    solved: list[bool]
    settings: list[dict[str, Setting]]

    def select(self, members: Sequence[int]) -> "Trained":
        """Return the members with these indices."""
        index = torch.tensor(members, dtype=torch.int64)
        init, half, end = ({name: x.detach()[index] for name, x in w.items()} for w in (self.init, self.half, self.end))
        return self._replace(
            init=init,
            half=half,
            end=end,
            seeds=[self.seeds[k] for k in members],
            solved=[self.solved[k] for k in members],
            settings=[self.settings[k] for k in members],
        )


class Findings(NamedTuple):
    """The results of probes for one member, under the names in `reports`. Undefined (non-finite) values are left out."""

    metrics: dict[str, float]
    """Columns of results.csv."""
    curves: dict[str, list[tuple[int, float]]]
    """Points (step, value) of curves.csv."""

    def add_metric(self, name: str, value: float) -> None:
        """Store a metric, clipped to ±LARGEST, if it is finite."""
        if math.isfinite(value):
            self.metrics[name] = max(-LARGEST, min(value, LARGEST))

    def add_point(self, curve: str, step: int, value: float) -> None:
        """Append a point to a curve, clipped to ±LARGEST, if it is finite."""
        if math.isfinite(value):
            self.curves.setdefault(curve, []).append((step, max(-LARGEST, min(value, LARGEST))))


class Sequences(NamedTuple):
    """Fixed sequences on which all members of an arm are probed: one window, and for continual tasks its warm-up."""

    warmup: list[Stacked]
    """The warm-up windows before the probed one, run from the initial state; none for episodic tasks."""
    window: Stacked
    events: dict[str, Bool[Tensor, "time batch"]]
    """The events of `window`."""
    last_query: Int64[Tensor, " batch"]
    """The index of the final query step: the last step that is `due`, in tasks with that event, else the last with weight."""

    def select(self, rows: Bool[Tensor, " batch"]) -> "Sequences":
        """Return the sequences where `rows` is true."""
        selected = self._map(lambda field: field[:, :, rows])
        events = {name: on[:, rows] for name, on in self.events.items()}
        return selected._replace(events=events, last_query=self.last_query[rows])

    def until_query(self) -> Bool[Tensor, "time batch"]:
        """Return a mask of the steps up to the final query, itself included."""
        return torch.arange(self.window.inputs.shape[1]).unsqueeze(1) <= self.last_query

    def max_distance(self, lag: int) -> int:
        """Return the largest k to measure: the lag, or less, so that half of the sequences have k steps before the query."""
        return min(lag, int(self.last_query.median()))

    def double(self) -> "Sequences":
        """Return the sequences in double precision: vanishing gradients underflow in single precision."""
        return self._map(lambda field: field.double() if field.is_floating_point() else field)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Sequences":
        return self._replace(
            warmup=[_map(window, function) for window in self.warmup], window=_map(self.window, function)
        )


def _map(window: Stacked, function: Callable[[Tensor], Tensor]) -> Stacked:
    reset = None if window.reset is None else function(window.reset)
    return Stacked(function(window.inputs), function(window.targets), function(window.weight), reset)


def sequences(task: Task, lag: int, count: int) -> Sequences:
    """Sample `count` sequences with the probes' seed, and drop those without a query in the probed window."""
    stream = task.split_stream("test", Generator().manual_seed(SEED), count, lag)
    batches = [stream.next() for _ in range(task.evaluation(count, final=False)[1] + 1)]
    events = batches[-1].events
    query = batches[-1].weight > 0
    query = query & events["due"] if "due" in events else query
    steps = torch.arange(len(query)).unsqueeze(1)
    *warmup, window = [stack(task, [batch]) for batch in batches]
    return Sequences(warmup, window, events, (steps * query).amax(0)).select(query.any(0))


def event_codes(steps: Tensor, events: Mapping[str, Tensor]) -> Int64[Tensor, "time batch"]:
    """Encode the events of each step as a bit mask, 0 for none. `steps [time, batch]` gives the shape if there are none."""
    none = torch.zeros_like(steps, dtype=torch.int64)
    return torch.stack([none, *(on.long() << bit for bit, on in enumerate(events.values()))]).sum(0)


def distances(maximum: int, points: int = POINTS) -> list[int]:
    """Return at most `points` integers from 1 to `maximum`, both included, evenly spaced in the logarithm."""
    if maximum <= points:
        return list(range(1, maximum + 1))
    return sorted({round(maximum ** (i / (points - 1))) for i in range(points)})


def geometric_mean(ratio: Float[Tensor, "members batch"], k: int, valid: Bool[Tensor, "members batch"]) -> list[float]:
    """Return each member's geometric mean, over its `valid` sequences, of a ratio of norms k steps apart; NaN if none is valid.

    The ratio is at least MIN_RATIO_PER_STEP^k: an underflow to 0 in one sequence would make the mean 0.
    """
    logs = ratio.clamp(min=max(MIN_RATIO_PER_STEP**k, 1e-150)).log()
    return (logs.where(valid, 0).sum(1) / valid.sum(1)).exp().tolist()


Gates = list[dict[str, Tensor]]
"""Gate values by layer and name, `[members, time, batch, units]`; the batch axis has size 1 where a gate is constant."""


class RunResult(NamedTuple):
    """The result of a forward pass over a window."""

    outputs: Float[Tensor, "members time batch outputs"]
    gates: Gates
    """The recorded gates."""
    state: list[State]
    """The state after the window, by layer, detached."""


StepHook = Callable[[int, int, State], State]
"""Called with the layer, the step and the state after that step; the state that it returns replaces it.

A layer runs over the whole window before the layer above it starts."""


def run(
    model: Model,
    w: Weights,
    window: Stacked,
    state: Sequence[State],
    record: Collection[str] = (),
    override: Gates | None = None,
    hook: StepHook | None = None,
) -> RunResult:
    """Run members over a window on the reference engine, from `state`.

    `record` names the gates to return. `override` holds, by layer, values to use in place of the computed gates.
    """
    members = next(iter(w.values())).shape[0]
    x = window.inputs.expand(members, -1, -1, -1)
    reset = None if window.reset is None else window.reset.expand(members, -1, -1)
    scans = []
    for layer in range(model.layers):
        layer_hook = None if hook is None else partial(hook, layer)
        values = None if override is None else override[layer]
        scanned = eager.scan(
            model.cell, model.layer_weights(w, layer), x, state[layer], reset, record, values, layer_hook
        )
        scans.append(scanned)
        x = scanned.outputs
    rows = eager.linear(x.flatten(1, 2), w["readout.V"], w["readout.b"])
    return RunResult(rows.unflatten(1, x.shape[1:3]), [s.recorded for s in scans], [s.state for s in scans])


@torch.no_grad()
def initial_state(model: Model, w: Weights, data: Sequences) -> list[State]:
    """Return the state at the start of the probed window: the initial one, or for continual tasks the state after the warm-up."""
    members, batch = next(iter(w.values())).shape[0], data.window.inputs.shape[2]
    plain = Model(model.cell, model.inputs, model.outputs, model.hidden, layers=model.layers)
    state = plain.initial_state(w, batch)
    for window in data.warmup:
        reset = None if window.reset is None else window.reset.expand(members, -1, -1)
        _, state = plain(w, window.inputs.expand(members, -1, -1, -1), state, reset)
    return state


def double(w: Weights) -> Weights:
    """Return the weights in double precision."""
    return {name: x.double() for name, x in w.items()}
