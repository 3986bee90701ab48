"""From a plan to one C++ source: a function that runs a tile of rows through the whole sequence, and one that runs back.

What differs between two cells is written here, in `layout` and in `body`; what does not is in `kernel.hpp` (below the cell)
and `entry.hpp` (above it).
"""

from collections.abc import Iterable
from pathlib import Path

from ablations.engines.fused.body import Body, Place
from ablations.engines.fused.graph import Value
from ablations.engines.fused.layout import Layout
from ablations.engines.fused.plan import Plan, Program


def emit(plan: Plan, title: str) -> str:
    """The source of a cell's kernel."""
    folder, layout = Path(__file__).parent, Layout(plan)
    return "\n\n".join(
        [
            f"// {title}, written by the fused engine from the cell's own step.",
            (folder / "kernel.hpp").read_text(encoding="utf-8"),
            layout.shape(),
            layout.sequences(),
            layout.packed("Forward", plan.forward),
            layout.packed("Backward", plan.backward_x),
            layout.sums(),
            _forward(layout),
            _backward(layout, "backward_tile", plan.backward),
            _backward(layout, "backward_tile_x", plan.backward_x),
            (folder / "entry.hpp").read_text(encoding="utf-8"),
        ]
    )


def _forward(layout: Layout) -> str:
    """The function that runs a tile through the sequence."""
    x, trace = layout.trace.x, layout.trace
    where: dict[Value, Place] = {x: ("x", f"z.p{x.columns}")}
    where |= {value: (f"{name}_0", f"z.p{value.columns}") for name, value in layout.states}
    also: list[tuple[Value, str]] = []  # what has to be in a second place, or is made in another
    targets = [(value, f"{name}_1") for name, value in trace.new_state.items()]
    for value, name in [*targets, *layout.saved.items()]:
        if value in where or value.op == "slice":
            also.append((value, name))
        else:
            where[value] = (name, f"z.p{value.columns}")
    body = Body(layout.plan.forward, where)
    begin = []
    for name, value in layout.states:
        P = f"z.p{value.columns}"
        here, before = f"q.s_{name} + q.after(z, t) * R * {P}", f"q.s_{name} + q.after(z, t - 1) * R * {P}"
        begin.append(f"    real *{name}_0 = q.s_{name} + q.before(z, t) * R * {P}, *{name}_1 = {here};")
        begin.append(f"    if (z.reset && z.save && t) memcpy({name}_0, {before}, sizeof(real) * R * {P});")
        begin.append(f"    zero_rows(z.resets(k, t, b0), R, {P}, {name}_0);")
    begin += [
        f"    [[maybe_unused]] real* {name} = q.{name} + (z.save ? t : 0) * R * z.p{value.columns};"
        for value, name in layout.saved.items()
    ]
    first, last = [], []
    for i, (name, v) in enumerate(layout.states):
        P, at = f"z.p{v.columns}", f"((long)k * z.B + b0) * z.{v.columns}"
        final = f"q.s_{name} + q.after(z, z.T - 1) * R * {P}"
        first.append(f"  memset(q.s_{name}, 0, sizeof(real) * R * {P});")
        first.append(f"  copy_rows(R, z.{v.columns}, s0[{i}] + {at}, z.{v.columns}, q.s_{name}, {P});")
        last.append(f"  copy_rows(R, z.{v.columns}, {final}, {P}, sT[{i}] + {at}, z.{v.columns});")
    return f"""static void forward_tile(const Shape z, const ForwardWeights w, const Sequences q, int k, int b0, int R,
    const real* input, const real* const* s0, real* output, real* const* sT) {{
  thread_local Memory memory;
  memory.clear();
{_lines(body.scratch)}
  if (z.{x.columns} < z.p{x.columns}) memset(q.x, 0, sizeof(real) * (z.save ? z.T : 1) * R * z.p{x.columns});
{_lines(first)}
  for (long t = 0; t < z.T; t++) {{
    const long row = ((long)k * z.T + t) * z.B + b0;
    real* x = q.x + (z.save ? t : 0) * R * z.p{x.columns};
    copy_rows(R, z.{x.columns}, input + row * z.{x.columns}, z.{x.columns}, x, z.p{x.columns});
{_lines(begin)}
{body.text}
{_lines(body.copy(value, to, f"z.p{value.columns}") for value, to in also)}
    copy_rows(R, z.outputs(), {trace.output}_1, pad(z.outputs()), output + row * z.outputs(), z.outputs());
  }}
{_lines(last)}
}}"""


