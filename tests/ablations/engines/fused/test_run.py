"""The fused engine gives the results of the eager engine, for every cell and shape."""

import math
import platform
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablations.cells import catalogue
from ablations.engines import Sizes, choose, eager, fused
from ablations.engines.fused import build, run
from tests.ablations.engines.reference_scans import (
    assert_fused_equals_eager,
    random_inputs,
    relative_errors,
    results_by_name,
)


def without_few_units(cls, shape):
    """A shape at which the cell has a kernel, and its results are not dominated by rounding errors.

    Layer normalisation of a single unit is other operators; that of two divides by their difference.
    """
    return (*shape[:4], max(8, shape[4])) if cls.name.startswith("layer_norm") else shape


every_cell = pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])


@every_cell
@settings(max_examples=12, deadline=None)
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (5, 50, 70, 9, 70))),
    reset=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_float64_equals_the_eager_engine(cls, shape, reset, seed):
    assert_fused_equals_eager(cls(), without_few_units(cls, shape), reset, seed)


@every_cell
@pytest.mark.parametrize(
    "shape", [(3, 3, 3, 3, 3), (1, 1, 1, 1, 1), (2, 9, 24, 16, 16), (2, 8, 25, 2, 64), (1, 17, 49, 5, 33)]
)
def test_float64_equals_the_eager_engine_at_equal_sizes_and_around_multiples_of_tiles_and_vectors(cls, shape):
    assert_fused_equals_eager(cls(), without_few_units(cls, shape))


def test_a_kernel_is_refused_at_sizes_at_which_the_step_is_other_operators():
    cell = catalogue()["layer_norm_rnn"]()
    assert choose("auto", cell, [Sizes(2, 3, 4, 5)]).name == "fused"
    engine = choose("auto", cell, [Sizes(2, 3, 4, 1)])
    assert engine.name == "eager"
    assert "the operators of the step depend on the batch, input or hidden size" in engine.reason


@every_cell
@pytest.mark.parametrize("shape", [(2, 40, 30, 3, 32), (1, 25, 7, 2, 50)])
def test_float32_is_as_accurate_as_the_eager_engine(cls, shape):
    cell, log_ratios = cls(), {}
    for seed in range(8):  # averaged, as either engine may be more accurate by chance
        exact = results_by_name(eager.scan, cell, *random_inputs(cell, *shape, reset=False, seed=seed))
        single = random_inputs(cell, *shape, reset=False, seed=seed, dtype=torch.float32)
        eager_errors, fused_errors = (
            relative_errors(results_by_name(scan, cell, *single), exact) for scan in (eager.scan, fused.scan)
        )
        for name, value in fused_errors.items():
            ratio = max(value, 2**-24) / max(eager_errors[name], 2**-24)
            log_ratios.setdefault(name, []).append(math.log(ratio))
    for name, values in log_ratios.items():
        assert statistics.mean(values) <= math.log(4), (name, values)


@every_cell
def test_a_members_result_is_bit_identical_among_any_members_and_on_any_number_of_threads(cls):
    cell, K = cls(), 4
    w, x, s, mask, d_outputs = random_inputs(cell, K, 20, 50, 3, 20, reset=True, dtype=torch.float32)
    together = results_by_name(fused.scan, cell, w, x, s, mask, d_outputs)
    for k in range(K):
        one = slice(k, k + 1)
        parts = ({n: v[one] for n, v in named.items()} for named in (w, s))
        alone = results_by_name(fused.scan, cell, next(parts), x[one], next(parts), mask[one], d_outputs[one])
        for name, value in alone.items():
            assert torch.equal(value, together[name][one]), name
    torch.set_num_threads(3)  # a fixture sets it back to one
    for name, value in results_by_name(fused.scan, cell, w, x, s, mask, d_outputs).items():
        assert torch.equal(value, together[name]), name


