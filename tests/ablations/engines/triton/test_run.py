"""The triton engine gives the results of the eager engine: its kernels in Triton's interpreter, for every cell."""

import pytest
import torch

from ablations.cells import catalogue
from ablations.engines import Sizes, choose, eager, fused, triton
from ablations.engines.device import CPU
from ablations.engines.triton import run
from ablations.errors import InputError
from tests.ablations.engines.reference_scans import random_inputs, relative_errors, results_by_name
from tests.ablations.engines.step_cells import cell_from_step, cell_from_two_part_step

pytestmark = [
    pytest.mark.usefixtures("interpreted"),
    pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning"),  # NumPy, in padding
]

SMALL = (2, 2, 3, 3, 5)
"""Members, steps, sequences, inputs and units."""
RESIDENT, IN_STRIPS = pytest.param(True, id="weights on chip"), pytest.param(False, id="weights in strips")


def assert_triton_equals_eager(cell, shape, reset=False, seed=0):
    """Compare all results in float32 with those of the eager engine in float64: errors may be four times its own, and at least
    four times 2⁻²¹."""
    exact = results_by_name(eager.scan, cell, *random_inputs(cell, *shape, reset, seed))
    single = random_inputs(cell, *shape, reset, seed, dtype=torch.float32)
    own = relative_errors(results_by_name(eager.scan, cell, *single), exact)
    for name, error in relative_errors(results_by_name(triton.scan, cell, *single), exact).items():
        assert error <= 4 * max(own[name], 2**-21), (name, error, own[name])


@pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])
def test_every_cell_equals_the_eager_engine(cls):
    assert_triton_equals_eager(cls(), SMALL)


@pytest.mark.parametrize("resident", [RESIDENT, IN_STRIPS])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("shape", [(2, 3, 18, 2, 17), (3, 3, 3, 3, 3), (1, 1, 1, 1, 1)])
def test_several_tiles_and_equal_sizes_with_resets(name, shape, resident, monkeypatch):
    monkeypatch.setattr(run, "is_resident", lambda *_: resident)
    assert_triton_equals_eager(catalogue()[name](), shape, reset=True)


@pytest.mark.parametrize("name", ["lru", "single_network", "layer_norm_rnn"])
def test_weights_in_strips(name, monkeypatch):
    monkeypatch.setattr(run, "is_resident", lambda *_: False)
    assert_triton_equals_eager(catalogue()[name](), SMALL)


STEPS = {
    "slices and concatenation": lambda w, x, h: torch.cat([h[..., 1:] @ w["U"][..., 1:, :] + x, x], -1)[
        ..., : x.shape[-1]
    ],
    "an outer product": lambda w, x, h: (x.unsqueeze(-1) * h.unsqueeze(-2)).sum(-1).tanh() + h @ w["U"],
    "transposed axes": lambda w, x, h: (
        (x.unsqueeze(-1) * h.unsqueeze(-2)).transpose(-1, -2).flatten(-2)[..., : x.shape[-1]]
    ),
    "a softmax": lambda w, x, h: (x + h @ w["U"]).softmax(-1),
    "a cumulative sum": lambda w, x, h: (x + h @ w["U"]).cumsum(-1) / 10,
    "a flip and extrema": lambda w, x, h: x.flip(-1) + (h @ w["U"]).amax(-1, keepdim=True) - h.amin(-1, keepdim=True),
    "conditions": lambda w, x, h: torch.where((x > 0) & (h <= x), h, x) + (h @ w["U"]).clamp(-0.5, 0.5),
    "functions": lambda w, x, h: x.sin() + (h @ w["U"]).expm1().atan() + (1 + x * x).log() + x.erf() + h.sign(),
    "remainders": lambda w, x, h: torch.remainder(x, 0.7) + torch.fmod(h @ w["U"], 0.6) + h.round() + x.trunc(),
    "a single column": lambda w, x, h: x * torch.sigmoid(h @ w["U"][..., :1]) + h,
    "a single column of a state": lambda w, x, h: x + h[..., :1] @ w["U"][..., :1, :],
    "constants": lambda w, x, h: torch.ones_like(h) * 0.5 + x @ w["V"] + w["a"],
}


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in STEPS.items()])
def test_operators(step):
    assert_triton_equals_eager(cell_from_step(step), SMALL, reset=True)


def test_parts_of_the_state_may_change_places():
    assert_triton_equals_eager(cell_from_two_part_step(lambda w, x, c, h: (h, torch.tanh(x + c @ w["U"]))), SMALL)


def test_without_gradients_the_outputs_are_the_same():
    cell = catalogue()["lstm"]()
    w, x, s, _, _ = random_inputs(cell, 2, 3, 18, 2, 5, reset=False, dtype=torch.float32)
    with torch.no_grad():
        without = triton.scan(cell, w, x, s)
    saved = triton.scan(cell, {n: v.requires_grad_() for n, v in w.items()}, x, s)
    assert torch.equal(without.outputs, saved.outputs)
    for part in s:
        assert torch.equal(without.state[part], saved.state[part])


def test_a_result_does_not_depend_on_what_is_in_memory(monkeypatch):
    cell = catalogue()["gru"]()
    inputs = random_inputs(cell, *SMALL, reset=False, dtype=torch.float32)
    expected = results_by_name(triton.scan, cell, *inputs)
    original = torch.Tensor.new_empty
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *args, **given: original(*args, **given).fill_(torch.nan))
    for name, value in results_by_name(triton.scan, cell, *inputs).items():
        assert torch.equal(value, expected[name]), name


def test_rows_that_are_too_wide_run_on_the_eager_engine(monkeypatch):
    monkeypatch.setattr(run, "MAX_COLUMNS", 32)
    cell = catalogue()["rnn"]()
    assert choose("triton", cell, [Sizes(1, 2, 3, 32)]).name == "triton"
    with pytest.raises(
        InputError, match="cannot run the cell 'rnn': a row of 33 numbers is too wide for it; at most 32"
    ):
        choose("triton", cell, [Sizes(1, 2, 3, 33)])


def test_choose_verifies_and_says_why_not():
    cell = catalogue()["lstm"]()
    engine = choose("triton", cell, [Sizes(2, 3, 4, 5)])
    assert (engine.name, engine.scan, engine.linear) == ("triton", triton.scan, eager.linear)
    with pytest.raises(InputError, match="the operators scatter, sort are not supported"):
        choose("triton", cell_from_step(lambda w, x, h: (x + h @ w["U"]).sort(-1).values, "with_sort"))


def test_float64_runs_on_the_eager_engine():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = random_inputs(cell, *SMALL, reset=False)
    assert torch.equal(triton.scan(cell, w, x, s).outputs, eager.scan(cell, w, x, s).outputs)


def test_gates_are_recorded_by_the_eager_engine():
    cell = catalogue()["lstm"]()
    w, x, s, _, _ = random_inputs(cell, *SMALL, reset=False, dtype=torch.float32)
    assert torch.equal(
        triton.scan(cell, w, x, s, record=["f"]).recorded["f"], eager.scan(cell, w, x, s, record=["f"]).recorded["f"]
    )


def test_without_the_interpreter_a_gpu_is_needed(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(triton.Unavailable, match="it runs on a GPU only"):
        triton.prepare(catalogue()["rnn"](), [], CPU)
    assert choose("auto", catalogue()["rnn"]()).scan is fused.scan
