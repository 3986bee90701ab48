"""Plan the computation: which products are packed into one, in which order values are computed, which are saved.

Input: a `Trace`. Output: a `Plan` with a program for the forward and for the backward pass. Next stage: `layout`.

A program is a list of levels, run in order at every step. A level first computes its matrix products, packing those with
the same left operands into one, then its elementwise values, then its concatenations. A slice is a view of its argument.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ablations.engines.fused.graph import ONE, ZERO, Untraceable, Value
from ablations.engines.fused.operators import ELEMENTWISE, ROW
from ablations.engines.fused.products import Linear, Linears, find_linears, use_counts, with_arguments
from ablations.engines.fused.trace import Trace


@dataclass(frozen=True)
class Level:
    """One level of a program, in the order of its fields."""

    products: list[list[Linear]]
    """Packed products, each a list of outputs with the same left operands and width."""
    compute: list[Value]
    """Elementwise values, arguments first; some are only held in registers."""
    store: list[Value]
    """Those of `compute` that are written to memory."""
    join: list[Value]
    """Concatenations, whose pieces are copied from memory, and results of row operators."""


@dataclass(frozen=True)
class Program:
    """Levels that compute `targets` from values in memory."""

    targets: list[Value]
    levels: list[Level]
    addends: dict[Value, tuple[Value, ...]]
    """For each sum of a product and other values: the product's result and these values."""


@dataclass(frozen=True)
class Plan:
    """Everything that is emitted for a cell."""

    trace: Trace
    derived_sizes: list[str]
    """Sizes that are none of the input, a weight or the state."""
    forward: Program
    saved: list[Value]
    """Values of the forward pass saved for backward, one row per step and sequence."""
    backward: Program
    """Without the gradient with respect to the input, which a first layer does not need."""
    backward_x: Program
    """With it."""
    gradients: list[Value]
    """The values G in the weights' gradients Σ Aᵀ G over time."""
    weight_terms: list[list[tuple[Value | None, Value]]]
    """For each weight the pairs (A, G) whose Aᵀ G are summed; A is None for the sum of the rows of G."""


def plan(trace: Trace) -> Plan:
    """Decide, for the traced step of a cell, what its forward pass computes and saves, and what its backward pass computes from that.

    :raises Untraceable: if a weight's gradient is no sum of products Aᵀ G over time, or needs a value that the step itself does
        not compute.
    """
    outputs = [*trace.new_state.values(), *trace.state_gradients.values(), trace.x_gradient]
    terms = [_weight_terms(gradient) for gradient in trace.weight_gradients]
    gradients = list(dict.fromkeys(G for pairs in terms for _, G in pairs))
    lefts = list(dict.fromkeys(A for pairs in terms for A, _ in pairs if A is not None))
    counts = use_counts([*outputs, *gradients])
    derived_sizes = _derived_sizes(trace, counts)
    linears = find_linears(counts)
    inputs = {trace.x, *trace.state.values()}
    always_stored = inputs | set(trace.new_state.values())  # x and the states are kept for the whole sequence anyway

    backward_targets = [*trace.state_gradients.values(), *gradients]
    forward_values = with_arguments(trace.new_state.values())
    saved = _saved_for_backward([*backward_targets, trace.x_gradient], set(forward_values), always_stored, linears)
    saved += [A for A in lefts if A not in always_stored and A not in saved]
    for value in saved + lefts:
        if value not in inputs and value not in forward_values:
            raise Untraceable(
                f"the gradient of a weight needs a result of {value.op} that the step itself does not compute"
            )
    given = always_stored | set(saved) | set(trace.d_state.values())
    return Plan(
        trace,
        derived_sizes,
        _program([*trace.new_state.values(), *saved], inputs, linears),
        saved,
        _program(backward_targets, given, linears),
        _program([*backward_targets, trace.x_gradient], given, linears),
        gradients,
        terms,
    )


def _derived_sizes(trace: Trace, values: Iterable[Value]) -> list[str]:
    """The sizes that no input of the step has: widths of rows, and columns of slices, concatenations and row operators."""
    inputs = [trace.x, *trace.state.values(), *trace.weights]
    input_sizes = {ONE, ZERO, *(size for value in inputs for size in (value.rows, value.columns))}
    used = (size for value in values for size in (value.columns if value.rows == "B" else ONE, *value.sizes))
    return [size for size in dict.fromkeys(used) if size not in input_sizes]


def _weight_terms(gradient: Value) -> list[tuple[Value | None, Value]]:
    """The terms of a weight's gradient: see `Plan.weight_terms`."""
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
        f"the gradient of a weight is a result of {gradient.op}; weights have to be right operands of matrix products or "
        "vectors"
    )


