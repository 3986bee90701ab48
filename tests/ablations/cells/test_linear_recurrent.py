"""The LRU and the RG-LRU: their initial eigenvalues, and the state that follows from them."""

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.cells.initial import initialise
from ablations.engines import eager


@pytest.mark.parametrize(("r_min", "r_max", "max_phase"), [(0.0, 1.0, 6.28), (0.9, 0.999, 0.3)])
def test_the_eigenvalues_of_the_lru_are_uniform_on_the_ring(r_min, r_max, max_phase):
    cell = catalogue()["lru"](r_min=r_min, r_max=r_max, max_phase=max_phase)
    w = {
        name: weight.double()
        for name, weight in initialise(cell.weights(4, 4000), {}, 50, Generator().manual_seed(0)).items()
    }
    modulus, phase = torch.exp(-torch.exp(w["N"])), torch.exp(w["P"])
    assert r_min - 1e-6 <= modulus.min() < r_min + 0.05
    assert r_max - 0.01 < modulus.max() <= r_max + 1e-6
    area = (modulus**2 - r_min**2) / (r_max**2 - r_min**2)
    assert [area.quantile(q).item() for q in (0.25, 0.5, 0.75)] == pytest.approx([0.25, 0.5, 0.75], abs=0.03)
    assert [phase.quantile(q).item() / max_phase for q in (0.25, 0.5, 0.75)] == pytest.approx(
        [0.25, 0.5, 0.75], abs=0.03
    )
    assert phase.max() <= max_phase * (1 + 1e-6)
    assert w["B_r"].std().item() == pytest.approx(8**-0.5, rel=0.03)
    assert w["B_i"].std().item() == pytest.approx(8**-0.5, rel=0.03)


def test_the_decay_of_the_rg_lru_is_uniform_between_900_and_999_thousandths():
    w = initialise(catalogue()["rg_lru"]().weights(1, 4000), {}, 50, Generator().manual_seed(0))["L"].double()
    decay = torch.sigmoid(-w) ** 8  # exp(−8 softplus(L))
    assert 0.9 - 1e-6 <= decay.min() < 0.901
    assert 0.998 < decay.max() <= 0.999 + 1e-6
    assert [decay.quantile(q).item() for q in (0.25, 0.5, 0.75)] == pytest.approx([0.92475, 0.9495, 0.97425], abs=0.004)


def test_the_lru_without_input_rotates_and_shrinks_its_state(draw):
    problem = draw(catalogue()["lru"], T=4)
    problem.x = torch.zeros_like(problem.x)
    after, before = problem.scan().state, problem.state
    modulus, phase = torch.exp(-torch.exp(problem.w["N"])), torch.exp(problem.w["P"])
    end, start = (torch.complex(state["p"], state["q"]).detach() for state in (after, before))
    torch.testing.assert_close(end.abs(), (start.abs() * modulus**4).detach(), rtol=1e-12, atol=1e-12)
    turned = end / start
    torch.testing.assert_close(
        turned / turned.abs(),
        torch.polar(torch.ones_like(phase), 4 * phase).detach().expand_as(turned),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("name", ["lru", "rg_lru"])
def test_the_state_of_linear_recurrent_units_has_the_variance_of_their_input(name):
    """γ = √(1 − |λ|²) keeps E|s|² at E|B x|² for white noise, also where |λ| is near 1."""
    cell, steps, units = catalogue()[name](), 4000, 200
    declared = cell.weights(8, units)
    w = {n: v.double()[None] for n, v in initialise(declared, {}, 50, Generator().manual_seed(0)).items()}
    x = torch.randn(1, steps, 1, 8, generator=Generator().manual_seed(1)).double()
    states = []
    zero = {n: torch.zeros(1, 1, size).double() for n, size in cell.state_sizes(units).items()}
    override = {}
    if name == "rg_lru":  # gates at 1: the decay is then constant
        override = {gate: torch.ones(1, steps, 1, units).double() for gate in "ri"}
    eager.scan(cell, w, x, zero, override=override, after=lambda _, state: states.append(state) or state)
    last = {part: torch.stack([state[part] for state in states[steps // 4 :]]) for part in zero}
    if name == "lru":
        measured = (last["p"] ** 2 + last["q"] ** 2).mean(0).flatten()
        expected = (w["B_r"] ** 2 + w["B_i"] ** 2).sum(1).flatten()
        slow = torch.exp(-torch.exp(w["N"])).flatten() > 0.995  # too few independent samples of these
        ratio = (measured / expected)[~slow]
    else:
        ratio = (last["h"] ** 2).mean(0).flatten() / (w["W_n"] ** 2).sum(1).flatten()
    assert ratio.mean().item() == pytest.approx(1, abs=0.1)
