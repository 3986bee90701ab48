"""Cells of the catalogue that equal each other with a gate overridden or a weight at 0, and gates with known values."""

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.cells.initial import initialise
from ablations.engines import eager


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.fixture
def pair(draw):
    """Draw a problem for each of two cells, with the same input, state and weights of the same name."""

    def pair(first, second, **options):
        one, other = draw(catalogue()[first]), draw(lambda: catalogue()[second](**options))
        other.w = {name: one.w.get(name, weight) for name, weight in other.w.items()}
        other.x, other.state = one.x, {name: one.state.get(name, part) for name, part in other.state.items()}
        return one, other

    return pair


def missing(problem, other):
    return problem.w.keys() - other.w.keys()


def ones(problem):
    return torch.ones_like(problem.scan().outputs)


@pytest.mark.parametrize(("gate", "name"), [("f", "lstm_no_forget"), ("i", "lstm_no_input"), ("o", "lstm_no_output")])
def test_a_cell_without_a_gate_equals_the_lstm_with_that_gate_at_one(gate, name, pair):
    full, less = pair("lstm", name)
    close(full.scan(override={gate: ones(full)}).outputs, less.scan().outputs)
    assert missing(full, less) == {f"{kind}_{gate}" for kind in "WUb"}
    assert not missing(less, full)


def test_coupled_gates_equal_the_lstm_with_an_input_gate_of_one_minus_f(pair):
    full, coupled = pair("lstm", "lstm_coupled")
    free = coupled.scan(record=["f"])
    values = {"f": free.recorded["f"], "i": 1 - free.recorded["f"]}
    close(full.scan(override=values).outputs, free.outputs)
    assert (full.scan().outputs != free.outputs).all()


def test_a_static_leak_equals_a_forget_gate_with_weights_of_zero(pair):
    full, leak = pair("lstm", "lstm_static_leak")
    assert missing(full, leak) == {"W_f", "U_f"}
    with torch.no_grad():
        full.w["W_f"].zero_()
        full.w["U_f"].zero_()
    close(full.scan().outputs, leak.scan().outputs)
    gradients, expected = (dict(zip(p.w, p.gradients(p.scan().outputs), strict=False)) for p in (leak, full))
    close(gradients["b_f"], expected["b_f"])


def test_static_gates_equal_gates_with_weights_of_zero(pair):
    full, static = pair("lstm", "lstm_static_gates")
    assert missing(full, static) == {f"{kind}_{g}" for kind in "WU" for g in "ifo"}
    with torch.no_grad():
        for name in missing(full, static):
            full.w[name].zero_()
    close(full.scan().outputs, static.scan().outputs)


@pytest.mark.parametrize("name", ["lstm_static_leak", "lstm_static_gates"])
def test_a_fixed_leak_equals_a_learned_leak_of_that_value(name, pair):
    learned, fixed = pair(name, name, leak=0.9)
    assert missing(learned, fixed) == {"b_f"}
    with torch.no_grad():
        learned.w["b_f"].fill_(torch.tensor(0.9, dtype=torch.float64).logit())
    close(fixed.scan().outputs, learned.scan().outputs)
    assert (fixed.scan(record=["f"]).recorded["f"] == 0.9).all()


def test_the_peephole_lstm_with_peepholes_of_zero_equals_the_lstm(pair):
    plain, peeping = pair("lstm", "lstm_peephole")
    assert missing(peeping, plain) == {"P_i", "P_f", "P_o"}
    with torch.no_grad():
        for name in missing(peeping, plain):
            peeping.w[name].zero_()
    close(peeping.scan().outputs, plain.scan().outputs)


def test_the_peephole_lstm_equals_the_lstm_with_that_option(pair):
    named, optional = pair("lstm_peephole", "lstm", peephole=True)
    assert list(named.w) == list(optional.w)
    assert torch.equal(named.scan().outputs, optional.scan().outputs)


def test_full_gate_recurrence_with_weights_of_zero_equals_the_peephole_lstm(pair):
    plain, full = pair("lstm_peephole", "lstm_full_recurrence")
    assert missing(full, plain) == {f"R_{a}{b}" for a in "ifo" for b in "ifo"}
    with torch.no_grad():
        for name in missing(full, plain):
            full.w[name].zero_()
    close(full.scan().outputs, plain.scan().outputs)


def test_the_linear_candidate_is_that_of_the_lstm_before_its_tanh(pair):
    full, bare = pair("lstm", "lstm_no_candidate_tanh")
    values = full.scan(record=["z"]).recorded["z"]
    close(bare.scan(override={"z": values}).outputs, full.scan(override={"z": values}).outputs)
    first = bare.scan(record=["z"]).recorded["z"][:, 0]
    close(first.tanh(), values[:, 0])


def test_a_residual_network_with_an_output_of_zero_keeps_the_memory_exactly(draw):
    problem = draw(catalogue()["single_network_residual"])
    with torch.no_grad():
        problem.w["U_c"].zero_()
        problem.w["b_c"].zero_()
    assert torch.equal(problem.scan().state["c"], problem.state["c"])


