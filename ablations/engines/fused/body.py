"""Write the body of the loop over time: the C++ of a program's products, elementwise loops and concatenations.

Input: a `Program`, and the locations of its inputs and targets from `layout` and `emit`. Output: the text of the body and
the declarations of the scratch memory it needs. Next stage: `emit`.
"""

import math

from ablations.engines.fused.graph import ONE, Number, Value
from ablations.engines.fused.operators import ELEMENTWISE
from ablations.engines.fused.plan import Level, Linear, Program

Location = tuple[str, str]
"""Where a value is in memory: C++ expressions of a pointer to its first row, and of the distance between rows."""


def product_name(group: list[Linear]) -> str:
    """Return the C++ name of a packed product."""
    return f"p_{group[0].result.name}"


def width(group: list[Linear]) -> str:
    """Return the C++ expression of a packed product's width."""
    return f"({len(group)} * z.p{group[0].result.columns})"


def vectors(program: Program) -> list[Value]:
    """Return the weights that a program uses elementwise."""
    used = (arg for level in program.levels for value in level.compute for arg in _args(program, value))
    return list(dict.fromkeys(arg for arg in used if isinstance(arg, Value) and arg.rows == ONE))


class Body:
    """The body of the loop for one program: `code`, and `scratch`, the declarations before the loop."""

    def __init__(self, program: Program, locations: dict[Value, Location]) -> None:
        """`locations` holds those of the inputs and of some results; those of all other results are added to it."""
        self.program = program
        self.locations = locations
        self.scratch: list[str] = []
        """Declarations of buffers for results without a given location."""
        for level in program.levels:
            for group in level.products:
                if not self._in_place(group):
                    self._declare_buffer(product_name(group), width(group))
                    for m, linear in enumerate(group):
                        locations.setdefault(linear.result, _packed_location(group, m))
            for value in [*level.store, *level.join]:
                if value not in locations:
                    self._declare_buffer(f"t_{value.name}", f"z.p{value.columns}")
                    locations[value] = (f"t_{value.name}", f"z.p{value.columns}")
        self.code = "\n".join(self._level_code(level) for level in program.levels)

    def location(self, value: Value) -> Location:
        """Return the location of a value; a slice is within its argument."""
        if value not in self.locations and value.op == "slice":
            (source,) = value.values
            pointer, step = self.location(source)
            return f"({pointer} + z.{value.sizes[0]})", step
        return self.locations[value]

    def copy(self, value: Value, to: str, step: str) -> str:
        """Return code that copies a value to another location."""
        pointer, from_step = self.location(value)
        return f"    copy_rows(R, z.{value.columns}, {pointer}, {from_step}, {to}, {step});"

    def _declare_buffer(self, pointer: str, columns: str) -> None:
        self.scratch.append(f"  real* {pointer} = memory.take((long)R * {columns});")

    def _in_place(self, group: list[Linear]) -> bool:
        """Whether a product writes to the location of its result."""
        return len(group) == 1 and group[0].result in self.locations

    def _level_code(self, level: Level) -> str:
        """The C++ of a level: its packed products, a loop for each width of values, then its concatenations."""
        # Results of a packed product are columns of its buffer; those with another location are copied there.
        packed = {
            linear.result: _packed_location(group, m)
            for group in level.products
            if len(group) > 1
            for m, linear in enumerate(group)
        }
        moved = [value for value, location in packed.items() if self.locations[value] != location]
        lines = [self._product_code(group) for group in level.products]
        lines += [f"    copy_rows(R, z.p{v.columns}, {', '.join((*packed[v], *self.locations[v]))});" for v in moved]
        lines += [
            self._loop_code([value for value in level.compute if value.columns == size], level, size)
            for size in dict.fromkeys(value.columns for value in level.compute)
        ]
        lines += [self._join_code(value) for value in level.join]
        return "\n".join(lines)

    def _product_code(self, group: list[Linear]) -> str:
        """The C++ of a packed product."""
        segments = ", ".join(
            f"{{{', '.join(self.location(left))}, 1, z.{left.columns}, w.{product_name(group)}_{s}}}"
            for s, (left, _, _) in enumerate(group[0].terms)
        )
        bias = f"w.{product_name(group)}_bias" if any(linear.biases for linear in group) else "nullptr"
        to, step = self.locations[group[0].result] if len(group) == 1 else (product_name(group), width(group))
        return f"""    {{
      const Segment s[] = {{{segments}}};
      product(R, {width(group)}, s, {len(group[0].terms)}, {width(group)}, {bias}, false, {to}, {step});
    }}"""

    def _loop_code(self, compute: list[Value], level: Level, size: str) -> str:
        """The C++ loop over rows and vectors of columns that computes values of one width and stores those of `level.store`."""
        computed = dict.fromkeys(compute)
        args = dict.fromkeys(a for v in compute for a in _args(self.program, v) if isinstance(a, Value))
        body = [f"const V {_var(arg)} = {self._load(arg, size)};" for arg in args if arg not in computed]
        body += [f"const V {_var(value)} = {self._expression(value)};" for value in compute]
        body += [f"store({self._at(value)}, {_var(value)});" for value in level.store if value.columns == size]
        lines = "\n".join(f"        {line}" for line in body)
        return f"    for (long r = 0; r < R; r++)\n      for (int j = 0; j < z.p{size}; j += VL) {{\n{lines}\n      }}"

    def _join_code(self, value: Value) -> str:
        to, step = self.locations[value]
        if value.op != "cat":
            sizes = ", ".join(f"z.{size}" for size in value.sizes)
            (source,) = value.values
            return f"    {value.op}(R, {sizes}, {', '.join(self.location(source))}, {to}, {step});"
        lines = [f"    zero(R, z.{value.columns}, {to}, {step});"]  # columns without a piece
        lines += [self.copy(p, f"{to} + z.{column}", step) for p, column in zip(value.values, value.sizes, strict=True)]
        return "\n".join(lines)

    def _at(self, value: Value) -> str:
        pointer, step = self.location(value)
        return f"{pointer} + r * {step} + j"

    def _load(self, value: Value, size: str) -> str:
        """A vector of columns of a value; a single column is repeated in rows of another width."""
        if value.columns == ONE and size != ONE:
            return f"all(*w.v_{value.name})" if value.rows == ONE else f"all(*({self._at(value).removesuffix(' + j')}))"
        return f"load(w.v_{value.name} + j)" if value.rows == ONE else f"load({self._at(value)})"

    def _expression(self, value: Value) -> str:
        args = [_var(arg) if isinstance(arg, Value) else _number(arg) for arg in _args(self.program, value)]
        if value in self.program.addends:
            return " + ".join(args)
        as_vectors = {
            f"v{i}": a if isinstance(arg, Value) else f"all({a})"
            for i, (arg, a) in enumerate(zip(value.args, args, strict=True))
        }
        return ELEMENTWISE[value.op].code.format(*args, **as_vectors)


def _packed_location(group: list[Linear], m: int) -> Location:
    """The location of the m-th output in the buffer of a packed product."""
    return f"({product_name(group)} + {m} * z.p{group[m].result.columns})", width(group)


def _args(program: Program, value: Value) -> tuple[Value | Number | float, ...]:
    """The operands of a value; for a sum with a product in it, the product's result and the other addends."""
    return program.addends.get(value, value.args)


def _number(number: Number | float) -> str:
    if isinstance(number, Number):
        return f"(real)z.{number.name}"
    if math.isfinite(number):
        return f"(real){number!r}"
    return "(real)NAN" if math.isnan(number) else f"(real){'-' * (number < 0)}INFINITY"


def _var(value: Value) -> str:
    return f"v_{value.name}"
