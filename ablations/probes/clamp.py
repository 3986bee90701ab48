"""Gate clamping: the score of a trained network whose gates are fixed from outside, after fine-tuning its weights.

The multiplicative gates, those with values between 0 and 1, are clamped under four conditions:

- `none`: computed by the network
- `mean`: their mean over steps and sequences
- `event`: their mean over the steps of the same kind; the kind of a step is the set of its events
- `shuffled`: their values on another sequence

Under each condition the weights are fine-tuned on new data, then evaluated on the test set. Clamped values come from the
network at the end of training and do not change during fine-tuning.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from ablations.cells import Cell, State, Weights
from ablations.engines import eager
from ablations.networks.evaluation import TEST_SEED, Stacked, member_chunks, stack
from ablations.networks.optim import Adam
from ablations.probes.base import SEED, Findings, Gates, Trained, event_codes, initial_state, run, sequences

STEPS, BATCH = 500, 32  # of fine-tuning
SEQUENCES = 256  # over which gate means are taken
TEST_SEQUENCES = 1000
CONDITIONS = ("none", "mean", "event", "shuffled")


def measure(trained: Trained) -> list[Findings]:
    """Measure `clamp_none`, `clamp_mean`, `clamp_event` and `clamp_shuffled`: test scores, 0 where fine-tuning diverged."""
    results = [Findings({}, {}) for _ in trained.seeds]
    names = multiplicative_gates(trained.model.cell)
    if not names:
        return results
    means = _gate_means(trained, names)
    for condition in CONDITIONS:
        w = _fine_tuned(_ClampedNetworks(trained, means, condition))
        for member, score in zip(results, _scores(trained, means, condition, w), strict=True):
            member.add_metric(f"clamp_{condition}", score if math.isfinite(score) else 0.0)
    return results


def multiplicative_gates(cell: Cell) -> list[str]:
    """Return the gates whose values are between 0 and 1 for random weights and inputs; candidates can be negative."""
    generator = Generator().manual_seed(SEED)
    shapes = cell.weights(4, 8)
    w = {name: torch.randn(1, weight.rows, weight.columns, generator=generator) for name, weight in shapes.items()}
    state = {name: torch.zeros(1, 16, size) for name, size in cell.state_sizes(8).items()}
    scanned = eager.scan(cell, w, torch.randn(1, 4, 16, 4, generator=generator), state, record=cell.gates)
    return [gate for gate, values in scanned.recorded.items() if ((values >= 0) & (values <= 1)).all()]


class _GateMeans(NamedTuple):
    """Mean gate values by kind of step."""

    means: Gates
    """`[members, kinds + 1, units]`; the last entry is the mean over all steps, which is also used for kinds that were not observed."""
    kind_index: Int64[Tensor, " codes"]
    """The index of a kind in `means`, by its event code."""


@torch.no_grad()
def _gate_means(trained: Trained, names: list[str]) -> _GateMeans:
    data = sequences(trained.task, trained.lag, SEQUENCES)
    start = initial_state(trained.model, trained.end, data)
    gates = run(trained.model, trained.end, data.window, start, names).gates
    steps = data.until_query()
    codes = event_codes(steps, data.events)
    kinds = codes[steps].unique()
    kind_index = torch.full((2 ** len(data.events),), len(kinds))
    kind_index[kinds] = torch.arange(len(kinds))
    masks = [*((codes == kind) & steps for kind in kinds), steps]

    def means(values: Tensor) -> Float[Tensor, "members kinds units"]:
        values = values.expand(-1, -1, steps.shape[1], -1)
        return torch.stack([values[:, mask].mean(1) for mask in masks], 1)

    return _GateMeans([{name: means(values) for name, values in layer.items()} for layer in gates], kind_index)


class _ClampedNetworks:
    """Members that run over the consecutive windows of a stream, with gates clamped under one condition."""

    def __init__(self, trained: Trained, means: _GateMeans, condition: str) -> None:
        self.trained, self.means, self.condition = trained, means, condition
        self.reset_state()

    def reset_state(self) -> None:
        """Start the next window from the initial state."""
        self.state: list[State] = []
        self.reference_state: list[State] = []
        """The state of the networks without fine-tuning, whose gates are shuffled."""

    def __call__(self, w: Weights, window: Stacked, codes: Int64[Tensor, "#members time batch"]) -> Tensor:
        """Return the outputs with weights `w`; `codes` are the event codes of the window's steps."""
        self.state = self.state or self.trained.model.initial_state(w, window.inputs.shape[2])
        if self.condition == "none":
            members = len(self.trained.seeds)
            reset = None if window.reset is None else window.reset.expand(members, -1, -1)
            outputs, self.state = self.trained.model(w, window.inputs.expand(members, -1, -1, -1), self.state, reset)
            return outputs
        result = run(self.trained.model, w, window, self.state, override=self._gates(window, codes))
        self.state = result.state
        return result.outputs

    @torch.no_grad()
    def _gates(self, window: Stacked, codes: Tensor) -> Gates:
        """Return the values at which gates are clamped."""
        means, kind_index = self.means
        if self.condition == "shuffled":
            names, batch = list(means[0]), window.inputs.shape[2]
            start = self.reference_state or self.trained.model.initial_state(self.trained.end, batch)
            result = run(self.trained.model, self.trained.end, window, start, names)
            self.reference_state = result.state
            return [{name: values.roll(1, 2) for name, values in layer.items()} for layer in result.gates]
        kind = kind_index[codes] if self.condition == "event" else torch.full_like(codes, -1)
        kind = kind.expand(len(self.trained.seeds), -1, -1)
        return [
            {
                name: torch.stack([member[k] for member, k in zip(values, kind, strict=True)])
                for name, values in layer.items()
            }
            for layer in means
        ]


