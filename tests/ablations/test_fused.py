"""The fused engine computes what the eager one does, on every cell, at every shape; what it cannot, it says."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablations.cells import Cell, Weight, catalogue
from ablations.engines import choose, choose_all, eager, fused
from ablations.engines.fused import build, run

every_cell = pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])


def problem(cell, K, T, B, I, H, reset, seed=0, dtype=torch.float64):  # noqa: E741 (the field's name)
    """Weights scaled by their fan-in, an input, a state, perhaps resets, and a gradient from above."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)  # noqa: E731
    w = {n: draw(K, x.rows, x.columns) / x.rows**0.5 for n, x in cell.weights(I, H).items()}
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
    cell = cls()
    asked = problem(cell, *shape, reset=False)
    exact = solve(eager.scan, cell, *asked)
    single = problem(cell, *shape, reset=False, dtype=torch.float32)
    plain, found = (error(solve(scan, cell, *single), exact) for scan in (eager.scan, fused.scan))
    for name, value in found.items():
        assert value <= 4 * max(plain[name], 2**-24), (name, value, plain[name])


@every_cell
def test_a_members_result_is_the_same_to_the_last_bit_in_any_company_and_on_any_number_of_threads(cls, monkeypatch):
    cell, K = cls(), 4
    w, x, s, mask, above = problem(cell, K, 20, 50, 3, 20, reset=True, dtype=torch.float32)
    together = solve(fused.scan, cell, w, x, s, mask, above)
    for k in range(K):
        one = slice(k, k + 1)
        parts = ({n: v[one] for n, v in named.items()} for named in (w, s))
        alone = solve(fused.scan, cell, next(parts), x[one], next(parts), mask[one], above[one])
        for name, value in alone.items():
            assert torch.equal(value, together[name][one]), name
    monkeypatch.setattr(run, "THREADS", 3)
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


# -- cells that are not in the catalogue, and use what a step may use --


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
    "no weight": lambda w, x, h: torch.tanh(h) * 0.5,
    "a product alone": lambda w, x, h: h @ w["U"],
    "nested products": lambda w, x, h: h + (torch.tanh(h @ w["U"]) @ w["V"] + x) @ (w["U"] * torch.sigmoid(w["a"])),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shape", [(2, 11, 30, 3, 20), (1, 4, 2, 5, 3)])
def test_any_step_within_the_rules_is_run(step, shape):
    agree(cell_of(STEPS[step]), shape, reset=True)


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
    "rows in pieces": (lambda w, x, h: torch.cat(h.chunk(2, -1), -1), "does not know the operator split"),
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


def test_the_choice_is_told_for_every_cell():
    cells = {"good": catalogue()["rnn"](), "bad": cell_of(BROKEN["an operator that is new"][0])}
    lines = choose_all("auto", cells)
    assert lines[0] == "engine fused (compiled from the cell's own step): good"
    assert lines[1].startswith("engine eager (no fused kernel: tried: the fused engine does not know the operator sin")
    assert choose_all("eager", cells) == ["engine eager (as asked): good, bad"]


