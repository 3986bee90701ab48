"""Evaluating members: on a small fixed validation set during training, on a large fixed test set at its end."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from ablations.cells import Weights
from ablations.engines.device import CPU
from ablations.networks.model import Model
from tasks import Batch, Task

VALIDATION_SEQUENCES = 256
MAX_FLOATS = 2**25
"""Floats that a chunk of members may allocate at once on the CPU: 128 MiB."""
GATE_SEQUENCES = 32
"""Sequences that gate statistics are computed on."""
VALIDATION_SEED, TEST_SEED, EXTRA_TEST_SEED = 1, 2, 3  # members' seeds are 48-bit hashes and do not coincide with these
UNSEEN_SEED = 2**50
"""Plus the training step: the seed of a second test set, which is used at that step only."""


class Stacked(NamedTuple):
    """The batches of several members, `[members, time, batch, ...]` each."""

    inputs: Tensor
    targets: Tensor
    weight: Tensor
    reset: Tensor | None
    """Where the state is set to its initial value before the step; None for tasks that do not reset it."""

    def select(self, rows: slice) -> "Stacked":
        """The batches of some of the members."""
        reset = None if self.reset is None else self.reset[rows]
        return Stacked(self.inputs[rows], self.targets[rows], self.weight[rows], reset)

    def to(self, device: torch.device) -> "Stacked":
        """The batches on a device."""
        reset = None if self.reset is None else send(self.reset, device)
        return Stacked(send(self.inputs, device), send(self.targets, device), send(self.weight, device), reset)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; to a GPU it is copied asynchronously."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def stack(task: Task, batches: Sequence[Batch]) -> Stacked:
    """Stack one batch per member."""
    inputs, targets, weight = (torch.stack(field) for field in list(zip(*batches, strict=True))[:3])
    resets = [task.reset(batch.events) for batch in batches]
    reset = torch.stack([r for r in resets if r is not None]) if resets[0] is not None else None
    return Stacked(inputs, targets, weight, reset)


class EvaluationSet(NamedTuple):
    """Fixed consecutive windows of a task. The first `warmup` are run but not scored; episodic tasks have one window."""

    windows: list[Stacked]
    warmup: int


class Evaluation(NamedTuple):
    """The results of members on an evaluation set."""

    loss: Float[Tensor, " members"]
    score: Float[Tensor, " members"]
    solved: Bool[Tensor, " members"]
    state_norm: Float[Tensor, "members windows"]
    """Euclidean norm of the whole state at the end of each window, mean over sequences."""


class ExtraTestResults(NamedTuple):
    """The results of members on a task's extra tests."""

    passed: Bool[Tensor, " members"]
    """Whether a member passed all tests."""
    values: dict[str, Float[Tensor, " members"]]
    """The measured values by test."""


def evaluation_set(
    task: Task, lag: int, sequences: int, seed: int, final: bool, device: torch.device = CPU
) -> EvaluationSet:
    """The windows that every member of an arm is evaluated on, drawn from `seed` on the CPU, whatever the device.

    :param final: whether it is the test set after training, or the validation set.
    """
    batch, warmup, scored = task.evaluation(sequences, final=final)
    stream = task.split_stream("test" if final else "validation", Generator().manual_seed(seed), batch, lag)
    return EvaluationSet([stack(task, [stream.next()]).to(device) for _ in range(warmup + scored)], warmup)


def max_floats(device: torch.device) -> int:
    """The floats that a chunk of members may allocate at once: on a GPU an eighth of its memory."""
    return torch.cuda.get_device_properties(device).total_memory // 32 if device.type == "cuda" else MAX_FLOATS


