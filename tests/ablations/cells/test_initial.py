"""How weights start: every setting, and what a setting must leave alone."""

import pytest
import torch
from torch import Generator

from ablations.cells import Weight, catalogue
from ablations.cells.initial import initialise, searchable_initialisers
from ablations.hyperparameters import HYPERPARAMETERS, entering

every_cell = pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])
LAG = 50
OTHER = {"recurrent_init": "uniform", "forget_bias": 3.0, "input_bias": -2.0}  # none of them a default


def start(weights, lag=LAG, seed=0, **settings):
    return initialise(weights, settings, lag, Generator().manual_seed(seed))


def of(cls, hidden=6, inputs=3, **settings):
    return start(cls().weights(inputs, hidden), **settings)


@every_cell
def test_weights_have_their_shapes_and_start_finite(cls):
    shapes = cls().weights(3, 6)
    w = of(cls)
    assert list(w) == list(shapes)
    for name, weight in shapes.items():
        assert w[name].shape == (weight.rows, weight.columns)
        assert w[name].dtype == torch.float32
        assert w[name].isfinite().all()


@every_cell
def test_matrices_start_at_random_and_biases_by_their_setting(cls):
    shapes, w = cls().weights(3, 6), of(cls)
    fixed = {"zeros": 0.0, "forget_bias": 1.0, "input_bias": 0.0}
    for name, weight in shapes.items():
        if weight.initialiser in fixed:
            assert (w[name] == fixed[weight.initialiser]).all()
        else:
            assert w[name].unique().numel() > 1


def test_uniform_fills_its_range_evenly():
    w = start({"W": Weight(25, 400, "uniform")})["W"]
    assert w.abs().max() <= 0.2  # 1 / sqrt(25)
    assert w.max() > 0.199
    assert w.min() < -0.199
    assert w.std().item() == pytest.approx(0.2 / 3**0.5, rel=0.02)
    assert w.mean().item() == pytest.approx(0, abs=0.005)


@every_cell
@pytest.mark.parametrize("recurrent", HYPERPARAMETERS["recurrent_init"].words)
def test_recurrent_matrices(cls, recurrent):
    shapes, w = cls().weights(3, 6), of(cls, recurrent_init=recurrent)
    matrices = [w[name] for name, weight in shapes.items() if weight.initialiser == "recurrent_init"]
    assert bool(matrices) == (cls.name not in ("identity_rnn", "min_gru"))  # starts as it must; has none
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
    w = start({"W": Weight(25, 400, "near_zero")})["W"]
    torch.testing.assert_close(w, start({"W": Weight(25, 400, "uniform")})["W"] / 100)


def test_identity_rnn_starts_as_the_identity_whatever_the_others_do():
    for recurrent in HYPERPARAMETERS["recurrent_init"].words:
        assert torch.equal(of(catalogue()["identity_rnn"], recurrent_init=recurrent)["U"], torch.eye(6))


@pytest.mark.parametrize(
    ("cell", "small"),
    [
        ("identity_rnn", ["W"]),
        ("single_network_residual", ["U_c"]),
        ("memory_gated", ["U_z"]),
        ("lstm_full_recurrence", [f"R_{a}{b}" for b in "ifo" for a in "ifo"]),
    ],
)
def test_what_starts_near_zero(cell, small):
    w = of(catalogue()[cell])
    assert [name for name, weight in w.items() if 0 < weight.abs().max() < 0.01] == small


def test_recurrent_default_is_orthogonal():
    U = of(catalogue()["rnn"])["U"]
    assert torch.equal(U, of(catalogue()["rnn"], recurrent_init="orthogonal")["U"])


@pytest.mark.parametrize(("cell", "name"), [("lstm", "b_f"), ("gru", "b_z"), ("janet", "b_s"), ("memory_gated", "b_f")])
@pytest.mark.parametrize("lag", [3, 50, 400])
def test_chrono_spreads_time_scales_evenly_up_to_the_lag(cell, name, lag):
    scale = of(catalogue()[cell], hidden=2000, inputs=1, lag=lag, forget_bias="chrono", recurrent_init="identity")[name]
    scale = scale.exp()
    top = lag - 1
    assert scale.min() >= 1
    assert scale.max() <= top + 1e-3
    assert scale.min() < 1 + 0.01 * (top - 1)
    assert scale.max() > 1 + 0.99 * (top - 1)
    assert scale.mean().item() == pytest.approx((1 + top) / 2, rel=0.05)


@pytest.mark.parametrize("lag", [1, 2])
def test_chrono_is_defined_for_the_shortest_lags(lag):
    bias = of(catalogue()["lstm"], lag=lag, forget_bias="chrono")["b_f"]
    assert (bias >= 0).all()
    assert (bias.exp() <= 2).all()


