"""From a graph to a program: which products are one product, what is computed when, what is kept for the way back.

A program runs in levels. A level first multiplies, with everything that shares its left operands packed into one product,
then computes elementwise what the next level multiplies, then joins pieces. A slice is a view of what lies in memory.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ablations.engines.fused.graph import ELEMENTWISE, NONLINEAR, Untraceable, Value, sum_of
from ablations.engines.fused.trace import Trace


@dataclass(frozen=True, eq=False)
class Linear:
    """Σ left · weight + Σ bias: one output of a packed product. `transposed` weights are used as they stand, on their side."""

    result: Value
    terms: tuple[tuple[Value, Value, bool], ...]
    biases: tuple[Value, ...]

    @property
    def lefts(self) -> tuple[Value, ...]:
        return tuple(left for left, _, _ in self.terms)


@dataclass(frozen=True)
class Level:
    """One level: packed products (each a list of outputs with the same lefts and size), then elementwise values."""

    products: list[list[Linear]]
    compute: list[Value]
    """In the order of computation; includes what only passes through registers."""
    store: list[Value]
    join: list[Value]
    """What is then put side by side out of pieces in memory."""


@dataclass(frozen=True)
class Program:
    """Levels that compute `targets` from what is in memory."""

    targets: list[Value]
    levels: list[Level]
    linears: dict[Value, tuple[Value, ...]]
    """Values that are a product and something more: what is added."""


@dataclass(frozen=True)
class Plan:
    """All that is to be emitted for a cell."""

    trace: Trace
    derived: list[str]
    """Sizes that are sums of others."""
    forward: Program
    saved: list[Value]
    """Forward values that the backward pass reads, a row per step."""
    backward: Program
    """Without the gradient of the input, which a first layer does not need."""
    backward_x: Program
    gradients: list[Value]
    """The left-hand gradients G whose outer products with A, summed over time, are the weights' gradients."""
    weight_terms: list[list[tuple[Value | None, Value]]]
    """For each weight the (A, G) whose Aᵀ G it sums; A is None for a sum of G's rows."""


def plan(trace: Trace) -> Plan:
    """Raises Untraceable."""
    outputs = [*trace.new_state.values(), *trace.state_gradients.values(), trace.x_gradient]
    terms = [_weight_terms(gradient) for gradient in trace.weight_gradients]
    gradients = list(dict.fromkeys(G for one in terms for _, G in one))
    lefts = list(dict.fromkeys(A for one in terms for A, _ in one if A is not None))
    users = _users([*outputs, *gradients])
    derived = _derived(trace, users)
    linears = _linears(users)
    inputs = {trace.x, *trace.state.values()}
    known = inputs | set(trace.new_state.values())

    back_targets = [*trace.state_gradients.values(), *gradients]
    forward_values = _reach(trace.new_state.values())
    saved = _saved([*back_targets, trace.x_gradient], set(forward_values), known, linears)
    saved += [A for A in lefts if A not in known and A not in saved]
    for value in saved + lefts:
        if value not in inputs and value not in forward_values:
            raise Untraceable(f"a weight is multiplied by {value.op}, which the step does not compute")
    given = known | set(saved) | set(trace.d_state.values())
    return Plan(
        trace,
        list(derived),
        _program([*trace.new_state.values(), *saved], inputs, linears),
        saved,
        _program(back_targets, given, linears),
        _program([*back_targets, trace.x_gradient], given, linears),
        gradients,
        terms,
    )


def _derived(trace: Trace, values: Iterable[Value]) -> list[str]:
    """The sizes of rows that nothing given has, all of them sums of the input's and the hidden size."""
    given = [trace.x, *trace.state.values(), *trace.weights]
    told = {size for value in given for size in (value.rows, value.columns)}
    derived = dict.fromkeys(value.columns for value in values if value.rows == "B" and value.columns not in told)
    if not all(map(sum_of, derived)):
        raise Untraceable("it computes with rows of a size that neither its weights nor its state have")
    if (derived or any(value.at for value in values)) and not told >= {"I", "H"}:
        raise Untraceable("nothing tells how many columns the rows have that it cuts, or puts together")
    return list(derived)


def _weight_terms(gradient: Value) -> list[tuple[Value | None, Value]]:
    match gradient.op:
        case "zeros_like":
            return []
        case "sum":
            return [(None, gradient.values[0])]
        case "mm" if gradient.values[0].op == "t":
            return [(gradient.values[0].values[0], gradient.values[1])]
        case "add" if len(gradient.args) == 2 and len(gradient.values) == 2:
            return [term for value in gradient.values for term in _weight_terms(value)]
    raise Untraceable(
        f"the gradient of a weight is a {gradient.op}, which the fused engine cannot take out of the loop"
    )


def _reach(values: Iterable[Value]) -> dict[Value, None]:
    """Everything that values are computed from, arguments first."""
    seen: dict[Value, None] = {}

    def visit(value: Value) -> None:
        if value not in seen:
            for arg in value.values:
                visit(arg)
            seen[value] = None

    for value in values:
        visit(value)
    return seen


def _users(outputs: Sequence[Value]) -> Counter[Value]:
    """How often each value is used; outputs are used once more, by whoever asked for them."""
    users = Counter(outputs)
    for value in _reach(outputs):
        users.update(value.values)
    return users


