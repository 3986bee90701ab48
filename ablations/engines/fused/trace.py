"""Trace a cell's step and its vector-Jacobian product with torch.fx and torch.func.

Input: a cell. Output: a `Trace`, the values (see `graph`) of the new state and of every gradient. Next stage: `plan`.

Expressions of weights alone do not change from step to step; they are hoisted out of the step into a separate module.
Finally the results of the traced operators are compared with those of the step itself: a custom gradient, or state kept
between calls, is not visible in the trace, and is refused because the results differ.
"""

import itertools
import os
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import jaxtyping
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from ablations.cells import Cell
from ablations.engines.fused.graph import RIGHT_OPERAND, SIZES, Untraceable, Value, op, require_equal, same_arguments
from ablations.engines.fused.lower import Lowered, lower
from ablations.engines.fused.operators import CONSTANTS, ALIASES, decompositions
from ablations.errors import first_line


@dataclass(frozen=True)
class Trace:
    """A cell's step and its derivative, as functions of the step's weights, the input, the state and the state's gradient."""

    output: str
    """The part of the state that is the cell's output."""
    weight_names: list[str]
    """The names of the cell's weights, in order."""
    hoisted: GraphModule
    """The function from the cell's weights to the step's weights, a tuple."""
    hoisted_at_sizes: bool
    """Whether that function depends on the sizes: see `at`."""
    hoisted_computes: bool
    """Whether `hoisted` computes anything, or only selects weights."""
    weights: list[Value]
    """The step's weights."""
    step_weight_names: list[str]
    """Their names: the cell's, or the node's in `hoisted`."""
    x: Value
    state: dict[str, Value]
    d_state: dict[str, Value]
    """The gradient with respect to the state after the step."""
    new_state: dict[str, Value]
    """The state after the step."""
    weight_gradients: list[Value]
    x_gradient: Value
    state_gradients: dict[str, Value]
    """The gradient with respect to the state before the step."""
    graphs: list[GraphModule]
    lowered: Lowered


class AtSizes(NamedTuple):
    """What of a trace depends on the sizes, at some sizes."""

    hoisted: GraphModule
    """The function from the cell's weights to the step's weights, a tuple."""
    sizes: dict[str, int]
    """The symbolic sizes."""
    numbers: list[float]
    """The numbers that depend on the sizes."""


_tracing = threading.Lock()  # torch.fx keeps the state of its tracer in globals

_Tensors = tuple[Tensor, ...]


class _Joint(NamedTuple):
    """The traced graphs at one set of sizes."""

    hoisted: GraphModule
    step: GraphModule
    """The new state from the step's weights, the input and the state."""
    joint: GraphModule
    """The new state and all gradients."""
    differentiable: list[bool]
    """Which of the step's weights depend on the cell's."""


def trace(cell: Cell, dtype: torch.dtype = torch.float32) -> Trace:
    """Return the trace of a cell, whose constants may depend on the dtype, as `torch.finfo` does.

    Raises Untraceable, with the line of the step at fault where it can be found.
    """
    try:
        with _tracing, torch.enable_grad():
            return _trace(cell, dtype)
    except Untraceable as error:
        if error.__cause__:
            frames = traceback.extract_tb(error.__cause__.__traceback__)
        else:
            frames = _stack_at_use(cell, error.operator, error.occurrence)
        frames = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
        where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        raise Untraceable(f"{error}{where}") from error


_LIBRARIES = (
    "<",  # generated code
    *(str(folder) + os.sep for folder in (Path(torch.__file__).parent, Path(jaxtyping.__file__).parent)),
    str(Path(__file__).parents[1]) + os.sep,
)
"""Beginnings of the file names of frames that are not the cell's code."""


def _stack_at_use(cell: Cell, operator: str, occurrence: int) -> list[traceback.FrameSummary]:
    """The stack at a use of an operator, the first being 0; empty if the step does not use it."""
    stacks: list[list[traceback.FrameSummary]] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if str(func).split(".")[1] == operator:
                stacks.append(traceback.extract_stack()[:-1])
            return func(*args, **(kwargs or {}))

    with Watch():
        _step_of(cell)(*_random_inputs(cell, SIZES[0], torch.float32))
    return stacks[min(occurrence, len(stacks) - 1)] if stacks else []


