"""From a plan to one C++ source: a function that runs a tile of rows through the whole sequence, and one that runs back.

Rows are padded to whole vectors; padding holds numbers that nothing real is computed from. What differs between two
cells is written here, what does not is in `kernel.hpp` (below the cell) and `entry.hpp` (above it).
"""

from pathlib import Path

from ablations.engines.fused.plan import Level, Linear, Plan, Program
from ablations.engines.fused.trace import Value

Place = tuple[str, str]
"""Where a value's rows are: a pointer to the first, and the distance between two, both in C++."""

_FUNCTIONS = {"sigmoid", "tanh", "relu", "exp", "sigmoid_backward", "tanh_backward", "threshold_backward"}
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def sizes(plan: Plan) -> list[str]:
    """The sizes that a kernel is told when it runs, in order: the input's, the states', and what else weights have."""
    trace = plan.trace
    named = [trace.x.columns, *(value.columns for value in trace.state.values())]
    named += [size for weight in trace.weights for size in (weight.rows, weight.columns)]
    return [size for size in dict.fromkeys(named) if size != "1"]


def emit(plan: Plan, title: str) -> str:
    """The source of a cell's kernel."""
    return _Emitter(plan).source(title)


class _Emitter:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.trace = plan, plan.trace
        self.index = {weight: i for i, weight in enumerate(self.trace.weights)}
        self.saved = {value: f"saved_{value.name}" for value in plan.saved}
        self.x = (self.trace.x, "x")
        self.states = list(self.trace.state.items())
        self.gradients = self._gradient_columns()

    def source(self, title: str) -> str:
        folder = Path(__file__).parent
        return "\n\n".join(
            [
                f"// {title}, written by the fused engine from the cell's own step.",
                (folder / "kernel.hpp").read_text(encoding="utf-8"),
                self._shape(),
                self._sequences(),
                self._packed("Forward", self.plan.forward),
                self._packed("Backward", self.plan.backward_x),
                self._sums(),
                self._forward(),
                self._backward("backward_tile", self.plan.backward),
                self._backward("backward_tile_x", self.plan.backward_x),
                (folder / "entry.hpp").read_text(encoding="utf-8"),
            ]
        )

    # -- memory --

    def _shape(self) -> str:
        names = sizes(self.plan)
        numbers = "\n".join(f"  const int {n} = n[{i}], p{n} = pad({n});" for i, n in enumerate(names))
        outputs = self.trace.state[self.trace.output].columns
        return f"""struct Shape {{
  int K, T, B, tile, save;  // members, steps, sequences, rows of a tile; whether there is a way back
  const int* n;
  const uint8_t* reset;  // [K, T, B], or null: where the state is zeroed before the step
{numbers}
  int tiles() const {{ return (B + tile - 1) / tile; }}
  const uint8_t* resets(int k, long t, int b0) const {{ return reset ? reset + ((long)k * T + t) * B + b0 : nullptr; }}
  int inputs() const {{ return {self.trace.x.columns}; }}
  int outputs() const {{ return {outputs}; }}
  int state(int i) const {{ const int s[] = {{{", ".join(v.columns for _, v in self.states)}}}; return s[i]; }}
  int rows(int i) const {{ const int s[] = {{{", ".join([*(w.rows for w in self.trace.weights), "0"])}}}; return s[i]; }}
  int columns(int i) const {{ const int s[] = {{{", ".join([*(w.columns for w in self.trace.weights), "0"])}}}; return s[i]; }}
}};
constexpr int STATES = {len(self.states)}, WEIGHTS = {len(self.trace.weights)};"""

    def _sequences(self) -> str:
        """What a tile keeps: every step of it if there is a way back, else the last two."""
        kept = [("x", self.trace.x, "z.save ? z.T : 1")]
        kept += [(f"s_{name}", value, "z.save ? z.reset ? 2 * z.T : z.T + 1 : 2") for name, value in self.states]
        kept += [(name, value, "z.save ? z.T : 1") for value, name in self.saved.items()]
        fields = ", ".join(f"*{name}" for name, _, _ in kept)
        takes = "\n".join(f"    {name} = take(({slots}), z.p{value.columns});" for name, value, slots in kept)
        return f"""struct Sequences {{
  real {fields};
  long size = 0;
  Sequences(const Shape& z, real* from) {{
    auto take = [&](long steps, long width) {{
      real* p = from ? from + size : nullptr;
      size += steps * z.tile * width;
      return p;
    }};
{takes}
  }}
  // With resets, what a step starts from is not what the one before it ended with, and both are kept.
  static long before(const Shape& z, long t) {{ return z.save ? z.reset ? 2 * t : t : t & 1; }}
  static long after(const Shape& z, long t) {{ return z.save ? z.reset ? 2 * t + 1 : t + 1 : (t + 1) & 1; }}
}};"""

    def _packed(self, way: str, program: Program) -> str:
        """The weights of a program's products, as the products want them: side by side, padded, some on their sides."""
        fields, lines = [], []
        for level in program.levels:
            for group in level.products:
                name, width, P = _name(group), _width(group), f"z.p{group[0].result.columns}"
                for s, (left, _, _) in enumerate(group[0].terms):
                    fields.append(f"{name}_{s}")
                    lines.append(f"    {name}_{s} = take((long)z.{left.columns} * {width});")
                    for m, linear in enumerate(group):
                        _, w, aside = linear.terms[s]
                        lines.append(
                            f"    put({self.index[w]}, {str(aside).lower()}, {name}_{s} + {m} * {P}, {width});"
                        )
                if any(linear.biases for linear in group):
                    fields.append(f"{name}_bias")
                    lines.append(f"    {name}_bias = take({width});")
                    lines += [
                        f"    add({self.index[bias]}, {name}_bias + {m} * {P});"
                        for m, linear in enumerate(group)
                        for bias in linear.biases
                    ]
        for value in self._vectors(program):
            fields.append(f"v_{value.name}")
            lines.append(
                f"    v_{value.name} = take(z.p{value.columns});\n    add({self.index[value]}, v_{value.name});"
            )
        declared = f"  real {', '.join(f'*{name}' for name in fields)};" if fields else ""
        return f"""struct {way}Weights {{
{declared}
  long size = 0;
  {way}Weights(const Shape& z, const real* const* w, int k, real* memory, bool fill) {{
    [[maybe_unused]] auto take = [&](long count) {{
      real* p = memory ? memory + size : nullptr;
      if (fill) memset(p, 0, count * sizeof(real));
      size += count;
      return p;
    }};
    [[maybe_unused]] auto put = [&](int i, bool aside, real* to, int ld) {{
      if (fill) place(w[i] + (long)k * z.rows(i) * z.columns(i), z.rows(i), z.columns(i), aside, to, ld);
    }};
    [[maybe_unused]] auto add = [&](int i, real* to) {{
      for (int j = 0; fill && j < z.columns(i); j++) to[j] += w[i][(long)k * z.columns(i) + j];
    }};
{chr(10).join(lines)}
  }}
}};"""

    def _vectors(self, program: Program) -> list[Value]:
        """Weights that are used elementwise."""
        used = (arg for level in program.levels for value in level.compute for arg in self._args(program, value))
        return list(dict.fromkeys(arg for arg in used if isinstance(arg, Value) and arg.rows == "1"))

    # -- the weights' gradients --

    def _gradient_columns(self) -> dict[Value, tuple[str, str, str]]:
        """Every G by where it stands: its buffer, the padded columns before it, and the buffer's padded width."""
        found = {}
        for size in dict.fromkeys(G.columns for G in self.plan.gradients):
            group = [G for G in self.plan.gradients if G.columns == size]
            for at, G in enumerate(group):
                found[G] = (f"g_{size}", f"{at} * z.p{size}", f"{len(group)} * z.p{size}")
        return found

    def _outer(self) -> list[tuple[Value, list[Value]]]:
        """The products Aᵀ G: for each A the runs of G that stand side by side."""
        runs: list[tuple[Value, list[Value]]] = []
        order = {G: i for i, G in enumerate(sorted(self.plan.gradients, key=lambda G: self.gradients[G][0]))}
        pairs = dict.fromkeys((A, G) for terms in self.plan.weight_terms for A, G in terms if A is not None)
        for A in dict.fromkeys(A for A, _ in pairs):
            for G in sorted((G for left, G in pairs if left is A), key=order.__getitem__):
                last = runs[-1] if runs and runs[-1][0] is A else None
                if last and order[G] == order[last[1][-1]] + 1 and G.columns == last[1][-1].columns:
                    last[1].append(G)
                else:
                    runs.append((A, [G]))
        return runs

    def _sums(self) -> str:
        """Where a tile adds up the gradients, and how they become those of the weights."""
        runs = self._outer()
        fields, takes, adds = [], [], []
        for i, (A, run) in enumerate(runs):
            fields.append(f"outer_{i}")
            takes.append(f"    outer_{i} = take((long)z.{A.columns} * {len(run)} * z.p{run[0].columns});")
        for G in self.plan.gradients:
            fields.append(f"sum_{G.name}")
            takes.append(f"    sum_{G.name} = take(z.p{G.columns});")
        for w, terms in enumerate(self.plan.weight_terms):
            for A, G in terms:
                if A is None:
                    adds.append(f"    collect({w}, q.sum_{G.name}, 0);")
                    continue
                i, run = next((i, run) for i, (left, run) in enumerate(runs) if left is A and G in run)
                P = f"z.p{G.columns}"
                adds.append(f"    collect({w}, q.outer_{i} + {run.index(G)} * {P}, {len(run)} * {P});")
        declared = f"  real {', '.join(f'*{name}' for name in fields)};" if fields else ""
        return f"""struct Sums {{
{declared}
  long size = 0;
  Sums(const Shape& z, real* from) {{
    [[maybe_unused]] auto take = [&](long count) {{ real* p = from ? from + size : nullptr; size += count; return p; }};
{chr(10).join(takes)}
  }}
  // Into the gradients [K, rows, columns] of member k, on top of what is there.
  static void add(const Shape& z, const Sums& q, int k, real* const* dw) {{
    [[maybe_unused]] auto collect = [&](int i, const real* from, int ld) {{
      real* to = dw[i] + (long)k * z.rows(i) * z.columns(i);
      for (int r = 0; r < z.rows(i); r++)
        for (int j = 0; j < z.columns(i); j++) to[(long)r * z.columns(i) + j] += from[(long)r * ld + j];
    }};
{chr(10).join(adds)}
  }}
}};"""

    # -- the way there --

    def _forward(self) -> str:
        x = self.trace.x
        where: dict[Value, Place] = {x: ("x", f"z.p{x.columns}")}
        where |= {value: (f"{name}_0", f"z.p{value.columns}") for name, value in self.states}
        also: list[tuple[Value, str]] = []
        for name, value in self.trace.new_state.items():
            if value in where:
                also.append((value, f"{name}_1"))
            else:
                where[value] = (f"{name}_1", f"z.p{value.columns}")
        for value, name in self.saved.items():
            if value in where:
                also.append((value, name))
            else:
                where[value] = (name, f"z.p{value.columns}")
        scratch, body = self._levels(self.plan.forward, where)
        copies = [
            f"    copy_rows(R, z.{v.columns}, {where[v][0]}, {where[v][1]}, {to}, z.p{v.columns});" for v, to in also
        ]
        begin = []
        for name, value in self.states:
            P = f"z.p{value.columns}"
            begin.append(
                f"    real *{name}_0 = q.s_{name} + q.before(z, t) * R * {P}, *{name}_1 = q.s_{name} + q.after(z, t) * R * {P};"
            )
            begin.append(
                f"    if (z.reset && z.save && t) memcpy({name}_0, q.s_{name} + q.after(z, t - 1) * R * {P}, sizeof(real) * R * {P});"
            )
            begin.append(f"    zero_rows(z.resets(k, t, b0), R, {P}, {name}_0);")
        begin += [
            f"    [[maybe_unused]] real* {name} = q.{name} + (z.save ? t : 0) * R * z.p{value.columns};"
            for value, name in self.saved.items()
        ]
        first = [
            f"  memset(q.s_{name}, 0, sizeof(real) * R * z.p{v.columns});\n"
            f"  copy_rows(R, z.{v.columns}, s0[{i}] + ((long)k * z.B + b0) * z.{v.columns}, z.{v.columns}, q.s_{name}, z.p{v.columns});"
            for i, (name, v) in enumerate(self.states)
        ]
        last = [
            f"  copy_rows(R, z.{v.columns}, q.s_{name} + q.after(z, z.T - 1) * R * z.p{v.columns}, z.p{v.columns}, "
            f"sT[{i}] + ((long)k * z.B + b0) * z.{v.columns}, z.{v.columns});"
            for i, (name, v) in enumerate(self.states)
        ]
        shown = self.trace.output
        return f"""static void forward_tile(const Shape z, const ForwardWeights w, const Sequences q, int k, int b0, int R,
    const real* input, const real* const* s0, real* output, real* const* sT) {{
  thread_local Memory memory;
{scratch}
  if (z.{x.columns} < z.p{x.columns}) memset(q.x, 0, sizeof(real) * (z.save ? z.T : 1) * R * z.p{x.columns});
{chr(10).join(first)}
  for (long t = 0; t < z.T; t++) {{
    real* x = q.x + (z.save ? t : 0) * R * z.p{x.columns};
    copy_rows(R, z.{x.columns}, input + (((long)k * z.T + t) * z.B + b0) * z.{x.columns}, z.{x.columns}, x, z.p{x.columns});
{chr(10).join(begin)}
{body}
{chr(10).join(copies)}
    copy_rows(R, z.outputs(), {shown}_1, pad(z.outputs()), output + (((long)k * z.T + t) * z.B + b0) * z.outputs(), z.outputs());
  }}
{chr(10).join(last)}
}}"""

    # -- the way back --

    def _backward(self, name: str, program: Program) -> str:
        trace = self.trace
        where: dict[Value, Place] = {trace.x: ("x", f"z.p{trace.x.columns}")}
        where |= {v: (f"{n}_0", f"z.p{v.columns}") for n, v in self.states}
        where |= {v: (f"{n}_1", f"z.p{v.columns}") for n, v in trace.new_state.items() if v not in where}
        where |= {v: (n, f"z.p{v.columns}") for v, n in self.saved.items() if v not in where}
        where |= {v: (f"d_{n}", f"z.p{v.columns}") for n, v in trace.d_state.items()}
        for G, (buffer, at, width) in self.gradients.items():
            where.setdefault(G, (f"({buffer} + c * R * ({width}) + {at})", f"({width})"))
        for n, v in trace.state_gradients.items():
            where.setdefault(v, (f"next_{n}", f"z.p{v.columns}"))
        scratch, body = self._levels(program, where)
        also = [
            f"    copy_rows(R, z.{G.columns}, {where[G][0]}, {where[G][1]}, {b} + c * R * ({width}) + {at}, {width});"
            for G, (b, at, width) in self.gradients.items()
            if not where[G][0].startswith(f"({b} ")
        ]
        begin = [f"    [[maybe_unused]] real* x = q.x + t * R * z.p{trace.x.columns};"]
        for n, v in self.states:
            P = f"z.p{v.columns}"
            begin.append(
                f"    [[maybe_unused]] real *{n}_0 = q.s_{n} + q.before(z, t) * R * {P}, *{n}_1 = q.s_{n} + q.after(z, t) * R * {P};"
            )
        begin += [f"    [[maybe_unused]] real* {n} = q.{n} + t * R * z.p{v.columns};" for v, n in self.saved.items()]
        keep, carry = [], []
        for n, v in trace.state_gradients.items():
            size = v.columns
            keep.append(
                f"  real* next_{n} = memory.take((long)R * z.p{size});\n  real* d_{n} = memory.take((long)R * z.p{size}, true);"
            )
            if where[v][0] != f"next_{n}":
                carry.append(f"    copy_rows(R, z.p{size}, {where[v][0]}, {where[v][1]}, next_{n}, z.p{size});")
        carry += [
            f"    std::swap(d_{n}, next_{n});\n    zero_rows(z.resets(k, t, b0), R, z.p{v.columns}, d_{n});"
            for n, v in self.states
        ]
        buffers = {b: width for b, _, width in self.gradients.values()}
        keep += [f"  real* {b} = memory.take((long)chunk * R * ({width}));" for b, width in buffers.items()]
        dx = ""
        if program is self.plan.backward_x:
            v = trace.x_gradient
            dx = (
                f"    copy_rows(R, z.{v.columns}, {where[v][0]}, {where[v][1]}, "
                f"dx + (((long)k * z.T + t) * z.B + b0) * z.{v.columns}, z.{v.columns});"
            )
        outer = []
        for i, (A, run) in enumerate(self._outer()):
            b, at, width = self.gradients[run[0]]
            base, step = self._sequence_of(A)
            outer.append(
                f"      for (int c = 0; c < steps; c++)\n"
                f"        s[c] = {{{base}, 1, {step}, R, {b} + (from - t + c) * R * ({width}) + {at}}};\n"
                f"      product(z.{A.columns}, {len(run)} * z.p{run[0].columns}, s, steps, {width}, nullptr, true, sums.outer_{i}, {len(run)} * z.p{run[0].columns});"
            )
        for G, (b, at, width) in self.gradients.items():
            outer.append(
                f"      add_rows(steps * R, z.p{G.columns}, {b} + (from - t) * R * ({width}) + {at}, {width}, sums.sum_{G.name});"
            )
        shown = self.trace.output
        ends = [
            f"  copy_rows(R, z.{v.columns}, d_{n}, z.p{v.columns}, ds0[{i}] + ((long)k * z.B + b0) * z.{v.columns}, z.{v.columns});"
            for i, (n, v) in enumerate(self.states)
        ]
        return f"""static void {name}(const Shape z, const BackwardWeights w, const Sequences q, const Sums sums, int k, int b0, int R,
    const real* doutput, [[maybe_unused]] real* dx, real* const* ds0) {{
  thread_local Memory memory;
  const int chunk = std::max(1, ROWS / R);
{scratch}
{chr(10).join(keep)}
  for (long t = z.T - 1; t >= 0; t--) {{
    const long c = t % chunk;
{chr(10).join(begin)}
    add_into(R, z.outputs(), doutput + (((long)k * z.T + t) * z.B + b0) * z.outputs(), d_{shown}, pad(z.outputs()));
{body}
{chr(10).join(also)}
{dx}
{chr(10).join(carry)}
    if (c == 0) {{  // the steps t .. t + chunk - 1 are done: their share of the weights' gradients
      const long from = t;
      const int steps = std::min<long>(chunk, z.T - t);
      Segment s[ROWS];
{chr(10).join(outer)}
    }}
  }}
{chr(10).join(ends)}
}}"""

    def _sequence_of(self, A: Value) -> Place:
        """The rows of a left operand at step t + c, seen on their side."""
        if A is self.trace.x:
            return f"q.x + (t + c) * R * z.p{A.columns}", f"z.p{A.columns}"
        for name, value in self.states:
            if A is value:
                return f"q.s_{name} + q.before(z, t + c) * R * z.p{A.columns}", f"z.p{A.columns}"
        for name, value in self.trace.new_state.items():
            if A is value:
                return f"q.s_{name} + q.after(z, t + c) * R * z.p{A.columns}", f"z.p{A.columns}"
        return f"q.{self.saved[A]} + (t + c) * R * z.p{A.columns}", f"z.p{A.columns}"

    # -- levels --

    def _levels(self, program: Program, where: dict[Value, Place]) -> tuple[str, str]:
        """The scratch memory and the body of one step; `where` learns the places of what is computed."""
        scratch = ["  memory.clear();"]
        for level in program.levels:
            for group in level.products:
                if len(group) == 1 and group[0].result in where:
                    continue  # the product goes where its result has to be
                name, width = _name(group), _width(group)
                scratch.append(f"  real* {name} = memory.take((long)R * {width});")
                for m, linear in enumerate(group):
                    where.setdefault(linear.result, _part(group, m))
            for value in level.store:
                if value not in where:
                    scratch.append(f"  real* t_{value.name} = memory.take((long)R * z.p{value.columns});")
                    where[value] = (f"t_{value.name}", f"z.p{value.columns}")
        return "\n".join(scratch), "\n".join(self._level(program, level, where) for level in program.levels)

    def _level(self, program: Program, level: Level, where: dict[Value, Place]) -> str:
        lines = []
        for group in level.products:
            name, width = _name(group), _width(group)
            segments = ", ".join(
                f"{{{where[left][0]}, {where[left][1]}, 1, z.{left.columns}, w.{name}_{s}}}"
                for s, (left, _, _) in enumerate(group[0].terms)
            )
            bias = f"w.{name}_bias" if any(linear.biases for linear in group) else "nullptr"
            to, step = where[group[0].result] if len(group) == 1 else (name, width)
            lines.append(f"    {{\n      const Segment s[] = {{{segments}}};")
            lines.append(
                f"      product(R, {width}, s, {len(group[0].terms)}, {width}, {bias}, false, {to}, {step});\n    }}"
            )
        # Results that were multiplied side by side and have places of their own are brought there.
        homes = {
            linear.result: _part(group, m)
            for group in level.products
            if len(group) > 1
            for m, linear in enumerate(group)
        }
        moved = [value for value, place in homes.items() if where[value] != place]
        for size in dict.fromkeys(value.columns for value in [*level.compute, *moved]):
            compute = [value for value in level.compute if value.columns == size]
            here = dict.fromkeys(compute)
            body = []
            for value in dict.fromkeys(
                arg for v in compute for arg in self._args(program, v) if isinstance(arg, Value) and arg not in here
            ):
                body.append(
                    f"        const V {_var(value)} = {self._load(value, homes.get(value) or where.get(value))};"
                )
            for value in compute:
                body.append(f"        const V {_var(value)} = {self._expression(program, value)};")
            body += [
                f"        store({where[v][0]} + r * {where[v][1]} + j, {_var(v)});"
                for v in level.store
                if v.columns == size
            ]
            for value in moved:
                if value.columns == size:
                    body.append(
                        f"        store({where[value][0]} + r * {where[value][1]} + j, load({homes[value][0]} + r * {homes[value][1]} + j));"
                    )
            lines.append(
                f"    for (long r = 0; r < R; r++)\n      for (int j = 0; j < z.p{size}; j += VL) {{\n"
                + "\n".join(body)
                + "\n      }"
            )
        return "\n".join(lines)

    def _args(self, program: Program, value: Value) -> tuple[Value | float, ...]:
        return program.linears.get(value, value.args)

    def _load(self, value: Value, place: Place | None) -> str:
        if value.rows == "1":
            return f"load(w.v_{value.name} + j)"
        assert place is not None
        return f"load({place[0]} + r * {place[1]} + j)"

    def _expression(self, program: Program, value: Value) -> str:
        args = [_var(arg) if isinstance(arg, Value) else f"(real){arg!r}" for arg in self._args(program, value)]
        if value in program.linears:
            return " + ".join(args)
        if value.op in _OPERATORS:
            return f"{args[0]} {_OPERATORS[value.op]} {args[1]}"
        if value.op == "rsub":
            return f"{args[1]} - {args[0]}"
        if value.op == "neg":
            return f"-{args[0]}"
        if value.op == "zeros_like":
            return "V{}"
        assert value.op in _FUNCTIONS
        return f"{value.op}_({', '.join(args)})"


def _name(group: list[Linear]) -> str:
    return f"p_{group[0].result.name}"


def _part(group: list[Linear], m: int) -> Place:
    """Where a packed product leaves the result of its m-th output."""
    return f"({_name(group)} + {m} * z.p{group[m].result.columns})", _width(group)


def _width(group: list[Linear]) -> str:
    return f"({len(group)} * z.p{group[0].result.columns})"


def _var(value: Value) -> str:
    return f"v_{value.name}"
