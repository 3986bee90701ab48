"""Retention: the decay of a small perturbation of the state over k steps, ‖δs_{t+k}‖ / ‖δs_t‖.

The state is perturbed `lag` steps before a sequence's final query, or after its first step if it is shorter. The
perturbation is infinitesimal, in a random direction shared by all members, and propagated by forward-mode differentiation,
so that its decay is not limited by rounding. s is the whole recurrent state, all parts of all layers. Means over sequences
are geometric.
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
    geometric_mean,
    initial_state,
    run,
    sequences,
)

SEQUENCES = 32


def measure(trained: Trained) -> list[Findings]:
    """Measure `retention` by distance k, `retained` (its last point) and, for gated cells, `time_constant` = −1/ln f.

    f is the factor of `memory_retention`; the time constant is in steps.
    """
    results = [Findings({}, {}) for _ in trained.seeds]
    data = sequences(trained.task, trained.lag, SEQUENCES).double()
    for k, ratios in _perturbation_ratios(trained, data).items():
        for member, ratio in zip(results, ratios, strict=True):
            member.add_point("retention", k, ratio)
    for member in results:
        for _, ratio in member.curves.get("retention", [])[-1:]:
            member.add_metric("retained", ratio)
    for member, factor in zip(results, memory_retention(trained, data), strict=True):
        if 0 < factor < 1:
            member.add_metric("time_constant", -1 / math.log(factor))
    return results


@torch.no_grad()
def _perturbation_ratios(trained: Trained, data: Sequences) -> dict[int, list[float]]:
    """Return ‖δs_{t+k}‖ / ‖δs_t‖ of each member, by distance k up to the lag."""
    model, w = trained.model, double(trained.end)
    ks = distances(data.max_distance(trained.lag))
    if not ks:
        return {}
    start = (data.last_query - ks[-1]).clamp(min=0)
    first, generator = int(start.min()), Generator().manual_seed(SEED)
    direction = [
        {name: torch.randn(len(start), size, generator=generator).double() for name, size in sizes.items()}
        for sizes in [model.cell.state_sizes(model.hidden)] * model.layers
    ]
    squares: list[Tensor] = []

    def perturb(layer: int, t: int, state: State) -> State:
        if t < first:
            return state
        at_start = (start == t).double().unsqueeze(-1)
        perturbed, square = {}, torch.zeros(())
        for name, part in state.items():
            value, tangent = forward.unpack_dual(part)
            tangent = at_start * direction[layer][name] + (torch.zeros_like(value) if tangent is None else tangent)
            perturbed[name] = forward.make_dual(value, tangent.expand_as(value).contiguous())
            square = square + tangent.square().sum(-1)
        squares.append(square)
        return perturbed

    with forward.dual_level():
        run(model, w, data.window, initial_state(model, w, data), hook=perturb)
    norm = torch.stack(squares, 1).unflatten(1, (model.layers, -1)).sum(1).sqrt()

    def norm_at(steps: Tensor) -> Tensor:
        """The norm of every member and sequence at a step of its own."""
        return norm.gather(1, (steps - first).expand(len(norm), 1, -1)).squeeze(1)

    ratios = {}
    for k in ks:
        valid = (start + k <= data.last_query).expand(len(norm), -1)
        ratios[k] = geometric_mean(norm_at(torch.minimum(start + k, data.last_query)) / norm_at(start), k, valid)
    return ratios


@torch.no_grad()
def memory_retention(trained: Trained, data: Sequences) -> list[float]:
    """Return f, the median of ∂c_t/∂c_{t−1} per unit over units, steps and sequences, with all gates held constant.

    c is the state's part `c`, or the output of cells that have none; f is that of the forget gate in the LSTM family and of
    z in the GRU. NaN for cells without gates, and where the Jacobian is not diagonal: a unit then has no factor of its own.
    """
    model, w, cell = trained.model, double(trained.end), trained.model.cell
    if not cell.gates:
        return [math.nan] * len(trained.seeds)
    memory = "c" if "c" in cell.state else cell.output
    state = initial_state(model, w, data)
    gates = run(model, w, data.window, state, cell.gates).gates
    generator = Generator().manual_seed(SEED)
    size = cell.state_sizes(model.hidden)[memory]
    # A diagonal Jacobian J fulfils J·1 = v∘(J·v) for every vector v of signs; two products suffice to test that.
    signs = 2 * torch.randint(2, (size,), generator=generator).double() - 1
    products = []
    for direction in (torch.ones_like(signs), signs):
        factors: list[Tensor] = []

        def propagate(
            _layer: int, t: int, state: State, direction: Tensor = direction, factors: list[Tensor] = factors
        ) -> State:
            value, tangent = forward.unpack_dual(state[memory])
            if t > 0:
                factors.append((torch.zeros_like(value) if tangent is None else tangent) * direction)
            return {name: forward.unpack_dual(part).primal for name, part in state.items()} | {
                memory: forward.make_dual(value, direction.expand_as(value).contiguous())
            }

        with forward.dual_level():
            run(model, w, data.window, state, override=gates, hook=propagate)
        if not factors:  # sequences of one step
            return [math.nan] * len(trained.seeds)
        products.append(torch.stack(factors, 1).unflatten(1, (model.layers, -1)))
    plain, signed = products
    diagonal = [torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(plain, signed, strict=True)]
    medians = [values[:, data.until_query()[1:]].median().item() for values in plain]
    return [median if is_diagonal else math.nan for median, is_diagonal in zip(medians, diagonal, strict=True)]
