"""Initialisers: the values of every setting, and which weights a setting changes."""

import re
from pathlib import Path

import pytest
import torch
from torch import Generator

from ablations.cells import Weight, catalogue
from ablations.cells.initial import CHOSEN, Normal, Uniform, initialise, searchable_initialisers
from ablations.hyperparameters import HYPERPARAMETERS, entering

every_cell = pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])
LAG = 50
NOT_DEFAULT = {"recurrent_init": "uniform", "forget_bias": 3.0, "input_bias": -2.0}


def initial_weights(weights, lag=LAG, seed=0, **settings):
    return initialise(weights, settings, lag, Generator().manual_seed(seed))


def cell_weights(cls, hidden=6, inputs=3, **settings):
    return initial_weights(cls().weights(inputs, hidden), **settings)


@every_cell
def test_initial_weights_have_the_declared_shapes_and_are_finite(cls):
    shapes = cls().weights(3, 6)
    w = cell_weights(cls)
    assert list(w) == list(shapes)
    for name, weight in shapes.items():
        assert w[name].shape == (weight.rows, weight.columns)
        assert w[name].dtype == torch.float32
        assert w[name].isfinite().all()


@every_cell
def test_matrices_are_random_and_biases_have_the_default_of_their_setting(cls):
    shapes, w = cls().weights(3, 6), cell_weights(cls)
    fixed = {"zeros": 0.0, "ones": 1.0, "forget_bias": 1.0, "input_bias": 0.0}
    for name, weight in shapes.items():
        if weight.initialiser in fixed:
            assert (w[name] == fixed[weight.initialiser]).all()
        else:
            assert w[name].unique().numel() > 1


def test_uniform_weights_have_the_range_and_moments_of_the_distribution():
    w = initial_weights({"W": Weight(25, 400, "uniform")})["W"]
    assert w.abs().max() <= 0.2  # 1 / sqrt(25)
    assert w.max() > 0.199
    assert w.min() < -0.199
    assert w.std().item() == pytest.approx(0.2 / 3**0.5, rel=0.02)
    assert w.mean().item() == pytest.approx(0, abs=0.005)


@every_cell
@pytest.mark.parametrize("recurrent", HYPERPARAMETERS["recurrent_init"].words)
def test_recurrent_matrices_have_the_chosen_initialisation(cls, recurrent):
    shapes, w = cls().weights(3, 6), cell_weights(cls, recurrent_init=recurrent)
    matrices = [w[name] for name, weight in shapes.items() if weight.initialiser == "recurrent_init"]
    assert bool(matrices) == (
        cls.name not in ("identity_rnn", "min_gru", "min_lstm", "lru", "rg_lru")
    )  # one has a fixed identity, the others no recurrent matrix
    for U in matrices:
        if recurrent == "identity":
            assert torch.equal(U, torch.eye(6))
        elif recurrent == "orthogonal":
            torch.testing.assert_close(U @ U.T, torch.eye(6), atol=1e-5, rtol=0)
            assert not torch.equal(U.abs().round(), torch.eye(6))
        else:
            assert 0 < U.abs().max() <= 6**-0.5
            assert U.std().item() == pytest.approx(18**-0.5, rel=0.35)


def test_near_zero_is_a_hundredth_of_uniform():
    w = initial_weights({"W": Weight(25, 400, "near_zero")})["W"]
    torch.testing.assert_close(w, initial_weights({"W": Weight(25, 400, "uniform")})["W"] / 100)


def test_identity_rnn_starts_as_the_identity_for_every_recurrent_init():
    for recurrent in HYPERPARAMETERS["recurrent_init"].words:
        assert torch.equal(cell_weights(catalogue()["identity_rnn"], recurrent_init=recurrent)["U"], torch.eye(6))


@pytest.mark.parametrize(
    ("cell", "small"),
    [
        ("identity_rnn", ["W"]),
        ("single_network_residual", ["U_c"]),
        ("memory_gated", ["U_z"]),
        ("lstm_full_recurrence", [f"R_{a}{b}" for b in "ifo" for a in "ifo"]),
    ],
)
def test_weights_near_zero_are_those_that_the_cell_declares(cell, small):
    w = cell_weights(catalogue()[cell])
    assert [name for name, weight in w.items() if 0 < weight.abs().max() < 0.01] == small


def test_recurrent_default_is_orthogonal():
    U = cell_weights(catalogue()["rnn"])["U"]
    assert torch.equal(U, cell_weights(catalogue()["rnn"], recurrent_init="orthogonal")["U"])


