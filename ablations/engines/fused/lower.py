"""Lower the traces of one function at several sizes to one graph of `Value`s with symbolic sizes.

Input: torch.fx graphs from `trace`. Output: a `Lowered`, with a `Value` per node. Next stage: `plan`.

The graphs have to apply the same operators to the same nodes. A size is named by what it is at each set of sizes: `B` (batch),
`I` (input features), `H` (units), `one`, or a name of its own. So are numbers that differ between the graphs. None of them may
depend on the batch, except the number of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch.fx import GraphModule, Node

from ablations.engines.fused.columns import concatenation, joined, slice_of
from ablations.engines.fused.graph import (
    ONE,
    ZERO,
    Number,
    Size,
    Untraceable,
    Value,
    op,
    require_equal,
    require_supported,
)
from ablations.engines.fused.operators import ALIASES, CONSTANTS, ELEMENTWISE, REDUCTIONS, SCANS, SHAPES, SLICES

_BATCH = "depends on the batch size, or changes from call to call; a step may use constants, and numbers that follow from the input and hidden size"
_POWERS = {0.0: "power0", 1.0: "power1", 2.0: "power2", 3.0: "power3"}
_POSITIONS = {"full": 1, "full_like": 1, "new_full": 2, "scalar_tensor": 0}
"""The position of the number among the arguments of operators that give one number for all columns."""


@dataclass
class Lowered:
    """The values of a graph's nodes, and the sizes and numbers they depend on."""

    values: dict[Node, Value] = field(default_factory=dict)
    """The value of each node of the first graph."""
    sizes: dict[Size, str] = field(default_factory=dict)
    """The names of all sizes."""
    numbers: dict[tuple[float, ...], str] = field(default_factory=dict)
    """The names of the numbers that depend on the sizes."""

    @property
    def depends_on_sizes(self) -> bool:
        """Whether there are numbers that depend on the sizes, or sizes other than those of the batch, the input and the units."""
        return bool(self.numbers or set(self.sizes.values()) - {*"BIH", ONE, ZERO})


def lower(graphs: Sequence[GraphModule], sizes: Sequence[dict[str, int]]) -> Lowered:
    """Return the lowered graph of traces at several sizes; a third one is like the first but for the batch. Raises Untraceable."""
    require_supported(graphs[0])
    require_equal(graphs)
    return Lowering(graphs, sizes).lowered


