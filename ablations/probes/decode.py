"""Decodability: the balanced accuracy with which a linear probe predicts the stored value from the state, over time.

The stored value is the target of the final query. Each distinct target is a class; a real-valued target with more than
MAX_CLASSES distinct values is split at its median. The state is that of all parts and layers. The probe is linear
discriminant analysis, fitted to half of the sequences and evaluated on the other half; its control is fitted and evaluated
with permuted labels.

Linear probes: Alain & Bengio 2017.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor

from ablations.cells import State
from ablations.probes.base import SEED, Findings, Sequences, Trained, distances, initial_state, run, sequences

SEQUENCES = 256
POINTS = 12
SHUFFLES = 5
RIDGE = 0.01  # added to the diagonal of the covariance of standardised units
MAX_CLASSES = 16  # of a real-valued target
WRITE_EVENTS = (("write",), ("mark", "reset"), ("cue",), ("flip",))
"""Events that present the value. The first group of which the task has the first event is used."""


@torch.no_grad()
def measure(trained: Trained) -> list[Findings]:
    """Measure `decode/true` and `decode/shuffled` by steps since the value was presented, and `decodability`.

    `decodability` is the difference of the two accuracies at the final query.
    """
    results = [Findings({}, {}) for _ in trained.seeds]
    data = sequences(trained.task, trained.lag, SEQUENCES)
    written = write_step(data, trained.lag)
    data, written = data.select(written >= 0), written[written >= 0]
    if not len(written):
        return results
    labels = target_classes(data)
    maximum = min(trained.lag, int((data.last_query - written).median()))
    ks = [0, *distances(maximum, POINTS - 1)]
    steps = torch.stack([*(written + k for k in ks), data.last_query])
    states = _states_at(trained, data, steps)
    generator = Generator().manual_seed(SEED)
    for point, k in enumerate([*ks, None]):
        valid = steps[point] <= data.last_query
        x, y = states[:, point, valid], labels[valid]
        train = torch.arange(len(y)) < len(y) // 2
        true = balanced_accuracy(x, y, train)
        controls = [balanced_accuracy(x, _permuted(y, train, generator), train) for _ in range(SHUFFLES)]
        shuffled = torch.stack(controls).mean(0)
        for member, accuracy, control in zip(results, true.tolist(), shuffled.tolist(), strict=True):
            if k is None:
                member.add_metric("decodability", accuracy - control)
            else:
                member.add_point("decode/true", k, accuracy)
                member.add_point("decode/shuffled", k, control)
    return results


def write_step(data: Sequences, lag: int) -> Int64[Tensor, " batch"]:
    """Return the step at which the value is presented, or completed; negative if that is before the window.

    It is the last step up to the final query with one of WRITE_EVENTS; in tasks without them, `lag` steps before that query.
    """
    steps = torch.arange(data.window.inputs.shape[1]).unsqueeze(1)
    for names in WRITE_EVENTS:
        if names[0] in data.events:
            on = torch.stack([data.events[name] for name in names if name in data.events]).any(0)
            return torch.where(on & data.until_query(), steps, -1).amax(0)
    return data.last_query - lag


def target_classes(data: Sequences) -> Int64[Tensor, " batch"]:
    """Return the class of each sequence's target at the final query."""
    targets = data.window.targets[0, data.last_query, torch.arange(len(data.last_query))]
    values, classes = targets.unique(dim=0, return_inverse=True)
    if len(values) <= MAX_CLASSES or not targets.is_floating_point():
        return classes
    means = targets.flatten(1).mean(1)
    return (means > means.median()).long()


def _states_at(trained: Trained, data: Sequences, steps: Tensor) -> Float[Tensor, "members points batch units"]:
    """Return the concatenated states of all layers after `steps [points, batch]`; 0 where a step is outside the window."""
    model, w = trained.model, trained.end
    size = sum(model.cell.state_sizes(model.hidden).values())
    states = torch.zeros(len(trained.seeds), *steps.shape, size * model.layers)
    points_at = [
        [(point, (step == t).nonzero().flatten()) for point, step in enumerate(steps)] for t in range(steps.max() + 1)
    ]

    def record(layer: int, t: int, state: State) -> State:
        for point, rows in points_at[t] if t < len(points_at) else ():
            if len(rows):
                whole = torch.cat([part[:, rows] for part in state.values()], -1)
                states[:, point, rows, layer * size : (layer + 1) * size] = whole
        return state

    run(model, w, data.window, initial_state(model, w, data), hook=record)
    return states


def _permuted(labels: Tensor, train: Tensor, generator: Generator) -> Tensor:
    """Permute the labels within the training half and within the test half."""
    permuted = labels.clone()
    for half in (train, ~train):
        values = labels[half]
        permuted[half] = values[torch.randperm(len(values), generator=generator)]
    return permuted


def balanced_accuracy(
    x: Float[Tensor, "members batch units"], labels: Int64[Tensor, " batch"], train: Bool[Tensor, " batch"]
) -> Float[Tensor, " members"]:
    """Fit linear discriminant analysis to the rows in `train`, and return the mean recall of the classes on the others.

    Classes have one Gaussian each, with equal priors and a common covariance. NaN if states are not finite, or if fewer than
    two classes have two rows in `train` and one outside it.
    """
    x = x.double()
    mean, sd = x[:, train].mean(1, keepdim=True), x[:, train].std(1, keepdim=True)
    # The offset keeps the rounding of a nearly constant unit from being scaled up to unit variance.
    x = (x - mean) / (sd + 1e-4 * sd.amax(-1, keepdim=True)).clamp(min=1e-12)
    classes = [c for c in labels.unique() if (labels[train] == c).sum() > 1 and (labels[~train] == c).any()]
    if len(classes) < 2:
        return torch.full((len(x),), math.nan)
    rows = [train & (labels == c) for c in classes]
    means = torch.stack([x[:, row].mean(1) for row in rows], 1)
    residuals = torch.cat([x[:, row] - means[:, index : index + 1] for index, row in enumerate(rows)], 1)
    covariance = residuals.mT @ residuals / residuals.shape[1] + RIDGE * torch.eye(x.shape[-1]).double()
    directions = torch.linalg.solve_ex(covariance, means.mT).result
    predicted = (x @ directions - (means * directions.mT).sum(-1).unsqueeze(1) / 2).argmax(-1)
    recall = [(predicted[:, ~train & (labels == c)] == index).double().mean(1) for index, c in enumerate(classes)]
    return torch.stack(recall).mean(0).where(x.isfinite().all(2).all(1), math.nan)
