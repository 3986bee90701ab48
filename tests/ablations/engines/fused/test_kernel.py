"""`kernel.hpp`: the accuracy of the elementary functions, and their values at infinities and NaN."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from ablations.engines.fused import build, run

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
def elementary_functions():
    source = (Path(run.__file__).parent / "kernel.hpp").read_text() + HARNESS
    return build.build(source, double=False)


def apply(library, which, x):
    y = np.empty_like(x)
    library.apply(which, ctypes.c_long(len(x)), x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
    return y


EXACT = {"exp": np.exp, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


@pytest.mark.parametrize("name", EXACT)
def test_elementary_functions_are_within_four_units_in_the_last_place(elementary_functions, name):
    rng = np.random.default_rng(0)
    wide, near = rng.uniform(-87, 87, 2**18), rng.uniform(-2, 2, 2**18)
    tiny = np.exp(rng.uniform(-60, 0, 2**16)) * rng.choice([-1, 1], 2**16)
    x = np.concatenate([wide, near, tiny]).astype(np.float32)
    y, exact = apply(elementary_functions, list(EXACT).index(name), x), EXACT[name](x.astype(np.float64))
    normal = np.abs(exact) >= np.finfo(np.float32).tiny
    ulp = 2.0 ** (np.floor(np.log2(np.abs(exact[normal]))) - 23)
    assert (np.abs(y - exact)[normal] / ulp).max() <= 4
    assert np.abs(y - exact)[~normal].max(initial=0) <= np.finfo(np.float32).tiny


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("exp", [(np.inf, np.inf), (-np.inf, 0), (1000, np.inf), (-1000, 0), (0, 1)]),
        ("tanh", [(np.inf, 1), (-np.inf, -1), (1e30, 1), (-1e30, -1), (0, 0)]),
        ("sigmoid", [(np.inf, 1), (-np.inf, 0), (1e30, 1), (-1e30, 0), (0, 0.5)]),
    ],
)
def test_elementary_functions_at_infinities_and_nan(elementary_functions, name, values):
    x = np.array([x for x, _ in values] * 16, np.float32)
    assert apply(elementary_functions, list(EXACT).index(name), x).tolist() == [y for _, y in values] * 16
    assert np.isnan(apply(elementary_functions, list(EXACT).index(name), np.full(16, np.nan, np.float32))).all()
