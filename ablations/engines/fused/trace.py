"""From a cell to a graph: its step and the step's vector-Jacobian product, as torch itself differentiates them.

What is found is run beside the step itself, so that what torch does not show (a gradient of one's own, a memory of earlier
calls) is noticed.
"""

import re
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from ablations.cells import Cell
from ablations.engines.fused.graph import SIZES, STEP, Untraceable, Value, alike, op, read


@dataclass(frozen=True)
class Trace:
    """A cell's step with its derivative. Weights are those the step sees: expressions of weights alone are lifted."""

    output: str
    """The part of the state that is shown."""
    names: list[str]
    """The cell's weights in their order."""
    lift: GraphModule
    """From them to a tuple of what the step sees of them."""
    lift_computes: bool
    """Whether the lift does more than choose among the weights."""
    weights: list[Value]
    seen: list[str]
    """What the weights that the step sees are called: by the cell, or in the lift."""
    x: Value
    state: dict[str, Value]
    d_state: dict[str, Value]
    """The gradient of the state after the step."""
    new_state: dict[str, Value]
    weight_gradients: list[Value]
    x_gradient: Value
    state_gradients: dict[str, Value]


_tracing = threading.Lock()  # torch's tracer keeps its state in globals

_Tensors = tuple[Tensor, ...]


class _Joint(NamedTuple):
    """A step in two parts, lift and rest, and the rest with its derivative."""

    lift: GraphModule
    rest: GraphModule
    both: GraphModule
    weights: int
    """How many the rest sees."""


def trace(cell: Cell) -> Trace:
    """Raises Untraceable, with the line of the step that is at fault, where there is one."""
    try:
        with _tracing, torch.enable_grad():
            return _trace(cell)
    except Untraceable as error:
        frames = traceback.extract_tb(error.__cause__.__traceback__) if error.__cause__ else _uses(cell, error.operator)
        own = [frame for frame in frames if not _BETWEEN.search(frame.filename)]
        where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        raise Untraceable(f"{error}{where}") from error


_BETWEEN = re.compile(r"[/\\](torch|engines|jaxtyping)[/\\]|^<")


def _uses(cell: Cell, operator: str | None) -> list[traceback.FrameSummary]:
    """The stack at a step's first use of an operator."""
    frames: list[traceback.FrameSummary] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if not frames and str(func).split(".")[1] == operator:
                frames.extend(traceback.extract_stack()[:-1])
            return func(*args, **(kwargs or {}))

    with Watch():
        _step_of(cell)(*_problem(cell, SIZES[0]))
    return frames


def _trace(cell: Cell) -> Trace:
    first, second = (_joint(cell, sizes) for sizes in SIZES)
    alike(first.lift, second.lift)
    values = read(first.both, second.both)
    _prove(cell, first)
    names = list(cell.state)
    inputs = [values[node] for node in first.both.graph.find_nodes(op="placeholder")]
    outputs = [values[node] for node in _outputs(first.both)]
    n, seen = len(names), first.weights
    given = dict(zip(first.lift.graph.find_nodes(op="placeholder"), _names(cell), strict=True))
    found = Trace(
        cell.output,
        _names(cell),
        first.lift,
        any(node.op == "call_function" for node in first.lift.graph.nodes),
        weights=inputs[:seen],
        seen=[given.get(node, node.name) for node in _outputs(first.lift)],
        x=inputs[seen],
        state=dict(zip(names, inputs[seen + 1 : seen + 1 + n], strict=True)),
        d_state=dict(zip(names, inputs[seen + 1 + n :], strict=True)),
        new_state=dict(zip(names, outputs[:n], strict=True)),
        weight_gradients=outputs[n : n + seen],
        x_gradient=outputs[n + seen],
        state_gradients=dict(zip(names, outputs[n + seen + 1 :], strict=True)),
    )
    for name, value in found.new_state.items():
        if value.columns == "1":
            raise Untraceable(f"its {name} is one number, and the fused engine computes with rows")
    return found


def _problem(cell: Cell, sizes: dict[str, int], *members: int) -> tuple[_Tensors, Tensor, _Tensors]:
    """Weights, input and state of some sizes; the caller's random numbers are left alone."""
    g = torch.Generator().manual_seed(0)
    B, I, H = sizes["B"], sizes["I"], sizes["H"]  # noqa: E741
    w = tuple(torch.randn(*members, v.rows, v.columns, generator=g) for v in cell.weights(I, H).values())
    x = torch.randn(*members, B, I, generator=g)
    return w, x, tuple(torch.randn(*members, B, cell.state_sizes(H)[part], generator=g) for part in cell.state)


def _names(cell: Cell) -> list[str]:
    return list(cell.weights(SIZES[0]["I"], SIZES[0]["H"]))


