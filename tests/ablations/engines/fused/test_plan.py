"""Steps that differ in their products and in the order of their computation give the results of the eager engine."""

import pytest
import torch

from ablations.cells import catalogue
from ablations.engines.fused.plan import plan
from ablations.engines.fused.trace import trace
from tests.ablations.engines.reference_scans import assert_fused_equals_eager
from tests.ablations.engines.step_cells import cell_from_step, cell_from_two_part_step

STEPS = {
    "a learned constant": lambda w, x, h: torch.sigmoid(w["a"]) * h + torch.tanh(x + h @ w["U"]),
    "an expression of matrices": lambda w, x, h: torch.tanh(x + h @ (w["U"] * w["V"] + w["U"])),
    "a transposed weight": lambda w, x, h: torch.tanh(x + h @ w["U"].mT),
    "a weight used twice": lambda w, x, h: torch.tanh(torch.tanh(x + h @ w["U"]) @ w["U"] + w["a"] * h),
    "products in three stages": lambda w, x, h: torch.tanh(torch.relu(torch.relu(x + h @ w["U"]) @ w["V"]) @ w["U"]),
    "a product in a sum in a product": lambda w, x, h: (x + h @ w["U"]) * torch.sigmoid(h @ w["V"] + w["a"]),
    "arithmetic with numbers": lambda w, x, h: 0.5 * h + (1 - 0.5 * torch.tanh(h @ w["U"] - x)) / 2.0,
    "an exponential": lambda w, x, h: torch.exp(-torch.relu(h @ w["U"] + x)),
    "a relu minus the state": lambda w, x, h: torch.relu(x + h @ w["U"]) - h,
    "no recurrence": lambda w, x, h: torch.tanh(x + w["a"]),
    "the same product twice": lambda w, x, h: torch.tanh(h @ w["U"] + x) * torch.sigmoid(h @ w["U"]),
    "the input elementwise": lambda w, x, h: torch.tanh(x) * h + x,
    "a division by a weight": lambda w, x, h: h / (2 + torch.exp(w["a"])) - x / (3 + torch.tanh(h @ w["U"])),
    "a division of a weight": lambda w, x, h: torch.tanh(w["a"] / (1 + torch.exp(h @ w["U"])) + x),
    "values used twice": lambda w, x, h: torch.tanh((h @ w["U"] + h @ w["U"] + w["a"] + w["a"]) * x * x + (h + h)),
    "a bias in two places": lambda w, x, h: (x + w["a"]) * torch.sigmoid(h @ w["U"] + w["a"]) - w["a"],
    "weights stacked from their slices": lambda w, x, h: torch.tanh(
        x + h @ torch.stack(w["U"].unsqueeze(-1).unbind(-1), -1).squeeze(-1)
    ),
    "a stopped gradient": lambda w, x, h: torch.tanh(x + h.detach() @ w["U"]) * (h @ w["V"]).detach(),
    "the state passed through": lambda w, x, h: h,
    "the input alone": lambda w, x, h: x,
    "powers": lambda w, x, h: torch.tanh((x + h @ w["U"]) ** 2 - x.pow(3)) + h**1,
    "a reciprocal": lambda w, x, h: 1 / (1.5 + torch.tanh(x + h @ w["U"])),
    "no weight": lambda w, x, h: torch.tanh(h) * 0.5,
    "a product alone": lambda w, x, h: h @ w["U"],
    "nested products": lambda w, x, h: h + (torch.tanh(h @ w["U"]) @ w["V"] + x) @ (w["U"] * torch.sigmoid(w["a"])),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shape", [(2, 11, 30, 3, 20), (1, 4, 2, 5, 3)])
def test_every_supported_step_equals_the_eager_engine(step, shape):
    assert_fused_equals_eager(cell_from_step(STEPS[step]), shape, reset=True)


def new_state_is_left_operand(w, x, c, h):
    new_c = torch.tanh(c + x + h @ w["U"])
    return new_c, torch.sigmoid(new_c @ w["V"]) * new_c


def both_parts_are_one_value(w, x, c, h):
    new_c = torch.tanh(c + x + h @ w["U"])
    return new_c, new_c


TWO_PART_STEPS = {
    "a new state is a left operand": new_state_is_left_operand,
    "both parts are one value": both_parts_are_one_value,
    "the parts are exchanged": lambda w, x, c, h: (h, c + x),
    "a delay": lambda w, x, c, h: (h, torch.tanh(c @ w["U"] + h @ w["V"] + x)),
    "a part that is never used": lambda w, x, c, h: (torch.zeros_like(c), torch.tanh(h @ w["V"] + x)),
    "a part that does not reach the output": lambda w, x, c, h: (c + h @ w["U"], torch.tanh(h @ w["V"] + x)),
}


@pytest.mark.parametrize("step", TWO_PART_STEPS)
def test_state_parts_may_share_and_exchange_values(step):
    assert_fused_equals_eager(cell_from_two_part_step(TWO_PART_STEPS[step]), (2, 11, 30, 3, 20), reset=True)
    assert_fused_equals_eager(cell_from_two_part_step(TWO_PART_STEPS[step]), (1, 9, 7, 2, 5))


def test_products_with_the_same_left_operands_are_packed_into_one():
    levels = plan(trace(catalogue()["lstm"]())).forward.levels
    assert [len(group) for level in levels for group in level.products] == [4]  # the gates i, f, z and o


def test_nonlinear_functions_of_products_are_saved_for_backward_and_those_of_the_state_recomputed():
    saved = plan(trace(catalogue()["lstm"]())).saved
    assert sorted(value.op for value in saved) == ["sigmoid", "sigmoid", "sigmoid", "tanh"]  # not the tanh of c