def _backward(layout: Layout, name: str, program: Program) -> str:
    """The function that runs a tile back through the sequence."""
    trace = layout.trace
    where: dict[Value, Place] = {trace.x: ("x", f"z.p{trace.x.columns}")}
    where |= {v: (f"{n}_0", f"z.p{v.columns}") for n, v in layout.states}
    where |= {v: (f"{n}_1", f"z.p{v.columns}") for n, v in trace.new_state.items() if v not in where}
    where |= {v: (n, f"z.p{v.columns}") for v, n in layout.saved.items() if v not in where}
    where |= {v: (f"d_{n}", f"z.p{v.columns}") for n, v in trace.d_state.items()}
    homes = {G: (f"({b} + c * R * ({width}) + {at})", f"({width})") for G, (b, at, width) in layout.gradients.items()}
    homes |= {v: (f"next_{n}", f"z.p{v.columns}") for n, v in trace.state_gradients.items() if v not in homes}
    where = {v: place for v, place in homes.items() if v.op != "slice"} | where
    body = Body(program, where)
    copies = [
        body.copy(G, f"{b} + c * R * ({width}) + {at}", width)
        for G, (b, at, width) in layout.gradients.items()
        if body.place(G) != homes[G]
    ]
    if program is layout.plan.backward_x:
        columns = f"z.{trace.x_gradient.columns}"
        copies.append(body.copy(trace.x_gradient, f"dx + row * {columns}", columns))
    begin = [f"    [[maybe_unused]] real* x = q.x + t * R * z.p{trace.x.columns};"]
    keep, ends = [], []
    for i, (n, v) in enumerate(layout.states):
        P, gradient = f"z.p{v.columns}", trace.state_gradients[n]
        at = {side: f"q.s_{n} + q.{side}(z, t) * R * {P}" for side in ("before", "after")}
        begin.append(f"    [[maybe_unused]] real *{n}_0 = {at['before']}, *{n}_1 = {at['after']};")
        keep.append(f"  real *next_{n} = memory.take((long)R * {P}), *d_{n} = memory.take((long)R * {P}, true);")
        if body.place(gradient)[0] != f"next_{n}":
            copies.append(body.copy(gradient, f"next_{n}", P))
        rows = f"ds0[{i}] + ((long)k * z.B + b0) * z.{v.columns}"
        ends.append(f"  copy_rows(R, z.{v.columns}, d_{n}, {P}, {rows}, z.{v.columns});")
    copies += [
        f"    std::swap(d_{n}, next_{n});\n    zero_rows(z.resets(k, t, b0), R, z.p{v.columns}, d_{n});"
        for n, v in layout.states
    ]
    begin += [f"    [[maybe_unused]] real* {n} = q.{n} + t * R * z.p{v.columns};" for v, n in layout.saved.items()]
    buffers = {b: width for b, _, width in layout.gradients.values()}
    keep += [f"  real* {b} = memory.take((long)chunk * R * ({width}));" for b, width in buffers.items()]
    return f"""static void {name}(const Shape z, const BackwardWeights w, const Sequences q, const Sums sums, int k, int b0, int R,
    const real* doutput, [[maybe_unused]] real* dx, real* const* ds0) {{
  thread_local Memory memory;
  memory.clear();
  const int chunk = std::max(1, ROWS / R);
{_lines(body.scratch)}
{_lines(keep)}
  for (long t = z.T - 1; t >= 0; t--) {{
    const long c = t % chunk, row = ((long)k * z.T + t) * z.B + b0;
{_lines(begin)}
    add_into(R, z.outputs(), doutput + row * z.outputs(), d_{trace.output}, pad(z.outputs()));
{body.text}
{_lines(copies)}
    if (c == 0) {{  // the steps t .. t + chunk - 1 are done: their share of the weights' gradients
      const int steps = std::min<long>(chunk, z.T - t);
      Segment s[ROWS];
{_lines(_weight_gradients(layout))}
    }}
  }}
{_lines(ends)}
}}"""


def _weight_gradients(layout: Layout) -> list[str]:
    """The products and sums over a chunk of steps."""
    lines = []
    for i, (A, run) in enumerate(layout.outer()):
        buffer, at, width = layout.gradients[run[0]]
        base, step = layout.sequence_of(A)
        columns = f"{len(run)} * z.p{run[0].columns}"
        lines += [
            "      for (int c = 0; c < steps; c++)",
            f"        s[c] = {{{base}, 1, {step}, R, {buffer} + c * R * ({width}) + {at}}};",
            f"      product(z.{A.columns}, {columns}, s, steps, {width}, nullptr, true, sums.outer_{i}, {columns});",
        ]
    lines += [
        f"      add_rows(steps * R, z.p{G.columns}, {buffer} + {at}, {width}, sums.sum_{G.name});"
        for G, (buffer, at, width) in layout.gradients.items()
        if any((None, G) in terms for terms in layout.plan.weight_terms)
    ]
    return lines


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