def test_the_identity_rnn_keeps_its_initial_state_exactly_for_inputs_of_zero():
    cell = catalogue()["identity_rnn"]()
    w = {n: v[None] for n, v in initialise(cell.weights(3, 8), {}, 50, Generator().manual_seed(0)).items()}
    h = torch.rand(1, 4, 8, generator=Generator().manual_seed(1))
    for steps in (1, 500):
        assert torch.equal(eager.scan(cell, w, torch.zeros(1, steps, 4, 3), {"h": h}).state["h"], h)
    assert not torch.equal(eager.scan(cell, w, torch.ones(1, 1, 4, 3), {"h": h}).state["h"], h)


KEEPS = [
    ("gru", "z", 1),
    ("janet", "f", 1),
    ("minimal_gated", "f", 0),
    ("min_gru", "z", 0),
    ("rg_lru", "r", 0),
    ("min_lstm", "i", 0),
]


@pytest.mark.parametrize(("name", "gate", "keeping"), KEEPS)
def test_a_gate_at_its_keeping_value_keeps_the_state(name, gate, keeping, draw):
    problem = draw(catalogue()[name])
    override = {gate: torch.full_like(problem.scan().outputs, keeping)}
    if name == "janet":
        override["i"] = torch.zeros_like(override[gate])
    close(problem.scan(override=override).state["h"], problem.state["h"].detach())


CHRONO = [("gru", "z", True), ("lstm", "f", True), ("lstm_coupled", "f", True), ("janet", "f", True),
          ("lstm_static_leak", "f", True), ("minimal_gated", "f", False), ("min_gru", "z", False)]  # fmt: skip


@pytest.mark.parametrize(("name", "gate", "keeps"), CHRONO)
def test_a_chrono_bias_gives_time_constants_from_two_to_the_lag(name, gate, keeps):
    lag, units = 200, 400
    cell = catalogue()[name]()
    settings = {"forget_bias": "chrono", "input_bias": "chrono"}
    w = {n: v[None] for n, v in initialise(cell.weights(2, units), settings, lag, Generator().manual_seed(0)).items()}
    rows = {n: torch.zeros(1, 1, size) for n, size in cell.state_sizes(units).items()}
    value = eager.scan(cell, w, torch.zeros(1, 1, 1, 2), rows, record=[gate]).recorded[gate].flatten()
    forgets = 1 - value if keeps else value
    time = 1 / forgets  # σ(log t) forgets 1 / (1 + t) a step
    assert 2 - 1e-3 <= time.min() < 4
    assert lag - 5 < time.max() <= lag + 1e-2
    assert time.mean().item() == pytest.approx(1 + lag / 2, rel=0.1)


def test_both_gates_of_janet_are_functions_of_s(draw):
    problem = draw(catalogue()["janet"], K=1, T=2, B=2, I=2, H=2)
    free = problem.scan(record=["f", "i"]).recorded
    close(free["i"], 1 - torch.sigmoid(free["f"].logit() - 1))
    held = {name: value.detach() for name, value in free.items()}
    outputs = problem.scan(override=held).outputs
    of_s = [problem.w[name] for name in ("W_s", "U_s", "b_s")]
    assert all(g is None for g in torch.autograd.grad(outputs.sum(), of_s, allow_unused=True))


def test_the_gated_memory_decays_by_its_forget_gate(draw):
    problem = draw(catalogue()["memory_gated"], T=3)
    half = torch.full_like(problem.scan().outputs, 0.5)
    c = problem.scan(override={"r": 0 * half, "f": half}).state["c"]
    close(c, problem.state["c"].detach() / 8)


def test_min_lstm_with_gates_that_sum_to_one_equals_min_gru(pair):
    simple, two = pair("min_gru", "min_lstm")
    z = simple.scan(record=["z"]).recorded["z"]
    close(two.scan(override={"f": 1 - z, "i": z}).outputs, simple.scan().outputs)
    close(two.scan(override={"f": 0.3 * (1 - z), "i": 0.3 * z}).outputs, simple.scan().outputs)  # only the ratio counts
    assert missing(simple, two) == {"W_z", "b_z"}


def test_ran_equals_the_lstm_without_output_gate_whose_candidate_is_a_matrix_product(pair):
    full, additive = pair("lstm_no_output", "ran")
    assert missing(full, additive) == {"U_z", "b_z"}
    candidate = full.x @ full.w["W_z"].unsqueeze(1)
    close(full.scan(override={"z": candidate}).outputs, additive.scan().outputs)


def test_the_memory_of_ran_is_a_weighted_sum_of_inputs(draw):
    """Lee, Levy & Zettlemoyer (2017), equation 3."""
    problem = draw(catalogue()["ran"], T=5)
    problem.state = {name: torch.zeros_like(part) for name, part in problem.state.items()}
    scanned = problem.scan(record=["i", "f"])
    i, f = scanned.recorded["i"], scanned.recorded["f"]
    written = problem.x @ problem.w["W_z"].unsqueeze(1)
    memory = sum(f[:, t + 1 :].prod(1) * i[:, t] * written[:, t] for t in range(5))
    close(scanned.state["c"], memory)
