"""The registry of cells, the catalogue, and what cells inherit from their base class.

The contract of every cell is in tests/ablations/contract/test_cells.py.
"""

import re
import types
from pathlib import Path

import pytest

from ablations.cells import base, catalogue, recurrence
from ablations.contract.equations import identifiers


def test_the_catalogue_lists_every_cell_after_its_parent():
    assert catalogue().keys() == base.registry.keys()
    names = list(catalogue())
    assert all(names.index(cls.parent) < names.index(name) for name, cls in catalogue().items() if cls.parent)


def test_equations_are_the_indented_lines_of_the_docstring():
    assert catalogue()["rnn"].equations() == "h' = tanh(W x + U h + b)"


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Plain.\n\n        h' = tanh(W x)\n    ", "h' = tanh(W x)"),
        ("Plain.\n\n        z  = σ(W x)\n        h' = z ⊙ h\n    ", "z  = σ(W x)\nh' = z ⊙ h"),
        ("Plain.\n\n    Prose with a = b.\n\n        h' = tanh(W x)\n    ", "h' = tanh(W x)"),
        ("Plain.\n\n    Only prose, in which nothing is defined.\n    ", ""),
        ("Plain: h = 0.", ""),
    ],
)
def test_equations_are_found_whether_or_not_prose_follows_the_first_line(docstring, expected):
    assert (
        types.new_class("Documented", (base.Cell,), {}, lambda body: body.update(__doc__=docstring)).equations()
        == expected
    )


@pytest.mark.parametrize("name", catalogue())
def test_equations_name_no_weight_that_does_not_exist(name):
    """In the catalogue, weights are capital letters, b and d, with a gate as subscript."""
    cls = catalogue()[name]
    weights = {
        word
        for word in identifiers(re.sub(r"\w+:", "", "\n".join(recurrence(cls))))
        if re.fullmatch(r"[A-Zbd](_\w+)?", word)
    }
    assert weights - {"T"} == set(cls().weights(2, 3))


def test_a_recurrence_is_that_of_the_parent_with_the_equations_that_change():
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


def test_the_number_of_parameters_equals_a_count_by_hand():
    count = {name: cell().parameters(2, 3) for name, cell in catalogue().items()}
    assert count["identity_rnn"] == count["rnn"] == 2 * 3 + 3 * 3 + 3
    assert count["lstm_static_leak"] == 3 * count["rnn"] + 3
    assert count["lstm_static_gates"] == count["rnn"] + 3 * 3
    assert count["lstm_full_recurrence"] == 4 * count["rnn"] + 3 * 3 + 9 * 3 * 3
    assert count["lstm_coupled"] == count["memory_gated"] == 3 * count["rnn"]
    assert count["janet"] == count["minimal_gated"] == 2 * count["rnn"]
    assert count["min_gru"] == 2 * (2 * 3 + 3)
    assert count["lstm_network_readout"] == 3 * count["rnn"] + (2 + 3 + 3 + 1) * 3 + (3 + 1) * 3
    assert count["min_lstm"] == 3 * (2 * 3 + 3)
    assert count["ran"] == 2 * count["rnn"] + 2 * 3
    assert count["slstm"] == count["lstm"] == 4 * count["rnn"]
    assert count["lru"] == 3 + 3 + 2 * (2 * 3) + 2 * (3 * 3) + 2 * 3
    assert count["rg_lru"] == 3 * (2 * 3 + 3) + 3
    assert count["layer_norm_rnn"] == count["rnn"] + 3
    assert count["layer_norm_lstm"] == count["lstm"] + 4 * 2 * 3 + 2 * 3
    assert count["layer_norm_single_network"] == count["single_network"] + 2 * 3 + 2 * 3 + 2 * 3
    deep = catalogue()["single_network"](depth=2, width=4)
    assert deep.parameters(2, 3) == count["rnn"] + (2 + 3 + 3 + 1) * 12 + (12 + 1) * 12 + (12 + 1) * 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lstm_coupled", {"peephole": 1}, "option 'peephole' is 1; allowed: true, false"),
        ("single_network", {"depth": 0}, "option 'depth' is 0; allowed: whole numbers from 1 to 16"),
        ("single_network", {"depth": True}, "option 'depth' is True; allowed: whole numbers from 1 to 16"),
        ("single_network", {"width": 0.5}, "option 'width' is 0.5; allowed: whole numbers from 1 to 16"),
        ("single_network", {"activation": "tan"}, "option 'activation' is 'tan'; allowed: 'tanh', 'sigmoid', 'relu', 'linear'"),
        ("single_network", {"activation": ["tanh"]}, "option 'activation' is ['tanh']"),
        ("lstm_static_leak", {"leak": 1.0}, "option 'leak' is 1.0; allowed: numbers above 0 and below 1"),
        ("lstm_static_gates", {"leak": "0.9"}, "option 'leak' is '0.9'"),
        ("ran", {"activation": "relu"}, "option 'activation' is 'relu'; allowed: 'tanh', 'linear'"),
        ("slstm", {"forget": ["exp"]}, "option 'forget' is ['exp']; allowed: 'sigmoid', 'exp'"),
        ("lru", {"r_min": -0.1}, "option 'r_min' is -0.1; allowed: numbers from 0.0 to 1.0"),
        ("lru", {"r_min": 0.9, "r_max": 0.9}, "option 'r_min' is 0.9; allowed: numbers below r_max, 0.9"),
        ("lru", {"r_max": True}, "option 'r_max' is True; allowed: numbers from 0.0 to 1.0"),
        ("lru", {"max_phase": 0.0}, "option 'max_phase' is 0.0; allowed: numbers above 0 and at most 2π"),
    ],
)  # fmt: skip
def test_an_invalid_option_is_refused_with_the_allowed_values(name, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        catalogue()[name](**options)


def define(qualified: str, **body):
    """A subclass of Cell with the given class body."""
    body = {"__module__": __name__, "reference": "", **body}
    return types.new_class(qualified, (base.Cell,), exec_body=lambda space: space.update(body))


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("qualified", ["Again", "LSTM"])
def test_a_name_that_is_taken_is_refused_with_both_files(qualified):
    registered = catalogue()["lstm"]
    with pytest.raises(ValueError, match="'lstm'") as raised:
        define(qualified, name="lstm")
    for part in ("LSTM", qualified, "lstm.py", Path(__file__).name):
        assert part in str(raised.value)
    assert catalogue()["lstm"] is registered


@pytest.mark.usefixtures("registries")
def test_a_new_cell_is_in_the_catalogue_after_its_parent():
    child = define("Child", name="child", parent="gru")
    names = list(catalogue())
    assert catalogue()["child"] is child
    assert names.index("child") == names.index("gru") + 1


@pytest.mark.usefixtures("registries")
def test_an_abstract_cell_is_not_registered():
    before = catalogue()
    define("Nameless")
    assert catalogue() == before


@pytest.mark.usefixtures("registries")
def test_a_cell_that_is_defined_again_replaces_the_first():
    first = define("Child", name="child")
    second = define("Child", name="child")
    assert second is not first
    assert catalogue()["child"] is second


@pytest.mark.usefixtures("registries")
def test_a_cell_with_an_unknown_parent_is_refused():
    class Orphan(catalogue()["rnn"]):
        name = "orphan"
        parent = "nobody"

    with pytest.raises(ValueError, match="cell 'orphan': its parent 'nobody' is not a registered cell"):
        catalogue()
