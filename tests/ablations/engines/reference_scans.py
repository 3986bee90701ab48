"""Run an engine's scan with gradients on random inputs, and compare it with the eager engine."""

import torch

from ablations.engines import eager, fused


def random_inputs(cell, K, T, B, I, H, reset, seed=0, dtype=torch.float64):  # noqa: E741 (I is the number of inputs)
    """Return weights, input, state, resets (or None) and the gradient of the outputs.

    Weights are scaled by their fan-in. Those that are initialised near zero are small here too, as the state of their cells
    grows without bound otherwise, and errors with it.
    """
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)  # noqa: E731
    scales = {"near_zero": 0.01}
    w = {
        n: draw(K, x.rows, x.columns) * scales.get(x.initialiser, 1) / x.rows**0.5
        for n, x in cell.weights(I, H).items()
    }
    s = {n: draw(K, B, size) for n, size in cell.state_sizes(H).items()}
    if (
        cell.name == "slstm"
    ):  # the normaliser is a sum of positive weights; near 0, the quotient amplifies rounding errors
        s["n"] = 0.5 + s["n"].abs()
    mask = torch.rand(K, T, B, generator=g) < 0.3 if reset else None
    return w, draw(K, T, B, I), s, mask, draw(K, T, B, cell.state_sizes(H)[cell.output])


def results_by_name(scan, cell, w, x, s, mask, d_outputs):
    """Return the outputs, the final state and the gradient of every input of a scan."""
    w, s = ({n: v.clone().requires_grad_() for n, v in named.items()} for named in (w, s))
    x = x.clone().requires_grad_()
    scanned = scan(cell, w, x, s, mask)
    assert not any(part.requires_grad for part in scanned.state.values())
    inputs = [*w.values(), x, *s.values()]
    gradients = torch.autograd.grad((scanned.outputs * d_outputs).sum(), inputs, materialize_grads=True)
    names = ["outputs", *(f"final {n}" for n in s), *(f"d{n}" for n in w), "dx", *(f"d{n}" for n in s)]
    return dict(zip(names, [scanned.outputs.detach(), *scanned.state.values(), *gradients], strict=True))


def relative_errors(results, expected):
    """Return the largest absolute error over the largest absolute value, by name."""
    return {
        name: ((results[name].double() - value).abs().max() / value.abs().max().clamp(min=1e-30)).item()
        for name, value in expected.items()
    }


def assert_fused_equals_eager(cell, shape, reset=False, seed=0):
    """Compare all results of the two engines in float64; `shape` is (members, time, batch, inputs, hidden)."""
    inputs = random_inputs(cell, *shape, reset, seed)
    expected, results = results_by_name(eager.scan, cell, *inputs), results_by_name(fused.scan, cell, *inputs)
    assert max(relative_errors(results, expected).values()) < 1e-10, relative_errors(results, expected)
