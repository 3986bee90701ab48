"""Steps that the fused engine does not support are refused, with the reason and the line."""

from pathlib import Path

import pytest
import torch

from ablations.cells import catalogue
from ablations.engines import choose, eager
from ablations.engines.fused.graph import Untraceable
from ablations.engines.fused.trace import trace
from tests.ablations.engines.step_cells import cell_from_step


def branch_on_batch_size(w, x, h):
    return torch.tanh(x) if len(h) > 10 else torch.tanh(x + h @ w["U"])


def in_place(w, x, h):
    return torch.tanh(x + h @ w["U"]).mul_(0.5)


def number_read_out(w, x, h):
    return torch.tanh(x) * h.sum().item()


def gate_without_gradient(w, x, h):
    with torch.no_grad():
        gate = torch.sigmoid(h @ w["U"])
    return torch.tanh(x) * gate


class StraightThrough(torch.autograd.Function):
    """A relu with the gradient of the identity."""

    @staticmethod
    def forward(ctx, value):
        return torch.relu(value)

    @staticmethod
    def backward(ctx, d_outputs):
        return d_outputs


def weight_in_place(w, x, h):
    return torch.tanh(x + h @ w["U"].mul_(0.5))


calls = []


def state_between_calls(w, x, h):
    calls.append(1)
    return torch.tanh(x) * float(len(calls))


constant = torch.ones(1, 1)
UNSUPPORTED = {
    "a branch on the batch": (branch_on_batch_size, "the operators of the step depend on the batch, input or hidden size"),
    "a mean over rows": (lambda w, x, h: torch.tanh(x + h.mean(0, keepdim=True) @ w["U"]), "the operator mean mixes the sequences of a batch; a row of a step belongs to one sequence"),
    "a sum over rows": (lambda w, x, h: torch.tanh(x + h.sum(0, keepdim=True)), "the operator sum mixes the sequences of a batch"),
    "an operation in place": (in_place, "the operator mul_ works in place; use the one that returns a new tensor"),
    "a number read out": (number_read_out, "the step cannot be traced"),
    "a tensor that is not a weight": (lambda w, x, h: torch.tanh(x + h) * constant, "neither a weight, the input nor the state; declare it as a weight"),
    "an unsupported operator": (lambda w, x, h: (x + h @ w["U"]).sort(-1).values, "the operators scatter, sort are not supported; CONTRIBUTING.md lists those that are"),
    "a product without a weight": (lambda w, x, h: torch.tanh(x + h @ (h.t() @ h)), "right operand of a matrix product is not a weight; write rows @ weight"),
    "a weight selected by the batch size": (lambda w, x, h: torch.tanh(x + h @ w["U" if len(h) > 10 else "V"]), "the operators of the step depend on the batch, input or hidden size"),
    "a new state of another shape": (lambda w, x, h: w["a"], "the new state 'h' has shape [1, 5], the old one [7, 5]"),
    "no_grad": (gate_without_gradient, "the traced operators give other results than the step"),
    "a custom gradient": (lambda w, x, h: StraightThrough.apply(x + h @ w["U"]), "the traced operators give other results than the step"),
    "a weight changed in place": (weight_in_place, "the operator mul_ works in place; use the one that returns a new tensor"),
    "a random weight": (lambda w, x, h: torch.tanh(x + h @ (w["U"] * torch.rand_like(w["U"]))), "the operator rand_like draws random numbers"),
    "state kept between calls": (state_between_calls, "an argument of the operator mul depends on the batch size, or changes from call to call"),
    "a sliced batch": (lambda w, x, h: torch.cat([h[:2], h[2:]], 0), "the operator slice mixes the sequences of a batch"),
    "a division by the batch size": (lambda w, x, h: torch.tanh(x + h @ w["U"] / len(h)), "an argument of the operator div depends on the batch size"),
    "every other column": (lambda w, x, h: torch.tanh(torch.cat([h, h], -1)[..., ::2]), "slices with a step other than 1 are not supported"),
    "a missing axis": (lambda w, x, h: torch.tanh(x + h @ w["U"] + h[..., 0]), "the step cannot be traced: "),
    "a mean of everything": (lambda w, x, h: torch.tanh(x + h @ w["U"]) / (1 + h.abs().mean()), "gives one number for all sequences"),
    "random numbers": (lambda w, x, h: torch.tanh(x) + torch.rand_like(h), "the operator rand_like draws random numbers"),
}  # fmt: skip


@pytest.mark.parametrize("step", UNSUPPORTED)
def test_an_unsupported_step_is_refused_with_the_reason_and_runs_on_the_eager_engine(step):
    new_h, reason = UNSUPPORTED[step]
    engine = choose("auto", cell_from_step(new_h))
    assert engine.name == "eager"
    assert engine.scan is eager.scan
    assert reason in engine.reason
    assert len(engine.reason.splitlines()) == 1


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (lambda h: h.sort(-1).values, "the operators scatter, sort are not supported"),
        (lambda h: h[:, 0].item() * h, "the step cannot be traced"),
        (lambda h: h.sin() + h.mul_(2), "the operator mul_ works in place"),
        (lambda h: h @ (h.t() @ h), "the right operand of a matrix product is not a weight"),
    ],
)
def test_the_reason_ends_with_the_line(operation, reason):
    def new_h(w, x, h):
        return operation(x + h @ w["U"])

    with pytest.raises(Untraceable) as raised:
        trace(cell_from_step(new_h))
    assert str(raised.value).startswith(reason)
    assert str(raised.value).endswith(f"({Path(__file__).name}, line {operation.__code__.co_firstlineno})")


def test_expressions_of_weights_alone_are_hoisted_out_of_the_step():
    traced = trace(cell_from_step(lambda w, x, h: torch.tanh(x + h @ (w["U"] * torch.sigmoid(w["V"])))))
    assert traced.weight_names == ["W", "U", "V", "a"]
    assert traced.hoisted_computes
    assert [name for name in traced.step_weight_names if name not in traced.weight_names] == ["mul"]
    assert len(traced.weights) == 2  # W and the expression


def test_weights_that_the_step_uses_directly_keep_their_names():
    traced = trace(catalogue()["rnn"]())
    assert not traced.hoisted_computes
    assert traced.step_weight_names == traced.weight_names