def at_sizes(cell: Cell, traced: Trace, inputs: int, hidden: int, dtype: torch.dtype) -> AtSizes:
    """Trace a cell at some sizes too. Raises Untraceable if it is not the trace at other sizes but for sizes and numbers."""
    other_sizes = {i * inputs + h * hidden for i in range(9) for h in range(9)}
    batch = next(size for size in itertools.count(SIZES[0]["B"]) if size not in other_sizes)
    sizes = {"B": batch, "I": inputs, "H": hidden}
    with _tracing, torch.enable_grad():
        here = _joint(cell, sizes, dtype)
    lowered = lower([*traced.graphs, here.joint], [*SIZES, sizes])
    if _structure(lowered, len(SIZES)) != _structure(traced.lowered, len(SIZES)):
        raise Untraceable(f"the operators of the step are others with {inputs} inputs and {hidden} units")
    return AtSizes(
        here.hoisted,
        {name: size[-1] for size, name in lowered.sizes.items()},
        [number[-1] for number in lowered.numbers],
    )


def _structure(lowered: Lowered, count: int) -> list[Any]:
    """The operators and the names of sizes and numbers of a lowered graph, in order."""
    values = [(value.op, value.rows, value.columns, value.sizes) for value in lowered.values.values()]
    named = [*lowered.sizes.items(), *lowered.numbers.items()]
    return [*values, *((key[:count], name) for key, name in named)]


def _trace(cell: Cell, dtype: torch.dtype) -> Trace:
    joints = [_joint(cell, sizes, dtype) for sizes in SIZES]
    first, second, third = joints
    require_equal([joint.hoisted for joint in joints])
    if not same_arguments(first.hoisted, third.hoisted):
        raise Untraceable("an expression of weights alone depends on the batch size, or changes from call to call")
    graphs = [joint.joint for joint in joints]
    lowered = lower(graphs, SIZES)
    values = lowered.values
    _require_same_results(cell, first, dtype)
    parts = list(cell.state)
    inputs = [values[node] for node in first.joint.graph.find_nodes(op="placeholder")]
    outputs = [values[node] for node in _outputs(first.joint)]
    n, weights = len(parts), len(first.differentiable)
    gradients = iter(outputs[n:])
    cell_weights = dict(zip(first.hoisted.graph.find_nodes(op="placeholder"), _weight_names(cell), strict=True))
    return Trace(
        cell.output,
        _weight_names(cell),
        first.hoisted,
        not same_arguments(first.hoisted, second.hoisted),
        any(node.op == "call_function" for node in first.hoisted.graph.nodes),
        weights=inputs[:weights],
        step_weight_names=[cell_weights.get(node, node.name) for node in _outputs(first.hoisted)],
        x=inputs[weights],
        state=dict(zip(parts, inputs[weights + 1 : weights + 1 + n], strict=True)),
        d_state=dict(zip(parts, inputs[weights + 1 + n :], strict=True)),
        new_state=dict(zip(parts, outputs[:n], strict=True)),
        weight_gradients=[
            next(gradients) if differentiable else Value("zeros_like", (), weight.rows, weight.columns, "none")
            for weight, differentiable in zip(inputs[:weights], first.differentiable, strict=True)
        ],
        x_gradient=next(gradients),
        state_gradients=dict(zip(parts, gradients, strict=True)),
        graphs=graphs,
        lowered=lowered,
    )


def _random_inputs(
    cell: Cell, sizes: dict[str, int], dtype: torch.dtype, *members: int
) -> tuple[_Tensors, Tensor, _Tensors]:
    """Random weights, input and state of some sizes; the global random generator is not used."""
    g = torch.Generator().manual_seed(0)
    B, I, H = sizes["B"], sizes["I"], sizes["H"]  # noqa: E741

    def normal(*shape: int) -> Tensor:
        return torch.randn(*members, *shape, generator=g, dtype=dtype)

    w = tuple(normal(weight.rows, weight.columns) for weight in cell.weights(I, H).values())
    return w, normal(B, I), tuple(normal(B, cell.state_sizes(H)[part]) for part in cell.state)


