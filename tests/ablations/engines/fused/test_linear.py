"""The readout of the fused engine."""

import pytest
import torch

from ablations.engines import eager, fused


def readout_inputs():
    """Rows x, weights V and biases b of three members."""
    g = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=g, dtype=torch.float64) for shape in ((3, 77, 20), (3, 20, 5), (3, 1, 5))]


def test_the_readout_equals_the_eager_one():
    x, V, b = readout_inputs()
    fused_results, eager_results = [], []
    for linear, results in ((fused.linear, fused_results), (eager.linear, eager_results)):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, V, b)]
        y = linear(*leaves)
        results += [y, *torch.autograd.grad(y.square().sum(), leaves)]
    for one, other in zip(fused_results, eager_results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_a_members_readout_is_bit_identical_among_any_members():
    x, V, b = (tensor.float() for tensor in readout_inputs())
    together = fused.linear(x, V, b)
    for k in range(3):
        assert torch.equal(fused.linear(x[k : k + 1], V[k : k + 1], b[k : k + 1])[0], together[k])


def test_mismatched_dtypes_are_refused():
    x, V, b = readout_inputs()
    with pytest.raises(
        TypeError, match=r"x is torch\.float64, V torch\.float32, b torch\.float64; all have to be float32"
    ):
        fused.linear(x, V.float(), b)