@pytest.mark.parametrize(("cell", "name"), [("lstm", "b_f"), ("gru", "b_z"), ("janet", "b_s"), ("memory_gated", "b_f")])
@pytest.mark.parametrize("lag", [3, 50, 400])
def test_chrono_time_scales_are_uniform_up_to_the_lag(cell, name, lag):
    scale = cell_weights(
        catalogue()[cell], hidden=2000, inputs=1, lag=lag, forget_bias="chrono", recurrent_init="identity"
    )[name]
    scale = scale.exp()
    top = lag - 1
    assert scale.min() >= 1
    assert scale.max() <= top + 1e-3
    assert scale.min() < 1 + 0.01 * (top - 1)
    assert scale.max() > 1 + 0.99 * (top - 1)
    assert scale.mean().item() == pytest.approx((1 + top) / 2, rel=0.05)


@pytest.mark.parametrize("lag", [1, 2])
def test_chrono_is_defined_for_the_shortest_lags(lag):
    bias = cell_weights(catalogue()["lstm"], lag=lag, forget_bias="chrono")["b_f"]
    assert (bias >= 0).all()
    assert (bias.exp() <= 2).all()


def test_chrono_input_bias_is_minus_the_forget_bias():
    w = cell_weights(catalogue()["lstm"], forget_bias="chrono", input_bias="chrono")
    assert torch.equal(w["b_i"], -w["b_f"])
    assert w["b_f"].unique().numel() == 6
    assert torch.equal(cell_weights(catalogue()["lstm"], input_bias="chrono")["b_i"], w["b_i"])
    assert (cell_weights(catalogue()["lstm"], input_bias="chrono")["b_f"] == 1).all()


@pytest.mark.parametrize(("cell", "name"), [("minimal_gated", "b_f"), ("min_gru", "b_z")])
def test_chrono_bias_of_a_gate_that_multiplies_the_new_value_is_negative(cell, name):
    w = cell_weights(catalogue()[cell], input_bias="chrono")
    assert (w[name] < 0).all()
    assert (w[name].neg().exp() <= LAG - 1 + 1e-3).all()
    assert torch.equal(w[name], -cell_weights(catalogue()["janet"], forget_bias="chrono")["b_s"])  # the same draw


@pytest.mark.parametrize("bias", ["forget_bias", "input_bias"])
@pytest.mark.parametrize("value", [-2.0, 0.0, 3.0])
def test_numeric_bias_is_used_as_it_is(bias, value):
    name = {"forget_bias": "b_f", "input_bias": "b_i"}[bias]
    assert torch.equal(cell_weights(catalogue()["lstm"], **{bias: value})[name], torch.full((1, 6), float(value)))


@every_cell
@pytest.mark.parametrize("bias", ["forget_bias", "input_bias"])
@pytest.mark.parametrize("value", [3.0, "chrono"])
def test_bias_setting_changes_only_the_biases_that_it_initialises(cls, bias, value):
    shapes, before, after = cls().weights(3, 6), cell_weights(cls), cell_weights(cls, **{bias: value})
    changed = {name for name in shapes if not torch.equal(before[name], after[name])}
    assert changed == {name for name, weight in shapes.items() if weight.initialiser == bias}


@every_cell
def test_searchable_initialisers_are_those_that_change_a_weight(cls):
    effective = [name for name in entering("initialiser") if any(not torch.equal(a, b) for a, b in _pairs(cls, name))]
    assert list(searchable_initialisers(cls())) == effective


def _pairs(cls, setting):
    return zip(cell_weights(cls).values(), cell_weights(cls, **{setting: NOT_DEFAULT[setting]}).values(), strict=True)


SEARCHED = {  # r: recurrent_init, f: forget_bias, i: input_bias
    "": ["identity_rnn", "lru"],
    "r": ["rnn", "single_network", "single_network_sigmoid", "single_network_residual",
          "layer_norm_rnn", "layer_norm_single_network"],
    "i": ["min_gru", "rg_lru"],
    "fi": ["min_lstm"],
    "rf": ["gru", "janet", "lstm_no_input", "lstm_coupled"],
    "ri": ["lstm_no_forget", "minimal_gated"],
}  # fmt: skip


@every_cell
def test_searchable_initialisers_of_every_cell_are_as_listed(cls):
    expected = next((letters for letters, names in SEARCHED.items() if cls.name in names), "rfi")
    names = {"r": "recurrent_init", "f": "forget_bias", "i": "input_bias"}
    assert searchable_initialisers(cls()) == tuple(names[letter] for letter in expected)


def test_cell_with_a_fixed_leak_has_no_searchable_forget_bias():
    assert searchable_initialisers(catalogue()["lstm_static_leak"](leak=0.9)) == ("recurrent_init", "input_bias")


@pytest.mark.parametrize(
    ("setting", "value"), [("recurrent_init", "orthogonl"), ("forget_bias", "chrno"), ("input_bias", "identity")]
)
def test_unknown_setting_is_refused_by_name(setting, value):
    with pytest.raises(ValueError, match=f"{setting} = '{value}'"):
        cell_weights(catalogue()["lstm"], **{setting: value})


