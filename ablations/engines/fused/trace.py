"""From a cell to a graph: its step and the step's vector-Jacobian product, as torch itself differentiates them.

The step is traced at two sets of pairwise different prime sizes. What depends on nothing but the roles of the sizes comes
out alike both times; a branch on the batch, a constant that happens to fit, or one axis taken for another does not. What is
found is then run beside the step itself, so that what torch does not show (a gradient of one's own, a memory of earlier
calls) is noticed too.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg

from ablations.cells import Cell


class Untraceable(Exception):
    """A cell does something the fused engine has no words for; the message says what, `Kernel` adds the cell's name."""


@dataclass(frozen=True, eq=False)
class Value:
    """A node of the graph: `op` applied to values and numbers."""

    op: str
    args: tuple["Value | float", ...]
    rows: str
    """`B` where it has a row per sequence, `1` for a vector of weights, else the rows of a matrix."""
    columns: str
    name: str

    @property
    def values(self) -> tuple["Value", ...]:
        return tuple(arg for arg in self.args if isinstance(arg, Value))


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


ARITHMETIC = {"add": 2, "sub": 2, "mul": 2, "div": 2, "rsub": 2, "neg": 1}
NONLINEAR = {"sigmoid": 1, "tanh": 1, "relu": 1, "exp": 1}
BACKWARD = {"sigmoid_backward": 2, "tanh_backward": 2, "threshold_backward": 3}
ELEMENTWISE = {**ARITHMETIC, **NONLINEAR, **BACKWARD, "zeros_like": 0}
"""Operators by the number of their arguments."""
_STEP = {*ARITHMETIC, *NONLINEAR, "zeros_like", "mm", "t"}
_ALL = {*ELEMENTWISE, "mm", "t", "sum", "input"}
_SEEN_THROUGH = {"detach", "alias", "clone"}
_SIZES = ({"B": 7, "I": 3, "H": 5}, {"B": 13, "I": 17, "H": 11})
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
    """Raises Untraceable."""
    with _tracing, torch.enable_grad():
        first, second = (_joint(cell, sizes) for sizes in _SIZES)
        _alike(first.lift, second.lift)
        values = _read(first.both, second.both)
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
    return list(cell.weights(_SIZES[0]["I"], _SIZES[0]["H"]))


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
    op, target = _op(node), node.target
    known = node in alone or op in _STEP | _SEEN_THROUGH
    differs = isinstance(target, OpOverload) and torch.Tag.nondeterministic_seeded in target.tags
    if not known or differs or (isinstance(target, OpOverload) and target._schema.is_mutable):
        raise Untraceable(f"the fused engine does not know the operator {op}")
    if op == "mm" and node not in alone and node.args[1] not in alone:
        raise Untraceable("the right operand of a product is not a weight")


def _op(node: Node) -> str:
    """The operator's name: `add` of `aten.add.Tensor`."""
    if isinstance(node.target, OpOverload):
        return str(node.target).split(".")[1]
    return "input" if node.op == "placeholder" else node.op


def _outputs(module: GraphModule) -> Sequence[Node]:
    return cast(Sequence[Node], module.graph.output_node().args[0])


def _alike(first: GraphModule, second: GraphModule) -> None:
    """Refuse two graphs that are not one, with the same numbers in it."""
    pairs = list(zip(first.graph.nodes, second.graph.nodes, strict=False))
    twin = dict(pairs)
    if len(first.graph.nodes) != len(second.graph.nodes) or any(a.target != b.target for a, b in pairs):
        raise Untraceable("what its step does depends on the sizes")
    for a, b in pairs:
        if map_arg(a.args, twin.__getitem__) != b.args or map_arg(a.kwargs, twin.__getitem__) != b.kwargs:
            raise Untraceable(f"what its step does depends on the sizes: an argument of {_op(a)}")


def _read(first: GraphModule, second: GraphModule) -> dict[Node, Value]:
    """The nodes as values, with sizes known by their role."""
    pairs = list(zip(first.graph.nodes, second.graph.nodes, strict=False))
    for node, _ in pairs:
        if node.op == "call_function" and _op(node) not in _ALL | _SEEN_THROUGH:
            raise Untraceable(f"the fused engine does not know the operator {_op(node)}")
    _alike(first, second)
    roles = {(1, 1): "1", **{(_SIZES[0][role], _SIZES[1][role]): role for role in "BIH"}}
    values: dict[Node, Value] = {}
    for node, twin in pairs:
        if node.op == "output":
            continue
        op = _op(node)
        if op in _SEEN_THROUGH:
            values[node] = values[node.args[0]]
            continue
        sizes = list(zip(node.meta["val"].shape, twin.meta["val"].shape, strict=True))
        if len(sizes) != 2:
            raise Untraceable(f"{op} gives a tensor of {len(sizes)} axes; rows have two")
        rows, columns = (roles.setdefault(size, f"N{len(roles)}") for size in sizes)
        values[node] = Value(op, _args(op, node, values), rows, columns, node.name)
    return values


def _args(op: str, node: Node, values: dict[Node, Value]) -> tuple[Value | float, ...]:
    if set(node.kwargs) - {"dtype", "layout", "device", "pin_memory"}:
        raise Untraceable(f"the fused engine does not know {op} with {dict(node.kwargs)}")
    if op == "zeros_like":
        return ()
    given: tuple[Any, ...] = node.args
    if op == "sum":
        if given[1:] != ([0], True):  # the gradient of a broadcast
            raise Untraceable("the fused engine cannot spread one number over a row")
        given = given[:1]
    known = all(isinstance(arg, Node) or (isinstance(arg, int | float) and math.isfinite(arg)) for arg in given)
    if not known or len(given) != ELEMENTWISE.get(op, len(given)):
        raise Untraceable(f"the fused engine does not know {op} with these arguments: {given}")
    return tuple(values[arg] if isinstance(arg, Node) else float(arg) for arg in given)


def _prove(cell: Cell, joint: _Joint) -> None:
    """Refuse what does not compute what the cell does, for two members at once, as the eager engine runs them."""
    w, x, s = _problem(cell, _SIZES[0], 2)
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
