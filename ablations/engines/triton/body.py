"""Write one step of a program as Triton code: every value is a block `[TILE, P_columns]` in registers.

Input: a `Program`, and how its inputs are loaded. Output: lines of code, and the weights that are loaded before the loop.
Next stage: `emit`.

Columns are padded to a power of two. Products mask the padding of their left operands, and row operators that of their
argument, so that no result depends on it. What is not elementwise across columns (slices, concatenations, row operators) goes
through scratch memory of the program's own.
"""

import math

from ablations.engines.fused.graph import ONE, Number, Untraceable, Value
from ablations.engines.fused.plan import Linear, Program
from ablations.engines.triton.expressions import EXPRESSIONS

_REDUCTIONS = {
    "row_sum": ("tl.sum", "0.0", "{0} + {1}"),
    "row_amax": ("tl.max", 'float("-inf")', "maximum({0}, {1})"),
    "row_amin": ("tl.min", 'float("inf")', "minimum({0}, {1})"),
}
"""By row operator: the reduction of a whole row, its neutral element, and how two values are combined."""


NARROW_PRECISION = "ieee"
"""The precision of products whose result has few columns: tensor cores would compute them many times over."""


class Body:
    """The code of one step: `lines`, after `result` has been called for every value that is needed."""

    def __init__(self, program: Program, inputs: dict[Value, str], weights: dict[Value, int]) -> None:
        """
        :param inputs: code that loads each value that the program gets.
        :param weights: the position of each weight among the kernel's arguments.
        """
        self.program, self.inputs, self.weights = program, inputs, weights
        products = (linear for level in program.levels for group in level.products for linear in group)
        self.products = {linear.result: linear for linear in products}
        self.lines: list[str] = []
        self.before: dict[str, str] = {}
        """Code before the loop by variable: the weights that are vectors."""
        self.matrices: dict[str, tuple[str, str, str]] = {}
        """Code by variable that loads the other weights, and their rows and columns."""
        self.slots: dict[Value, str] = {}
        """The columns before each value in scratch memory."""
        self.scratch_sizes: list[str] = []
        """The columns of the values in scratch memory."""
        self.always_scratch = False
        """Whether scratch memory is needed if all weights are on chip."""
        self._strip_slots: dict[Value, str] = {}
        self._names: dict[Value, str] = {}

    def result(self, value: Value) -> str:
        """Return the variable of a value, after the code that computes it."""
        if value not in self._names:
            code = self._code(value)
            self._names[value] = name = f"v_{value.name}"
            self.lines.append(f"{name} = {code}")
        return self._names[value]

    def _code(self, value: Value) -> str:
        if value in self.inputs:
            return self.inputs[value]
        if value in self.weights:
            return self._vector(value)
        if value in self.products:
            return self._product(self.products[value])
        if value in self.program.addends:
            return " + ".join(self.result(arg) for arg in self.program.addends[value])
        if value.op == "slice":
            (source,) = value.values
            return self._gather(source, f"n_{value.sizes[0]} + c_{value.columns}", value)
        if value.op == "cat":
            return self._concatenation(value)
        if value.op.startswith("row_"):
            return self._row_operator(value)
        return self._elementwise(value)

    def _elementwise(self, value: Value) -> str:
        if value.op not in EXPRESSIONS:
            raise Untraceable(f"the operator {value.op} is not supported on a GPU")
        args = [self.result(arg) if isinstance(arg, Value) else number(arg) for arg in value.args]
        code = EXPRESSIONS[value.op].format(*args)
        shape = f"[TILE, P_{value.columns}]"
        if not value.values:
            return f"tl.full({shape}, {code}, tl.float32)"
        whole = any(arg.rows == "B" and arg.columns == value.columns for arg in value.values)
        return code if whole else f"tl.broadcast_to({code}, {shape}).to(tl.float32)"

    def _vector(self, weight: Value) -> str:
        """Emit the load of a weight of one row, which is used elementwise; returns the name of its variable."""
        name = f"vector_{self.weights[weight]}"
        at = f"{self._base(weight)} + c_{weight.columns}"
        self.before[name] = f"tl.load({at}, mask=in_{weight.columns}, other=0.0)"
        return name

    def _base(self, weight: Value) -> str:
        return f"w{self.weights[weight]} + k * (n_{weight.rows} * n_{weight.columns})"

    def _product(self, linear: Linear) -> str:
        """Σ left · weight + Σ bias. A product with a single column or row is elementwise."""
        columns, total = linear.result.columns, f"sum_{linear.result.name}"
        terms, dots = [], []
        for left, weight, transposed in linear.terms:
            if columns == ONE:
                row = self._row(weight, not transposed)
                terms.append(f"tl.sum({self._left(left)} * {row}, axis=1, keep_dims=True)")
            elif left.columns == ONE:
                terms.append(f"{self._left(left)} * {self._row(weight, transposed)}")
            else:
                dots.append((left, weight, transposed))
        if dots:
            self.lines.append(f"{total} = tl.zeros([TILE, P_{columns}], tl.float32)")
            terms.insert(0, total)
        for left, weight, transposed in dots:
            self._add_product(total, left, weight, transposed)
        return " + ".join([*terms, *map(self.result, linear.biases)])

    def _add_product(self, total: str, left: Value, weight: Value, transposed: bool) -> None:
        """Add left · weight to a block: the whole weight at once, or STRIP of its rows at a time where not all are on chip."""
        block, name = self._left(left), f"matrix_{self.weights[weight]}{'_t' * transposed}"
        rows, columns = (weight.columns, weight.rows) if transposed else (weight.rows, weight.columns)
        precision = f"PRECISION if P_{columns} >= 32 else {NARROW_PRECISION!r}"
        self.matrices[name] = self._matrix(weight, transposed, f"r_{rows}"), rows, columns
        if left not in self._strip_slots:
            self._strip_slots[left] = slot = self._slot(left.columns, strips=True)
            self.lines += [
                "if not RESIDENT:",
                f"    tl.store({slot} + c_{left.columns}, {block})",
                "    tl.debug_barrier()",
            ]
        slot = self._strip_slots[left]
        self.lines += [
            "if RESIDENT:",
            f"    {total} = tl.dot({block}, {name}, {total}, input_precision={precision})",
            "else:",
            f"    for first in tl.range(0, P_{rows}, STRIP, num_stages=1):",
            f"        left = tl.load({slot} + first + tl.arange(0, STRIP)[None, :])",
            f"        right = {self._matrix(weight, transposed, '(first + tl.arange(0, STRIP)[:, None])')}",
            f"        {total} = tl.dot(left, right, {total}, input_precision={precision})",
        ]

    def _left(self, left: Value) -> str:
        """A left operand with zeros in its padding."""
        name = self.result(left)
        if left in self.inputs or left.columns == ONE:
            return name
        masked = f"{name}_masked"
        line = f"{masked} = tl.where(in_{left.columns}, {name}, 0.0)"
        if line not in self.lines:
            self.lines.append(line)
        return masked

    def _matrix(self, weight: Value, transposed: bool, row: str) -> str:
        """Code that loads rows of a weight, or of its transpose, as a block whose padding is zero."""
        rows, columns = (weight.columns, weight.rows) if transposed else (weight.rows, weight.columns)
        at = f"c_{columns} * n_{rows} + {row}" if transposed else f"{row} * n_{columns} + c_{columns}"
        return f"tl.load({self._base(weight)} + {at}, mask=({row} < n_{rows}) & in_{columns}, other=0.0)"

    def _row(self, weight: Value, transposed: bool) -> str:
        """The only row of a weight, or of its transpose."""
        name, columns = f"row_{self.weights[weight]}", weight.rows if transposed else weight.columns
        self.before[name] = f"tl.load({self._base(weight)} + c_{columns}, mask=in_{columns}, other=0.0)"
        return name

    # Through scratch memory

    def _slot(self, size: str, strips: bool = False) -> str:
        """A new block of scratch memory, as a pointer to its rows. `strips`: it is used only where weights are multiplied in strips."""
        self.always_scratch |= not strips
        before = " + ".join(f"P_{earlier}" for earlier in self.scratch_sizes) or "0"
        self.scratch_sizes.append(size)
        return f"scratch + TILE * ({before}) + rows * P_{size}"

    def _in_scratch(self, value: Value) -> str:
        """The pointer to the rows of a value that is copied to scratch memory."""
        name = self.result(value)
        if value not in self.slots:
            self.slots[value] = slot = self._slot(value.columns)
            block = f"tl.broadcast_to({name}, [TILE, P_{value.columns}])"
            self.lines += [f"tl.store({slot} + c_{value.columns}, {block})", "tl.debug_barrier()"]
        return self.slots[value]

    def _gather(self, source: Value, columns: str, value: Value) -> str:
        """The columns of a value at computed positions."""
        return f"tl.load({self._in_scratch(source)} + ({columns}), mask=all_rows & in_{value.columns}, other=0.0)"

    def _concatenation(self, value: Value) -> str:
        slot, size = self._slot(value.columns), value.columns
        pieces = [self.result(piece) for piece in value.values]
        self.lines += [f"tl.store({slot} + c_{size}, tl.zeros([TILE, P_{size}], tl.float32))", "tl.debug_barrier()"]
        for piece, name, begin in zip(value.values, pieces, value.sizes, strict=True):
            block = f"tl.broadcast_to({name}, [TILE, P_{piece.columns}])"
            at = f"{slot} + n_{begin} + c_{piece.columns}"
            self.lines.append(f"tl.store({at}, {block}, mask=all_rows & in_{piece.columns})")
        self.lines.append("tl.debug_barrier()")
        self.slots[value] = slot
        return f"tl.load({slot} + c_{size})"

    def _row_operator(self, value: Value) -> str:
        """The code of an operator along the axis n of a row that is viewed as `[outer, n, inner]`, such as a sum or a softmax.

        Where n is all of the row, Triton reduces it at once; otherwise the code loops over n, or gathers by index. See
        `ablations.engines.fused.operators`.
        """
        (source,) = value.values
        outer, n, inner = value.sizes
        at, n_is_row = f"c_{value.columns}", outer == inner == ONE
        if value.op in _REDUCTIONS:
            reduction, neutral, combined = _REDUCTIONS[value.op]
            if n_is_row:
                masked = f"tl.where(in_{source.columns}, {self.result(source)}, {neutral})"
                return f"{reduction}({masked}, axis=1, keep_dims=True)"
            return self._loop(
                value, neutral, combined, f"({at} // n_{inner} * n_{n} + i) * n_{inner} + {at} % n_{inner}"
            )
        position = f"({at} // n_{inner} % n_{n})"
        block, column = f"({at} // (n_{inner} * n_{n}))", f"({at} % n_{inner})"
        if value.op == "row_cumsum":
            if n_is_row:
                return f"tl.cumsum({self.result(source)}, axis=1)"
            added = f"{{0}} + tl.where(i <= {position}, {{1}}, 0.0)"
            return self._loop(value, "0.0", added, f"({block} * n_{n} + i) * n_{inner} + {column}")
        index = {
            "row_flip": f"({block} * n_{n} + n_{n} - 1 - {position}) * n_{inner} + {column}",
            "row_repeat": f"{block} * n_{inner} + {column}",
            # The axes n and inner of the argument are exchanged: the result is [outer, inner, n].
            "row_transpose": f"{block} * (n_{n} * n_{inner}) + ({at} % n_{n}) * n_{inner} + {at} // n_{n} % n_{inner}",
        }[value.op]
        return self._gather(source, index, value)

    def _loop(self, value: Value, initial: str, combined: str, index: str) -> str:
        """Combine the columns at `index`, which depends on `i`, for i below the size of the axis n."""
        (source,) = value.values
        slot, total = self._in_scratch(source), f"total_{value.name}"
        load = f"tl.load({slot} + ({index}), mask=all_rows & in_{value.columns}, other=0.0)"
        self.lines += [
            f"{total} = tl.full([TILE, P_{value.columns}], {initial}, tl.float32)",
            f"for i in range(n_{value.sizes[1]}):",
            f"    {total} = {combined.format(total, load)}",
        ]
        return total


def number(value: Number | float) -> str:
    """Return a number as Triton code."""
    if isinstance(value, Number):
        return value.name
    return repr(value) if math.isfinite(value) else f'float("{value}")'