class Lowering:
    """The state while nodes are lowered in order. `nodes` is always the same node in each of the graphs."""

    def __init__(self, graphs: Sequence[GraphModule], sizes: Sequence[dict[str, int]]) -> None:
        count = len(graphs)
        self.lowered = Lowered(sizes={(1,) * count: ONE, (0,) * count: ZERO})
        self.lowered.sizes |= {tuple(at[name] for at in sizes): name for name in "BIH"}
        self.batch, self.one = tuple(at["B"] for at in sizes), (1,) * count
        self.values: dict[Node, Value | Number | float] = {}
        for nodes in zip(*(graph.graph.nodes for graph in graphs), strict=True):
            name = op(nodes[0])
            if name in ("output", "split", "split_with_sizes"):  # the pieces of a split are lowered: `getitem`
                continue
            self.values[nodes[0]] = value = self._value(name.removesuffix("_"), nodes)
            if name.endswith("_"):  # in place
                self.values[nodes[0].args[0]] = value  # type: ignore[index]
        self.lowered.values = {node: value for node, value in self.values.items() if isinstance(value, Value)}

    # Sizes and numbers

    def shape(self, nodes: Sequence[Node]) -> list[Size]:
        """The shape of a node."""
        return list(zip(*(node.meta["val"].shape for node in nodes), strict=True))

    def operand(self, nodes: Sequence[Node], position: int = 0) -> tuple[Any, ...]:
        """An argument of a node, in each of the graphs."""
        return tuple(node.args[position] for node in nodes)

    def name(self, size: Size, node: Node | None = None) -> str:
        """The symbolic name of a size."""
        if size not in self.lowered.sizes:
            if size[2:] and size[0] != size[2]:
                raise Untraceable(f"a size {_BATCH}", node)
            self.lowered.sizes[size] = f"N{len(self.lowered.sizes)}"
        return self.lowered.sizes[size]

    def size(self, name: str) -> Size:
        """The size of a name."""
        return next(size for size, known in self.lowered.sizes.items() if known == name)

    def product(self, sizes: Sequence[Size]) -> Size:
        """The product of sizes."""
        total = self.one
        for size in sizes:
            total = tuple(a * b for a, b in zip(total, size, strict=True))
        return total

    def number(self, numbers: Sequence[Any], node: Node) -> Number | float:
        """A number that is an argument."""
        if not all(isinstance(number, int | float) for number in numbers):
            raise Untraceable(f"the operator {op(node)} is not supported with the arguments {node.args}", node)
        key = tuple(map(float, numbers))
        if len(set(map(str, key))) == 1:  # as text: nan is not equal to itself
            return key[0]
        if key[2:] and key[0] != key[2]:
            raise Untraceable(f"an argument of the operator {op(node)} {_BATCH}", node)
        return Number(self.lowered.numbers.setdefault(key, f"c{len(self.lowered.numbers)}"))

    def new(
        self, name: str, args: tuple[Any, ...], shape: Sequence[Size], node: str, sizes: Sequence[Size] = ()
    ) -> Value:
        """A value of a shape, whose axes after the first are one row."""
        return Value(
            name, args, self.name(shape[0]), self.name(self.product(shape[1:])), node, tuple(map(self.name, sizes))
        )

    # Operators

    def _value(self, name: str, nodes: tuple[Node, ...]) -> Value | Number | float:
        name, shape, node = ALIASES.get(name, name), self.shape(nodes), nodes[0]
        if name in CONSTANTS:
            return self._constant(name, nodes, shape)
        if not shape and name not in SHAPES:
            raise Untraceable(f"the operator {name} gives one number for all sequences, which is not supported", node)
        if len(shape) not in (0, 2) and shape[0] != self.batch:
            what = "an expression of weights alone" if name == "input" else f"the operator {name}"
            raise Untraceable(f"{what} gives a tensor with {len(shape)} axes; weights have two, rows and columns", node)
        if name in SLICES:
            return slice_of(self, name, nodes, shape)
        if name in ("cat", "slice_backward"):
            return concatenation(self, name, nodes, shape)
        if name in REDUCTIONS:
            return self._reduction(REDUCTIONS[name], nodes)
        if name in SCANS:
            return self._scan(SCANS[name], nodes, shape)
        if name in ("permute", "transpose"):
            return self._permuted(nodes)
        if name in SHAPES:
            return self._reshaped(name, nodes, shape)
        return self._elementwise(name, nodes, shape)

    def _constant(self, name: str, nodes: tuple[Node, ...], shape: list[Size]) -> Value | Number | float:
        """One number for all columns."""
        position = _POSITIONS.get(op(nodes[0]))
        number = float(name == "ones") if position is None else self.number(self.operand(nodes, position), nodes[0])
        if not shape:
            return number
        return self.new("full" if number else "zeros_like", (number,) if number else (), shape, nodes[0].name)

    def _elementwise(self, name: str, nodes: tuple[Node, ...], shape: list[Size]) -> Value:
        node = nodes[0]
        if name in ("input", "mm", "t"):
            return self.new(name, tuple(self.values[arg] for arg in node.all_input_nodes), shape, node.name)
        operands = [self._operand(nodes, i, shape) for i in range(len(node.args))]
        if "alpha" in node.kwargs:
            alpha = self.number([twin.kwargs["alpha"] for twin in nodes], node)
            operands[1] = self.new("mul", (operands[1], alpha), shape, f"{node.name}_alpha")
        elif set(node.kwargs) - {"dtype"}:
            raise Untraceable(
                f"the operator {name} is not supported with the keyword arguments {dict(node.kwargs)}", node
            )
        if name == "clamp":
            return self._clamp(operands, shape, node)
        if name == "pow" and operands[1] in _POWERS:
            name, operands = _POWERS[operands[1]], operands[:1]  # type: ignore[index]
        if len(operands) != ELEMENTWISE[name].arity or None in operands:
            raise Untraceable(f"the operator {name} is not supported with the arguments {node.args}", node)
        # An expression of vectors of weights is computed for every row.
        rows = self.batch if shape[0] == self.one else shape[0]
        return joined(self, self.new(name, tuple(operands), [rows, *shape[1:]], node.name))

    def _clamp(self, operands: list[Any], shape: list[Size], node: Node) -> Value:
        """min(max(x, low), high)."""
        value = operands[0]
        for name, limit in zip(("maximum", "minimum"), operands[1:], strict=False):
            if limit is not None:
                value = self.new(name, (value, limit), shape, f"{node.name}_{name}")
        return value

    def _operand(self, nodes: tuple[Node, ...], position: int, shape: list[Size]) -> Value | Number | float | None:
        """An operand of an elementwise operator, repeated to the shape of the result unless it is a single column."""
        twins = self.operand(nodes, position)
        if twins[0] is None:
            return None
        if not isinstance(twins[0], Node):
            return self.number(twins, nodes[0])
        value = self.values[twins[0]]
        if not isinstance(value, Value):
            return value
        return self._broadcast(value, self.shape(twins)[1:], shape[1:], nodes[0])

    def _broadcast(self, value: Value, axes: list[Size], wanted: list[Size], node: Node) -> Value:
        """A value with axes of length 1 repeated to the wanted axes; a single column is repeated where it is read."""
        if value.columns == ONE or axes == wanted:
            return value
        if len(axes) != len(wanted) or value.rows != "B":
            raise Untraceable(f"the operator {op(node)} is not supported with operands of different shapes", node)
        for i, size in enumerate(wanted):
            if axes[i] != size:
                outer_n_inner = (self.product(axes[:i]), size, self.product(axes[i + 1 :]))
                axes = [*axes[:i], size, *axes[i + 1 :]]
                value = self.new(
                    "row_repeat", (value,), [self.batch, *axes], f"{node.name}_{value.name}_{i}", outer_n_inner
                )
        return value

    def _reshaped(self, name: str, nodes: tuple[Node, ...], shape: list[Size]) -> Value | Number | float:
        """The same numbers in another shape. A row has the same numbers in the same order whatever its axes are."""
        node, twins = nodes[0], self.operand(nodes, 1 if name == "copy" else 0)  # copy(to, from)
        source = self.values[twins[0]]
        to_integers = not node.meta["val"].is_floating_point() and twins[0].meta["val"].is_floating_point()
        if to_integers and name == "_to_copy":
            raise Untraceable("rows of integers are not supported", node)
        if not isinstance(source, Value):
            return self.new("full", (source,), shape, node.name) if shape else source
        if not shape or source.rows != self.name(shape[0]):
            raise Untraceable(f"the operator {name} moves numbers between rows, which is not supported", node)
        if source.columns == self.name(self.product(shape[1:])):
            return source
        if source.columns == ONE:
            return self.new("copy", (source,), shape, node.name)
        return self._broadcast(source, self.shape(twins)[1:], shape[1:], node)

    def _reduction(self, name: str, nodes: tuple[Node, ...]) -> Value:
        """Lower a sum or an extremum: one row operator for each axis of a row, all axes but the first, which then has length 1.

        Only a sum of vectors may be over the first axis, the batch: it is in the gradient of a bias.
        """
        node, twins = nodes[0], self.operand(nodes)
        axes, value = self.shape(twins)[1:], self.values[twins[0]]
        arguments: Any = node.args
        over = {axis % (len(axes) + 1) for axis in (arguments[1] if len(arguments) > 1 else [])}
        if not isinstance(value, Value) or not over or (0 in over and (name != "row_sum" or len(axes) != 1)):
            raise Untraceable(f"the operator {op(node)} mixes sequences, which is not supported; give it an axis", node)
        for axis in sorted(over - {0}, reverse=True):
            if axes[axis - 1] != self.one:
                outer_n_inner = (self.product(axes[: axis - 1]), axes[axis - 1], self.product(axes[axis:]))
                axes[axis - 1] = self.one
                value = self.new(name, (value,), [self.batch, *axes], f"{node.name}_{axis}", outer_n_inner)
        return self.new("sum", (value,), [self.one, *axes], node.name) if 0 in over else value

    def _scan(self, name: str, nodes: tuple[Node, ...], shape: list[Size]) -> Value:
        """`cumsum` and `flip` along an axis of a row."""
        argument: Any = nodes[0].args[1]
        over = [axis % len(shape) for axis in (argument if isinstance(argument, list | tuple) else [argument])]
        if len(over) != 1 or over == [0]:
            raise Untraceable(f"the operator {op(nodes[0])} is supported along one axis of a row only", nodes[0])
        outer_n_inner = (self.product(shape[1 : over[0]]), shape[over[0]], self.product(shape[over[0] + 1 :]))
        return self.new(name, (self.values[self.operand(nodes)[0]],), shape, nodes[0].name, outer_n_inner)

    def _permuted(self, nodes: tuple[Node, ...]) -> Value:
        """Lower `permute` and `transpose`: `t` for a matrix, else a `row_transpose` for each exchange of adjacent axes of a row.

        An exchange with an axis of length 1 moves no number. The first axis, the batch, stays the first.
        """
        node, twins = nodes[0], self.operand(nodes)
        axes, value = self.shape(twins), self.values[twins[0]]
        argument: Any = node.args[1:]
        order = list(range(len(axes)))
        if op(node) == "permute":
            order = [axis % len(axes) for axis in argument[0]]
        else:
            a, b = (axis % len(axes) for axis in argument)
            order[a], order[b] = order[b], order[a]
        if order == [1, 0]:
            return self.new("t", (value,), [axes[1], axes[0]], node.name)
        if order[0] != 0 or not isinstance(value, Value):
            raise Untraceable(f"the operator {op(node)} moves the batch axis, which is not supported", node)
        at = list(range(len(axes)))  # which axis is at each position
        for target, axis in enumerate(order):
            for i in range(at.index(axis), target, -1):
                outer_n_inner = (self.product(axes[1 : i - 1]), axes[i - 1], axes[i])
                rest = self.product(axes[i + 1 :])
                at[i - 1], at[i], axes[i - 1], axes[i] = at[i], at[i - 1], axes[i], axes[i - 1]
                if self.one in outer_n_inner[1:]:
                    continue
                if rest != self.one:
                    raise Untraceable(f"the operator {op(node)} is supported for the last two axes only", node)
                value = self.new("row_transpose", (value,), axes, f"{node.name}_{target}_{i}", outer_n_inner)
        return value