def member_chunks(members: int, floats_per_member: int, device: torch.device = CPU) -> list[slice]:
    """Split members into chunks of at least one member that allocate at most `max_floats` floats."""
    size = max(1, max_floats(device) // floats_per_member)
    return [slice(first, first + size) for first in range(0, members, size)]


@torch.no_grad()
def evaluate(model: Model, w: Weights, task: Task, data: EvaluationSet) -> Evaluation:
    """Run members over an evaluation set from the initial state, without gradients; the results are on the CPU."""
    targets, weight = _targets(data.windows[data.warmup :])
    chunks = []
    for outputs, norms in _run(model, w, data.windows):
        y = torch.cat(outputs[data.warmup :], 1)
        scores = task.loss(y, targets, weight), task.score(y, targets, weight), task.solved(y, targets, weight)
        chunks.append(Evaluation(*scores, torch.stack(norms, 1)))
    return Evaluation(*(torch.cat(values).cpu() for values in zip(*chunks, strict=True)))


@torch.no_grad()
def run_extra_tests(model: Model, w: Weights, task: Task, lag: int) -> ExtraTestResults:
    """Run a task's extra tests, on the same sequences for all members of an arm. `w` may have zero members; the results are
    on the CPU."""
    members = next(iter(w.values()))
    passed = torch.ones(len(members), dtype=torch.bool)
    values = {}
    if not len(passed):
        return ExtraTestResults(passed, values)
    for name, (batches, measure, threshold) in task.extra_tests(Generator().manual_seed(EXTRA_TEST_SEED), lag).items():
        windows = [stack(task, [batch]).to(members.device) for batch in batches]
        targets, runs = _targets(windows), _run(model, w, windows)
        values[name] = torch.cat([measure(torch.cat(outputs, 1), *targets) for outputs, _ in runs]).cpu()
        passed &= values[name] >= threshold
    return ExtraTestResults(passed, values)


def _targets(windows: Sequence[Stacked]) -> tuple[Tensor, Tensor]:
    """Targets and weight of consecutive windows, concatenated over time."""
    return torch.cat([window.targets for window in windows], 1), torch.cat([window.weight for window in windows], 1)


def _run(model: Model, w: Weights, windows: Sequence[Stacked]) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """For each chunk of members, the outputs of every window and the norm of the state at its end."""
    weight = next(iter(w.values()))
    _, steps, batch, features = windows[0].inputs.shape
    # Roughly what one member allocates: the scan of a window, or the outputs of all windows.
    floats = steps * batch * max(features + 4 * model.hidden, len(windows) * model.outputs)
    for rows in member_chunks(len(weight), floats, weight.device):
        yield _run_chunk(model, {name: x[rows] for name, x in w.items()}, windows)


def _run_chunk(model: Model, w: Weights, windows: Sequence[Stacked]) -> tuple[list[Tensor], list[Tensor]]:
    """Run members over successive windows, which all of them share; by window, the outputs `[members, time, batch, outputs]` and
    the norms of the final states `[members]`, means over sequences."""
    members = next(iter(w.values())).shape[0]
    state = model.initial_state(w, windows[0].inputs.shape[2])
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
    """Activation statistics of the gates over the last window: `gate/<name>/mean`, `gate/<name>/low`, `gate/<name>/high`.

    `low` and `high` are the shares of absolute values below 0.1 and above 0.9 (absolute, since candidates are signed).
    Gates of layers above the first carry the number of their layer, as in `1.f`. The results are on the CPU.
    """
    members = next(iter(w.values())).shape[0]
    state = model.initial_state(w, min(data.windows[0].inputs.shape[2], GATE_SEQUENCES))
    statistics = {}
    for window in data.windows:
        inputs = window.inputs[:, :, :GATE_SEQUENCES].expand(members, -1, -1, -1)
        reset = None if window.reset is None else window.reset[:, :, :GATE_SEQUENCES].expand(members, -1, -1)
        scans = list(model.scans(w, inputs, state, reset, record=model.cell.gates))
        state = [scanned.state for scanned in scans]
        for layer, scanned in enumerate(scans):
            for gate, values in scanned.recorded.items():
                name, size = f"gate/{layer}.{gate}" if layer else f"gate/{gate}", values.flatten(1).abs()
                statistics[f"{name}/mean"] = values.flatten(1).mean(1)
                statistics[f"{name}/low"] = (size < 0.1).float().mean(1)
                statistics[f"{name}/high"] = (size > 0.9).float().mean(1)
    return {name: values.cpu() for name, values in statistics.items()}
