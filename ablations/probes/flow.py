"""Gradient flow: how much of the loss at the end reaches the state k steps before, ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖.

T is the step at which a sequence's memory is asked for at last, and L_T the loss at it alone. s is all that a step hands
to the next, all parts of all layers; what a lower layer shows to those above in the same step counts as part of it. Means
over sequences are geometric. With its gates held at the values they had, a network shows what its additive path carries.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ablations.cells import State, Weights
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

SEQUENCES = 32


def measure(trained: Trained) -> list[Findings]:
    """`flow/<when>/whole`, `flow/<when>/held` of cells with gates, and `decay_<when>`: the mean factor of one step."""
    found = [Findings({}, {}) for _ in trained.seeds]
    data = sequences(trained.task, trained.lag, SEQUENCES).double()
    gates = trained.model.cell.gates
    for when, w in (("init", trained.init), ("half", trained.half), ("end", trained.end)):
        w = double(w)
        with torch.no_grad():
            held = run(trained.model, w, data.window, warmed(trained.model, w, data), gates).gates
        for how, values in (("whole", None), ("held", held)) if gates else (("whole", None),):
            for k, shares in shares_left(trained, w, data, values).items():
                for member, share in zip(found, shares, strict=True):
                    member.log(f"flow/{when}/{how}", k, share)
        for member in found:
            if len(curve := member.curves.get(f"flow/{when}/whole", [])) > 1:
                # From one step before the end: at the end itself, only the part that is read counts.
                (first, most), (last, least) = curve[0], curve[-1]
                member.put(f"decay_{when}", (least / most) ** (1 / (last - first)))
    return found


def shares_left(trained: Trained, w: Weights, data: Sequences, held: Gates | None = None) -> dict[int, list[float]]:
    """What is left of the gradient k steps before the end, for a few k up to the lag: one number per member."""
    ks = distances(data.reach(trained.lag))
    if not ks:
        return {}
    size, first = _sizes(trained, w, data, int((data.end - ks[-1]).clamp(min=0).min()), held)
    size_at = lambda steps: size.gather(1, (steps - first).clamp(min=0).expand(len(size), 1, -1)).squeeze(1)  # noqa: E731
    last, left = size_at(data.end), {}
    for k in ks:
        valid = (last > 0) & (data.end >= k)
        left[k] = mean_share(size_at(data.end - k) / last, k, valid)
    return left


def _sizes(
    trained: Trained, w: Weights, data: Sequences, first: int, held: Gates | None
) -> tuple[Float[Tensor, "members time batch"], int]:
    """The norm of the gradient with respect to the state after each step from `first` on."""
    model, kept = trained.model, []

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
    loss = trained.task.loss(outputs, data.window.targets, last.unsqueeze(0))
    gradients = torch.autograd.grad(loss.sum(), kept, materialize_grads=True)
    squares = torch.stack([gradient.square().sum(-1) for gradient in gradients], 1)
    return squares.unflatten(1, (model.layers, len(steps) - first, -1)).sum((1, 3)).sqrt(), first
