"""Asking an engine and the reference for the same numbers, and cells for it that are not in the catalogue."""

import torch

from ablations.cells import Cell, Weight
from ablations.engines import eager, fused


def problem(cell, K, T, B, I, H, reset, seed=0, dtype=torch.float64):  # noqa: E741 (the field's name)
    """Weights scaled by their fan-in, an input, a state, perhaps resets, and a gradient from above. Weights that start
    near 0 are small here too: their cells would grow without bound, and errors with them."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)  # noqa: E731
    small = {"near_zero": 0.01}
    w = {
        n: draw(K, x.rows, x.columns) * small.get(x.initialiser, 1) / x.rows**0.5 for n, x in cell.weights(I, H).items()
    }
    s = {n: draw(K, B, size) for n, size in cell.state_sizes(H).items()}
    mask = torch.rand(K, T, B, generator=g) < 0.3 if reset else None
    return w, draw(K, T, B, I), s, mask, draw(K, T, B, cell.state_sizes(H)[cell.output])


def solve(scan, cell, w, x, s, mask, above):
    """Outputs, final state and every gradient."""
    w, s = ({n: v.clone().requires_grad_() for n, v in named.items()} for named in (w, s))
    x = x.clone().requires_grad_()
    done = scan(cell, w, x, s, mask)
    assert not any(part.requires_grad for part in done.state.values())
    gradients = torch.autograd.grad((done.outputs * above).sum(), [*w.values(), x, *s.values()], materialize_grads=True)
    names = ["outputs", *(f"final {n}" for n in s), *(f"d{n}" for n in w), "dx", *(f"d{n}" for n in s)]
    return dict(zip(names, [done.outputs.detach(), *done.state.values(), *gradients], strict=True))


def error(found, expected):
    """The largest error over the largest value, by name."""
    return {
        name: ((found[name].double() - value).abs().max() / value.abs().max().clamp(min=1e-30)).item()
        for name, value in expected.items()
    }


def agree(cell, shape, reset=False, seed=0):
    asked = problem(cell, *shape, reset, seed)
    expected, found = solve(eager.scan, cell, *asked), solve(fused.scan, cell, *asked)
    assert max(error(found, expected).values()) < 1e-10, error(found, expected)


class Plain(Cell):
    """Weights for a step that a test writes."""

    def weights(self, inputs, hidden):
        square = Weight(hidden, hidden, "uniform")
        return {"W": Weight(inputs, hidden, "uniform"), "U": square, "V": square, "a": Weight(1, hidden, "zeros")}

    def drive(self, w, x):
        return {"x": x @ w["W"]}

    def step(self, w, drive, state, tap):
        return {"h": self.new(w, drive["x"], state["h"])}


def cell_of(new, name="tried", parts=("h",)):
    kind = type("Tried", (Plain,), {"new": staticmethod(new), "state": parts})
    kind.name = name  # after the class is made: it stays out of the catalogue
    return kind()
