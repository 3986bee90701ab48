"""The graph of `Value`s that a step is lowered to, and the sizes at which a step is traced."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from ablations.engines.fused.operators import SUPPORTED, name

SIZES = ({"B": 7, "I": 3, "H": 5}, {"B": 13, "I": 17, "H": 11}, {"B": 19, "I": 3, "H": 5})
"""The sizes of the traces: batch, input features and units. What differs between the first and the third depends on the batch."""
Size = tuple[int, ...]
"""A size in each of the traces."""
ONE, ZERO = "one", "zero"
"""The symbolic names of the sizes 1 and 0."""


class Untraceable(Exception):
    """The fused engine does not support something in a cell's step; the message says what, and what to write instead."""

    def __init__(self, reason: str, node: Node | None = None) -> None:
        super().__init__(reason)
        self.operator = "" if node is None else op(node)
        """The unsupported operator; empty if it is not one."""
        self.occurrence = 0 if node is None else [n for n in node.graph.nodes if op(n) == self.operator].index(node)
        """The number of uses of the operator before the unsupported one."""


@dataclass(frozen=True)
class Number:
    """A number that depends on the sizes; a kernel gets it as an argument."""

    name: str


@dataclass(frozen=True, eq=False)
class Value:
    """A node of the graph: the operator `op` applied to values and numbers."""

    op: str
    args: tuple["Value | Number | float", ...] = field(repr=False)  # the text of a whole graph grows exponentially
    rows: str
    """The symbolic number of rows: `B` for a row per sequence, `one` for a vector of weights, else the rows of a matrix."""
    columns: str
    """The symbolic number of columns; the axes after the first are one row."""
    name: str
    sizes: tuple[str, ...] = ()
    """Symbolic sizes. For `slice`, the first column in its argument; for `cat`, the first column of each argument in the
    result; for row operators, the axes `outer`, `n` and `inner` of the argument."""

    @property
    def values(self) -> tuple["Value", ...]:
        """The arguments that are values."""
        return tuple(arg for arg in self.args if isinstance(arg, Value))


RIGHT_OPERAND = "the right operand of a matrix product is not a weight; write rows @ weight"
BRANCHES = "the operators of the step depend on the batch, input or hidden size; remove the branch on a size"


def op(node: Node) -> str:
    """Return the name of a node's operator: `add` for `aten.add.Tensor`."""
    if node.op == "call_function":
        return name(node.target)
    return "input" if node.op == "placeholder" else node.op


def require_supported(graph: GraphModule) -> None:
    """Raise Untraceable if a graph has operators that the fused engine does not support; the message names them all."""
    missing = {op(node).removesuffix("_"): node for node in reversed(graph.graph.nodes) if not is_supported(op(node))}
    if missing:
        *_, first = missing.values()
        names = ", ".join(sorted(missing))
        one = len(missing) == 1
        raise Untraceable(
            f"the operator{'' if one else 's'} {names} {'is' if one else 'are'} not supported; CONTRIBUTING.md lists "
            "those that are",
            first,
        )


def is_supported(operator: str) -> bool:
    """Whether a kernel can compute an operator, in place or not."""
    return operator.removesuffix("_") in SUPPORTED


def require_equal(graphs: Sequence[GraphModule]) -> None:
    """Raise Untraceable unless graphs apply the same operators to the same nodes. Numbers may differ."""
    first = graphs[0]
    for other in graphs[1:]:
        pairs = list(zip(first.graph.nodes, other.graph.nodes, strict=False))
        twin = dict(pairs)
        if len(first.graph.nodes) != len(other.graph.nodes) or any(a.target != b.target for a, b in pairs):
            raise Untraceable(BRANCHES)
        if any([twin[node] for node in a.all_input_nodes] != b.all_input_nodes for a, b in pairs):
            raise Untraceable(BRANCHES)


def same_arguments(first: GraphModule, other: GraphModule, except_operators: Collection[str] = ()) -> bool:
    """Whether two equal graphs have the same numbers as arguments."""
    pairs = list(zip(first.graph.nodes, other.graph.nodes, strict=True))
    twin = dict(pairs)
    return all(
        op(a) in except_operators
        or (map_arg(a.args, twin.__getitem__) == b.args and map_arg(a.kwargs, twin.__getitem__) == b.kwargs)
        for a, b in pairs
    )
