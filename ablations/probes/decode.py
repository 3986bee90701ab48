"""Decodability: can the stored value be read off the state, step by step after it was shown?

The stored value is what the task asks for at the end. Values on a scale count as above or below their median, sets of
symbols as classes of their own. The state is that of all parts and layers. The probe is linear: it fits one Gaussian per
class, all of the same covariance, to half of the sequences, and is judged by its balanced accuracy on the other half. The
control is the same probe where the values are dealt to other sequences.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor

from ablations.cells import State
from ablations.probes.base import SEED, Findings, Sequences, Trained, distances, run, sequences, warmed

SEQUENCES = 256
POINTS = 12
SHUFFLES = 5
RIDGE = 0.01  # variance that is added to every direction, where each unit's own is 1
CLASSES = 16  # more values than this are a scale
SHOWING = (("write",), ("mark", "reset"), ("cue",), ("flip",))
"""Events that show the value, the first ones that a task has; else it counts as shown `lag` steps before the end."""


@torch.no_grad()
def measure(trained: Trained) -> list[Findings]:
    """`decode/true` and `decode/shuffled` by steps after the value was shown, and `decodability` at the end."""
    found = [Findings({}, {}) for _ in trained.seeds]
    data = sequences(trained.task, trained.lag, SEQUENCES)
    shown = shown_at(data, trained.lag)
    data, shown = data.where(shown >= 0), shown[shown >= 0]
    if not len(shown):
        return found
    labels = stored(data)
    reach = min(trained.lag, int((data.end - shown).median()))
    ks = [0, *distances(reach, POINTS - 1)]
    steps = torch.stack([*(shown + k for k in ks), data.end])
    seen = _states(trained, data, steps)
    generator = Generator().manual_seed(SEED)
    for point, k in enumerate([*ks, None]):
        there = steps[point] <= data.end
        x, value = seen[:, point, there], labels[there]
        fitted = torch.arange(len(value)) < len(value) // 2
        true = balanced_accuracy(x, value, fitted)
        dealt = [balanced_accuracy(x, _deal(value, fitted, generator), fitted) for _ in range(SHUFFLES)]
        shuffled = torch.stack(dealt).mean(0)
        for member, a, b in zip(found, true.tolist(), shuffled.tolist(), strict=True):
            if k is None:
                member.put("decodability", a - b)
            else:
                member.log("decode/true", k, a)
                member.log("decode/shuffled", k, b)
    return found


def shown_at(data: Sequences, lag: int) -> Int64[Tensor, " batch"]:
    """The step at which a sequence's value was shown, or its last part; below 0 where it was before the sequence."""
    steps = torch.arange(data.window.inputs.shape[1]).unsqueeze(1)
    for names in SHOWING:
        if names[0] in data.events:
            on = torch.stack([data.events[name] for name in names if name in data.events]).any(0)
            return torch.where(on & (steps <= data.end), steps, -1).amax(0)
    return data.end - lag


def stored(data: Sequences) -> Int64[Tensor, " batch"]:
    """The value of each sequence, as a class."""
    targets = data.window.targets[0, data.end, torch.arange(len(data.end))]
    values, classes = targets.unique(dim=0, return_inverse=True)
    if len(values) <= CLASSES or not targets.is_floating_point():
        return classes
    size = targets.flatten(1).mean(1)
    return (size > size.median()).long()


def _states(trained: Trained, data: Sequences, steps: Tensor) -> Float[Tensor, "members points batch units"]:
    """The states after some steps, which differ between sequences."""
    model, w = trained.model, trained.end
    each = sum(model.cell.state_sizes(model.hidden).values())
    seen = torch.zeros(len(trained.seeds), *steps.shape, each * model.layers)
    wanted = [
        [(point, (at == t).nonzero().flatten()) for point, at in enumerate(steps)] for t in range(steps.max() + 1)
    ]

    def watch(layer: int, t: int, state: State) -> State:
        for point, rows in wanted[t] if t < len(wanted) else ():
            if len(rows):
                whole = torch.cat([part[:, rows] for part in state.values()], -1)
                seen[:, point, rows, layer * each : (layer + 1) * each] = whole
        return state

    run(model, w, data.window, warmed(model, w, data), after=watch)
    return seen


def _deal(labels: Tensor, fitted: Tensor, generator: Generator) -> Tensor:
    """The labels in another order, within those the probe is fitted to and within the others."""
    dealt = labels.clone()
    for half in (fitted, ~fitted):
        own = labels[half]
        dealt[half] = own[torch.randperm(len(own), generator=generator)]
    return dealt


def balanced_accuracy(
    x: Float[Tensor, "members batch units"], labels: Int64[Tensor, " batch"], fitted: Bool[Tensor, " batch"]
) -> Float[Tensor, " members"]:
    """How often a linear probe, fitted to some of the rows, is right about the others: the mean over classes.

    Not a number where states are not finite, or where fewer than two classes are on both sides.
    """
    x = x.double()
    mean, sd = x[:, fitted].mean(1, keepdim=True), x[:, fitted].std(1, keepdim=True)
    # A unit that hardly moves is not blown up to see its rounding.
    x = (x - mean) / (sd + 1e-4 * sd.amax(-1, keepdim=True)).clamp(min=1e-12)
    classes = [c for c in labels.unique() if (labels[fitted] == c).sum() > 1 and (labels[~fitted] == c).any()]
    if len(classes) < 2:
        return torch.full((len(x),), math.nan)
    rows = [fitted & (labels == c) for c in classes]
    means = torch.stack([x[:, row].mean(1) for row in rows], 1)
    within = torch.cat([x[:, row] - means[:, c : c + 1] for c, row in enumerate(rows)], 1)
    spread = within.mT @ within / within.shape[1] + RIDGE * torch.eye(x.shape[-1]).double()
    directions = torch.linalg.solve_ex(spread, means.mT).result
    said = (x @ directions - (means * directions.mT).sum(-1).unsqueeze(1) / 2).argmax(-1)
    right = [(said[:, ~fitted & (labels == c)] == place).double().mean(1) for place, c in enumerate(classes)]
    return torch.stack(right).mean(0).where(x.isfinite().all(2).all(1), math.nan)