def _step_of(cell: Cell) -> Callable[[_Tensors, Tensor, _Tensors], _Tensors]:
    names = _names(cell)

    def step(w: _Tensors, x: Tensor, s: _Tensors) -> _Tensors:
        named = dict(zip(names, w, strict=True))
        after = cell.step(named, cell.drive(named, x), dict(zip(cell.state, s, strict=True)), lambda _, value: value)
        for part, before in zip(cell.state, s, strict=True):
            if after[part].shape != before.shape:
                raise ValueError(f"it gives {part} another shape")
        return tuple(after[part] for part in cell.state)

    return step


def _joint(cell: Cell, sizes: dict[str, int]) -> _Joint:
    w, x, state = _problem(cell, sizes)
    try:
        plain = make_fx(_step_of(cell))(w, x, state)
    except Exception as error:  # whatever a cell may raise while it is looked at
        raise Untraceable(f"its step cannot be traced: {error}") from error
    lift, rest = _split(plain, len(w))
    # On its side a matrix would have its gradient taken in another way; the kernel gets it contiguous too.
    lifted = tuple(part.contiguous() for part in lift(*w))

    def joint(w: _Tensors, x: Tensor, s: _Tensors, ds: _Tensors) -> Any:
        after, pull = torch.func.vjp(lambda w, x, s: tuple(rest(*w, x, *s)), w, x, s)[:2]
        dw, dx, d_before = pull(ds)
        return [*after, *dw, dx, *d_before]

    try:
        both = make_fx(joint)(lifted, x, state, tuple(torch.ones_like(part) for part in state))
    except Exception as error:
        raise Untraceable(f"the derivative of its step cannot be traced: {error}") from error
    return _Joint(lift, rest, both, len(lifted))


def _split(plain: GraphModule, weights: int) -> tuple[GraphModule, GraphModule]:
    """Cut a step in two: what weights alone decide, and the rest, which sees the results as its weights."""
    nodes = list(plain.graph.nodes)
    alone: set[Node] = set(nodes[:weights])
    for node in nodes:
        if node.op == "get_attr":
            raise Untraceable("its step holds a tensor of its own; make it a weight")
        if node.op == "call_function" and node.all_input_nodes and all(arg in alone for arg in node.all_input_nodes):
            alone.add(node)
        _may_step(node, alone)
    frontier = [n for n in nodes if n in alone and any(user not in alone for user in n.users)]
    before, after = Graph(), Graph()
    kept: dict[Node, Node] = {}
    for node in nodes:
        if node in alone:
            kept[node] = before.node_copy(node, lambda arg: kept[arg])
    before.output(tuple(kept[node] for node in frontier))
    moved = {node: after.placeholder(node.name) for node in frontier}
    for node in nodes:
        if node not in alone:
            moved[node] = after.node_copy(node, lambda arg: moved[arg])
    return GraphModule({}, before), GraphModule({}, after)


def _may_step(node: Node, alone: set[Node]) -> None:
    """Weights alone may be computed with as one likes, unless that changes them or differs every time."""
    if node.op != "call_function":
        return
    name, target = op(node), node.target
    known = node in alone or name in STEP
    differs = isinstance(target, OpOverload) and torch.Tag.nondeterministic_seeded in target.tags
    if not known or differs or (isinstance(target, OpOverload) and target._schema.is_mutable):
        raise Untraceable(f"the fused engine does not know the operator {name}", node)
    if name == "mm" and node not in alone and node.args[1] not in alone:
        raise Untraceable("the right operand of a product is not a weight", node)


def _outputs(module: GraphModule) -> Sequence[Node]:
    return cast(Sequence[Node], module.graph.output_node().args[0])


def _prove(cell: Cell, joint: _Joint) -> None:
    """Refuse what does not compute what the cell does, for two members at once, as the eager engine runs them."""
    w, x, s = _problem(cell, SIZES[0], 2)
    n, step = len(w), _step_of(cell)
    above = [part.sin() for part in s]

    def traced(w: _Tensors, x: Tensor, s: _Tensors) -> _Tensors:
        return torch.func.vmap(lambda *all: tuple(joint.rest(*joint.lift(*all[:n]), *all[n:])))(*w, x, *s)

    def run(what: Callable[[_Tensors, Tensor, _Tensors], _Tensors]) -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (*w, x, *s)]
        after = what(tuple(leaves[:n]), leaves[n], tuple(leaves[n + 1 :]))
        sums = [(part * up).sum() for part, up in zip(after, above, strict=True)]
        sums += [leaf.sum() for leaf in leaves]  # so that there is a gradient, whatever the step leaves out
        return [*after, *torch.autograd.grad(torch.stack(sums).sum(), leaves)]

    try:
        found, expected = run(traced), run(step)
    except Exception as error:
        raise Untraceable(f"its step cannot be run for several members at once: {error}") from error
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise Untraceable(
                "its step does not do what its operations do: a gradient of its own, or a memory of calls"
            )