def _fine_tuned(clamped: _ClampedNetworks) -> Weights:
    """Return the weights after fine-tuning, each member with its own learning rate and clip norm."""
    trained = clamped.trained
    model, task = trained.model, trained.task
    flat = model.pack(trained.end)  # a copy
    adam = Adam(flat, trained.settings, STEPS)
    seeds = [Generator().manual_seed(seed + 2**49) for seed in trained.seeds]
    streams = [task.split_stream("train", seed, BATCH, trained.lag) for seed in seeds]
    for step in range(STEPS):
        if step == 0 or not task.continual:
            clamped.reset_state()
        batches = [stream.next() for stream in streams]
        window, codes = (
            stack(task, batches),
            torch.stack([event_codes(batch.weight, batch.events) for batch in batches]),
        )
        flat.requires_grad_()
        outputs = clamped(model.unpack(flat), window, codes)
        loss = task.loss(outputs, window.targets, window.weight)
        (gradient,) = torch.autograd.grad(loss.sum(), flat)
        flat = flat.detach()
        adam.step(flat, gradient, model.trained)
    return model.unpack(flat)


@torch.no_grad()
def _scores(trained: Trained, means: _GateMeans, condition: str, w: Weights) -> list[float]:
    """Return the test scores of members with weights `w`; NaN where the loss is not finite."""
    model, task = trained.model, trained.task
    batch, warmup, scored = task.evaluation(TEST_SEQUENCES, final=True)
    stream = task.split_stream("test", Generator().manual_seed(TEST_SEED), batch, trained.lag)
    batches = [stream.next() for _ in range(warmup + scored)]
    windows = [(stack(task, [b]), event_codes(b.weight, b.events).unsqueeze(0)) for b in batches]
    targets = torch.cat([window.targets for window, _ in windows[warmup:]], 1)
    weight = torch.cat([window.weight for window, _ in windows[warmup:]], 1)
    floats_per_member = windows[0][1].numel() * (model.inputs + 8 * model.hidden * model.layers)
    scores = []
    for rows in member_chunks(len(trained.seeds), floats_per_member):
        members = range(len(trained.seeds))[rows]
        chunk_means = [{name: values[rows] for name, values in layer.items()} for layer in means.means]
        clamped = _ClampedNetworks(trained.select(members), means._replace(means=chunk_means), condition)
        chunk_w = {name: x[rows] for name, x in w.items()}
        outputs = torch.cat([clamped(chunk_w, window, codes) for window, codes in windows][warmup:], 1)
        loss, score = (metric(outputs, targets, weight) for metric in (task.loss, task.score))
        scores += score.where(loss.isfinite(), math.nan).tolist()  # argmax gives NaN outputs a class, hence a score
    return scores