# -- compiling --


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """An empty cache of kernels, on disk and in this process."""
    monkeypatch.setenv("WHYGATES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "_kernels", {})
    build.compiler.cache_clear()
    yield tmp_path / "cache" / "whygates"
    build.compiler.cache_clear()


def test_a_kernel_is_compiled_once(fresh, monkeypatch):
    cell = catalogue()["rnn"]()
    assert choose("auto", cell).name == "fused"
    assert [path.suffix for path in sorted(fresh.iterdir())].count(".so") == 1
    monkeypatch.setattr(build, "_compile", lambda *_: pytest.fail("compiled again"))
    monkeypatch.setattr(run, "_kernels", {})
    assert choose("auto", cell).name == "fused"


def test_a_truncated_kernel_is_built_again(fresh):
    (library,) = [build_library(fresh)]
    whole = library.stat().st_size
    library.write_bytes(library.read_bytes()[:100])
    run._kernels.clear()
    agree(catalogue()["rnn"](), (1, 3, 4, 2, 5))
    assert choose("auto", catalogue()["rnn"]()).name == "fused"
    assert library.stat().st_size == whole


def build_library(folder: Path) -> Path:
    """A kernel compiled by another process: one that this process has loaded cannot be damaged safely."""
    code = "from ablations.engines import choose; from ablations.cells import catalogue; print(choose('fused', catalogue()['rnn']()).name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "fused"
    (library,) = folder.glob("*.so")
    return library


def test_two_processes_may_build_one_kernel_at_once(fresh):
    code = "from ablations.engines import choose; from ablations.cells import catalogue; print(choose('fused', catalogue()['rnn']()).name)"
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == ["fused", "fused"]
    assert len(list(fresh.glob("*.so"))) == 1


@pytest.mark.parametrize(("compiler", "why"), [("/bin/false", "refuses"), (None, "no C++ compiler on this machine")])
def test_without_a_working_compiler_the_eager_engine_runs(fresh, monkeypatch, compiler, why):
    if compiler:
        monkeypatch.setenv("CXX", compiler)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.delenv("CXX", raising=False)
    engine = choose("fused", catalogue()["rnn"]())
    assert engine.name == "eager"
    assert why in engine.why


def test_a_cache_that_cannot_be_made_gives_way_to_the_temporary_folder(fresh, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHYGATES_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(tmp_path))
    assert choose("fused", catalogue()["rnn"]()).name == "fused"
    assert list((tmp_path / f"whygates-{os.getuid()}").glob("*.so"))


# -- elementary functions --

HARNESS = """
extern "C" void apply(int which, long n, const real* x, real* y) {
  for (long i = 0; i + VL <= n; i += VL) {
    V v = load(x + i);
    store(y + i, which == 0 ? exp_(v) : which == 1 ? tanh_(v) : sigmoid_(v));
  }
}
extern "C" void needs() {}
extern "C" void forward() {}
extern "C" void backward() {}
"""


@pytest.fixture(scope="module")
def functions():
    source = (Path(run.__file__).parent / "kernel.hpp").read_text() + HARNESS
    return build.build(source, double=False)


def apply(library, which, x):
    y = np.empty_like(x)
    library.apply(which, ctypes.c_long(len(x)), x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
    return y


EXACT = {"exp": np.exp, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


@pytest.mark.parametrize("name", EXACT)
def test_elementary_functions_are_within_four_units_in_the_last_place(functions, name):
    rng = np.random.default_rng(0)
    wide, near = rng.uniform(-87, 87, 2**18), rng.uniform(-2, 2, 2**18)
    tiny = np.exp(rng.uniform(-60, 0, 2**16)) * rng.choice([-1, 1], 2**16)
    x = np.concatenate([wide, near, tiny]).astype(np.float32)
    y, exact = apply(functions, list(EXACT).index(name), x), EXACT[name](x.astype(np.float64))
    normal = np.abs(exact) >= np.finfo(np.float32).tiny
    ulp = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert (np.abs(y - exact)[normal] / ulp[normal]).max() <= 4
    assert np.abs(y - exact)[~normal].max(initial=0) <= np.finfo(np.float32).tiny


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("exp", [(np.inf, np.inf), (-np.inf, 0), (1000, np.inf), (-1000, 0), (0, 1)]),
        ("tanh", [(np.inf, 1), (-np.inf, -1), (1e30, 1), (-1e30, -1), (0, 0)]),
        ("sigmoid", [(np.inf, 1), (-np.inf, 0), (1e30, 1), (-1e30, 0), (0, 0.5)]),
    ],
)
def test_elementary_functions_at_their_ends(functions, name, values):
    x = np.array([x for x, _ in values] * 16, np.float32)
    assert apply(functions, list(EXACT).index(name), x).tolist() == [y for _, y in values] * 16
    assert np.isnan(apply(functions, list(EXACT).index(name), np.full(16, np.nan, np.float32))).all()
