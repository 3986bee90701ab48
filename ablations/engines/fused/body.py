"""The body of one time step in C++: a program's products, elementwise loops and joined pieces, and where values lie."""

from ablations.engines.fused.graph import Pair, Value, offset
from ablations.engines.fused.plan import Level, Linear, Program

Place = tuple[str, str]
"""Where a value's rows are: a pointer to the first, and the distance between two, both in C++."""

_FUNCTIONS = {"sigmoid", "tanh", "relu", "exp", "sigmoid_backward", "tanh_backward", "threshold_backward"}
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def product_name(group: list[Linear]) -> str:
    """What a packed product is called."""
    return f"p_{group[0].result.name}"


def width(group: list[Linear]) -> str:
    """The columns of a packed product."""
    return f"({len(group)} * z.p{group[0].result.columns})"


def vectors(program: Program) -> list[Value]:
    """Weights that are used elementwise."""
    used = (arg for level in program.levels for value in level.compute for arg in _args(program, value))
    return list(dict.fromkeys(arg for arg in used if isinstance(arg, Value) and arg.rows == "1"))


class Body:
    """The code of a program's levels. `where` holds the places that are given; what is computed finds one here."""

    def __init__(self, program: Program, where: dict[Value, Place]) -> None:
        self.program = program
        self.where = where
        self.scratch: list[str] = []
        """Declarations of memory for what has no other place, before the loop over time."""
        for level in program.levels:
            for group in level.products:
                if not self._in_place(group):
                    self._take(product_name(group), width(group))
                    for m, linear in enumerate(group):
                        where.setdefault(linear.result, _part(group, m))
            for value in [*level.store, *level.join]:
                if value not in where:
                    self._take(f"t_{value.name}", f"z.p{value.columns}")
                    where[value] = (f"t_{value.name}", f"z.p{value.columns}")
        self.text = "\n".join(self._level(level) for level in program.levels)

    def place(self, value: Value) -> Place:
        """Where a value is: a slice within what it is cut from."""
        if value not in self.where and value.op == "slice":
            (source,) = value.values
            pointer, step = self.place(source)
            return f"({pointer} + {_column(value.at[0])})", step
        return self.where[value]

    def copy(self, value: Value, to: str, step: str, columns: str | None = None) -> str:
        """A value's rows to another place."""
        pointer, from_step = self.place(value)
        return f"    copy_rows(R, {columns or f'z.{value.columns}'}, {pointer}, {from_step}, {to}, {step});"

    def _take(self, pointer: str, columns: str) -> None:
        self.scratch.append(f"  real* {pointer} = memory.take((long)R * {columns});")

    def _in_place(self, group: list[Linear]) -> bool:
        """Whether a product goes straight to where its result has to be."""
        return len(group) == 1 and group[0].result in self.where

    def _level(self, level: Level) -> str:
        # Results that are multiplied side by side and have places of their own are brought there.
        homes = {
            linear.result: _part(group, m)
            for group in level.products
            if len(group) > 1
            for m, linear in enumerate(group)
        }
        moved = [value for value, place in homes.items() if self.where[value] != place]
        lines = [self._product(group) for group in level.products]
        lines += [f"    copy_rows(R, z.p{v.columns}, {', '.join((*homes[v], *self.where[v]))});" for v in moved]
        lines += [
            self._loop([value for value in level.compute if value.columns == size], level, size)
            for size in dict.fromkeys(value.columns for value in level.compute)
        ]
        lines += [self._join(value) for value in level.join]
        return "\n".join(lines)

    def _product(self, group: list[Linear]) -> str:
        segments = ", ".join(
            f"{{{', '.join(self.place(left))}, 1, z.{left.columns}, w.{product_name(group)}_{s}}}"
            for s, (left, _, _) in enumerate(group[0].terms)
        )
        bias = f"w.{product_name(group)}_bias" if any(linear.biases for linear in group) else "nullptr"
        to, step = self.where[group[0].result] if len(group) == 1 else (product_name(group), width(group))
        return f"""    {{
      const Segment s[] = {{{segments}}};
      product(R, {width(group)}, s, {len(group[0].terms)}, {width(group)}, {bias}, false, {to}, {step});
    }}"""

    def _loop(self, compute: list[Value], level: Level, size: str) -> str:
        here = dict.fromkeys(compute)
        args = dict.fromkeys(a for v in compute for a in _args(self.program, v) if isinstance(a, Value))
        body = [f"const V {_var(arg)} = {self._load(arg)};" for arg in args if arg not in here]
        body += [f"const V {_var(value)} = {self._expression(value)};" for value in compute]
        body += [f"store({self._at(value)}, {_var(value)});" for value in level.store if value.columns == size]
        lines = "\n".join(f"        {line}" for line in body)
        return f"    for (long r = 0; r < R; r++)\n      for (int j = 0; j < z.p{size}; j += VL) {{\n{lines}\n      }}"

    def _join(self, value: Value) -> str:
        to, step = self.where[value]
        lines = [f"    zero(R, z.{value.columns}, {to}, {step});"]  # where there is no piece
        for piece, at in zip(value.values, value.at, strict=True):
            lines.append(self.copy(piece, f"{to} + {_column(at)}", step))
        return "\n".join(lines)

    def _at(self, value: Value) -> str:
        pointer, step = self.place(value)
        return f"{pointer} + r * {step} + j"

    def _load(self, value: Value) -> str:
        return f"load(w.v_{value.name} + j)" if value.rows == "1" else f"load({self._at(value)})"

    def _expression(self, value: Value) -> str:
        args = [_var(arg) if isinstance(arg, Value) else f"(real){arg!r}" for arg in _args(self.program, value)]
        if value in self.program.linears:
            return " + ".join(args)
        if value.op in _OPERATORS:
            return f"{args[0]} {_OPERATORS[value.op]} {args[1]}"
        if value.op == "pow":
            return " * ".join([args[0]] * int(str(value.args[1])[0])) or "all(1)"
        if value.op in ("rsub", "neg", "reciprocal", "zeros_like"):
            one, other = [*args, "", ""][:2]
            return {
                "rsub": f"{other} - {one}",
                "neg": f"-{one}",
                "reciprocal": f"(real)1 / {one}",
                "zeros_like": "V{}",
            }[value.op]
        assert value.op in _FUNCTIONS
        return f"{value.op}_({', '.join(args)})"


def _part(group: list[Linear], m: int) -> Place:
    """Where a packed product leaves the result of its m-th output."""
    return f"({product_name(group)} + {m} * z.p{group[m].result.columns})", width(group)


def _args(program: Program, value: Value) -> tuple[Value | float, ...]:
    return program.linears.get(value, value.args)


def _column(pair: Pair) -> str:
    return " + ".join(f"{count} * z.{role}" for role, count in offset(pair).items()) or "0"


def _var(value: Value) -> str:
    return f"v_{value.name}"
