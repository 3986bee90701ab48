"""Gradient flow: how much of the loss at the end reaches the state k steps before, ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖.

T is the step at which a sequence's memory is asked for at last, and L_T the loss at it alone. s is all that a step hands
to the next, all parts of all layers; what a lower layer shows to those above in the same step counts as part of it. Means
over sequences are geometric. With its gates held at the values they had, a network shows what its additive path carries.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ablations.cells import State, Weights
from ablations.networks.model import Model
from ablations.probes.base import (
    Findings,
    Gates,
    Sequences,
    Trained,
    distances,
    double,
    mean_share,
    run,
    sequences,
    warmed,
)
from tasks import Task

SEQUENCES = 32


def measure(trained: Trained) -> list[Findings]:
    """`flow/<when>/whole`, `flow/<when>/held` of cells with gates, and `decay_<when>`: the mean factor of one step."""
    found = [Findings({}, {}) for _ in trained.seeds]
    model, task, lag = trained[:3]
    data = sequences(task, lag, SEQUENCES).double()
    gates = model.cell.gates
    for when, w in (("init", trained.init), ("half", trained.half), ("end", trained.end)):
        w = double(w)
        with torch.no_grad():
            held = run(model, w, data.window, warmed(model, w, data), gates).gates
        left = shares_left(model, task, lag, w, data)
        for member, decay in zip(found, decays(left, len(found)), strict=True):
            member.put(f"decay_{when}", decay)
        both = {"whole": left} | ({"held": shares_left(model, task, lag, w, data, held)} if gates else {})
        for how, curve in both.items():
            for k, shares in curve.items():
                for member, share in zip(found, shares, strict=True):
                    member.log(f"flow/{when}/{how}", k, share)
    return found


def decays(left: dict[int, list[float]], members: int) -> list[float]:
    """What one step leaves: the geometric mean from a quarter of the lag up to the lag; not a number at a lag of 1.

    Nearer to the end another thing is seen: how what is read passes over into what is kept.
    """
    far = max(left, default=0)
    near = min((k for k in left if 4 * k >= far), default=0)
    if near == far:
        return [math.nan] * members
    return [(b / a) ** (1 / (far - near)) if a > 0 else math.nan for a, b in zip(left[near], left[far], strict=True)]


def shares_left(
    model: Model, task: Task, lag: int, w: Weights, data: Sequences, held: Gates | None = None
) -> dict[int, list[float]]:
    """What is left of the gradient k steps before the end, for a few k up to the lag: one number per member."""
    ks = distances(data.reach(lag))
    if not ks:
        return {}
    first = int((data.end - ks[-1]).clamp(min=0).min())
    size = _sizes(model, task, w, data, first, held)
    size_at = lambda steps: size.gather(1, (steps - first).clamp(min=0).expand(len(size), 1, -1)).squeeze(1)  # noqa: E731
    last, left = size_at(data.end), {}
    for k in ks:
        valid = (last > 0) & (data.end >= k)
        left[k] = mean_share(size_at(data.end - k) / last, k, valid)
    return left


def _sizes(
    model: Model, task: Task, w: Weights, data: Sequences, first: int, held: Gates | None
) -> Float[Tensor, "members time batch"]:
    """The norm of the gradient with respect to the state after each step from `first` on."""
    kept: list[Tensor] = []

    def keep(layer: int, t: int, state: State) -> State:
        if t < first:
            return state
        # A copy, so that a part from which another is computed in the same step is not counted for it.
        state = {name: part.clone().requires_grad_() for name, part in state.items()}
        kept.extend(state.values())
        return state

    outputs = run(model, w, data.window, warmed(model, w, data), held=held, after=keep).outputs
    steps = torch.arange(outputs.shape[1]).unsqueeze(1)
    last = (steps == data.end).to(outputs.dtype)
    loss = task.loss(outputs, data.window.targets, last.unsqueeze(0))
    gradients = torch.autograd.grad(loss.sum(), kept, materialize_grads=True)
    squares = torch.stack([gradient.square().sum(-1) for gradient in gradients], 1)
    return squares.unflatten(1, (model.layers, len(steps) - first, -1)).sum((1, 3)).sqrt()
