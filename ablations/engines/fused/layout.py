"""Lay out a kernel's memory: the C++ structs of sizes, saved sequences, packed weights and sums of gradients.

Input: a `Plan`. Output: the C++ text of these structs, and the location of each value in them. Next stages: `body`, `emit`.

Rows are padded to whole SIMD vectors; no result depends on the padding.
"""

from ablations.engines.fused.body import Location, product_name, vectors, width
from ablations.engines.fused.graph import ONE, Value
from ablations.engines.fused.plan import Plan, Program


def size_names(plan: Plan) -> list[str]:
    """Return the sizes that a kernel gets as arguments, in order: the input's, the state's, those only weights have, the others."""
    trace = plan.trace
    names = [trace.x.columns, *(value.columns for value in trace.state.values())]
    names += [size for weight in trace.weights for size in (weight.rows, weight.columns)]
    return [size for size in dict.fromkeys([*names, *plan.derived_sizes]) if size != ONE]


class Layout:
    """The memory that holds values for longer than one step."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.trace = plan, plan.trace
        self.index = {weight: i for i, weight in enumerate(self.trace.weights)}
        """Position of each weight among the kernel's arguments."""
        self.saved = {value: f"saved_{value.name}" for value in plan.saved}
        """Field of `Sequences` of each value that forward saves for backward."""
        self.states = list(self.trace.state.items())
        self.gradients = self._gradient_locations()
        """Location of each gradient of a product's result, see `_gradient_locations`."""

    def shape_struct(self) -> str:
        """The struct `Shape`: the sizes of a call."""
        names = size_names(self.plan)
        numbers = "\n".join(f"  const int {n} = n[{i}], p{n} = pad({n});" for i, n in enumerate(names))
        numbers += "".join(
            f"\n  const double {n} = numbers[{i}];" for i, n in enumerate(self.trace.lowered.numbers.values())
        )
        outputs = self.trace.state[self.trace.output].columns
        return f"""struct Shape {{
  int K, T, B, tile, save;  // members, steps, sequences, rows of a tile; whether values are saved for backward
  const int* n;
  const double* numbers;  // those that depend on the sizes
  const uint8_t* reset;  // [K, T, B], or null: where the state is zeroed before the step
  const int zero = 0, one = 1, pone = pad(1);
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

    def sequences_struct(self) -> str:
        """The struct `Sequences` of a tile of rows: values of all steps if they are saved for backward, else of the last two."""
        fields = [("x", self.trace.x, "z.save ? z.T : 1")]
        fields += [(f"s_{name}", value, "z.save ? z.reset ? 2 * z.T : z.T + 1 : 2") for name, value in self.states]
        fields += [(name, value, "z.save ? z.T : 1") for value, name in self.saved.items()]
        declared = ", ".join(f"*{name}" for name, _, _ in fields)
        takes = "\n".join(f"    {name} = take(({slots}), z.p{value.columns});" for name, value, slots in fields)
        return f"""struct Sequences {{
  real {declared};
  long size = 0;
  Sequences(const Shape& z, real* from) {{
    auto take = [&](long steps, long width) {{
      real* p = from ? from + size : nullptr;
      size += steps * z.tile * width;
      return p;
    }};
{takes}
  }}
  // With resets, the state before a step may differ from the state after the previous one; both are stored.
  static long before(const Shape& z, long t) {{ return z.save ? z.reset ? 2 * t : t : t & 1; }}
  static long after(const Shape& z, long t) {{ return z.save ? z.reset ? 2 * t + 1 : t + 1 : (t + 1) & 1; }}
}};"""

    def weights_struct(self, direction: str, program: Program) -> str:
        """The struct of a program's weights as its products use them: packed side by side, padded, transposed where needed."""
        fields, lines = [], []
        for group in (group for level in program.levels for group in level.products):
            product, across, P = product_name(group), width(group), f"z.p{group[0].result.columns}"
            for s, (left, _, _) in enumerate(group[0].terms):
                fields.append(f"{product}_{s}")
                lines.append(f"    {product}_{s} = take((long)z.{left.columns} * {across});")
                for m, linear in enumerate(group):
                    _, w, transposed = linear.terms[s]
                    at = f"{product}_{s} + {m} * {P}"
                    lines.append(f"    put({self.index[w]}, {str(transposed).lower()}, {at}, {across});")
            if any(linear.biases for linear in group):
                fields.append(f"{product}_bias")
                lines.append(f"    {product}_bias = take({across});")
                lines += [
                    f"    add({self.index[bias]}, {product}_bias + {m} * {P});"
                    for m, linear in enumerate(group)
                    for bias in linear.biases
                ]
        for value in vectors(program):
            fields.append(f"v_{value.name}")
            lines.append(
                f"    v_{value.name} = take(z.p{value.columns});\n    add({self.index[value]}, v_{value.name});"
            )
        declared = f"  real {', '.join(f'*{field}' for field in fields)};" if fields else ""
        return f"""struct {direction}Weights {{
{declared}
  long size = 0;
  {direction}Weights(const Shape& z, const real* const* w, int k, real* memory, bool fill) {{
    [[maybe_unused]] auto take = [&](long count) {{
      real* p = memory ? memory + size : nullptr;
      if (fill) memset(p, 0, count * sizeof(real));
      size += count;
      return p;
    }};
    [[maybe_unused]] auto put = [&](int i, bool transposed, real* to, int ld) {{
      if (fill) place(w[i] + (long)k * z.rows(i) * z.columns(i), z.rows(i), z.columns(i), transposed, to, ld);
    }};
    [[maybe_unused]] auto add = [&](int i, real* to) {{
      for (int j = 0; fill && j < z.columns(i); j++) to[j] += w[i][(long)k * z.columns(i) + j];
    }};
{chr(10).join(lines)}
  }}
}};"""

    def _gradient_locations(self) -> dict[Value, tuple[str, str, str]]:
        """For each G: its buffer, the padded columns before it in a row, and the padded width of a row."""
        locations = {}
        for size in dict.fromkeys(G.columns for G in self.plan.gradients):
            group = [G for G in self.plan.gradients if G.columns == size]
            for position, G in enumerate(group):
                locations[G] = (f"g_{size}", f"{position} * z.p{size}", f"{len(group)} * z.p{size}")
        return locations

    def outer_products(self) -> list[tuple[Value, list[Value]]]:
        """The products Aᵀ G: each A with a run of G that are adjacent in their buffer, so that they are one product."""
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

    def sums_struct(self) -> str:
        """The struct `Sums`: a tile's sums over time of the weights' gradients, and how they are added to the gradients."""
        runs = self.outer_products()
        fields, takes, adds = [], [], []
        for i, (A, run) in enumerate(runs):
            fields.append(f"outer_{i}")
            takes.append(f"    outer_{i} = take((long)z.{A.columns} * {len(run)} * z.p{run[0].columns});")
        for G in dict.fromkeys(G for terms in self.plan.weight_terms for A, G in terms if A is None):
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
        declared = f"  real {', '.join(f'*{field}' for field in fields)};" if fields else ""
        return f"""struct Sums {{
{declared}
  long size = 0;
  Sums(const Shape& z, real* from) {{
    [[maybe_unused]] auto take = [&](long count) {{ real* p = from ? from + size : nullptr; size += count; return p; }};
{chr(10).join(takes)}
  }}
  // Add to the gradients [K, rows, columns] of member k.
  static void add(const Shape& z, const Sums& q, int k, real* const* dw) {{
    [[maybe_unused]] auto collect = [&](int i, const real* from, int ld) {{
      real* to = dw[i] + (long)k * z.rows(i) * z.columns(i);
      for (int r = 0; r < z.rows(i); r++)
        for (int j = 0; j < z.columns(i); j++) to[(long)r * z.columns(i) + j] += from[(long)r * ld + j];
    }};
{chr(10).join(adds)}
  }}
}};"""

    def sequence_of(self, A: Value) -> Location:
        """The location of a left operand A at step t + c."""
        if A is self.trace.x:
            return f"q.x + (t + c) * R * z.p{A.columns}", f"z.p{A.columns}"
        for name, value in self.states:
            if A is value:
                return f"q.s_{name} + q.before(z, t + c) * R * z.p{A.columns}", f"z.p{A.columns}"
        for name, value in self.trace.new_state.items():
            if A is value:
                return f"q.s_{name} + q.after(z, t + c) * R * z.p{A.columns}", f"z.p{A.columns}"
        return f"q.{self.saved[A]} + (t + c) * R * z.p{A.columns}", f"z.p{A.columns}"