def test_chrono_opens_the_input_gate_as_the_forget_gate_closes():
    w = of(catalogue()["lstm"], forget_bias="chrono", input_bias="chrono")
    assert torch.equal(w["b_i"], -w["b_f"])
    assert w["b_f"].unique().numel() == 6
    assert torch.equal(of(catalogue()["lstm"], input_bias="chrono")["b_i"], w["b_i"])
    assert (of(catalogue()["lstm"], input_bias="chrono")["b_f"] == 1).all()


@pytest.mark.parametrize(("cell", "name"), [("minimal_gated", "b_f"), ("min_gru", "b_z")])
def test_where_a_gate_writes_a_chrono_bias_keeps_by_being_negative(cell, name):
    w = of(catalogue()[cell], input_bias="chrono")
    assert (w[name] < 0).all()
    assert (w[name].neg().exp() <= LAG - 1 + 1e-3).all()
    assert torch.equal(w[name], -of(catalogue()["janet"], forget_bias="chrono")["b_s"])  # the same draw


@pytest.mark.parametrize("bias", ["forget_bias", "input_bias"])
@pytest.mark.parametrize("value", [-2.0, 0.0, 3.0])
def test_bias_is_the_number_it_is_set_to(bias, value):
    name = {"forget_bias": "b_f", "input_bias": "b_i"}[bias]
    assert torch.equal(of(catalogue()["lstm"], **{bias: value})[name], torch.full((1, 6), float(value)))


@every_cell
@pytest.mark.parametrize("bias", ["forget_bias", "input_bias"])
@pytest.mark.parametrize("value", [3.0, "chrono"])
def test_choice_of_a_bias_changes_no_other_weight(cls, bias, value):
    shapes, before, after = cls().weights(3, 6), of(cls), of(cls, **{bias: value})
    changed = {name for name in shapes if not torch.equal(before[name], after[name])}
    assert changed == {name for name, weight in shapes.items() if weight.initialiser == bias}


@every_cell
def test_searchable_initialisers_are_those_that_change_a_weight(cls):
    matter = [name for name in entering("initialiser") if any(not torch.equal(a, b) for a, b in _pairs(cls, name))]
    assert list(searchable_initialisers(cls())) == matter


def _pairs(cls, setting):
    return zip(of(cls).values(), of(cls, **{setting: OTHER[setting]}).values(), strict=True)


SEARCHED = {  # r: recurrent_init, f: forget_bias, i: input_bias
    "": ["identity_rnn"],
    "r": ["rnn", "single_network", "single_network_sigmoid", "single_network_residual"],
    "i": ["min_gru"],
    "rf": ["gru", "janet", "lstm_no_input", "lstm_coupled"],
    "ri": ["lstm_no_forget", "minimal_gated"],
}


@every_cell
def test_which_cells_have_which_gates_to_bias(cls):
    expected = next((letters for letters, names in SEARCHED.items() if cls.name in names), "rfi")
    names = {"r": "recurrent_init", "f": "forget_bias", "i": "input_bias"}
    assert searchable_initialisers(cls()) == tuple(names[letter] for letter in expected)


def test_leak_that_is_fixed_has_no_bias_to_search():
    assert searchable_initialisers(catalogue()["lstm_static_leak"](leak=0.9)) == ("recurrent_init", "input_bias")


@pytest.mark.parametrize(
    ("setting", "value"), [("recurrent_init", "orthogonl"), ("forget_bias", "chrno"), ("input_bias", "identity")]
)
def test_unknown_setting_is_refused_by_name(setting, value):
    with pytest.raises(ValueError, match=f"{setting} = '{value}'"):
        of(catalogue()["lstm"], **{setting: value})


def test_unknown_initialiser_is_refused_by_name():
    with pytest.raises(ValueError, match="nonsense"):
        start({"W": Weight(2, 2, "nonsense")})


@every_cell
def test_seed_decides_and_nothing_else(cls):
    settings = {"forget_bias": "chrono", "input_bias": "chrono"}
    before = torch.get_rng_state()
    first, again = of(cls, seed=7, **settings), of(cls, seed=7, **settings)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = of(cls, seed=8, **settings)
    random = [n for n, weight in cls().weights(3, 6).items() if weight.initialiser not in ("zeros", "identity")]
    assert not any(torch.equal(first[name], other[name]) for name in random)


def test_weights_are_drawn_independently():
    w = of(catalogue()["lstm"], recurrent_init="uniform", inputs=6)
    matrices = [value for name, value in w.items() if name[0] in "WU"]
    assert not any(torch.equal(a, b) for i, a in enumerate(matrices) for b in matrices[:i])
