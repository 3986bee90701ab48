"""Trace a cell's step and its vector-Jacobian product at one set of sizes.

Input: a cell and sizes. Output: a `Joint` of torch.fx graphs. A part of `trace`.

Expressions of weights and sizes alone do not change from step to step; they are hoisted out of the step into a separate module.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from ablations.cells import Cell
from ablations.engines.fused.graph import RIGHT_OPERAND, SIZES, Untraceable, op
from ablations.engines.fused.operators import ALIASES, CONSTANTS, decompositions
from ablations.engines.noise import step_input, widths
from ablations.errors import first_line

_Tensors = tuple[Tensor, ...]
_IN_PLACE = "the operator {} works in place; use the one that returns a new tensor"


class Joint(NamedTuple):
    """The traced graphs at one set of sizes."""

    hoisted: GraphModule
    step: GraphModule
    """The new state from the step's weights, the input and the state."""
    joint: GraphModule
    """The new state and all gradients."""
    differentiable: list[bool]
    """Which of the step's weights depend on trained weights of the cell."""


def random_inputs(
    cell: Cell, sizes: dict[str, int], dtype: torch.dtype, *members: int
) -> tuple[_Tensors, Tensor, _Tensors]:
    """Return random weights, input (the cell's noise beside it) and state of some sizes; the global random generator is not used."""
    g = torch.Generator().manual_seed(0)
    B, I, H = sizes["B"], sizes["I"], sizes["H"]  # noqa: E741

    def normal(*shape: int) -> Tensor:
        return torch.randn(*members, *shape, generator=g, dtype=dtype)

    w = tuple(normal(weight.rows, weight.columns) for weight in cell.weights(I, H).values())
    sizes_of_state = cell.state_sizes(H)
    x = normal(B, I + sum(widths(cell, sizes_of_state)))
    return w, x, tuple(normal(B, sizes_of_state[part]) for part in cell.state)


def weight_names(cell: Cell) -> list[str]:
    """Return the names of a cell's weights, in order."""
    return list(cell.weights(SIZES[0]["I"], SIZES[0]["H"]))


def step_of(cell: Cell) -> Callable[[_Tensors, Tensor, _Tensors], _Tensors]:
    """Return the drive and the step of a cell as one function of tuples; the input has the cell's noise in its last columns."""
    names = weight_names(cell)

    def step(w: _Tensors, x: Tensor, s: _Tensors) -> _Tensors:
        named = dict(zip(names, w, strict=True))
        state = dict(zip(cell.state, s, strict=True))
        noise = None
        if cell.noise():
            inputs = x.shape[-1] - sum(widths(cell, {part: rows.shape[-1] for part, rows in state.items()}))
            x, noise = x[..., :inputs], x[..., inputs:]
        after = cell.step(named, step_input(cell, named, x, state, noise), state, lambda _, value: value)
        for part, before in zip(cell.state, s, strict=True):
            if after[part].shape != before.shape:
                raise ValueError(
                    f"the new state {part!r} has shape {list(after[part].shape)}, the old one {list(before.shape)}"
                )
        return tuple(after[part] for part in cell.state)

    return step


def joint(cell: Cell, sizes: dict[str, int], dtype: torch.dtype) -> Joint:
    """Trace the step, split off what depends on weights alone, and trace the rest with its vector-Jacobian product.

    Raises Untraceable.
    """
    w, x, state = random_inputs(cell, sizes, dtype)
    try:
        whole = make_fx(step_of(cell))(w, x, state)
    except Exception as error:  # a cell may raise anything
        raise Untraceable(f"the step cannot be traced: {first_line(error)}") from error
    trained = [weight.trained for weight in cell.weights(sizes["I"], sizes["H"]).values()]
    hoisted, step, depends = _split(whole, trained, sizes["B"])
    # torch differentiates a product with a transposed matrix by other operators; the kernel gets contiguous ones too.
    step_weights = tuple(part.contiguous() for part in hoisted(*w))
    differentiable = [d and part.is_floating_point() for d, part in zip(depends, step_weights, strict=True)]

    def with_gradients(w: _Tensors, x: Tensor, s: _Tensors, ds: _Tensors) -> Any:
        def new_state_of(varying: _Tensors, x: Tensor, s: _Tensors) -> _Tensors:
            """The step as a function of what gradients are taken of; the other weights are constants."""
            rest = iter(varying)
            return tuple(step(*(next(rest) if d else c for d, c in zip(differentiable, w, strict=True)), x, *s))

        varying = tuple(weight for weight, d in zip(w, differentiable, strict=True) if d)
        new_state, vjp = torch.func.vjp(new_state_of, varying, x, s)[:2]
        dw, dx, d_before = vjp(ds)
        return [*new_state, *dw, dx, *d_before]

    try:
        gradient = make_fx(with_gradients, decomposition_table=decompositions())
        traced = gradient(step_weights, x, state, tuple(torch.ones_like(part) for part in state))
    except Exception as error:
        for node in filter(_is_in_place, whole.graph.nodes):  # torch needs the overwritten tensor
            raise Untraceable(_IN_PLACE.format(op(node)), node) from error
        raise Untraceable(f"the gradient of the step cannot be traced: {first_line(error)}") from error
    return Joint(hoisted, step, traced, differentiable)


