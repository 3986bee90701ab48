"""Find the matrix products of a graph, each with the largest sum that contains it.

Input: values, and how often each is used. Output: `Linears`. A part of `plan`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ablations.engines.fused.graph import ONE, RIGHT_OPERAND, Untraceable, Value


@dataclass(frozen=True, eq=False)
class Linear:
    """Σ left · weight + Σ bias: one output of a packed product."""

    result: Value
    terms: tuple[tuple[Value, Value, bool], ...]
    """(left, weight, transposed): a transposed weight W is multiplied as Wᵀ, in a contiguous copy."""
    biases: tuple[Value, ...]

    @property
    def lefts(self) -> tuple[Value, ...]:
        """The left operands."""
        return tuple(left for left, _, _ in self.terms)


Linears = dict[Value, tuple[Linear, tuple[Value, ...]]]
"""For each product, or largest sum with a product in it: the linear part, and the other addends."""


def with_arguments(values: Iterable[Value]) -> dict[Value, None]:
    """Return the values and everything they are computed from, arguments first."""
    ordered: dict[Value, None] = {}

    def visit(value: Value) -> None:
        if value not in ordered:
            for arg in value.values:
                visit(arg)
            ordered[value] = None

    for value in values:
        visit(value)
    return ordered


def use_counts(outputs: Sequence[Value]) -> Counter[Value]:
    """Count how often each value is an argument or an output."""
    counts = Counter(outputs)
    for value in with_arguments(outputs):
        counts.update(value.values)
    return counts


def find_linears(counts: Counter[Value]) -> Linears:
    """Return the linear parts of a graph from the use counts of its values. Raises Untraceable."""
    linears: Linears = {}
    inner: set[Value] = set()  # sums and products that are part of a larger sum
    for root in reversed(list(with_arguments(counts))):
        if root.rows != "B" or root in inner or not (root.op == "mm" or _is_sum(root)):
            continue
        leaves: list[Value] = []

        # A sum that is used elsewhere too is computed on its own: it stays a leaf.
        def flatten(value: Value, top: bool, leaves: list[Value] = leaves, root: Value = root) -> None:
            if (top or counts[value] == 1) and _is_sum(value) and value.columns == root.columns:
                for arg in value.values:
                    flatten(arg, top=False)
                if not top:
                    inner.add(value)
            else:
                leaves.append(value)

        flatten(root, top=True)
        products = [
            leaf
            for leaf in leaves
            if leaf.op == "mm" and leaf.columns == root.columns and (leaf is root or counts[leaf] == 1)
        ]
        if not products:
            continue
        inner.update(leaf for leaf in products if leaf is not root)
        biases = [leaf for leaf in leaves if leaf.rows == ONE and leaf.columns == root.columns]
        rest = tuple(leaf for leaf in leaves if leaf not in products and leaf not in biases)
        result = root if not rest else Value("linear", (), root.rows, root.columns, f"{root.name}_linear")
        linears[root] = Linear(result, tuple(map(_term, products)), tuple(biases)), rest
    return linears


def _is_sum(value: Value) -> bool:
    return value.op == "add" and value.rows == "B" and len(value.args) == 2 and len(value.values) == 2


def _term(product: Value) -> tuple[Value, Value, bool]:
    left, right = product.values
    transposed = right.op == "t"
    weight = right.values[0] if transposed else right
    if weight.op != "input" or weight.rows == "B":
        raise Untraceable(RIGHT_OPERAND)
    return left, weight, transposed
