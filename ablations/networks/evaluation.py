"""Evaluating members: on a small fixed validation set while they train, on a large fixed test set at the end."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from ablations.cells import Weights
from ablations.networks.model import Model
from tasks import Batch, Task

VALIDATION_SEQUENCES = 256
MAX_FLOATS = 2**25
"""Members are computed together as long as they take no more numbers than this at once: 128 MiB."""
GATE_SEQUENCES = 32
VALIDATION_SEED, TEST_SEED, EXTRA_TEST_SEED = 1, 2, 3  # members' seeds are 48-bit hashes and do not meet these


class Stacked(NamedTuple):
    """The batches of several members, `[members, time, batch, ...]` each."""

    inputs: Tensor
    targets: Tensor
    weight: Tensor
    reset: Tensor | None
    """Where the state is zeroed from outside before the step; None for tasks without that control."""

    def of(self, rows: slice) -> "Stacked":
        """Those of some members."""
        reset = None if self.reset is None else self.reset[rows]
        return Stacked(self.inputs[rows], self.targets[rows], self.weight[rows], reset)


def stack(task: Task, batches: Sequence[Batch]) -> Stacked:
    """One batch per member, stacked."""
    inputs, targets, weight = (torch.stack(field) for field in list(zip(*batches, strict=True))[:3])
    resets = [task.reset(batch.events) for batch in batches]
    reset = torch.stack([r for r in resets if r is not None]) if resets[0] is not None else None
    return Stacked(inputs, targets, weight, reset)


class EvaluationSet(NamedTuple):
    """Fixed windows of a task, the first `warmup` of which run but do not count. Episodic tasks have one window."""

    windows: list[Stacked]
    warmup: int


class Evaluation(NamedTuple):
    """How members did on an evaluation set."""

    loss: Float[Tensor, " members"]
    score: Float[Tensor, " members"]
    solved: Bool[Tensor, " members"]
    state_norm: Float[Tensor, "members windows"]
    """Euclidean norm of the whole state at each window's end, mean over sequences."""


class ExtraTestResults(NamedTuple):
    """How members did on a task's probes."""

    passed: Bool[Tensor, " members"]
    found: dict[str, Float[Tensor, " members"]]


def evaluation_set(task: Task, lag: int, sequences: int, seed: int, final: bool) -> EvaluationSet:
    """The windows that every member of an arm is evaluated on, drawn from their own seed."""
    batch, warmup, scored = task.evaluation(sequences, final=final)
    stream = task.stream(Generator().manual_seed(seed), batch, lag)
    return EvaluationSet([stack(task, [stream.next()]) for _ in range(warmup + scored)], warmup)


def member_chunks(members: int, each: int) -> list[slice]:
    """Members in groups that take no more than MAX_FLOATS at once, if `each` takes so many: memory is bounded, results are not
    touched. One member is never divided."""
    most = max(1, MAX_FLOATS // each)
    return [slice(first, first + most) for first in range(0, members, most)]


@torch.no_grad()
def evaluate(model: Model, w: Weights, task: Task, data: EvaluationSet) -> Evaluation:
    """Run members over an evaluation set, from the zero state, without gradients."""
    targets, weight = _judged(data.windows[data.warmup :])
    parts = []
    for outputs, norms in _run(model, w, data.windows):
        y = torch.cat(outputs[data.warmup :], 1)
        judged = task.loss(y, targets, weight), task.score(y, targets, weight), task.solved(y, targets, weight)
        parts.append(Evaluation(*judged, torch.stack(norms, 1)))
    return Evaluation(*(torch.cat(values) for values in zip(*parts, strict=True)))


@torch.no_grad()
def run_extra_tests(model: Model, w: Weights, task: Task, lag: int) -> ExtraTestResults:
    """Ask members what else the task has to ask, all members of an arm the same. There may be no member to ask."""
    passed = torch.ones(next(iter(w.values())).shape[0], dtype=torch.bool)
    found = {}
    if not len(passed):
        return ExtraTestResults(passed, found)
    for name, (batches, measure, least) in task.extra_tests(Generator().manual_seed(EXTRA_TEST_SEED), lag).items():
        windows = [stack(task, [batch]) for batch in batches]
        judged = _judged(windows)
        found[name] = torch.cat([measure(torch.cat(outputs, 1), *judged) for outputs, _ in _run(model, w, windows)])
        passed &= found[name] >= least
    return ExtraTestResults(passed, found)


def _judged(windows: Sequence[Stacked]) -> tuple[Tensor, Tensor]:
    """The targets and weight of windows that follow each other."""
    return torch.cat([window.targets for window in windows], 1), torch.cat([window.weight for window in windows], 1)


def _run(model: Model, w: Weights, windows: Sequence[Stacked]) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """The outputs in each window and the state's norms at its end, for one group of members after the other."""
    members = next(iter(w.values())).shape[0]
    _, steps, batch, features = windows[0].inputs.shape
    # What one member takes, roughly: a window's scan, or the outputs of all windows.
    each = steps * batch * max(features + 4 * model.hidden, len(windows) * model.outputs)
    for group in member_chunks(members, each):
        yield _run_together(model, {name: x[group] for name, x in w.items()}, windows)


def _run_together(model: Model, w: Weights, windows: Sequence[Stacked]) -> tuple[list[Tensor], list[Tensor]]:
    members = next(iter(w.values())).shape[0]
    state = model.zero_state(members, windows[0].inputs.shape[2])
    outputs, norms = [], []
    for window in windows:
        inputs = window.inputs.expand(members, -1, -1, -1)
        reset = None if window.reset is None else window.reset.expand(members, -1, -1)
        y, state = model(w, inputs, state, reset)
        outputs.append(y)
        parts = [part for layer in state for part in layer.values()]
        norms.append(torch.cat(parts, -1).norm(dim=-1).mean(-1))
    return outputs, norms


@torch.no_grad()
def gate_statistics(model: Model, w: Weights, data: EvaluationSet) -> dict[str, Float[Tensor, " members"]]:
    """How open the gates are, over the last window: `gate/<name>/mean`, and the shares that are saturated.

    `low` and `high` are the shares of values within 0.1 of 0 and beyond 0.9, in size: candidates have a sign. Gates of
    layers above the first carry their number, as in `1.f`.
    """
    members = next(iter(w.values())).shape[0]
    state = model.zero_state(members, min(data.windows[0].inputs.shape[2], GATE_SEQUENCES))
    found = {}
    for window in data.windows:
        inputs = window.inputs[:, :, :GATE_SEQUENCES].expand(members, -1, -1, -1)
        reset = None if window.reset is None else window.reset[:, :, :GATE_SEQUENCES].expand(members, -1, -1)
        scans = list(model.scans(w, inputs, state, reset, record=model.cell.gates))
        state = [scanned.state for scanned in scans]
        for layer, scanned in enumerate(scans):
            for gate, values in scanned.recorded.items():
                name, size = f"gate/{layer}.{gate}" if layer else f"gate/{gate}", values.flatten(1).abs()
                found[f"{name}/mean"] = values.flatten(1).mean(1)
                found[f"{name}/low"] = (size < 0.1).float().mean(1)
                found[f"{name}/high"] = (size > 0.9).float().mean(1)
    return found
