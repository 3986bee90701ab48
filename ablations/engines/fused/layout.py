"""What a kernel keeps in memory, in C++: sizes, sequences, packed weights, sums of gradients.

Rows are padded to whole vectors; padding holds numbers that nothing real is computed from.
"""

from ablations.engines.fused.body import Place, product_name, vectors, width
from ablations.engines.fused.graph import Value, sum_of
from ablations.engines.fused.plan import Plan, Program


def sizes(plan: Plan) -> list[str]:
    """The sizes that a kernel is told when it runs, in order: the input's, the states', and what else weights have."""
    trace = plan.trace
    named = [trace.x.columns, *(value.columns for value in trace.state.values())]
    named += [size for weight in trace.weights for size in (weight.rows, weight.columns)]
    return [size for size in dict.fromkeys(named) if size != "1"]


class Layout:
    """Where everything is that outlives a step."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.trace = plan, plan.trace
        self.index = {weight: i for i, weight in enumerate(self.trace.weights)}
        self.saved = {value: f"saved_{value.name}" for value in plan.saved}
        self.states = list(self.trace.state.items())
        self.gradients = self._gradient_columns()

    def shape(self) -> str:
        names = sizes(self.plan)
        numbers = "\n".join(f"  const int {n} = n[{i}], p{n} = pad({n});" for i, n in enumerate(names))
        numbers += "".join(f"\n  const int {n} = {sum_of(n)}, p{n} = pad({n});" for n in self.plan.derived)
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

    def sequences(self) -> str:
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

    def packed(self, way: str, program: Program) -> str:
        """The weights of a program's products, as the products want them: side by side, padded, some on their sides."""
        fields, lines = [], []
        for group in (group for level in program.levels for group in level.products):
            product, across, P = product_name(group), width(group), f"z.p{group[0].result.columns}"
            for s, (left, _, _) in enumerate(group[0].terms):
                fields.append(f"{product}_{s}")
                lines.append(f"    {product}_{s} = take((long)z.{left.columns} * {across});")
                for m, linear in enumerate(group):
                    _, w, aside = linear.terms[s]
                    at = f"{product}_{s} + {m} * {P}"
                    lines.append(f"    put({self.index[w]}, {str(aside).lower()}, {at}, {across});")
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

    def _gradient_columns(self) -> dict[Value, tuple[str, str, str]]:
        """Every G by where it stands: its buffer, the padded columns before it, and the buffer's padded width."""
        found = {}
        for size in dict.fromkeys(G.columns for G in self.plan.gradients):
            group = [G for G in self.plan.gradients if G.columns == size]
            for at, G in enumerate(group):
                found[G] = (f"g_{size}", f"{at} * z.p{size}", f"{len(group)} * z.p{size}")
        return found

    def outer(self) -> list[tuple[Value, list[Value]]]:
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

    def sums(self) -> str:
        """Where a tile adds up the gradients, and how they become those of the weights."""
        runs = self.outer()
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

    def sequence_of(self, A: Value) -> Place:
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