def _saved_for_backward(
    targets: Iterable[Value], forward: set[Value], always_stored: set[Value], linears: Linears
) -> list[Value]:
    """The forward values to save: results of products and of nonlinear functions. Cheap arithmetic is recomputed."""
    saved: dict[Value, None] = {}
    visited: set[Value] = set()

    def visit(value: Value) -> None:
        if value in visited or value in always_stored or value.rows != "B":
            return
        visited.add(value)
        if value in forward:
            saved_if_computed = value.op in ELEMENTWISE and ELEMENTWISE[value.op].is_saved
            recomputable = saved_if_computed and all(arg in always_stored for arg in value.values)
            if value in linears or value.op in ROW or (saved_if_computed and not recomputable):
                saved[value] = None
                return
        for arg in value.values:
            visit(arg)

    for value in targets:
        visit(value)
    return list(saved)


def _is_join(value: Value) -> bool:
    """Whether a value is computed from memory and not elementwise."""
    return value.op == "cat" or value.op in ROW


def _is_vector(value: Value) -> bool:
    return value.op == "input" and value.rows == ONE


def _require_elementwise(value: Value) -> None:
    """Raise Untraceable unless the value is an elementwise operator of operands of its own shape, or of vectors."""
    if value.op not in ELEMENTWISE or value.rows != "B":
        raise Untraceable(
            f"the operator {value.op} with a result of shape [{value.rows}, {value.columns}] is not supported"
        )
    for arg in value.values:
        if arg.columns not in (value.columns, ONE) or not (arg.rows == "B" or _is_vector(arg)):
            raise Untraceable(f"the operator {value.op} is not supported with operands of different shapes")


def _program(targets: list[Value], given: set[Value], linears: Linears) -> Program:
    """Assign each value that the targets need to a level. `given` values are in memory."""
    level: dict[Value, int] = {}
    products: dict[Value, Linear] = {}  # by result
    operands: dict[Value, tuple[Value, ...]] = {}  # of each value that is computed elementwise or concatenated
    addressed: dict[Value, None] = {}  # values that have to be in memory, as they are sliced or concatenated

    def visit(value: Value) -> int:
        if value in given or _is_vector(value):
            return 0
        if value in level:
            return level[value]
        if value in linears:
            linear, rest = linears[value]
            for bias in linear.biases:
                visit(bias)
            products[linear.result] = linear
            level[linear.result] = 1 + max(visit(left) for left in linear.lefts)
            if rest:
                operands[value] = (linear.result, *rest)
                level[value] = max(level[linear.result], *(available(leaf, value) for leaf in rest))
        elif value.op == "slice":
            (source,) = value.values
            level[value] = visit(source) + (source in operands)  # a value computed by a level can be sliced in the next
            addressed[source] = None
        else:
            if _is_join(value):
                addressed.update(dict.fromkeys(value.values))
            else:
                _require_elementwise(value)
            operands[value] = value.values
            level[value] = max((available(arg, value) for arg in value.values), default=0)
        return level[value]

    def available(arg: Value, value: Value) -> int:
        """The first level in which `value` can use an argument: joined and repeated values are read from memory."""
        complete_at_end = _is_join(arg) or (arg.columns != value.columns and not _is_join(value))
        return visit(arg) + (arg in operands and complete_at_end)

    for target in targets:
        visit(target)
    stored = dict.fromkeys(target for target in targets if target not in given)
    for linear in products.values():
        stored.update(dict.fromkeys(left for left in linear.lefts if left in operands))
    stored.update(dict.fromkeys(value for value in addressed if value in operands))
    for value, args in operands.items():
        stored.update(dict.fromkeys(arg for arg in args if arg in operands and level[arg] < level[value]))
    levels = []
    for number in range(max(level.values(), default=0) + 1):
        packed: dict[tuple, list[Linear]] = {}
        for result, linear in products.items():
            if level[result] == number:
                packed.setdefault((linear.lefts, result.columns), []).append(linear)
        stored_here = [value for value in stored if value in operands and level[value] == number]
        store = [value for value in stored_here if not _is_join(value)]
        compute: dict[Value, None] = {}

        def append_after_arguments(value: Value, number: int = number, compute: dict = compute) -> None:
            for arg in operands[value]:
                if arg in operands and level[arg] == number and arg not in compute and not _is_join(arg):
                    append_after_arguments(arg)
            compute[value] = None

        for value in store:
            if value not in compute:
                append_after_arguments(value)
        join = [value for value in stored_here if _is_join(value)]
        levels.append(Level(list(packed.values()), list(compute), store, join))
    return Program(targets, levels, {value: args for value, args in operands.items() if value in linears})
