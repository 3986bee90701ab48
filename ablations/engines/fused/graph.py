"""A graph of torch's, traced at two sets of sizes, as values whose sizes are known by their role.

The two sets are pairwise different primes. What depends on nothing but the roles of the sizes comes out alike both times; a
branch on the batch, a constant that happens to fit, or one axis taken for another does not.
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
    """A cell does something the fused engine has no words for; the message says what."""

    def __init__(self, why: str, node: Node | None = None) -> None:
        super().__init__(why)
        self.operator = None if node is None else op(node)
        """The operator at fault, where there is one."""


Pair = tuple[int, int]
"""A number at the first and the second set of sizes."""
SIZES = ({"B": 7, "I": 3, "H": 5}, {"B": 13, "I": 17, "H": 11})


@dataclass(frozen=True, eq=False)
class Value:
    """A node of the graph: `op` applied to values and numbers."""

    op: str
    args: tuple["Value | float", ...]
    rows: str
    """`B` where it has a row per sequence, `1` for a vector of weights, else the rows of a matrix."""
    columns: str
    name: str
    at: tuple[Pair, ...] = ()
    """The column at which a `slice` begins in its argument, or at which each argument begins in a `cat`."""

    @property
    def values(self) -> tuple["Value", ...]:
        return tuple(arg for arg in self.args if isinstance(arg, Value))


ARITHMETIC = {"add": 2, "sub": 2, "mul": 2, "div": 2, "rsub": 2, "neg": 1, "reciprocal": 1, "pow": 2}
NONLINEAR = {"sigmoid": 1, "tanh": 1, "relu": 1, "exp": 1}
BACKWARD = {"sigmoid_backward": 2, "tanh_backward": 2, "threshold_backward": 3}
ELEMENTWISE = {**ARITHMETIC, **NONLINEAR, **BACKWARD, "zeros_like": 0}
"""Operators by the number of their arguments."""
CUTS = {"split", "split_with_sizes", "getitem", "slice"}
JOINS = {"cat", "slice_backward"}
SEEN_THROUGH = {"detach", "alias", "clone"}
STEP = {*ARITHMETIC, *NONLINEAR, *CUTS, *SEEN_THROUGH, "zeros_like", "mm", "t", "cat"}
"""What a step may do with rows."""
_ALL = {*ELEMENTWISE, *CUTS, *JOINS, *SEEN_THROUGH, "mm", "t", "sum", "input", "output", "zeros"}
_NAME_SIZES = {*CUTS, *JOINS, "zeros"}


def op(node: Node) -> str:
    """The operator's name: `add` of `aten.add.Tensor`."""
    if isinstance(node.target, OpOverload):
        return str(node.target).split(".")[1]
    if node.op == "call_function":
        return getattr(node.target, "__name__", str(node.target))
    return "input" if node.op == "placeholder" else node.op


def alike(first: GraphModule, second: GraphModule, but: Collection[str] = ()) -> None:
    """Refuse two graphs that are not one, with the same numbers in it; operators in `but` may have other numbers."""
    pairs = list(zip(first.graph.nodes, second.graph.nodes, strict=False))
    twin = dict(pairs)
    if len(first.graph.nodes) != len(second.graph.nodes) or any(a.target != b.target for a, b in pairs):
        raise Untraceable("what its step does depends on the sizes")
    for a, b in pairs:
        if op(a) in but and [twin[node] for node in a.all_input_nodes] == b.all_input_nodes:
            continue
        if map_arg(a.args, twin.__getitem__) != b.args or map_arg(a.kwargs, twin.__getitem__) != b.kwargs:
            raise Untraceable(f"what its step does depends on the sizes: an argument of {op(a)}", a)


