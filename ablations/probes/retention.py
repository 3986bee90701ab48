"""Retention: how much of a small change of the state is left k steps later, ‖δs_{t+k}‖ / ‖δs_t‖.

The state is changed `lag` steps before its sequence's memory is asked for, or after the first step where a sequence is
shorter. The change is infinitely small, in a random direction that all members share, and followed by forward derivatives:
no rounding hides what vanishes. s is all that a step hands to the next, all parts of all layers.
"""

import math

import torch
import torch.autograd.forward_ad as forward
from torch import Generator, Tensor

from ablations.cells import State
from ablations.probes.base import (
    SEED,
    Findings,
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
    """`retention`, `retained` after the lag, and `time_constant` of cells whose gates say how long a unit keeps."""
    found = [Findings({}, {}) for _ in trained.seeds]
    data = sequences(trained.task, trained.lag, SEQUENCES).double()
    for k, shares in _shares_left(trained, data).items():
        for member, share in zip(found, shares, strict=True):
            member.log("retention", k, share)
    for member in found:
        for _, share in member.curves.get("retention", [])[-1:]:
            member.put("retained", share)
    for member, kept in zip(found, kept_by_gates(trained, data), strict=True):
        if 0 < kept < 1:
            member.put("time_constant", -1 / math.log(kept))
    return found


@torch.no_grad()
def _shares_left(trained: Trained, data: Sequences) -> dict[int, list[float]]:
    """What is left after k steps, for a few k up to the lag: one number per member."""
    model, w = trained.model, double(trained.end)
    ks = distances(data.reach(trained.lag))
    if not ks:
        return {}
    start = (data.end - ks[-1]).clamp(min=0)
    first, generator = int(start.min()), Generator().manual_seed(SEED)
    direction = [
        {name: torch.randn(len(start), size, generator=generator).double() for name, size in sizes.items()}
        for sizes in [model.cell.state_sizes(model.hidden)] * model.layers
    ]
    squares: list[Tensor] = []

    def nudge(layer: int, t: int, state: State) -> State:
        if t < first:
            return state
        now = (start == t).double().unsqueeze(-1)
        nudged, square = {}, torch.zeros(())
        for name, part in state.items():
            value, change = forward.unpack_dual(part)
            change = now * direction[layer][name] + (torch.zeros_like(value) if change is None else change)
            nudged[name] = forward.make_dual(value, change.expand_as(value).contiguous())
            square = square + change.square().sum(-1)
        squares.append(square)
        return nudged

    with forward.dual_level():
        run(model, w, data.window, warmed(model, w, data), after=nudge)
    size = torch.stack(squares, 1).unflatten(1, (model.layers, -1)).sum(1).sqrt()
    size_at = lambda steps: size.gather(1, (steps - first).expand(len(size), 1, -1)).squeeze(1)  # noqa: E731
    left = {}
    for k in ks:
        valid = (start + k <= data.end).expand(len(size), -1)
        left[k] = mean_share(size_at(torch.minimum(start + k, data.end)) / size_at(start), k, valid)
    return left


@torch.no_grad()
def kept_by_gates(trained: Trained, data: Sequences) -> list[float]:
    """What one step keeps of a unit's memory with every gate held at the value it has: the median over units, steps and
    sequences. Not a number where a unit's new memory also depends on other units' old one.

    The memory is the part `c`, or the output of cells that have none. What is kept is the forget gate in the LSTM's
    family and z in the GRU.
    """
    model, w, cell = trained.model, double(trained.end), trained.model.cell
    if not cell.gates:
        return [math.nan] * len(trained.seeds)
    memory = "c" if "c" in cell.state else cell.output
    state = warmed(model, w, data)
    held = run(model, w, data.window, state, cell.gates).gates
    generator = Generator().manual_seed(SEED)
    size = cell.state_sizes(model.hidden)[memory]
    signs = 2 * torch.randint(2, (size,), generator=generator).double() - 1
    factors = []
    for direction in (torch.ones_like(signs), signs):
        kept: list[Tensor] = []

        def watch(_layer: int, t: int, state: State, along: Tensor = direction, kept: list[Tensor] = kept) -> State:
            value, change = forward.unpack_dual(state[memory])
            if t > 0:
                kept.append((torch.zeros_like(value) if change is None else change) * along)
            return {n: forward.unpack_dual(part).primal for n, part in state.items()} | {
                memory: forward.make_dual(value, along.expand_as(value).contiguous())
            }

        with forward.dual_level():
            run(model, w, data.window, state, held=held, after=watch)
        if not kept:  # sequences of one step
            return [math.nan] * len(trained.seeds)
        factors.append(torch.stack(kept, 1).unflatten(1, (model.layers, -1)))
    plain, signed = factors
    counts = torch.arange(1, plain.shape[2] + 1).unsqueeze(1) <= data.end
    own = [torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(plain, signed, strict=True)]
    medians = [values[:, counts].median().item() for values in plain]
    return [median if alone else math.nan for median, alone in zip(medians, own, strict=True)]