@every_cell
@pytest.mark.parametrize("reset", [False, True])
def test_outputs_are_bit_identical_with_and_without_values_saved_for_backward(cls, reset):
    cell = cls()
    w, x, s, mask, _ = random_inputs(cell, 2, 13, 30, 3, 20, reset, dtype=torch.float32)
    with torch.no_grad():
        without = fused.scan(cell, w, x, s, mask)
    saved = fused.scan(cell, {n: v.requires_grad_() for n, v in w.items()}, x, s, mask)
    assert torch.equal(without.outputs, saved.outputs)
    for part in s:
        assert torch.equal(without.state[part], saved.state[part])


def test_gates_are_recorded_and_overridden_by_the_eager_engine():
    cell = catalogue()["lstm"]()
    w, x, s, _, _ = random_inputs(cell, 2, 5, 3, 2, 4, reset=False)
    override = {"f": torch.ones(2, 5, 3, 4, dtype=torch.float64)}
    results, expected = (e.scan(cell, w, x, s, record=["f", "i"], override=override) for e in (fused, eager))
    assert torch.equal(results.outputs, expected.outputs)
    assert torch.equal(results.recorded["i"], expected.recorded["i"])


def test_tensors_need_not_be_contiguous():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = random_inputs(cell, 2, 5, 3, 4, 6, reset=False)
    strided = x.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    assert torch.equal(fused.scan(cell, w, strided, s).outputs, fused.scan(cell, w, x, s).outputs)


def test_wrong_dtypes_are_refused():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = random_inputs(cell, 2, 5, 3, 4, 6, reset=False)
    with pytest.raises(TypeError, match=r"W_r is torch\.float64 on cpu, but the input is torch\.float32"):
        fused.scan(cell, w, x.float(), s)
    with pytest.raises(TypeError, match=r"float16"):
        fused.scan(cell, w, x.half(), s)


def test_mismatched_shapes_are_refused():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = random_inputs(cell, 2, 5, 3, 4, 6, reset=False)
    with pytest.raises(ValueError, match=r"h has shape \[1, 3, 6\]; the other tensors require \[2, 3, 'H'\]"):
        fused.scan(cell, w, x, {"h": s["h"][:1]})
    with pytest.raises(ValueError, match=r"U_r has shape \[2, 6, 5\]; the other tensors require \[2, 6, 6\]"):
        fused.scan(cell, {**w, "U_r": w["U_r"][..., :5]}, x, s)


def test_an_empty_batch_has_empty_outputs():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = random_inputs(cell, 2, 5, 3, 4, 6, reset=False)
    assert fused.scan(cell, w, x[:, :, :0], {"h": s["h"][:, :0]}).outputs.shape == (2, 5, 0, 6)


def test_the_order_of_the_weights_does_not_matter():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = random_inputs(cell, 2, 5, 3, 4, 6, reset=False)
    reordered = dict(reversed(w.items()))
    assert torch.equal(fused.scan(cell, reordered, x, s).outputs, fused.scan(cell, w, x, s).outputs)


def test_a_second_backward_pass_is_refused():
    cell = catalogue()["gru"]()
    w, x, s, _, _ = random_inputs(cell, 2, 5, 3, 4, 6, reset=False)
    total = fused.scan(cell, w, x.requires_grad_(), s).outputs.sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="the backward pass once per scan; use the eager engine"):
        total.backward()


def test_a_cell_with_a_mutable_option_is_refused():
    cell = catalogue()["gru"]()
    cell.option = [1]
    with pytest.raises(fused.Untraceable, match="an option of the cell is mutable"):
        fused.prepare(cell)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the flags are those of x86 compilers")
@pytest.mark.parametrize("flag", ["-mno-avx512f", "-mno-avx"])
def test_float64_equals_the_eager_engine_on_processors_with_shorter_vectors(flag, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, flag))
    monkeypatch.setattr(run, "_kernels", {})
    build._machine.cache_clear()
    try:
        for shape in ((3, 3, 3, 3, 3), (2, 9, 24, 16, 16), (1, 17, 49, 5, 33)):
            assert_fused_equals_eager(catalogue()["lstm_peephole"](), shape)
    finally:
        build._machine.cache_clear()
