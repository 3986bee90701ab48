"""A step of any operators gives the results and gradients of the eager engine, in float64, at several sizes, with resets."""

import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from ablations.cells import Weight
from ablations.engines import choose
from ablations.engines.fused import operators
from tests.ablations.engines.reference_scans import assert_fused_equals_eager
from tests.ablations.engines.step_cells import StepCell, cell_from_step

SHAPES = [(2, 7, 30, 3, 20), (1, 5, 4, 5, 7), (2, 4, 3, 16, 16)]
ACTIVATIONS = {
    "exponential": ["silu", "softplus", "gelu", "elu", "selu", "celu", "mish", "logsigmoid", "tanhshrink"],
    "piecewise": ["hardtanh", "hardswish", "relu6", "leaky_relu", "softsign", "softshrink", "hardshrink", "relu"],
}
UNARY = {
    "elementary": ["abs", "sign", "exp2", "expm1", "sin", "cos", "square", "sgn", "neg"],
    "special": ["atan", "sinh", "cosh", "asinh", "erf", "erfc"],
    "of a positive number": ["sqrt", "rsqrt", "log", "log1p", "log2", "log10", "reciprocal", "acosh"],
}
ROWS = {
    "softmax": lambda a: a.softmax(-1) + a.log_softmax(-1) + a - a.logsumexp(-1, keepdim=True),
    "layer_norm": lambda a: functional.layer_norm(a, [a.shape[-1]]) + functional.normalize(a, dim=-1),
    "sum and mean": lambda a: a * a.sum(-1, keepdim=True) / a.shape[-1] + a - a.mean(-1, keepdim=True) + a.sum(-1).unsqueeze(-1),
    "spread": lambda a: a / (1 + a.var(-1, keepdim=True)) + a / (1 + a.std(-1, keepdim=True)) + a / (1 + a.norm(dim=-1, keepdim=True)),
    "rms_norm": lambda a: functional.rms_norm(a, [a.shape[-1]], eps=1e-6),
    "rolled": lambda a: a.roll(1, -1) * a + a.roll(-2, -1) + torch.nan_to_num(a),
    "extrema": lambda a: a - a.amax(-1, keepdim=True) * a.amin(-1, keepdim=True),
    "cumsum": lambda a: a.softmax(-1).cumsum(-1) + a.flip(-1) * a,
    "matrices": lambda a: ((a.unsqueeze(-1) * a.unsqueeze(-2)).tanh() @ a.unsqueeze(-1)).squeeze(-1) / a.shape[-1],
    "einsum": lambda a: torch.einsum("...ij,...j->...i", torch.einsum("...i,...j->...ij", a, a), a) / a.shape[-1],
}  # fmt: skip
OTHER = {
    "conditions": lambda a, h: torch.where(a > 0.2, a, h * 0.5) + torch.where((a > 0) & ~(h > 0.1), a, 0.0) + a.masked_fill(h < 0, 0.25),
    "extrema": lambda a, h: torch.maximum(a, h) + torch.minimum(a, 2 * h) + a.clamp(-0.3, 0.4) + h.clamp(min=0.1) + h.clamp(max=-0.1),
    "lerp": lambda a, h: torch.lerp(a, h, a.sigmoid()) + torch.lerp(a, h, 0.9) + torch.lerp(a, h, 0.2) + torch.add(a, h, alpha=0.3) - torch.sub(a, h, alpha=2) + torch.addcmul(a, h, a, value=0.5),
    "powers": lambda a, h: a.abs() ** 1.5 + (1 + h * h) ** -0.5 + 2.0 ** (a * 0.1) + (1 + a * a) ** h,
    "remainders": lambda a, h: torch.remainder(a, 0.7) + torch.fmod(h, 0.3) + torch.remainder(h, 1 + a * a) + torch.fmod(a, 2 + h * h) + a - torch.floor(3 * a) / 3 + torch.round(h * 2) + torch.ceil(a) - torch.trunc(h) + torch.atan2(a, 2 + h),
    "tensors made in the step": lambda a, h: a * torch.tensor(0.5) + h * torch.ones_like(h) + torch.full_like(a, 0.1) + a / h.shape[-1] ** 0.5 + h / (2 * h.shape[-1] + 1),
    "weights of the number of units": lambda a, h: torch.where(torch.arange(h.shape[-1]) < h.shape[-1] // 2, a, h) + h @ (0.5 * torch.eye(h.shape[-1], dtype=h.dtype)) + h @ torch.full((h.shape[-1], h.shape[-1]), 0.1, dtype=h.dtype).tril(),
    "numbers for each unit": lambda a, h: a * torch.where(torch.arange(h.shape[-1]) < h.shape[-1] // 2, -1.0, 1.0) + h,
    "columns": lambda a, h: torch.cat([a[..., : h.shape[-1] // 2] * 2, h[..., h.shape[-1] // 2 :]], -1) + a * h[..., :1] + torch.cat([h[..., 1:], a[..., :1]], -1),
}  # fmt: skip


def of_activation(*functions):
    return cell_from_step(lambda w, x, h: torch.tanh(h @ w["V"] + sum(f(x + h @ w["U"] + w["a"]) for f in functions)))


def assert_fused(cell):
    for shape in SHAPES:
        assert_fused_equals_eager(cell, shape, reset=True)


@pytest.mark.parametrize("names", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_activations_of_torch(names):
    assert_fused(of_activation(*(getattr(functional, name) for name in names)))


@pytest.mark.parametrize("kind", UNARY)
def test_functions_of_a_number(kind):
    argument = (lambda a: 1.1 + a * a) if kind == "of a positive number" else (lambda a: a.clamp(-2, 2))
    functions = [getattr(torch, name) for name in UNARY[kind]]
    assert_fused(of_activation(lambda a: sum(function(argument(a)) for function in functions)))


@pytest.mark.parametrize("name", ROWS)
def test_operators_on_a_row(name):
    assert_fused(of_activation(ROWS[name]))


@pytest.mark.parametrize("name", OTHER)
def test_operators_of_two_rows(name):
    assert_fused(cell_from_step(lambda w, x, h: torch.tanh(OTHER[name](x + h @ w["U"] + w["a"], h))))


class OneColumn(StepCell):
    """A gate of one column, a weight that is one number, and a count in the state."""

    name: str
    state = ("h", "t")
    output = "h"

    def state_sizes(self, hidden):
        return {"h": hidden, "t": 1}

    def weights(self, inputs, hidden):
        return super().weights(inputs, hidden) | {
            "g": Weight(hidden, 1, "uniform"),
            "b": Weight(1, 1, "zeros"),
            "r": Weight(1, hidden, "uniform"),
        }

    def step(self, w, drive, state, tap):
        h, t = state["h"], state["t"]
        g = torch.sigmoid(h @ w["g"] + w["b"] + t * 0.1)
        low_rank = (h @ w["g"]) @ w["r"]
        return {"h": g * h + (1 - g) * torch.tanh(drive["x"] + low_rank + w["b"]), "t": t + 1}


OneColumn.name = "one_column"


def test_a_row_may_have_one_column():
    assert_fused(OneColumn())


class MatrixState(StepCell):
    """A matrix memory that is written by an outer product, and read by a product."""

    name: str
    state = ("h", "S")
    output = "h"

    def state_sizes(self, hidden):
        return {"h": hidden, "S": hidden * hidden}

    def step(self, w, drive, state, tap):
        k, q = torch.tanh(drive["x"] + w["a"]), functional.normalize(drive["x"], dim=-1)
        H = k.shape[-1]
        S = state["S"].unflatten(-1, (H, H))
        S = 0.9 * S + k.unsqueeze(-1) * q.unsqueeze(-2) - 0.1 * S.mT * k.unsqueeze(-1).amax(-2, keepdim=True)
        return {"h": torch.tanh((S @ q.unsqueeze(-1)).squeeze(-1) + state["h"] @ w["U"]), "S": S.flatten(-2)}


MatrixState.name = "matrix_state"


def test_a_part_of_the_state_may_be_a_matrix():
    assert_fused(MatrixState())


def test_all_missing_operators_are_named():
    cell = cell_from_step(lambda w, x, h: torch.special.bessel_j0(x + h @ w["U"]).sort(-1).values)
    assert "the operators sort, special_bessel_j0 are not supported" in choose("auto", cell).reason


def test_the_documentation_lists_the_operators():
    internal = re.compile("power[0-3]|copy|full|zeros_like|.*_backward|logical_.*")
    documented = {name for name in operators.ELEMENTWISE if not internal.fullmatch(name)}
    documented |= {*operators.REDUCTIONS, *operators.SCANS, "clamp", "mean", "var"}  # the last three are decomposed
    text = (Path(__file__).parents[4] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = text.split("<!-- operators -->")[1].split("<!-- operators end -->")[0]
    assert re.findall(r"`(\w+)`", listed) == sorted(documented)
