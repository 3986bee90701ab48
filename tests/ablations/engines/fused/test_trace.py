"""What a step may use, the fused engine runs; what breaks a rule it names, and leaves to the eager engine."""

import pytest
import torch

from ablations.cells import Cell, Weight, catalogue
from ablations.engines import choose, choose_all, eager
from tests.ablations.engines.reference_scans import Plain, agree, cell_of

STEPS = {
    "a learned constant": lambda w, x, h: torch.sigmoid(w["a"]) * h + torch.tanh(x + h @ w["U"]),
    "an expression of matrices": lambda w, x, h: torch.tanh(x + h @ (w["U"] * w["V"] + w["U"])),
    "a weight on its side": lambda w, x, h: torch.tanh(x + h @ w["U"].mT),
    "a weight used twice": lambda w, x, h: torch.tanh(torch.tanh(x + h @ w["U"]) @ w["U"] + w["a"] * h),
    "products in three stages": lambda w, x, h: torch.tanh(torch.relu(torch.relu(x + h @ w["U"]) @ w["V"]) @ w["U"]),
    "a product in a sum in a product": lambda w, x, h: (x + h @ w["U"]) * torch.sigmoid(h @ w["V"] + w["a"]),
    "arithmetic with numbers": lambda w, x, h: 0.5 * h + (1 - 0.5 * torch.tanh(h @ w["U"] - x)) / 2.0,
    "an exponential": lambda w, x, h: torch.exp(-torch.relu(h @ w["U"] + x)),
    "a bound": lambda w, x, h: torch.relu(x + h @ w["U"]) - h,
    "no recurrence": lambda w, x, h: torch.tanh(x + w["a"]),
    "the same product twice": lambda w, x, h: torch.tanh(h @ w["U"] + x) * torch.sigmoid(h @ w["U"]),
    "the input elementwise": lambda w, x, h: torch.tanh(x) * h + x,
    "a division by a weight": lambda w, x, h: h / (2 + torch.exp(w["a"])) - x / (3 + torch.tanh(h @ w["U"])),
    "a division of a weight": lambda w, x, h: torch.tanh(w["a"] / (1 + torch.exp(h @ w["U"])) + x),
    "a value twice": lambda w, x, h: torch.tanh((h @ w["U"] + h @ w["U"] + w["a"] + w["a"]) * x * x + (h + h)),
    "a bias in two places": lambda w, x, h: (x + w["a"]) * torch.sigmoid(h @ w["U"] + w["a"]) - w["a"],
    "weights in pieces of one": lambda w, x, h: torch.tanh(
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
def test_any_step_within_the_rules_is_run(step, shape):
    agree(cell_of(STEPS[step]), shape, reset=True)


class Packed(Plain):
    """An LSTM as many write it: one matrix for all gates, cut in pieces."""

    name: str
    state = ("c", "h")
    output = "h"

    def weights(self, inputs, hidden):
        return {"W": Weight(inputs + hidden, 4 * hidden, "uniform"), "b": Weight(1, 4 * hidden, "zeros")}

    def drive(self, w, x):
        return {"x": x}

    def step(self, w, drive, state, tap):
        gates = torch.cat([drive["x"], state["h"]], -1) @ w["W"] + w["b"]
        i, f, z, o = self.cut(gates, state["h"].shape[-1])
        c = torch.sigmoid(f) * state["c"] + torch.sigmoid(i) * torch.tanh(z)
        return {"c": c, "h": torch.sigmoid(o) * torch.tanh(c)}


CUTS = {
    "chunks": lambda g, H: g.chunk(4, -1),
    "a split": lambda g, H: g.split([H, H, H, H], -1),
    "slices": lambda g, H: (g[..., :H], g[..., H : 2 * H], g[..., 2 * H : 3 * H], g[..., 3 * H :]),
    "slices from the end": lambda g, H: (g[..., -H:], g[..., :H], g[..., 2 * H : -H], g[..., H : -2 * H]),
    "slices of slices": lambda g, H: (*(g[..., : 3 * H][..., H:]).chunk(2, -1), g.narrow(-1, 0, H), g[..., 3 * H :]),
    "pieces that overlap, and one that is not used": lambda g, H: (g[..., :H], g[..., :H], g[..., H : 2 * H] ** 2, 1 / (2 + g[..., :H] ** 2)),
    "pieces put together again": lambda g, H: (torch.tanh(torch.cat([g[..., H : 2 * H], g[..., :H]], -1) * g[..., 2 * H :])).chunk(2, -1) * 2,
}  # fmt: skip


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("shape", [(2, 11, 30, 3, 20), (1, 4, 2, 5, 3), (2, 9, 7, 17, 33), (1, 5, 3, 16, 16)])
def test_rows_may_be_cut_and_put_together(cut, shape):
    kind = type("Cut", (Packed,), {"cut": staticmethod(CUTS[cut])})
    kind.name = "cut"
    cell = kind()
    assert choose("fused", cell).why == "compiled from the cell's own step"
    agree(cell, shape, reset=True)


def test_input_and_state_may_be_cut():
    def new(w, x, h):
        half = x.shape[-1]
        return torch.cat([torch.tanh(h[..., :half] @ w["U"][:half]), x], -1)[..., half:] * h

    assert "depends on the sizes" in choose("fused", cell_of(new)).why  # weights alone are lifted, and are not cut

    def turned(w, x, h):
        first, second = torch.cat([x, h], -1).split([x.shape[-1], h.shape[-1]], -1)
        return torch.tanh(second + first @ w["U"] + torch.cat([h, first], -1)[..., first.shape[-1] :] @ w["U"])

    agree(cell_of(turned), (2, 8, 5, 3, 20))


class Uneven(Cell):
    """Two parts of state of different sizes; the smaller one is shown."""

    name: str
    state = ("m", "h")
    output = "h"

    def state_sizes(self, hidden):
        return {"m": 2 * hidden, "h": hidden}

    def weights(self, inputs, hidden):
        return {
            "W": Weight(inputs, 2 * hidden, "uniform"),
            "U": Weight(hidden, 2 * hidden, "uniform"),
            "V": Weight(2 * hidden, hidden, "uniform"),
            "b": Weight(1, hidden, "zeros"),
        }

    def drive(self, w, x):
        return {"m": x @ w["W"]}

    def step(self, w, drive, state, tap):
        m = 0.9 * state["m"] + torch.tanh(drive["m"] + state["h"] @ w["U"])
        return {"m": m, "h": torch.tanh(m @ w["V"] + w["b"])}


Uneven.name = "uneven"


@pytest.mark.parametrize("shape", [(2, 10, 30, 3, 20), (3, 9, 5, 2, 16)])
def test_parts_of_state_may_differ_in_size(shape):
    agree(Uneven(), shape, reset=True)


def two(new):
    """A cell of two parts of state, from a function of weights, drive and both parts."""

    class Two(Plain):
        state = ("c", "h")

        def step(self, w, drive, state, tap):
            return dict(zip(self.state, new(w, drive["x"], state["c"], state["h"]), strict=True))

    Two.name = "two"
    return Two()


def feeds(w, x, c, h):
    after = torch.tanh(c + x + h @ w["U"])
    return after, torch.sigmoid(after @ w["V"]) * after


def shared(w, x, c, h):
    after = torch.tanh(c + x + h @ w["U"])
    return after, after


TWO = {
    "a new state is a left operand": feeds,
    "one value is both parts": shared,
    "the parts change places": lambda w, x, c, h: (h, c + x),
    "a delay": lambda w, x, c, h: (h, torch.tanh(c @ w["U"] + h @ w["V"] + x)),
    "a part that is never used": lambda w, x, c, h: (torch.zeros_like(c), torch.tanh(h @ w["V"] + x)),
    "a part that is never shown": lambda w, x, c, h: (c + h @ w["U"], torch.tanh(h @ w["V"] + x)),
}


@pytest.mark.parametrize("step", TWO)
def test_parts_of_state_may_share_and_exchange_values(step):
    agree(two(TWO[step]), (2, 11, 30, 3, 20), reset=True)
    agree(two(TWO[step]), (1, 9, 7, 2, 5))


def batch_matters(w, x, h):
    return torch.tanh(x) if len(h) > 10 else torch.tanh(x + h @ w["U"])


def in_place(w, x, h):
    return torch.tanh(x + h @ w["U"]).mul_(0.5)


def peeks(w, x, h):
    return torch.tanh(x) * h.sum().item()


def blind(w, x, h):
    with torch.no_grad():
        gate = torch.sigmoid(h @ w["U"])
    return torch.tanh(x) * gate


class Straight(torch.autograd.Function):
    """A hard decision with the gradient of a soft one."""

    @staticmethod
    def forward(ctx, value):
        return torch.relu(value)

    @staticmethod
    def backward(ctx, above):
        return above


def weight_in_place(w, x, h):
    return torch.tanh(x + h @ w["U"].mul_(0.5))


calls = []


def remembers(w, x, h):
    calls.append(1)
    return torch.tanh(x) * float(len(calls))


held = torch.ones(1, 1)
BROKEN = {
    "a branch on the batch": (batch_matters, "what its step does depends on the sizes"),
    "rows that mix": (lambda w, x, h: torch.tanh(x + h.mean(0, keepdim=True) @ w["U"]), "does not know the operator mean"),
    "a sum over rows": (lambda w, x, h: torch.tanh(x + h.sum(0, keepdim=True)), "sum"),
    "an operation in place": (in_place, "does not know the operator mul_"),
    "a number read out": (peeks, "its step cannot be traced"),
    "a tensor of its own": (lambda w, x, h: torch.tanh(x + h) * held, "its step holds a tensor of its own"),
    "an operator that is new": (lambda w, x, h: torch.sin(x + h @ w["U"]), "does not know the operator sin"),
    "a product without a weight": (lambda w, x, h: torch.tanh(x + h @ (h.t() @ h)), "right operand of a product is not a weight"),
    "a choice among weights by the batch": (lambda w, x, h: torch.tanh(x + h @ w["U" if len(h) > 10 else "V"]), "depends on the sizes"),
    "a number that is a size": (lambda w, x, h: torch.tanh(x + h @ w["U"] / h.shape[1]), "depends on the sizes: an argument of div"),
    "a weight scaled by a size": (lambda w, x, h: torch.tanh(x + h @ (w["U"] / len(w["U"]))), "depends on the sizes: an argument of div"),
    "a sum over features": (lambda w, x, h: torch.tanh(x) * h.sum(-1, keepdim=True), "does not know the operator sum"),
    "a number for a row": (lambda w, x, h: torch.tanh(x) * (h @ w["U"].sum(-1, keepdim=True)), "one number over a row"),
    "a number added to a row": (lambda w, x, h: torch.tanh(x + h @ w["U"].sum(-1, keepdim=True)), "one number over a row"),
    "a weight for the state": (lambda w, x, h: w["a"], "it gives h another shape"),
    "members that mix": (lambda w, x, h: torch.tanh(x + w["a"].mean() * h), "0 axes"),
    "a gradient left out": (blind, "its step does not do what its operations do"),
    "a gradient of its own": (lambda w, x, h: Straight.apply(x + h @ w["U"]), "its step does not do what its operations do"),
    "a weight changed in place": (weight_in_place, "does not know the operator mul_"),
    "a weight that is random": (lambda w, x, h: torch.tanh(x + h @ (w["U"] * torch.rand_like(w["U"]))), "does not know the operator rand_like"),
    "a memory of calls": (remembers, "depends on the sizes: an argument of mul"),
    "a weight in pieces": (lambda w, x, h: torch.tanh(x + h @ torch.cat(w["U"].chunk(2, -1), -1)), "depends on the sizes: an argument of split"),
    "rows in halves": (lambda w, x, h: torch.cat(h.chunk(2, -1), -1), "no sum of input and hidden sizes"),
    "a batch in pieces": (lambda w, x, h: torch.cat([h[:2], h[2:]], 0), "out of a batch"),
    "every other column": (lambda w, x, h: torch.tanh(torch.cat([h, h], -1)[..., ::2]), "cut in steps"),
    "two axes for one": (lambda w, x, h: torch.tanh(x + h @ w["U"] + h[..., 0]), "cannot be traced"),
    "an infinite number": (lambda w, x, h: torch.tanh(x + h * float("inf")), "mul with these arguments"),
    "random numbers": (lambda w, x, h: torch.tanh(x) + torch.rand_like(h), "does not know the operator rand"),
}  # fmt: skip


@pytest.mark.parametrize("step", BROKEN)
def test_what_breaks_a_rule_is_named_and_left_to_the_eager_engine(step):
    new, why = BROKEN[step]
    engine = choose("auto", cell_of(new, name="suspect"))
    assert engine.name == "eager"
    assert engine.scan is eager.scan
    assert why in engine.why
    assert "suspect" in engine.why


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (lambda h: torch.sin(h), "does not know the operator sin"),
        (lambda h: h[:, 0].item() * h, "its step cannot be traced"),
        (lambda h: h.mul_(2), "does not know the operator mul_"),
    ],
)
def test_a_refusal_names_the_line(operation, why):
    def new(w, x, h):
        return operation(x + h @ w["U"])

    refused = choose("auto", cell_of(new)).why
    assert why in refused
    assert refused.endswith(f"(test_fused_steps.py, line {operation.__code__.co_firstlineno})")


def test_the_choice_is_told_for_every_cell():
    cells = {"good": catalogue()["rnn"](), "bad": cell_of(BROKEN["an operator that is new"][0])}
    lines = choose_all("auto", cells)
    assert lines[0] == "engine fused (compiled from the cell's own step): good"
    assert lines[1].startswith("engine eager (no fused kernel: tried: the fused engine does not know the operator sin")
    assert choose_all("eager", cells) == ["engine eager (as asked): good, bad"]
