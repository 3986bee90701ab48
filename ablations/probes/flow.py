"""Gradient flow: the norm of the gradient k steps before the final query, ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖.

T is the step of a sequence's final query and L_T the loss at that step alone. s is the whole recurrent state, all parts of
all layers; the gradient with respect to a layer's state includes the path through the layers above it in the same step.
Means over sequences are geometric. With the gates overridden by their recorded values, gradients flow through the additive
path alone.

Vanishing gradients: Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013.
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
    geometric_mean,
    initial_state,
    run,
    sequences,
)
from tasks import Task

SEQUENCES = 32


def measure(trained: Trained) -> list[Findings]:
    """Measure `flow/<stage>/whole`, `decay_<stage>` and, for cells with gates, `flow/<stage>/held` (gates overridden).

    The stages are `init`, `half` and `end`; the step of a point is the distance k.
    """
    results = [Findings({}, {}) for _ in trained.seeds]
    model, task, lag = trained.model, trained.task, trained.lag
    data = sequences(task, lag, SEQUENCES).double()
    gates = model.cell.gates
    for stage, w in (("init", trained.init), ("half", trained.half), ("end", trained.end)):
        w = double(w)
        with torch.no_grad():
            values = run(model, w, data.window, initial_state(model, w, data), gates).gates
        curves = {"whole": gradient_ratios(model, task, lag, w, data)}
        if gates:
            curves["held"] = gradient_ratios(model, task, lag, w, data, values)
        for member, decay in zip(results, decay_per_step(curves["whole"], len(results)), strict=True):
            member.add_metric(f"decay_{stage}", decay)
        for path, curve in curves.items():
            for k, ratios in curve.items():
                for member, ratio in zip(results, ratios, strict=True):
                    member.add_point(f"flow/{stage}/{path}", k, ratio)
    return results


def decay_per_step(ratios: dict[int, list[float]], members: int) -> list[float]:
    """Return each member's factor of the gradient norm per step back, the geometric mean from a quarter of the lag to the lag.

    NaN at a lag of 1 and without ratios. `ratios` are those of `gradient_ratios`. The steps nearest to the query are left out: their ratios also depend on the
    step from the memory to the readout.
    """
    far = max(ratios, default=0)
    near = min((k for k in ratios if 4 * k >= far), default=0)
    if near == far:
        return [math.nan] * members
    return [
        (b / a) ** (1 / (far - near)) if a > 0 else math.nan for a, b in zip(ratios[near], ratios[far], strict=True)
    ]


def gradient_ratios(
    model: Model, task: Task, lag: int, w: Weights, data: Sequences, override: Gates | None = None
) -> dict[int, list[float]]:
    """Return ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖ of each member, by distance k up to the lag."""
    ks = distances(data.max_distance(lag))
    if not ks:
        return {}
    # The earliest step whose gradient is needed.
    first = int((data.last_query - ks[-1]).clamp(min=0).min())
    norm = _gradient_norms(model, task, w, data, first, override)

    def norm_at(steps: Tensor) -> Tensor:
        """The norm of every member and sequence at a step of its own."""
        return norm.gather(1, (steps - first).clamp(min=0).expand(len(norm), 1, -1)).squeeze(1)

    norm_at_query, ratios = norm_at(data.last_query), {}
    for k in ks:
        valid = (norm_at_query > 0) & (data.last_query >= k)
        ratios[k] = geometric_mean(norm_at(data.last_query - k) / norm_at_query, k, valid)
    return ratios


def _gradient_norms(
    model: Model, task: Task, w: Weights, data: Sequences, first: int, override: Gates | None
) -> Float[Tensor, "members time batch"]:
    """Return the norm of the gradient with respect to the state after each step from `first` on."""
    states: list[Tensor] = []

    def save(layer: int, t: int, state: State) -> State:
        if t < first:
            return state
        # Cloned: an LSTM computes h from c in the same step, and the gradient through h must not count for c as well.
        state = {name: part.clone().requires_grad_() for name, part in state.items()}
        states.extend(state.values())
        return state

    outputs = run(model, w, data.window, initial_state(model, w, data), override=override, hook=save).outputs
    steps = torch.arange(outputs.shape[1]).unsqueeze(1)
    weight = (steps == data.last_query).to(outputs.dtype)
    loss = task.loss(outputs, data.window.targets, weight.unsqueeze(0))
    gradients = torch.autograd.grad(loss.sum(), states, materialize_grads=True)
    squares = torch.stack([gradient.square().sum(-1) for gradient in gradients], 1)
    return squares.unflatten(1, (model.layers, len(steps) - first, -1)).sum((1, 3)).sqrt()
