"""The contract of cells: every cell of the catalogue passes every check, and every check can fail."""

import pytest
import torch

from ablations.cells import catalogue
from ablations.contract import ContractViolation, cells, plugins
from ablations.engines import Engine, eager
from tests.ablations.contract.example_plugins import CELL, edited_copy, failures, line_number

CELLS = [pytest.param(cell, id=name) for name, cell in catalogue().items()]
GATES = [pytest.param(cell, gate, id=f"{name}-{gate}") for name, cell in catalogue().items() for gate in cell.gates]

NET, END = 'drive["n"] + h @', 'return {"h": n + z * (h - n)}'
VIOLATIONS = {
    "options_are_keywords": ("    gates = (", "    def __init__(self, size=1): ...\n\n    gates = (", "def __init__", "option 'size' has to be a keyword-only argument"),
    "declares_metadata": ("reference = ", "source = ", "class", "`reference` is missing"),
    "declares_weights": ('"zeros"}', '"zero"}', "def weights", "zero"),
    "returns_declared_shapes": (END, 'return {"h": (n + z * (h - n))[..., 1:]}', "def step", "`step` returns 'h' as [2, 3, 5]: expected [2, 3, 6]"),
    "uses_every_weight": ('h @ w["U_z"]', 'h @ w["U_n"]', "def weights", "the gradients of the outputs with respect to the weights U_z are 0"),
    "uses_every_noise": ("    def drive", "    def noise(self):\n        from ablations.cells.noise import Bernoulli\n\n        return {\"m\": Bernoulli(\"h\", 0.5)}\n\n    def drive", "def noise", "the outputs do not depend on the noise 'm'"),
    "keeps_float32": ('return {"h": n + z * (h - n)}', 'return {"h": (n + z * (h - n)).double()}', "def step", "`step` returns 'h' as torch.float64 for torch.float32"),
    "equations_name_every_weight": ("U_z h + b_z", "h + b_z", "class", "the equations do not name the weights U_z"),
    "equations_define_every_gate": ('gates = ("z", "n")', 'gates = ("z", "n", "m")', "class", "no equation defines the gates m"),
    "taps_every_gate": ('tap("n", tanh(drive["n"] + h @ w["U_n"]))', 'tanh(drive["n"] + h @ w["U_n"])', "def step", "`step` taps z: expected z, n"),
    "gradients_match_finite_differences": ('w["U_n"]))', 'w["U_n"].detach()))', "def step", "the gradients differ from finite differences"),
    "members_are_independent": (NET, 'drive["n"] + h.sum(0) + h @', "def step", "outputs differ between a population and its members alone"),
    "rows_are_independent": (NET, 'drive["n"] + h.mean(-2, keepdim=True) + h @', "def step", "sequences are not independent"),
    "has_no_side_effects": (END, 'w["b_z"].detach().add_(0.1); ' + END, "def step", "other outputs the second time"),
}  # fmt: skip
"""By check: a replacement in the example cell that violates it, the line of the violation, and the message."""


@pytest.mark.parametrize("cls", CELLS)
@pytest.mark.parametrize("check", cells.CHECKS, ids=lambda check: check.__name__)
def test_every_cell_fulfils_the_contract(cls, check):
    check(cls)


@pytest.mark.parametrize(("cls", "gate"), GATES)
def test_no_gradient_reaches_the_weights_of_an_overridden_gate(cls, gate, draw):
    problem = draw(cls, K=1, T=2, B=2, I=2, H=2)
    values = problem.scan(record=[gate]).recorded[gate].detach()
    outputs = problem.scan(override={gate: values}).outputs
    weights = [w for name, w in problem.w.items() if name.endswith(f"_{gate}")]
    if cls.name == "janet" and gate in "fi":  # both gates depend on s: test_catalogue_identities.py overrides both
        assert not weights
        return
    assert all(g is None for g in torch.autograd.grad(outputs.sum(), weights, allow_unused=True))


@pytest.mark.usefixtures("registries")
def test_the_example_cell_fulfils_the_contract():
    (kind,) = plugins.defined(CELL)
    assert failures(kind, cells.CHECKS) == {}


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("check", VIOLATIONS)
def test_a_violation_is_reported_with_its_line(check, tmp_path):
    old, new, start, message = VIOLATIONS[check]
    mine = edited_copy(CELL, tmp_path, old, new)
    (kind,) = plugins.defined(mine)
    messages = failures(kind, [getattr(cells, check)])
    assert messages[check].startswith(f"{mine}:{line_number(mine, start)}: ")
    assert message in messages[check]


def test_every_check_has_a_violation():
    assert {*VIOLATIONS, "engines_agree"} == {check.__name__ for check in cells.CHECKS}


def test_an_engine_with_other_outputs_is_reported(monkeypatch):
    def slightly_off(*arguments, **options):
        scanned = eager.scan(*arguments, **options)
        return scanned._replace(outputs=scanned.outputs * (1 + 1e-9))

    monkeypatch.setattr(cells, "choose", lambda *_: Engine("odd", slightly_off, eager.linear, ""))
    with pytest.raises(ContractViolation, match="differ between the odd and the eager engine"):
        cells.engines_agree(catalogue()["rnn"])
