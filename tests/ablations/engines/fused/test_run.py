"""The fused engine computes what the eager one does, on every cell, at every shape."""

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablations.cells import catalogue
from ablations.engines import eager, fused
from tests.ablations.engines.reference_scans import agree, error, problem, solve

every_cell = pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])


@every_cell
@settings(max_examples=12, deadline=None)
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (5, 50, 70, 9, 70))),
    reset=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_float64_equals_the_eager_engine(cls, shape, reset, seed):
    agree(cls(), shape, reset, seed)


@every_cell
@pytest.mark.parametrize(
    "shape", [(3, 3, 3, 3, 3), (1, 1, 1, 1, 1), (2, 9, 24, 16, 16), (2, 8, 25, 2, 64), (1, 17, 49, 5, 33)]
)
def test_float64_equals_the_eager_engine_where_shapes_coincide_or_just_do_not_fit(cls, shape):
    agree(cls(), shape)


@every_cell
@pytest.mark.parametrize("shape", [(2, 40, 30, 3, 32), (1, 25, 7, 2, 50)])
def test_float32_is_as_exact_as_the_eager_engine(cls, shape):
    cell, excess = cls(), {}
    for seed in range(8):  # in one draw either engine may happen to be the exact one
        exact = solve(eager.scan, cell, *problem(cell, *shape, reset=False, seed=seed))
        single = problem(cell, *shape, reset=False, seed=seed, dtype=torch.float32)
        plain, found = (error(solve(scan, cell, *single), exact) for scan in (eager.scan, fused.scan))
        for name, value in found.items():
            ratio = max(value, 2**-24) / max(plain[name], 2**-24)
            excess.setdefault(name, []).append(math.log(ratio))
    for name, ratios in excess.items():
        assert statistics.mean(ratios) <= math.log(4), (name, ratios)


@every_cell
def test_a_members_result_is_the_same_to_the_last_bit_in_any_company_and_on_any_number_of_threads(cls):
    cell, K = cls(), 4
    w, x, s, mask, above = problem(cell, K, 20, 50, 3, 20, reset=True, dtype=torch.float32)
    together = solve(fused.scan, cell, w, x, s, mask, above)
    for k in range(K):
        one = slice(k, k + 1)
        parts = ({n: v[one] for n, v in named.items()} for named in (w, s))
        alone = solve(fused.scan, cell, next(parts), x[one], next(parts), mask[one], above[one])
        for name, value in alone.items():
            assert torch.equal(value, together[name][one]), name
    torch.set_num_threads(3)  # a fixture sets it back to one
    for name, value in solve(fused.scan, cell, w, x, s, mask, above).items():
        assert torch.equal(value, together[name]), name


def test_the_readout_equals_the_eager_one_and_is_the_same_in_any_company():
    g = torch.Generator().manual_seed(1)
    x, V, b = (torch.randn(shape, generator=g, dtype=torch.float64) for shape in ((3, 77, 20), (3, 20, 5), (3, 1, 5)))
    found, expected = [], []
    for linear, into in ((fused.linear, found), (eager.linear, expected)):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, V, b)]
        y = linear(*leaves)
        into += [y, *torch.autograd.grad(y.square().sum(), leaves)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    x, V, b = x.float(), V.float(), b.float()
    together = fused.linear(x, V, b)
    for k in range(3):
        assert torch.equal(fused.linear(x[k : k + 1], V[k : k + 1], b[k : k + 1])[0], together[k])


@every_cell
@pytest.mark.parametrize("reset", [False, True])
def test_without_gradients_the_numbers_are_the_same(cls, reset):
    cell = cls()
    w, x, s, mask, _ = problem(cell, 2, 13, 30, 3, 20, reset, dtype=torch.float32)
    with torch.no_grad():
        forgetful = fused.scan(cell, w, x, s, mask)
    kept = fused.scan(cell, {n: v.requires_grad_() for n, v in w.items()}, x, s, mask)
    assert torch.equal(forgetful.outputs, kept.outputs)
    for part in s:
        assert torch.equal(forgetful.state[part], kept.state[part])


def test_gates_are_recorded_and_overridden_as_by_the_eager_engine():
    cell = catalogue()["lstm"]()
    w, x, s, _, _ = problem(cell, 2, 5, 3, 2, 4, reset=False)
    override = {"f": torch.ones(2, 5, 3, 4, dtype=torch.float64)}
    found, expected = (e.scan(cell, w, x, s, record=["f", "i"], override=override) for e in (fused, eager))
    assert torch.equal(found.outputs, expected.outputs)
    assert torch.equal(found.recorded["i"], expected.recorded["i"])


def test_what_is_not_contiguous_is_handled_and_a_wrong_type_is_named():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = problem(cell, 2, 5, 3, 4, 6, reset=False)
    turned = x.transpose(1, 2).contiguous().transpose(1, 2)
    assert not turned.is_contiguous()
    assert torch.equal(fused.scan(cell, w, turned, s).outputs, fused.scan(cell, w, x, s).outputs)
    with pytest.raises(TypeError, match=r"W_r is torch\.float64 on cpu, and the input is torch\.float32"):
        fused.scan(cell, w, x.float(), s)
    with pytest.raises(TypeError, match=r"float16"):
        fused.scan(cell, w, x.half(), s)


def test_shapes_that_do_not_fit_are_named():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = problem(cell, 2, 5, 3, 4, 6, reset=False)
    with pytest.raises(ValueError, match=r"h is \[1, 3, 6\], and beside the other tensors it has to be \[2, 3, 'H'\]"):
        fused.scan(cell, w, x, {"h": s["h"][:1]})
    with pytest.raises(ValueError, match=r"U_r is \[2, 6, 5\], and .* has to be \[2, 6, 6\]"):
        fused.scan(cell, {**w, "U_r": w["U_r"][..., :5]}, x, s)
    assert fused.scan(cell, w, x[:, :, :0], {"h": s["h"][:, :0]}).outputs.shape == (2, 5, 0, 6)


def test_weights_go_by_their_names_in_any_order():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = problem(cell, 2, 5, 3, 4, 6, reset=False)
    turned = dict(reversed(w.items()))
    assert torch.equal(fused.scan(cell, turned, x, s).outputs, fused.scan(cell, w, x, s).outputs)
