"""Every cell of the catalogue equals its equations, as a loop over members, rows and steps, or torch's own module."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from ablations.cells import catalogue
from ablations.engines import fused
from tests.ablations.cells.step_equations import WITH_DEFAULTS, WITH_OPTIONS

TORCH = {  # torch's class, its gates in packed order, and the parts of its state
    "rnn": (torch.nn.RNN, ("",), ("h",)),
    "lstm": (torch.nn.LSTM, ("_i", "_f", "_z", "_o"), ("h", "c")),
    "gru": (torch.nn.GRU, ("_r", "_z", "_n"), ("h",)),
}


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def torch_scan(problem, name: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Outputs and final state of torch's module, member by member."""
    kind, gates, parts = TORCH[name]
    size = problem.state["h"].shape[-1]
    module = kind(problem.x.shape[-1], size, dtype=torch.float64)
    outputs, final = [], []
    for k, x in enumerate(problem.x):
        w = {name: weight[k] for name, weight in problem.w.items()}
        nothing = torch.zeros(1, size, dtype=torch.float64)
        packed = {
            "weight_ih_l0": torch.cat([w[f"W{g}"].T for g in gates]),
            "weight_hh_l0": torch.cat([w[f"U{g}"].T for g in gates]),
            "bias_ih_l0": torch.cat([w[f"b{g}"] for g in gates], 1)[0],
            "bias_hh_l0": torch.cat([w.get(f"d{g}", nothing) for g in gates], 1)[0],
        }
        state = tuple(problem.state[part][k : k + 1] for part in parts)
        y, last = functional_call(module, packed, (x, state if len(parts) > 1 else state[0]))
        outputs.append(y)
        final.append(last if len(parts) > 1 else (last,))
    return torch.stack(outputs), {
        part: torch.cat(last) for part, last in zip(parts, zip(*final, strict=True), strict=True)
    }


@pytest.mark.parametrize("name", TORCH)
def test_torch_modules_compute_the_same(name, draw):
    problem = draw(catalogue()[name], K=2, T=7, B=3, I=4, H=5)
    outputs, final, _ = problem.scan()
    expected, expected_final = torch_scan(problem, name)
    close(outputs, expected)
    close(final, {part: value.detach() for part, value in expected_final.items()})
    close(problem.gradients(outputs), problem.gradients(expected))


CASES = [pytest.param(e.__name__, {}, e, id=e.__name__) for e in WITH_DEFAULTS] + [
    pytest.param(name, options, e, id=f"{name}-{'-'.join(options)}") for name, options, e in WITH_OPTIONS
]


def test_every_cell_of_the_catalogue_has_equations():
    assert {equations.__name__ for equations in WITH_DEFAULTS} | TORCH.keys() == catalogue().keys()


@pytest.mark.parametrize(("name", "options", "equations"), CASES)
def test_a_scan_equals_a_loop_over_members_rows_and_steps(name, options, equations, draw):
    problem = draw(partial(catalogue()[name], **options), K=2, T=5, B=3, I=4, H=5)
    members, steps, rows, _ = problem.x.shape
    expected = torch.empty(members, steps, rows, 5, dtype=torch.float64)
    expected_final = {part: torch.empty_like(value) for part, value in problem.state.items()}
    for k in range(members):
        w = {name: weight[k].squeeze(0) for name, weight in problem.w.items()}  # vectors lose their first axis
        for row in range(rows):
            state = {part: value[k, row] for part, value in problem.state.items()}
            for t in range(steps):
                state = equations(w, problem.x[k, t, row], **state)
                expected[k, t, row] = next(iter(state.values()))
            for part, value in state.items():
                expected_final[part][k, row] = value.detach()
    outputs, final, _ = problem.scan()
    close(outputs, expected)
    close(final, expected_final)
    close(problem.gradients(outputs), problem.gradients(expected))


@pytest.mark.parametrize(("name", "options"), [pytest.param(n, o, id=f"{n}-{'-'.join(o)}") for n, o, _ in WITH_OPTIONS])
def test_cells_with_options_compute_the_same_on_the_fused_engine(name, options, draw):
    problem = draw(partial(catalogue()[name], **options), K=2, T=6, B=9, I=3, H=5)
    expected = problem.scan().outputs
    outputs, _, _ = fused.scan(problem.cell, problem.w, problem.x, problem.state)
    close(outputs, expected)
    close(problem.gradients(outputs), problem.gradients(expected))