def _weight_names(cell: Cell) -> list[str]:
    return list(cell.weights(SIZES[0]["I"], SIZES[0]["H"]))


def _step_of(cell: Cell) -> Callable[[_Tensors, Tensor, _Tensors], _Tensors]:
    """The drive and the step of a cell as one function of tuples."""
    names = _weight_names(cell)

    def step(w: _Tensors, x: Tensor, s: _Tensors) -> _Tensors:
        named = dict(zip(names, w, strict=True))
        after = cell.step(named, cell.drive(named, x), dict(zip(cell.state, s, strict=True)), lambda _, value: value)
        for part, before in zip(cell.state, s, strict=True):
            if after[part].shape != before.shape:
                raise ValueError(
                    f"the new state {part!r} has shape {list(after[part].shape)}, the old one {list(before.shape)}"
                )
        return tuple(after[part] for part in cell.state)

    return step


def _joint(cell: Cell, sizes: dict[str, int], dtype: torch.dtype) -> _Joint:
    """Trace the step, split off what depends on weights alone, and trace the rest with its vector-Jacobian product."""
    w, x, state = _random_inputs(cell, sizes, dtype)
    try:
        whole = make_fx(_step_of(cell))(w, x, state)
    except Exception as error:  # a cell may raise anything
        raise Untraceable(f"the step cannot be traced: {first_line(error)}") from error
    hoisted, step, depends = _split(whole, len(w), sizes["B"])
    # torch differentiates a product with a transposed matrix by other operators; the kernel gets contiguous ones too.
    step_weights = tuple(part.contiguous() for part in hoisted(*w))
    differentiable = [d and part.is_floating_point() for d, part in zip(depends, step_weights, strict=True)]

    def joint(w: _Tensors, x: Tensor, s: _Tensors, ds: _Tensors) -> Any:
        def after(trained: _Tensors, x: Tensor, s: _Tensors) -> _Tensors:
            of_weights = iter(trained)
            return tuple(step(*(next(of_weights) if d else c for d, c in zip(differentiable, w, strict=True)), x, *s))

        trained = tuple(weight for weight, d in zip(w, differentiable, strict=True) if d)
        new_state, vjp = torch.func.vjp(after, trained, x, s)[:2]
        dw, dx, d_before = vjp(ds)
        return [*new_state, *dw, dx, *d_before]

    try:
        gradient = make_fx(joint, decomposition_table=decompositions())
        traced = gradient(step_weights, x, state, tuple(torch.ones_like(part) for part in state))
    except Exception as error:
        raise Untraceable(f"the gradient of the step cannot be traced: {first_line(error)}") from error
    return _Joint(hoisted, step, traced, differentiable)


