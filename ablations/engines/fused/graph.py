"""Lower two traces of one function, made at two sets of sizes, to a graph of `Value`s with symbolic sizes.

Input: two torch.fx graphs from `trace`. Output: a `Value` per node, whose sizes are named `B` (batch), `I` (input features),
`H` (units) or a sum of them. Next stage: `plan`.

The concrete sizes are pairwise different primes. The two graphs are equal only where the function depends on nothing but
these symbolic sizes; a branch on the batch size, or a constant equal to a size, makes them differ and is refused.
"""

import itertools
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg


class Untraceable(Exception):
    """The fused engine does not support something in a cell's step; the message says what, and what to write instead."""

    def __init__(self, reason: str, node: Node | None = None) -> None:
        super().__init__(reason)
        self.operator = "" if node is None else op(node)
        """The unsupported operator; empty if it is not one."""
        self.occurrence = 0 if node is None else [n for n in node.graph.nodes if op(n) == self.operator].index(node)
        """The number of uses of the operator before the unsupported one."""


Pair = tuple[int, int]
"""A number at the first and at the second set of sizes."""
SIZES = ({"B": 7, "I": 3, "H": 5}, {"B": 13, "I": 17, "H": 11})


@dataclass(frozen=True, eq=False)
class Value:
    """A node of the graph: the operator `op` applied to values and numbers."""

    op: str
    args: tuple["Value | float", ...]
    rows: str
    """The symbolic number of rows: `B` for a row per sequence, `1` for a vector of weights, else the rows of a matrix."""
    columns: str
    """The symbolic number of columns."""
    name: str
    offsets: tuple[Pair, ...] = ()
    """For `slice`, the first column in its argument; for `cat`, the first column of each argument in the result."""

    @property
    def values(self) -> tuple["Value", ...]:
        """The arguments that are values."""
        return tuple(arg for arg in self.args if isinstance(arg, Value))


ARITHMETIC = {"add": 2, "sub": 2, "mul": 2, "div": 2, "rsub": 2, "neg": 1, "reciprocal": 1, "pow": 2}
NONLINEAR = {"sigmoid": 1, "tanh": 1, "relu": 1, "exp": 1}
NONLINEAR_BACKWARD = {"sigmoid_backward": 2, "tanh_backward": 2, "threshold_backward": 3}
ELEMENTWISE = {**ARITHMETIC, **NONLINEAR, **NONLINEAR_BACKWARD, "zeros_like": 0}
"""Elementwise operators and the number of their arguments."""
SLICES = {"split", "split_with_sizes", "getitem", "slice"}
CONCATENATIONS = {"cat", "slice_backward"}
IDENTITIES = {"detach", "alias", "clone"}
STEP_OPERATORS = {*ARITHMETIC, *NONLINEAR, *SLICES, *IDENTITIES, "zeros_like", "mm", "t", "cat"}
"""The aten operators that a step may apply to rows."""
_ALL = {*ELEMENTWISE, *SLICES, *CONCATENATIONS, *IDENTITIES, "mm", "t", "sum", "input", "output", "zeros"}
_WITH_SIZES = {*SLICES, *CONCATENATIONS, "zeros"}
"""Operators whose arguments are sizes or columns, which differ between the two graphs."""

_STRIDED = "slices with a step other than 1 are not supported; take contiguous columns"
RIGHT_OPERAND = "the right operand of a matrix product is not a weight; write rows @ weight"
BROADCAST = "broadcasting one number over the columns of a row is not supported; use operands of equal width"


def op(node: Node) -> str:
    """Return the operator's name: `add` for `aten.add.Tensor`."""
    if isinstance(node.target, OpOverload):
        return str(node.target).split(".")[1]
    if node.op == "call_function":
        return getattr(node.target, "__name__", str(node.target))
    return "input" if node.op == "placeholder" else node.op


def unsupported(node: Node) -> Untraceable:
    """The exception for an operator that the fused engine does not support."""
    supported = ", ".join(sorted(STEP_OPERATORS))
    return Untraceable(f"the operator {op(node)} is not supported; a step may use {supported}", node)


def require_equal(first: GraphModule, second: GraphModule, except_operators: Collection[str] = ()) -> None:
    """Raise Untraceable unless two graphs are equal; `except_operators` may have different numbers as arguments."""
    pairs = list(zip(first.graph.nodes, second.graph.nodes, strict=False))
    twin = dict(pairs)
    branches = Untraceable(
        "the operators of the step depend on the batch, input or hidden size; remove the branch on a size"
    )
    if len(first.graph.nodes) != len(second.graph.nodes) or any(a.target != b.target for a, b in pairs):
        raise branches
    for a, b in pairs:
        if op(a) in except_operators and [twin[node] for node in a.all_input_nodes] == b.all_input_nodes:
            continue
        if map_arg(a.args, twin.__getitem__) != b.args or map_arg(a.kwargs, twin.__getitem__) != b.kwargs:
            if op(a) == "output":
                raise branches
            raise Untraceable(
                f"an argument of the operator {op(a)} depends on the batch, input or hidden size, or changes from call to "
                "call; a step may use only constants",
                a,
            )


