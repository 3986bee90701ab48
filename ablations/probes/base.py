"""What probes share: whom they ask, on which sequences, and how a network is run while it is watched."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
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

LARGEST = 1e30  # what explodes is large: neither a tracker nor a table needs to know more
SEED = 4  # beside those of `ablations.networks.evaluation`
POINTS = 16
"""Distances at which a curve is taken, at most."""


class Trained(NamedTuple):
    """Members of one arm: their weights before, half way through and after training, `[members, rows, columns]` each."""

    model: Model
    task: Task
    lag: int
    init: Weights
    half: Weights
    end: Weights
    seeds: list[int]
    solved: list[bool]
    settings: list[dict[str, Setting]]

    def of(self, members: Sequence[int]) -> "Trained":
        """Some of the members."""
        at = torch.tensor(members, dtype=torch.int64)
        init, half, end = ({name: x.detach()[at] for name, x in w.items()} for w in (self.init, self.half, self.end))
        return self._replace(
            init=init,
            half=half,
            end=end,
            seeds=[self.seeds[k] for k in members],
            solved=[self.solved[k] for k in members],
            settings=[self.settings[k] for k in members],
        )


class Findings(NamedTuple):
    """What probes found out about one member, in the words of `reports`: finite numbers only, absent where undefined."""

    metrics: dict[str, float]
    curves: dict[str, list[tuple[int, float]]]

    def put(self, metric: str, value: float) -> None:
        """A column of results.csv."""
        if math.isfinite(value):
            self.metrics[metric] = max(-LARGEST, min(value, LARGEST))

    def log(self, metric: str, step: int, value: float) -> None:
        """A point of a curve."""
        if math.isfinite(value):
            self.curves.setdefault(metric, []).append((step, max(-LARGEST, min(value, LARGEST))))


class Sequences(NamedTuple):
    """Fixed sequences that every member of an arm is asked about: for continual tasks one window, and what precedes it."""

    before: list[Stacked]
    """Windows that take a continual task's state to where training knows it."""
    window: Stacked
    events: dict[str, Bool[Tensor, "time batch"]]
    end: Int64[Tensor, " batch"]
    """The step at which the memory is asked for at last: where it is `due`, in tasks that say so, else the last that counts."""

    def first(self, count: int) -> "Sequences":
        """The first few of them."""
        return self.where(torch.arange(len(self.end)) < count)

    def where(self, rows: Bool[Tensor, " batch"]) -> "Sequences":
        """Some of them."""
        some = self._each(lambda field: field[:, :, rows])
        return some._replace(events={name: on[:, rows] for name, on in self.events.items()}, end=self.end[rows])

    def reach(self, lag: int) -> int:
        """How far back from the end to look: the lag, or as far as half of the sequences go."""
        return min(lag, int(self.end.median()))

    def double(self) -> "Sequences":
        """In double precision: what vanishes is to be seen vanishing."""
        return self._each(lambda field: field.double() if field.is_floating_point() else field)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Sequences":
        before, window = ([_each(w, change) for w in windows] for windows in (self.before, [self.window]))
        return self._replace(before=before, window=window[0])


def sequences(task: Task, lag: int, count: int) -> Sequences:
    """`count` sequences from the probes' own seed, or a few less: those of a window in which nothing is asked are dropped."""
    stream = task.stream(Generator().manual_seed(SEED), count, lag)
    batches = [stream.next() for _ in range(task.evaluation(count, final=False)[1] + 1)]
    events = batches[-1].events
    asked = batches[-1].weight > 0
    asked = asked & events["due"] if "due" in events else asked
    steps = torch.arange(len(asked)).unsqueeze(1)
    *before, window = [stack(task, [batch]) for batch in batches]
    return Sequences(before, window, events, (steps * asked).amax(0)).where(asked.any(0))


def code_of(steps: Tensor, events: Mapping[str, Tensor]) -> Int64[Tensor, "time batch"]:
    """The kind of each of `steps`: a number that says which events are there; 0 where there is none."""
    none = torch.zeros_like(steps, dtype=torch.int64)
    return torch.stack([none, *(on.long() << place for place, on in enumerate(events.values()))]).sum(0)


def distances(reach: int, points: int = POINTS) -> list[int]:
    """Whole numbers from 1 to `reach`, both included, evenly spaced in the logarithm."""
    if reach <= points:
        return list(range(1, reach + 1))
    return sorted({round(reach ** (i / (points - 1))) for i in range(points)})


Gates = list[dict[str, Tensor]]
"""Values of gates by layer and name: `[members, time, batch, units]`; of a constant, one row for all."""


class Ran(NamedTuple):
    """What a network did on a window."""

    outputs: Float[Tensor, "members time batch outputs"]
    gates: Gates
    """Those asked for."""
    state: list[State]
    """After the window, detached."""


After = Callable[[int, int, State], State]
"""Is told the layer, the step and the state, and gives the state to go on with. Lower layers run first, to their end."""


def run(
    model: Model,
    w: Weights,
    window: Stacked,
    state: Sequence[State],
    record: Collection[str] = (),
    held: Gates | None = None,
    after: After | None = None,
) -> Ran:
    """Run members over a window on the reference engine. `held`: by layer, gates to use in place of the network's own."""
    members = next(iter(w.values())).shape[0]
    x = window.inputs.expand(members, -1, -1, -1)
    reset = None if window.reset is None else window.reset.expand(members, -1, -1)
    scans = []
    for layer in range(model.layers):
        watch = None if after is None else _of_layer(after, layer)
        override = None if held is None else held[layer]
        scanned = eager.scan(model.cell, model.layer_weights(w, layer), x, state[layer], reset, record, override, watch)
        scans.append(scanned)
        x = scanned.outputs
    rows = eager.linear(x.flatten(1, 2), w["readout.V"], w["readout.b"])
    return Ran(rows.unflatten(1, x.shape[1:3]), [s.recorded for s in scans], [s.state for s in scans])


def _of_layer(after: After, layer: int) -> Callable[[int, State], State]:
    return lambda t, state: after(layer, t, state)


@torch.no_grad()
def warmed(model: Model, w: Weights, data: Sequences) -> list[State]:
    """The state that a window starts from: zero, but for continual tasks."""
    members, batch = next(iter(w.values())).shape[0], data.window.inputs.shape[2]
    plain = Model(model.cell, model.inputs, model.outputs, model.hidden, layers=model.layers)
    state = [{n: part.to(data.window.inputs) for n, part in s.items()} for s in plain.zero_state(members, batch)]
    for window in data.before:
        reset = None if window.reset is None else window.reset.expand(members, -1, -1)
        _, state = plain(w, window.inputs.expand(members, -1, -1, -1), state, reset)
    return state


def double(w: Weights) -> Weights:
    """In double precision."""
    return {name: x.double() for name, x in w.items()}


SMALLEST = 1e-3
"""What one step leaves counts as this much at least: a path that is cut is one that vanishes at once, and means exist."""


def mean_share(share: Float[Tensor, "members batch"], k: int, valid: Bool[Tensor, "members batch"]) -> list[float]:
    """The geometric mean over sequences of what `k` steps leave; not a number where no sequence is `valid`."""
    logs = share.clamp(min=max(SMALLEST**k, 1e-150)).log()
    return (logs.where(valid, 0).sum(1) / valid.sum(1)).exp().tolist()


def _each(window: Stacked, change: Callable[[Tensor], Tensor]) -> Stacked:
    reset = None if window.reset is None else change(window.reset)
    return Stacked(change(window.inputs), change(window.targets), change(window.weight), reset)
