"""The source of the kernels, and what depends on weights alone, which is computed before they run. Triton is not needed."""

import ast

import pytest
import torch

from ablations.cells import catalogue
from ablations.engines.fused.joint import joint
from ablations.engines.fused.operators import ELEMENTWISE
from ablations.engines.fused.plan import plan
from ablations.engines.fused.trace import trace
from ablations.engines.triton.emit import emit
from ablations.engines.triton.expressions import EXPRESSIONS
from ablations.engines.triton.run import hoisted, is_resident, padded
from tests.ablations.engines.step_cells import cell_from_step

CPU = torch.device("cpu")


def test_every_elementwise_operator_of_the_fused_engine_has_an_expression():
    assert EXPRESSIONS.keys() == ELEMENTWISE.keys()


@pytest.mark.parametrize("name", ["lstm", "lru"])
def test_the_source_is_python_with_three_kernels_and_the_same_every_time(name):
    sources = [emit(plan(trace(catalogue()[name]())), name) for _ in range(2)]
    assert sources[0] == sources[1]
    functions = [node.name for node in ast.parse(sources[0]).body if isinstance(node, ast.FunctionDef)]
    assert functions[-3:] == ["forward", "backward", "backward_x"]


@pytest.mark.parametrize("name", ["lstm_static_gates", "lru", "rg_lru"])
def test_what_depends_on_weights_alone_is_computed_for_all_members_and_on_any_device(name):
    cell = catalogue()[name]()
    function = joint(cell, {"B": 7, "I": 3, "H": 5}, torch.float32).hoisted
    g = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, w.rows, w.columns, generator=g) for w in cell.weights(3, 5).values()]
    by_member = [function(*(weight[k] for weight in weights)) for k in range(4)]
    for result, expected in zip(hoisted(function, weights), zip(*by_member, strict=True), strict=True):
        torch.testing.assert_close(result, torch.stack(expected))
    for result in hoisted(function, [weight.to("meta") for weight in weights]):
        assert result.device.type == "meta"


def test_constants_of_weights_alone_are_created_on_the_device():
    def new_h(w, x, h):
        return x + h @ (w["U"] * torch.eye(5) * torch.tensor([0.5]))

    cell = cell_from_step(new_h)
    function = joint(cell, {"B": 7, "I": 3, "H": 5}, torch.float32).hoisted
    weights = [torch.ones(2, w.rows, w.columns, device="meta") for w in cell.weights(3, 5).values()]
    assert {result.device.type for result in hoisted(function, weights)} == {"meta"}


def test_blocks_are_powers_of_two_that_a_product_takes():
    assert [padded(size) for size in (1, 15, 16, 17, 32, 100)] == [16, 16, 16, 32, 32, 128]


def test_weights_stay_on_chip_as_long_as_they_fit():
    assert is_resident(4 * 64 * 64, 13, CPU)
    assert not is_resident(4 * 128 * 128, 9, CPU)