def column_terms(column: Pair, node: Node | None = None) -> dict[str, int]:
    """Return a column as a sum of sizes: `{"I": 1, "H": 1}` for (8, 28). Raises Untraceable if it is not such a sum."""
    (i, h), (j, k) = ((sizes["I"], sizes["H"]) for sizes in SIZES)
    determinant = i * k - h * j
    inputs, hidden = column[0] * k - h * column[1], i * column[1] - column[0] * j
    if inputs % determinant or hidden % determinant or inputs // determinant < 0 or hidden // determinant < 0:
        raise Untraceable(
            "a slice or concatenation starts at a column that is not a sum of input and hidden sizes", node
        )
    return {size: count for size, count in (("I", inputs // determinant), ("H", hidden // determinant)) if count}


def size_expression(size: str) -> str | None:
    """Return the C++ expression of a sum of sizes, `1 * I + 2 * H` for `I1H2`; None for any other symbolic size."""
    terms = re.findall(r"([IH])(\d+)", size)
    return " + ".join(f"{count} * {name}" for name, count in terms) or None


def lower(first: GraphModule, second: GraphModule) -> dict[Node, Value]:
    """Return the value of each node of the first graph. Raises Untraceable."""
    for node in first.graph.nodes:
        if op(node) not in _ALL:
            raise unsupported(node)
    require_equal(first, second, except_operators=_WITH_SIZES)
    return _Lowering().lower(first, second)


class _Lowering:
    """The state while nodes are lowered in order. `twin` is always the same node in the second graph."""

    def __init__(self) -> None:
        self.size_names: dict[Pair, str] = {(1, 1): "1"}
        self.size_names |= {(SIZES[0][name], SIZES[1][name]): name for name in "BIH"}
        self.values: dict[Node, Value] = {}
        self.widths: dict[Value, Pair] = {}
        """The concrete numbers of columns."""

    def lower(self, first: GraphModule, second: GraphModule) -> dict[Node, Value]:
        for node, twin in zip(first.graph.nodes, second.graph.nodes, strict=True):
            name = op(node)
            if name in IDENTITIES:
                self.values[node] = self.values[cast(Node, node.args[0])]
            elif name not in ("output", "split", "split_with_sizes"):  # the pieces of a split are lowered: `getitem`
                self.values[node] = self._value(name, node, twin)
        return self.values

    def _value(self, name: str, node: Node, twin: Node) -> Value:
        shape = list(zip(node.meta["val"].shape, twin.meta["val"].shape, strict=True))
        if len(shape) != 2:
            source = "an expression of weights alone" if name == "input" else f"the operator {name}"
            raise Untraceable(
                f"{source} gives a tensor with {len(shape)} axes; tensors in a step have two, rows and columns", node
            )
        rows, columns = (self._size_name(size) for size in shape)
        if name in SLICES:
            value = self._slice(name, node, twin, shape, rows, columns)
        elif name in CONCATENATIONS:
            value = self._concatenation(name, node, twin, shape[1], rows, columns)
        else:
            args = self._args(name, node)
            value = self._as_concatenation(
                Value("zeros_like" if name == "zeros" else name, args, rows, columns, node.name)
            )
        self.widths[value] = shape[1]
        return value

    def _size_name(self, size: Pair) -> str:
        """The symbolic name of a size: `I1H2` for I + 2 H, `N` and a number for a size that is not such a sum."""
        if size not in self.size_names:
            try:
                self.size_names[size] = "".join(f"{name}{count}" for name, count in column_terms(size).items())
            except Untraceable:
                self.size_names[size] = f"N{len(self.size_names)}"
        return self.size_names[size]

    def _slice(self, name: str, node: Node, twin: Node, shape: list[Pair], rows: str, columns: str) -> Value:
        """A range of columns; a slice of a slice becomes a slice of the original value."""
        args_of_both: Any = (node.args, twin.args)
        operator = node
        if name == "getitem":  # a piece of a split
            operator, piece = args_of_both[0]
            args_of_both = [split.args for split, _ in args_of_both]
            source, axis = args_of_both[0][0], _argument(args_of_both[0], 2, 0)
            piece_sizes = [args[1] for args in args_of_both]
            begin = [sum(sizes[:piece]) if isinstance(sizes, list) else sizes * piece for sizes in piece_sizes]
        else:
            source, axis = args_of_both[0][0], _argument(args_of_both[0], 1, 0)
            begin = [_argument(args, 2, 0) for args in args_of_both]
            if shape == list(zip(source.meta["val"].shape, args_of_both[1][0].meta["val"].shape, strict=True)):
                return self.values[source]
            if _argument(args_of_both[0], 4, 1) != 1:
                raise Untraceable(_STRIDED, operator)
        if axis % 2 != 1:
            raise Untraceable("slices along the batch axis are not supported; slice the last axis", operator)
        value = self.values[source]
        first, second = (b % n for b, n in zip(begin, self.widths[value], strict=True))  # negative: from the end
        offset = (first, second)
        if value.op == "slice":
            offset = _plus(offset, value.offsets[0])
            (value,) = value.values
        column_terms(offset, operator)
        return Value("slice", (value,), rows, columns, node.name, (offset,))

    def _concatenation(self, name: str, node: Node, twin: Node, width: Pair, rows: str, columns: str) -> Value:
        """Pieces side by side, with zeros between them; the pieces of a concatenated piece are taken instead of it."""
        args: Any = node.args
        if name == "cat":
            parts, axis = [self.values[part] for part in args[0]], _argument(args, 1, 0)
            begins, end = [], (0, 0)
            for part in parts:
                begins.append(end)
                end = _plus(end, self.widths[part])
        else:  # slice_backward: the gradient of a slice, zero outside its columns
            gradient, _, axis, begin, _, step = args
            parts, begins = [self.values[gradient]], [(begin % width[0], cast(int, twin.args[3]) % width[1])]
            if step != 1:
                raise Untraceable(_STRIDED, node)
        if axis % 2 != 1:
            raise Untraceable(
                "concatenations along the batch axis are not supported; concatenate along the last axis", node
            )
        pieces: list[tuple[Value, Pair]] = []
        for part, begin in zip(parts, begins, strict=True):
            inner = zip(part.values, part.offsets, strict=True) if part.op == "cat" else [(part, (0, 0))]
            pieces += [(piece, _plus(begin, offset)) for piece, offset in inner if piece.op != "zeros_like"]
        for _, begin in pieces:
            column_terms(begin, node)
        args, offsets = tuple(piece for piece, _ in pieces), tuple(offset for _, offset in pieces)
        return Value("cat", args, rows, columns, node.name, offsets)

    def _as_concatenation(self, value: Value) -> Value:
        """A sum of two concatenations becomes one concatenation where their pieces do not overlap."""
        if value.op != "add" or len(value.values) != 2 or any(arg.op != "cat" for arg in value.values):
            return value
        pieces = [
            (piece, offset) for arg in value.values for piece, offset in zip(arg.values, arg.offsets, strict=True)
        ]
        for which in (0, 1):
            spans = sorted((offset[which], offset[which] + self.widths[piece][which]) for piece, offset in pieces)
            if any(end > begin for (_, end), (begin, _) in itertools.pairwise(spans)):
                return value
        pieces.sort(key=lambda piece: piece[1])
        args, offsets = tuple(piece for piece, _ in pieces), tuple(offset for _, offset in pieces)
        return Value("cat", args, value.rows, value.columns, value.name, offsets)

    def _args(self, name: str, node: Node) -> tuple[Value | float, ...]:
        """The arguments of any other operator, as values and numbers."""
        if set(node.kwargs) - {"dtype", "layout", "device", "pin_memory"}:
            raise Untraceable(
                f"the operator {name} is not supported with the keyword arguments {dict(node.kwargs)}", node
            )
        if name in ("zeros_like", "zeros"):
            return ()
        args: tuple[Any, ...] = node.args
        if name == "sum":
            if args[1:] != ([0], True):  # a sum over rows is the gradient of a vector that is broadcast over them
                raise Untraceable(BROADCAST, node)
            args = args[:1]
        supported = all(isinstance(arg, Node) or (isinstance(arg, int | float) and math.isfinite(arg)) for arg in args)
        supported = supported and (name != "pow" or args[1] in (0, 1, 2, 3))
        if not supported or len(args) != ELEMENTWISE.get(name, len(args)):
            raise Untraceable(f"the operator {name} is not supported with the arguments {args}", node)
        return tuple(self.values[arg] if isinstance(arg, Node) else float(arg) for arg in args)


def _argument(args: Any, position: int, default: int) -> Any:
    """A positional argument, or its default where the call omits it."""
    return args[position] if len(args) > position else default


def _plus(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]