@pytest.mark.parametrize(
    ("initialiser", "message"),
    [("uniforn", "unknown initialiser 'uniforn'; did you mean 'uniform'?"), (None, "unknown initialiser None"),
     (True, "unknown initialiser True"), (["uniform"], "unknown initialiser ['uniform']")],
)  # fmt: skip
def test_an_unknown_initialiser_is_refused_with_those_that_exist(initialiser, message):
    with pytest.raises(ValueError, match=re.escape(f"weight 'W': {message}")) as refused:
        initial_weights({"W": Weight(2, 2, initialiser)})
    names = "zeros, ones, uniform, near_zero, normal, identity, recurrent_init, forget_bias, input_bias"
    assert str(refused.value).endswith(f" allowed: {names}, a number, a function of (shape, generator)")


def test_a_number_is_the_value_of_every_element():
    w = initial_weights({"b": Weight(1, 3, -0.5), "c": Weight(2, 2, 4), "d": Weight(1, 3, "ones")})
    assert torch.equal(w["b"], torch.full((1, 3), -0.5))
    assert torch.equal(w["c"], torch.full((2, 2), 4.0))
    assert torch.equal(w["d"], torch.ones(1, 3))
    assert {value.dtype for value in w.values()} == {torch.float32}


def test_normal_weights_have_variance_one_over_rows():
    w = initial_weights({"W": Weight(25, 4000, "normal")})["W"]
    assert w.std().item() == pytest.approx(0.2, rel=0.02)
    assert w.abs().max() > 0.7  # 3.5 standard deviations: not a uniform distribution
    assert w.mean().item() == pytest.approx(0, abs=0.005)


def test_a_function_draws_a_weight_from_the_shape_and_the_generator_of_the_seed():
    def doubled(shape, generator):
        return 2 * torch.rand(shape, generator=generator, dtype=torch.float64)

    declared = {"W": Weight(2, 3, doubled), "b": Weight(1, 3, "uniform")}
    w, again = initial_weights(declared), initial_weights(declared)
    assert w["W"].dtype == torch.float32
    assert torch.equal(w["W"], again["W"])
    assert not torch.equal(w["W"], initial_weights(declared, seed=1)["W"])
    assert Weight(2, 3, doubled).initialiser_name == "doubled"


def test_distributions_have_their_parameters_and_their_name():
    w = initial_weights({"N": Weight(25, 4000, Normal(0.3)), "U": Weight(25, 4000, Uniform(-0.1, 0.5))})
    assert w["N"].std().item() == pytest.approx(0.3, rel=0.02)
    assert w["N"].mean().item() == pytest.approx(0, abs=0.005)
    assert w["U"].min().item() == pytest.approx(-0.1, abs=1e-3)
    assert w["U"].max().item() == pytest.approx(0.5, abs=1e-3)
    assert w["U"].median().item() == pytest.approx(0.2, abs=0.01)
    assert Weight(1, 1, Uniform(-0.1, 0.5)).initialiser_name == "Uniform(low=-0.1, high=0.5)"


def test_contributing_lists_the_initialisers():
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = text.split("<!-- initialisers -->")[1].split("<!-- initialisers end -->")[0]
    assert re.findall(r"`(\w+)`", listed) == [*CHOSEN, *entering("initialiser")]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda shape, generator: torch.zeros(shape[::-1]), r"<lambda> returns \[3, 2\], torch.float32: expected floating-point numbers, \[2, 3\]"),
        (lambda shape, generator: torch.zeros(shape, dtype=torch.int64), r"<lambda> returns \[2, 3\], torch.int64"),
        (lambda shape, generator: 0.0, "<lambda> returns float"),
    ],
)  # fmt: skip
def test_a_function_that_returns_another_shape_is_refused(function, message):
    with pytest.raises(ValueError, match="weight 'W': " + message):
        initial_weights({"W": Weight(2, 3, function)})


@every_cell
def test_initial_weights_depend_on_the_generator_only(cls):
    settings = {"forget_bias": "chrono", "input_bias": "chrono"}
    before = torch.get_rng_state()
    first, again = cell_weights(cls, seed=7, **settings), cell_weights(cls, seed=7, **settings)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = cell_weights(cls, seed=8, **settings)
    random = [n for n, weight in cls().weights(3, 6).items() if weight.initialiser not in ("zeros", "ones", "identity")]
    assert not any(torch.equal(first[name], other[name]) for name in random)


def test_weights_are_drawn_independently():
    w = cell_weights(catalogue()["lstm"], recurrent_init="uniform", inputs=6)
    matrices = [value for name, value in w.items() if name[0] in "WU"]
    assert not any(torch.equal(a, b) for i, a in enumerate(matrices) for b in matrices[:i])
