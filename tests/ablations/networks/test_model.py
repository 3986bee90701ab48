"""The model: number of parameters, layers, readout, reset of the state, and matching of sizes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from ablations.cells import catalogue
from ablations.engines.eager import scan
from ablations.networks.model import Model, hidden_size

every_cell = pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])
K, T, B, I, H = 2, 9, 3, 3, 4  # noqa: E741 (inputs)


def assert_close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def random_problem(cls, layers=1, seed=0):
    """A model with random weights, inputs and state, in double precision."""
    model, generator = Model(cls(), I, 2, H, scan, layers), Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    w = {name: normal(K, weight.rows, weight.columns) / 2 for name, weight in model.shapes.items()}
    state = [{name: normal(K, B, size) for name, size in model.cell.state_sizes(H).items()} for _ in range(layers)]
    return model, w, normal(K, T, B, I), state


def test_parameters_and_flops_equal_those_computed_by_hand():
    model = Model(catalogue()["lstm"](), inputs=3, outputs=2, hidden=5, scan=scan, layers=2)
    assert model.parameters == 4 * (3 * 5 + 5 * 5 + 5) + 4 * (5 * 5 + 5 * 5 + 5) + (5 * 2 + 2)
    assert model.flops == 2 * (4 * (3 * 5 + 5 * 5) + 4 * (5 * 5 + 5 * 5) + 5 * 2)
    model = Model(catalogue()["gru"](), inputs=3, outputs=2, hidden=5, scan=scan)
    assert model.parameters == 3 * (3 * 5 + 5 * 5 + 5) + 5 + (5 * 2 + 2)
    model = Model(catalogue()["single_network"](), inputs=3, outputs=2, hidden=5, scan=scan)
    assert model.parameters == 2 * (3 * 5 + 5 * 5 + 5) + 5 * 5 + (5 * 5 + 5) + (5 * 2 + 2)


@every_cell
@pytest.mark.parametrize("layers", [1, 3])
def test_number_of_parameters_equals_that_of_the_initial_weights(cls, layers):
    model = Model(cls(), I, 2, H, scan, layers)
    w = model.initialise({}, 10, Generator().manual_seed(0))
    assert sum(weight.numel() for weight in w.values()) == model.parameters
    assert {name: tuple(weight.shape) for name, weight in w.items()} == {n: v[:2] for n, v in model.shapes.items()}


@every_cell
@pytest.mark.parametrize("layers", [1, 3])
def test_each_layer_scans_the_outputs_of_the_one_below_and_the_readout_those_of_the_last(cls, layers):
    model, w, x, state = random_problem(cls, layers)
    outputs, after = model(w, x, state)
    for layer in range(layers):
        layer_weights = {name.partition(".")[2]: weight for name, weight in w.items() if name.startswith(f"{layer}.")}
        x, final, _ = scan(model.cell, layer_weights, x, state[layer])
        assert_close(after[layer], final)
    expected = torch.stack([x[k] @ w["readout.V"][k] + w["readout.b"][k] for k in range(K)])
    assert outputs.shape == (K, T, B, 2)
    assert_close(outputs, expected)
    assert not any(part.requires_grad for part in after[-1].values())


@every_cell
def test_initial_state_is_zero(cls):
    model, w, _, state = random_problem(cls, layers=2)
    zero = model.initial_state(w, B)
    assert [{n: part.shape for n, part in layer.items()} for layer in zero] == [
        {n: part.shape for n, part in layer.items()} for layer in state
    ]
    assert not any(part.any() for layer in zero for part in layer.values())


def matched_quantity(cls, match, hidden, layers):
    if match == "parameters":
        return Model(cls(), I, 2, hidden, scan, layers).parameters
    return hidden if match == "hidden" else len(cls.state) * hidden


@every_cell
@pytest.mark.parametrize("match", ["parameters", "hidden", "state"])
@pytest.mark.parametrize("layers", [1, 2])
@settings(max_examples=10, deadline=None)
@given(size=st.integers(1, 700))
def test_hidden_size_gives_the_nearest_matched_quantity(cls, match, layers, size):
    error = {
        h: abs(matched_quantity(cls, match, h, layers) - size) for h in range(1, 80 if match == "parameters" else 720)
    }
    hidden = hidden_size(cls(), I, 2, match, size, layers)
    assert hidden == min(error, key=lambda h: (error[h], h))
    assert hidden + 1 in error or match != "parameters"


@every_cell
@pytest.mark.parametrize("match", ["parameters", "hidden", "state"])
def test_hidden_size_is_monotonic_and_at_least_one(cls, match):
    sizes = [hidden_size(cls(), I, 2, match, size) for size in range(0, 400, 7)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 1
    assert sizes[-1] > 3


@every_cell
@pytest.mark.parametrize("layers", [1, 2])
def test_network_after_a_reset_equals_one_that_starts_from_zero(cls, layers):
    model, w, x, state = random_problem(cls, layers)
    reset = torch.rand(K, T, B, generator=Generator().manual_seed(3)) < 0.3
    assert reset[:, 0].any()
    assert not reset[:, 0].all()
    outputs, after = model(w, x, state, reset)
    zero = [{name: torch.zeros(1, 1, H, dtype=torch.float64) for name in cls.state} for _ in range(layers)]
    for k, b in torch.cartesian_prod(torch.arange(K), torch.arange(B)).tolist():
        member_weights = {name: weight[k : k + 1] for name, weight in w.items()}
        last = [{name: part[k : k + 1, b : b + 1] for name, part in layer.items()} for layer in state]
        starts = [t for t in range(T) if reset[k, t, b]]
        for begin, end in zip([0, *starts], [*starts, T], strict=True):
            if begin in starts:
                last = zero
            if begin < end:
                expected, last = model(member_weights, x[k : k + 1, begin:end, b : b + 1], last)
                assert_close(outputs[k, begin:end, b], expected[0, :, 0])
        assert_close([{n: part[k, b] for n, part in layer.items()} for layer in after], [_row(layer) for layer in last])


def _row(layer):
    return {name: part[0, 0] for name, part in layer.items()}


@every_cell
def test_outputs_after_a_reset_do_not_depend_on_the_state_before(cls):
    model, w, x, state = random_problem(cls)
    reset = torch.zeros(K, T, B, dtype=torch.bool)
    reset[:, 0, 1] = True
    other = [{name: part + 1 for name, part in layer.items()} for layer in state]
    one, two = (model(w, x, s, reset)[0] for s in (state, other))
    assert torch.equal(one[:, :, 1], two[:, :, 1])
    assert (one[:, 0, 0] != two[:, 0, 0]).any()


@every_cell
def test_reset_that_is_false_everywhere_equals_no_reset(cls):
    model, w, x, state = random_problem(cls)
    outputs, after = model(w, x, state)
    with_false, state_with_false = model(w, x, state, torch.zeros(K, T, B, dtype=torch.bool))
    assert_close(with_false, outputs)
    assert_close(state_with_false, after)


def test_flops_include_products_with_matrices_of_one_row_or_column():
    assert Model(catalogue()["lstm"](), 1, 2, 5, scan).flops == 2 * (4 * (1 * 5 + 5 * 5) + 5 * 2)
    assert Model(catalogue()["lstm"](), 2, 2, 1, scan).flops == 2 * (4 * (2 * 1 + 1 * 1) + 1 * 2)


def test_chrono_biases_of_layers_are_drawn_independently():
    w = Model(catalogue()["lstm"](), 2, 1, 6, scan, layers=2).initialise({"forget_bias": "chrono"}, 50, Generator())
    assert (w["0.b_f"] != w["1.b_f"]).all()
