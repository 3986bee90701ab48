"""Clamping: what a trained network is worth when its gates are held, and all else may adapt to that.

The gates that multiply, those between 0 and 1, are held at their mean over steps and sequences, at their mean over steps of
the same kind (the events of a step taken together are its kind), or at the values that they have on another sequence. Each
way, and with its gates left alone, a network is trained on for a while, on data that it has not seen. The gates are those
of the network as it was when training ended: they do not adapt.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from ablations.cells import Cell, Weights
from ablations.engines import eager
from ablations.networks.evaluation import TEST_SEED, Stacked, member_chunks, stack
from ablations.networks.optim import Adam
from ablations.probes.base import SEED, Findings, Gates, Trained, code_of, run, sequences, warmed

STEPS, BATCH = 500, 32  # of training on
SEQUENCES = 256  # that means are taken over
TEST = 1000
WAYS = ("none", "mean", "event", "shuffled")


def measure(trained: Trained) -> list[Findings]:
    """`clamp_none`, `clamp_mean`, `clamp_event`, `clamp_shuffled`: scores on test sequences, 0 where training on diverged."""
    found = [Findings({}, {}) for _ in trained.seeds]
    names = multiplying(trained.model.cell)
    if not names:
        return found
    usual = _usual(trained, names)
    for way in WAYS:
        w = _trained_on(_Clamped(trained, usual, way))
        for member, score in zip(found, _scores(trained, usual, way, w), strict=True):
            member.put(f"clamp_{way}", score if math.isfinite(score) else 0.0)
    return found


def multiplying(cell: Cell) -> list[str]:
    """The gates that scale something: whatever the weights, their values are between 0 and 1. Candidates have a sign."""
    generator = Generator().manual_seed(SEED)
    shapes = cell.weights(4, 8)
    w = {name: torch.randn(1, weight.rows, weight.columns, generator=generator) for name, weight in shapes.items()}
    state = {name: torch.zeros(1, 16, size) for name, size in cell.state_sizes(8).items()}
    scanned = eager.scan(cell, w, torch.randn(1, 4, 16, 4, generator=generator), state, record=cell.gates)
    return [gate for gate, values in scanned.recorded.items() if ((values >= 0) & (values <= 1)).all()]


class _Usual(NamedTuple):
    """What gates are on average."""

    means: Gates
    """`[members, kinds + 1, units]`: by the kind of step; the last of them over all steps, also for kinds never seen."""
    kinds: Int64[Tensor, " codes"]
    """The place of a kind among the means, by its code."""


@torch.no_grad()
def _usual(trained: Trained, names: list[str]) -> _Usual:
    data = sequences(trained.task, trained.lag, SEQUENCES)
    gates = run(trained.model, trained.end, data.window, warmed(trained.model, trained.end, data), names).gates
    counts = torch.arange(data.window.inputs.shape[1]).unsqueeze(1) <= data.end  # what comes after is nobody's business
    code = code_of(counts, data.events)
    seen = code[counts].unique()
    kinds = torch.full((2 ** len(data.events),), len(seen))
    kinds[seen] = torch.arange(len(seen))
    rows = [*((code == kind) & counts for kind in seen), counts]

    def means(values: Tensor) -> Float[Tensor, "members kinds units"]:
        values = values.expand(-1, -1, counts.shape[1], -1)
        return torch.stack([values[:, row].mean(1) for row in rows], 1)

    return _Usual([{name: means(values) for name, values in layer.items()} for layer in gates], kinds)


class _Clamped:
    """Members on the windows of a stream, one after the other, with their gates held one way."""

    def __init__(self, trained: Trained, usual: _Usual, way: str) -> None:
        self.trained, self.usual, self.way = trained, usual, way
        self.start(0)

    def start(self, batch: int) -> None:
        """The next window begins from the zero state."""
        self.state = self.trained.model.zero_state(len(self.trained.seeds), batch)
        self.before = self.state
        """The state of the networks as they were, whose gates are dealt."""

    def __call__(self, w: Weights, window: Stacked, code: Int64[Tensor, "#members time batch"]) -> Tensor:
        """The outputs of members with weights `w`."""
        if self.way == "none":
            members = len(self.trained.seeds)
            reset = None if window.reset is None else window.reset.expand(members, -1, -1)
            outputs, self.state = self.trained.model(w, window.inputs.expand(members, -1, -1, -1), self.state, reset)
            return outputs
        ran = run(self.trained.model, w, window, self.state, held=self._held(window, code))
        self.state = ran.state
        return ran.outputs

    @torch.no_grad()
    def _held(self, window: Stacked, code: Tensor) -> Gates:
        means, kinds = self.usual
        if self.way == "shuffled":
            ran = run(self.trained.model, self.trained.end, window, self.before, list(means[0]))
            self.before = ran.state
            return [{name: values.roll(1, 2) for name, values in layer.items()} for layer in ran.gates]
        kind = kinds[code] if self.way == "event" else torch.full_like(code, -1)
        kind = kind.expand(len(self.trained.seeds), -1, -1)
        return [
            {
                name: torch.stack([own[at] for own, at in zip(values, kind, strict=True)])
                for name, values in layer.items()
            }
            for layer in means
        ]


def _trained_on(clamped: _Clamped) -> Weights:
    """The members' weights after some more training, at the rate and with the clipping that each had."""
    trained = clamped.trained
    model, task = trained.model, trained.task
    flat = model.pack(trained.end)  # a copy
    adam = Adam(flat, trained.settings, STEPS)
    streams = [task.stream(Generator().manual_seed(seed + 2**49), BATCH, trained.lag) for seed in trained.seeds]
    for step in range(STEPS):
        if step == 0 or not task.continual:
            clamped.start(BATCH)
        batches = [stream.next() for stream in streams]
        window, code = stack(task, batches), torch.stack([code_of(batch.weight, batch.events) for batch in batches])
        flat.requires_grad_()
        outputs = clamped(model.unpack(flat), window, code)
        loss = task.loss(outputs, window.targets, window.weight)
        (gradient,) = torch.autograd.grad(loss.sum(), flat)
        flat = flat.detach()
        adam.step(flat, gradient)
    return model.unpack(flat)


@torch.no_grad()
def _scores(trained: Trained, usual: _Usual, way: str, w: Weights) -> list[float]:
    """The members' scores on the test set."""
    model, task = trained.model, trained.task
    batch, warmup, scored = task.evaluation(TEST, final=True)
    stream = task.stream(Generator().manual_seed(TEST_SEED), batch, trained.lag)
    drawn = [stream.next() for _ in range(warmup + scored)]
    windows = [(stack(task, [one]), code_of(one.weight, one.events).unsqueeze(0)) for one in drawn]
    targets = torch.cat([window.targets for window, _ in windows[warmup:]], 1)
    weight = torch.cat([window.weight for window, _ in windows[warmup:]], 1)
    each = windows[0][1].numel() * (model.inputs + 8 * model.hidden * model.layers)
    scores = []
    for rows in member_chunks(len(trained.seeds), each):
        some = range(len(trained.seeds))[rows]
        means = [{name: values[rows] for name, values in layer.items()} for layer in usual.means]
        clamped = _Clamped(trained.of(some), usual._replace(means=means), way)
        clamped.start(batch)
        own = {name: x[rows] for name, x in w.items()}
        outputs = torch.cat([clamped(own, window, code) for window, code in windows][warmup:], 1)
        loss, score = (judge(outputs, targets, weight) for judge in (task.loss, task.score))
        scores += score.where(loss.isfinite(), math.nan).tolist()  # the likeliest of classes exists even then
    return scores
