"""The contract, on every cell of the catalogue, and the registry. Equations are checked in `test_equations.py`."""

import re
import types

import pytest
import torch

from ablations.cells import base, catalogue, recurrence
from ablations.contract.cells import CHECKS

CELLS = [pytest.param(cell, id=name) for name, cell in catalogue().items()]
GATES = [pytest.param(cell, gate, id=f"{name}-{gate}") for name, cell in catalogue().items() for gate in cell.gates]
every_cell = pytest.mark.parametrize("cls", CELLS)
every_gate = pytest.mark.parametrize(("cls", "gate"), GATES)


@every_cell
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(cls, check):
    check(cls)


@every_gate
def test_an_override_hides_what_is_behind_it(cls, gate, draw):
    problem = draw(cls, K=1, T=2, B=2, I=2, H=2)
    values = problem.scan(record=[gate]).recorded[gate].detach()
    outputs = problem.scan(override={gate: values}).outputs
    own = [w for name, w in problem.w.items() if name.endswith(f"_{gate}")]
    if not own:  # both of janet's gates are of s: test_identities.py overrides both
        assert cls.name == "janet"
        return
    assert all(g is None for g in torch.autograd.grad(outputs.sum(), own, allow_unused=True))


def test_the_catalogue_has_every_cell_after_its_parent():
    assert catalogue().keys() == base.registry.keys()
    names = list(catalogue())
    assert all(names.index(cls.parent) < names.index(name) for name, cls in catalogue().items() if cls.parent)


def test_equations_are_the_indented_lines():
    assert catalogue()["rnn"].equations() == "h' = tanh(W x + U h + b)"


def test_a_recurrence_is_the_parents_with_the_change():
    assert [line.split("  ")[0] for line in recurrence(catalogue()["lstm_no_forget"])] == [
        "i",
        "z",
        "o",
        "c' = c + i ⊙ z",
        "h' = o ⊙ tanh(c')",
    ]
    assert recurrence(catalogue()["single_network_residual"]) == [
        "o  = σ(W_o x + U_o h + b_o)       how much to show",
        "m  = tanh(W_m x + U_m h + V_m c + b_m)",
        "c' = c + U_c m + b_c",
        "h' = o ⊙ tanh(c')",
    ]
    letters = [line.partition("=")[0].strip() for line in recurrence(catalogue()["lstm_network_readout"])]
    assert letters == ["i", "f", "z", "c'", "m", "h'"]


def test_the_parameters_of_a_layer_by_hand():
    count = {name: kind().parameters(2, 3) for name, kind in catalogue().items()}
    assert count["identity_rnn"] == count["rnn"] == 2 * 3 + 3 * 3 + 3
    assert count["lstm_static_leak"] == 3 * count["rnn"] + 3
    assert count["lstm_static_gates"] == count["rnn"] + 3 * 3
    assert count["lstm_full_recurrence"] == 4 * count["rnn"] + 3 * 3 + 9 * 3 * 3
    assert count["lstm_coupled"] == count["memory_gated"] == 3 * count["rnn"]
    assert count["janet"] == count["minimal_gated"] == 2 * count["rnn"]
    assert count["min_gru"] == 2 * (2 * 3 + 3)
    assert count["lstm_network_readout"] == 3 * count["rnn"] + (2 + 3 + 3 + 1) * 3 + (3 + 1) * 3
    deep = catalogue()["single_network"](depth=2, width=4)
    assert deep.parameters(2, 3) == count["rnn"] + (2 + 3 + 3 + 1) * 12 + (12 + 1) * 12 + (12 + 1) * 3


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("lstm_coupled", {"peephole": 1}, "option 'peephole' is 1; allowed: true, false"),
        ("single_network", {"depth": 0}, "option 'depth' is 0; allowed: whole numbers from 1 to 16"),
        ("single_network", {"depth": True}, "option 'depth' is True; allowed: whole numbers from 1 to 16"),
        ("single_network", {"width": 0.5}, "option 'width' is 0.5; allowed: whole numbers from 1 to 16"),
        ("single_network", {"activation": "tan"}, "option 'activation' is 'tan'; allowed: 'tanh', 'sigmoid', 'relu', 'linear'"),
        ("single_network", {"activation": ["tanh"]}, "option 'activation' is ['tanh']"),
        ("lstm_static_leak", {"leak": 1.0}, "option 'leak' is 1.0; allowed: numbers above 0 and below 1"),
        ("lstm_static_gates", {"leak": "0.9"}, "option 'leak' is '0.9'"),
    ],
)  # fmt: skip
def test_an_option_that_does_not_fit_is_named(name, options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        catalogue()[name](**options)


def define(qualified: str, **body):
    body = {"__module__": __name__, "reference": "", **body}
    return types.new_class(qualified, (base.Cell,), exec_body=lambda space: space.update(body))


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("qualified", ["Again", "LSTM"])
def test_a_name_that_is_taken_is_refused_with_both_places(qualified):
    held = catalogue()["lstm"]
    with pytest.raises(ValueError, match="'lstm'") as raised:
        define(qualified, name="lstm")
    for part in ("LSTM", qualified, "lstm.py", "test_cells.py"):
        assert part in str(raised.value)
    assert catalogue()["lstm"] is held


@pytest.mark.usefixtures("registries")
def test_a_cell_enters_the_catalogue_by_being_defined_below_its_parent():
    child = define("Child", name="child", parent="rnn")
    names = list(catalogue())
    assert catalogue()["child"] is child
    assert names.index("child") == names.index("rnn") + 1


@pytest.mark.usefixtures("registries")
def test_an_abstract_cell_is_not_registered():
    known = catalogue()
    define("Nameless")
    assert catalogue() == known


@pytest.mark.usefixtures("registries")
def test_a_cell_that_is_defined_again_in_its_place_takes_it():
    first = define("Child", name="child")
    second = define("Child", name="child")
    assert second is not first
    assert catalogue()["child"] is second


@pytest.mark.usefixtures("registries")
def test_a_cell_with_an_unknown_parent_is_named():
    class Orphan(catalogue()["rnn"]):
        name = "orphan"
        parent = "nobody"

    with pytest.raises(ValueError, match="cell 'orphan': its parent 'nobody' is not a registered cell"):
        catalogue()