def _linears(users: Counter[Value]) -> dict[Value, tuple[Linear, tuple[Value, ...]]]:
    """Each sum that has a product in it, by its last addition: the linear part, and what else it adds."""
    found: dict[Value, tuple[Linear, tuple[Value, ...]]] = {}
    inner: set[Value] = set()
    for root in reversed(list(_reach(users))):
        if root.rows != "B" or root in inner or not (root.op == "mm" or _is_sum(root)):
            continue
        leaves: list[Value] = []

        def flatten(value: Value, top: bool, leaves: list[Value] = leaves, root: Value = root) -> None:
            if (top or users[value] == 1) and _is_sum(value) and value.columns == root.columns:
                for arg in value.values:
                    flatten(arg, top=False)
                if not top:
                    inner.add(value)
            else:
                leaves.append(value)

        flatten(root, top=True)
        products = [
            leaf for leaf in leaves if leaf.op == "mm" and leaf.rows == "B" and (leaf is root or users[leaf] == 1)
        ]
        if not products:
            continue
        if any(leaf.columns != root.columns for leaf in leaves):
            raise Untraceable("the fused engine cannot spread one number over a row")
        inner.update(leaf for leaf in products if leaf is not root)
        biases = [leaf for leaf in leaves if leaf.rows == "1"]
        rest = tuple(leaf for leaf in leaves if leaf not in products and leaf not in biases)
        result = root if not rest else Value("linear", (), root.rows, root.columns, f"{root.name}_linear")
        found[root] = Linear(result, tuple(map(_term, products)), tuple(biases)), rest
    return found


def _is_sum(value: Value) -> bool:
    return value.op == "add" and value.rows == "B" and len(value.args) == 2 and len(value.values) == 2


def _term(product: Value) -> tuple[Value, Value, bool]:
    left, right = product.values
    transposed = right.op == "t"
    weight = right.values[0] if transposed else right
    if weight.op != "input" or weight.rows == "B":
        raise Untraceable("the right operand of a product is not a weight")
    return left, weight, transposed


def _saved(targets: Iterable[Value], forward: set[Value], known: set[Value], linears: dict) -> list[Value]:
    """The forward values to keep: results of products and of costly functions; cheap arithmetic is done again."""
    saved: dict[Value, None] = {}
    seen: set[Value] = set()

    def visit(value: Value) -> None:
        if value in seen or value in known or value.rows != "B":
            return
        seen.add(value)
        if value in forward:
            again = value.op in NONLINEAR and all(arg in known for arg in value.values)
            if value in linears or (value.op in NONLINEAR and not again):
                saved[value] = None
                return
        for arg in value.values:
            visit(arg)

    for value in targets:
        visit(value)
    return list(saved)


def _is_vector(value: Value) -> bool:
    return value.op == "input" and value.rows == "1"


def _check_elementwise(value: Value) -> None:
    if value.op not in ELEMENTWISE or value.rows != "B":
        raise Untraceable(
            f"the fused engine cannot compute {value.op} of [{value.rows}, {value.columns}] within a step"
        )
    for arg in value.values:
        if arg.columns != value.columns or not (arg.rows == "B" or _is_vector(arg)):
            raise Untraceable(f"the fused engine cannot compute {value.op} of operands of different shapes")


def _program(targets: list[Value], given: set[Value], linears: dict) -> Program:
    """Order the computation of the targets by levels."""
    level: dict[Value, int] = {}
    parts: dict[Value, Linear] = {}  # a product's result -> the product
    depends: dict[Value, tuple[Value, ...]] = {}  # a value that is computed or joined -> what from
    viewed: dict[Value, None] = {}  # what has to be in memory, as parts of it are looked at, or it becomes a part

    def visit(value: Value) -> int:
        if value in given or _is_vector(value):
            return 0
        if value in level:
            return level[value]
        if value in linears:
            linear, rest = linears[value]
            for bias in linear.biases:
                visit(bias)
            parts[linear.result] = linear
            level[linear.result] = 1 + max(visit(left) for left in linear.lefts)
            if rest:
                depends[value] = (linear.result, *rest)
                level[value] = max(level[linear.result], *(after(leaf) for leaf in rest))
        elif value.op == "slice":
            (source,) = value.values
            level[value] = visit(source) + (source in depends)  # what this level computes, the next can see parts of
            viewed[source] = None
        else:
            if value.op == "cat":
                viewed.update(dict.fromkeys(value.values))
            else:
                _check_elementwise(value)
            depends[value] = value.values
            level[value] = max((after(arg) for arg in value.values), default=0)
        return level[value]

    def after(arg: Value) -> int:
        """The first level that can compute with an argument."""
        return visit(arg) + (arg in depends and arg.op == "cat")

    for target in targets:
        visit(target)
    wanted = dict.fromkeys(target for target in targets if target not in given)
    for linear in parts.values():
        wanted.update(dict.fromkeys(left for left in linear.lefts if left in depends))
    wanted.update(dict.fromkeys(value for value in viewed if value in depends))
    for value, args in depends.items():
        wanted.update(dict.fromkeys(arg for arg in args if arg in depends and level[arg] < level[value]))
    levels = []
    for number in range(max(level.values(), default=0) + 1):
        packed: dict[tuple, list[Linear]] = {}
        for result, linear in parts.items():
            if level[result] == number:
                packed.setdefault((linear.lefts, result.columns), []).append(linear)
        here = [value for value in wanted if value in depends and level[value] == number]
        store = [value for value in here if value.op != "cat"]
        compute: dict[Value, None] = {}

        def collect(value: Value, number: int = number, compute: dict = compute) -> None:
            for arg in depends[value]:
                if arg in depends and level[arg] == number and arg not in compute and arg.op != "cat":
                    collect(arg)
            compute[value] = None

        for value in store:
            if value not in compute:
                collect(value)
        levels.append(Level(list(packed.values()), list(compute), store, [v for v in here if v.op == "cat"]))
    return Program(targets, levels, {v: args for v, args in depends.items() if v in linears})