def _split(whole: GraphModule, trained: list[bool], batch: int) -> tuple[GraphModule, GraphModule, list[bool]]:
    """Split a step into the part that depends on weights and sizes alone, and the rest, whose weights are that part's results.

    The last result says of each of these whether it depends on trained weights.
    """
    nodes = list(whole.graph.nodes)
    of_trained = {node for node, is_trained in zip(nodes, trained, strict=False) if is_trained}
    alone, numbers = set(nodes[: len(trained)]), set[Node]()
    for node in nodes:
        if node.op == "get_attr":
            if any(
                op(user) != "lift_fresh_copy" for user in node.users
            ):  # one made in the step, as by torch.tensor(…), is lifted
                raise Untraceable(
                    "the step uses a tensor that is neither a weight, the input nor the state; declare it as a weight, one "
                    "that is not trained if it is a constant"
                )
            alone.add(node)
        elif node.op == "call_function":
            inputs = node.all_input_nodes
            if not inputs and _is_constant_of_rows(node, batch):
                if not node.meta["val"].ndim:  # it may be an argument of either part
                    numbers.add(node)
            elif alone.issuperset(set(inputs) - numbers) and (not inputs or not alone.isdisjoint(inputs)):
                alone.add(node)
            if any(arg in of_trained for arg in inputs) and node in alone:
                of_trained.add(node)
            _require_supported(node, alone, batch)
    frontier = [n for n in nodes if n in alone and any(user not in alone for user in n.users)]
    hoisted, step = Graph(), Graph()
    in_hoisted: dict[Node, Node] = {}
    for node in nodes:
        if node in alone or (node in numbers and not alone.isdisjoint(node.users)):
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
    return GraphModule(whole, hoisted), GraphModule({}, step), [node in of_trained for node in frontier]


def _is_constant_of_rows(node: Node, batch: int) -> bool:
    """Whether a node without inputs is one number, or a row of one number for each sequence."""
    shape = node.meta["val"].shape
    return ALIASES.get(op(node), op(node)) in CONSTANTS and (not shape or shape[0] == batch)


def _require_supported(node: Node, alone: set[Node], batch: int) -> None:
    """Raise Untraceable for an operator the step may not use. On weights alone every deterministic operator is allowed."""
    name, target = op(node), node.target
    if _is_in_place(node) and not _changes_an_intermediate(node):
        raise Untraceable(_IN_PLACE.format(name), node)
    if isinstance(target, OpOverload) and torch.Tag.nondeterministic_seeded in target.tags:
        raise Untraceable(f"the operator {name} draws random numbers; declare them in the cell's `noise`", node)
    if node in alone:
        return
    if name == "mm" and node.args[1] not in alone:
        raise Untraceable(RIGHT_OPERAND, node)
    result = node.meta["val"]
    if isinstance(result, Tensor) and result.ndim and result.shape[0] != batch and name != "t":
        raise Untraceable(
            f"the operator {name} mixes the sequences of a batch; a row of a step belongs to one sequence", node
        )


def _is_in_place(node: Node) -> bool:
    return isinstance(node.target, OpOverload) and node.target._schema.is_mutable


def _changes_an_intermediate(node: Node) -> bool:
    """Whether an operator in place changes a new tensor that nothing else reads, as torch's own functions do."""
    changed = node.args[0]
    return (
        isinstance(changed, Node)
        and len(changed.users) == 1
        and isinstance(changed.target, OpOverload)
        and not any(result.alias_info for result in changed.target._schema.returns)
    )


def outputs_of(module: GraphModule) -> Sequence[Node]:
    """Return the nodes that a graph returns."""
    return cast(Sequence[Node], module.graph.output_node().args[0])


def require_same_results(cell: Cell, graphs: Joint, dtype: torch.dtype) -> None:
    """Raise Untraceable unless the traced operators and the step itself agree, for two members at once."""
    w, x, s = random_inputs(cell, SIZES[0], dtype, 2)
    n, step = len(w), step_of(cell)
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