def _split(whole: GraphModule, weights: int, batch: int) -> tuple[GraphModule, GraphModule, list[bool]]:
    """Split a step into the part that depends on weights and sizes alone, and the rest, whose weights are that part's results.

    The last result says of each of these whether it depends on the weights.
    """
    nodes = list(whole.graph.nodes)
    of_weights: set[Node] = set(nodes[:weights])
    alone = set(of_weights)
    for node in nodes:
        if node.op == "get_attr":
            if any(op(user) != "lift_fresh_copy" for user in node.users):  # one made in the step, as by torch.tensor(…), is lifted
                raise Untraceable(
                    "the step uses a tensor that is neither a weight, the input nor the state; declare it as a weight, one "
                    "that is not trained if it is a constant"
                )
            alone.add(node)
        elif node.op == "call_function":
            inputs = node.all_input_nodes
            if all(arg in alone for arg in inputs) and not (not inputs and _is_constant_of_rows(node, batch)):
                alone.add(node)
            if any(arg in of_weights for arg in inputs) and node in alone:
                of_weights.add(node)
            _require_supported(node, alone, batch)
    frontier = [n for n in nodes if n in alone and any(user not in alone for user in n.users)]
    hoisted, step = Graph(), Graph()
    in_hoisted: dict[Node, Node] = {}
    for node in nodes:
        if node in alone:
            in_hoisted[node] = hoisted.node_copy(node, lambda arg: in_hoisted[arg])
    results = [in_hoisted[node] for node in frontier]
    for i, node in enumerate(frontier):
        if node.meta["val"].ndim < 2:  # a number, or a number for each column
            results[i] = hoisted.call_function(torch.ops.aten.reshape.default, (results[i], [1, -1]))
    hoisted.output(tuple(results))
    in_step = {node: step.placeholder(node.name) for node in frontier}
    for node in nodes:
        if node not in alone:
            in_step[node] = step.node_copy(node, lambda arg: in_step[arg])
    return GraphModule(whole, hoisted), GraphModule({}, step), [node in of_weights for node in frontier]


def _is_constant_of_rows(node: Node, batch: int) -> bool:
    """Whether a node without inputs is one number, or a row of one number for each sequence."""
    shape = node.meta["val"].shape
    return ALIASES.get(op(node), op(node)) in CONSTANTS and (not shape or shape[0] == batch)


def _require_supported(node: Node, alone: set[Node], batch: int) -> None:
    """Raise Untraceable for an operator the step may not use. On weights alone every deterministic operator is allowed."""
    name, target = op(node), node.target
    if isinstance(target, OpOverload) and target._schema.is_mutable:
        raise Untraceable(f"the operator {name} works in place; use the one that returns a new tensor", node)
    if isinstance(target, OpOverload) and torch.Tag.nondeterministic_seeded in target.tags:
        raise Untraceable(f"the operator {name} draws random numbers; a step has to be deterministic", node)
    if node in alone:
        return
    if name == "mm" and node.args[1] not in alone:
        raise Untraceable(RIGHT_OPERAND, node)
    result = node.meta["val"]
    if isinstance(result, Tensor) and result.ndim and result.shape[0] != batch and name != "t":
        raise Untraceable(f"the operator {name} mixes the sequences of a batch; a row of a step belongs to one sequence", node)


def _outputs(module: GraphModule) -> Sequence[Node]:
    return cast(Sequence[Node], module.graph.output_node().args[0])


def _require_same_results(cell: Cell, graphs: _Joint, dtype: torch.dtype) -> None:
    """Raise Untraceable unless the traced operators and the step itself agree, for two members at once."""
    w, x, s = _random_inputs(cell, SIZES[0], dtype, 2)
    n, step = len(w), _step_of(cell)
    d_after = [part.sin() for part in s]

    def traced(w: _Tensors, x: Tensor, s: _Tensors) -> _Tensors:
        return torch.func.vmap(lambda *args: tuple(graphs.step(*graphs.hoisted(*args[:n]), *args[n:])))(*w, x, *s)

    def results(function: Callable[[_Tensors, Tensor, _Tensors], _Tensors]) -> list[Tensor]:
        """The new state and the gradients."""
        leaves = [tensor.clone().requires_grad_() for tensor in (*w, x, *s)]
        after = function(tuple(leaves[:n]), leaves[n], tuple(leaves[n + 1 :]))
        sums = [(part * d_part).sum() for part, d_part in zip(after, d_after, strict=True)]
        sums += [leaf.sum() for leaf in leaves]  # every leaf has a gradient, also one that the step does not use
        return [*after, *torch.autograd.grad(torch.stack(sums).sum(), leaves)]

    try:
        actual, expected = results(traced), results(step)
    except Exception as error:
        raise Untraceable(f"the step does not run with a leading axis of members: {first_line(error)}") from error
    for one, other in zip(actual, expected, strict=True):
        if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise Untraceable(
                "the traced operators give other results than the step; custom gradients, torch.no_grad and state kept "
                "between calls are not supported"
            )