def offset(pair: Pair) -> dict[str, int]:
    """A column as a sum of sizes, by their roles: 8 and 28 are I + H. Untraceable where it is none."""
    (i, h), (j, k) = ((sizes["I"], sizes["H"]) for sizes in SIZES)
    by = i * k - h * j
    inputs, hidden = pair[0] * k - h * pair[1], i * pair[1] - pair[0] * j
    if inputs % by or hidden % by or inputs // by < 0 or hidden // by < 0:
        raise Untraceable("rows are cut at a column that is no sum of input and hidden sizes")
    return {role: count for role, count in (("I", inputs // by), ("H", hidden // by)) if count}


def sum_of(role: str) -> str | None:
    """The expression of a size that is a sum of input and hidden sizes, `1 * I + 2 * H` of `I1H2`; None for another."""
    terms = re.findall(r"([IH])(\d+)", role)
    return " + ".join(f"{count} * {size}" for size, count in terms) or None


def read(first: GraphModule, second: GraphModule) -> dict[Node, Value]:
    """The nodes as values."""
    for node in first.graph.nodes:
        if op(node) not in _ALL:
            raise Untraceable(f"the fused engine does not know the operator {op(node)}", node)
    alike(first, second, but=_NAME_SIZES)
    return _Reader().read(first, second)


class _Reader:
    def __init__(self) -> None:
        self.roles: dict[Pair, str] = {(1, 1): "1"}
        self.roles |= {(SIZES[0][role], SIZES[1][role]): role for role in "BIH"}
        self.values: dict[Node, Value] = {}
        self.wide: dict[Value, Pair] = {}
        """The numbers of columns."""

    def read(self, first: GraphModule, second: GraphModule) -> dict[Node, Value]:
        for node, twin in zip(first.graph.nodes, second.graph.nodes, strict=True):
            name = op(node)
            if name in SEEN_THROUGH:
                self.values[node] = self.values[cast(Node, node.args[0])]
            elif name not in ("output", "split", "split_with_sizes"):  # of those each piece is read
                self.values[node] = self._value(name, node, twin)
        return self.values

    def _value(self, name: str, node: Node, twin: Node) -> Value:
        sizes = list(zip(node.meta["val"].shape, twin.meta["val"].shape, strict=True))
        if len(sizes) != 2:
            raise Untraceable(f"{name} gives a tensor of {len(sizes)} axes; rows have two", node)
        rows, columns = (self._role(size) for size in sizes)
        if name in CUTS:
            value = self._cut(name, node, twin, sizes, rows, columns)
        elif name in JOINS:
            value = self._join(name, node, twin, sizes[1], rows, columns)
        else:
            args = self._args(name, node)
            value = self._merged(Value("zeros_like" if name == "zeros" else name, args, rows, columns, node.name))
        self.wide[value] = sizes[1]
        return value

    def _role(self, size: Pair) -> str:
        """What a size is called: `I1H2` is I + 2 H."""
        if size not in self.roles:
            try:
                self.roles[size] = "".join(f"{role}{count}" for role, count in offset(size).items())
            except Untraceable:
                self.roles[size] = f"N{len(self.roles)}"
        return self.roles[size]

    def _cut(self, name: str, node: Node, twin: Node, sizes: list[Pair], rows: str, columns: str) -> Value:
        """A part of the columns, of what it is cut from in the end."""
        given: Any = (node.args, twin.args)
        if name == "getitem":
            number = given[0][1]
            given = [cut.args for cut, _ in given]
            source, axis = given[0][0], _argument(given[0], 2, 0)
            each = [args[1] for args in given]
            begin = [sum(e[:number]) if isinstance(e, list) else e * number for e in each]
        else:
            source, axis = given[0][0], _argument(given[0], 1, 0)
            begin = [_argument(args, 2, 0) for args in given]
            if sizes == list(zip(source.meta["val"].shape, given[1][0].meta["val"].shape, strict=True)):
                return self.values[source]
            if _argument(given[0], 4, 1) != 1:
                raise Untraceable("rows are cut in steps", node)
        if axis % 2 != 1:
            raise Untraceable("rows are cut out of a batch", node)
        of = self.values[source]
        first, second = (b % n for b, n in zip(begin, self.wide[of], strict=True))  # from the end, where negative
        at = (first, second)
        if of.op == "slice":
            at = _plus(at, of.at[0])
            (of,) = of.values
        offset(at)
        return Value("slice", (of,), rows, columns, node.name, (at,))

    def _join(self, name: str, node: Node, twin: Node, wide: Pair, rows: str, columns: str) -> Value:
        """Pieces side by side, and zeros where there is none; pieces of pieces are pieces."""
        args: Any = node.args
        if name == "cat":
            parts, axis = [self.values[part] for part in args[0]], _argument(args, 1, 0)
            begins, end = [], (0, 0)
            for part in parts:
                begins.append(end)
                end = _plus(end, self.wide[part])
        else:
            of, _, axis, begin, _, step = args
            parts, begins = [self.values[of]], [(begin % wide[0], cast(int, twin.args[3]) % wide[1])]
            if step != 1:
                raise Untraceable("rows are cut in steps", node)
        if axis % 2 != 1:
            raise Untraceable("batches are put one after another", node)
        pieces: list[tuple[Value, Pair]] = []
        for part, begin in zip(parts, begins, strict=True):
            inner = zip(part.values, part.at, strict=True) if part.op == "cat" else [(part, (0, 0))]
            pieces += [(piece, _plus(begin, at)) for piece, at in inner if piece.op != "zeros_like"]
        for _, begin in pieces:
            offset(begin)
        return Value("cat", tuple(p for p, _ in pieces), rows, columns, node.name, tuple(at for _, at in pieces))

    def _merged(self, value: Value) -> Value:
        """A sum of pieces that do not overlap as the pieces side by side."""
        if value.op != "add" or len(value.values) != 2 or any(arg.op != "cat" for arg in value.values):
            return value
        pieces = [(piece, at) for arg in value.values for piece, at in zip(arg.values, arg.at, strict=True)]
        for which in (0, 1):
            spans = sorted((at[which], at[which] + self.wide[piece][which]) for piece, at in pieces)
            if any(end > begin for (_, end), (begin, _) in itertools.pairwise(spans)):
                return value
        pieces.sort(key=lambda piece: piece[1])
        args, at = tuple(piece for piece, _ in pieces), tuple(at for _, at in pieces)
        return Value("cat", args, value.rows, value.columns, value.name, at)

    def _args(self, name: str, node: Node) -> tuple[Value | float, ...]:
        if set(node.kwargs) - {"dtype", "layout", "device", "pin_memory"}:
            raise Untraceable(f"the fused engine does not know {name} with {dict(node.kwargs)}", node)
        if name in ("zeros_like", "zeros"):
            return ()
        given: tuple[Any, ...] = node.args
        if name == "sum":
            if given[1:] != ([0], True):  # the gradient of a broadcast
                raise Untraceable("the fused engine cannot spread one number over a row", node)
            given = given[:1]
        known = all(isinstance(arg, Node) or (isinstance(arg, int | float) and math.isfinite(arg)) for arg in given)
        known = known and (name != "pow" or given[1] in (0, 1, 2, 3))
        if not known or len(given) != ELEMENTWISE.get(name, len(given)):
            raise Untraceable(f"the fused engine does not know {name} with these arguments: {given}", node)
        return tuple(self.values[arg] if isinstance(arg, Node) else float(arg) for arg in given)


def _argument(args: Any, number: int, otherwise: int) -> Any:
    """What an operator leaves out where it is the usual."""
    return args[number] if len(args) > number else otherwise


def _plus(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]
