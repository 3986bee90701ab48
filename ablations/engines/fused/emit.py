"""Emit the C++ source of a cell's kernel.

Input: a `Plan`. Output: one C++ source, with a function for the forward pass of a tile of rows over the whole sequence,
and two for its backward pass, with and without the gradient of the input. Next stage: `build`.

The code that depends on the cell comes from `layout`, `body` and this module. The code that does not is in `kernel.hpp`
(SIMD functions, the matrix product) and `entry.hpp` (the entry points, which run the tiles on threads).

Names in the C++: `z` sizes, `z.pH` the padded H, `q` saved sequences, `w` packed weights, `k` member, `t` step, `b0` and
`R` the tile's first row and number of rows. For a part `h` of the state, `h_0` and `h_1` are its rows before and after
the step, `next_h` and `d_h` the gradients with respect to them.
"""

from collections.abc import Iterable
from pathlib import Path

from ablations.engines.fused.body import Body, Location
from ablations.engines.fused.graph import Value
from ablations.engines.fused.layout import Layout
from ablations.engines.fused.plan import Plan, Program


def emit(plan: Plan, title: str) -> str:
    """Return the source of a cell's kernel; `title` names the cell in its first line."""
    folder, layout = Path(__file__).parent, Layout(plan)
    return "\n\n".join(
        [
            f"// {title}, written by the fused engine from the cell's own step.",
            (folder / "kernel.hpp").read_text(encoding="utf-8"),
            layout.shape_struct(),
            layout.sequences_struct(),
            layout.weights_struct("Forward", plan.forward),
            layout.weights_struct("Backward", plan.backward_x),
            layout.sums_struct(),
            _forward(layout),
            _backward(layout, "backward_tile", plan.backward),
            _backward(layout, "backward_tile_x", plan.backward_x),
            (folder / "entry.hpp").read_text(encoding="utf-8"),
        ]
    )


def _forward(layout: Layout) -> str:
    """The function of a tile's forward pass."""
    x, trace = layout.trace.x, layout.trace
    locations: dict[Value, Location] = {x: ("x", f"z.p{x.columns}")}
    locations |= {value: (f"{name}_0", f"z.p{value.columns}") for name, value in layout.states}
    copies: list[tuple[Value, str]] = []  # targets that are inputs, slices or other targets too
    targets = [(value, f"{name}_1") for name, value in trace.new_state.items()]
    for value, name in [*targets, *layout.saved.items()]:
        if value in locations or value.op == "slice":
            copies.append((value, name))
        else:
            locations[value] = (name, f"z.p{value.columns}")
    body = Body(layout.plan.forward, locations)
    step_begin = []
    for name, value in layout.states:
        P = f"z.p{value.columns}"
        after, previous = (f"q.s_{name} + q.after(z, {step}) * R * {P}" for step in ("t", "t - 1"))
        step_begin.append(f"    real *{name}_0 = q.s_{name} + q.before(z, t) * R * {P}, *{name}_1 = {after};")
        step_begin.append(f"    if (z.reset && z.save && t) memcpy({name}_0, {previous}, sizeof(real) * R * {P});")
        step_begin.append(f"    zero_rows(z.resets(k, t, b0), R, {P}, {name}_0);")
    step_begin += [
        f"    [[maybe_unused]] real* {name} = q.{name} + (z.save ? t : 0) * R * z.p{value.columns};"
        for value, name in layout.saved.items()
    ]
    prologue, epilogue = [], []
    for i, (name, v) in enumerate(layout.states):
        P, at = f"z.p{v.columns}", f"((long)k * z.B + b0) * z.{v.columns}"
        final = f"q.s_{name} + q.after(z, z.T - 1) * R * {P}"
        prologue.append(f"  memset(q.s_{name}, 0, sizeof(real) * R * {P});")
        prologue.append(f"  copy_rows(R, z.{v.columns}, s0[{i}] + {at}, z.{v.columns}, q.s_{name}, {P});")
        epilogue.append(f"  copy_rows(R, z.{v.columns}, {final}, {P}, sT[{i}] + {at}, z.{v.columns});")
    return f"""static void forward_tile(const Shape z, const ForwardWeights w, const Sequences q, int k, int b0, int R,
    const real* input, const real* const* s0, real* output, real* const* sT) {{
  thread_local Memory memory;
  memory.clear();
{_lines(body.scratch)}
  if (z.{x.columns} < z.p{x.columns}) memset(q.x, 0, sizeof(real) * (z.save ? z.T : 1) * R * z.p{x.columns});
{_lines(prologue)}
  for (long t = 0; t < z.T; t++) {{
    const long row = ((long)k * z.T + t) * z.B + b0;
    real* x = q.x + (z.save ? t : 0) * R * z.p{x.columns};
    copy_rows(R, z.{x.columns}, input + row * z.{x.columns}, z.{x.columns}, x, z.p{x.columns});
{_lines(step_begin)}
{body.code}
{_lines(body.copy(value, to, f"z.p{value.columns}") for value, to in copies)}
    copy_rows(R, z.outputs(), {trace.output}_1, pad(z.outputs()), output + row * z.outputs(), z.outputs());
  }}
{_lines(epilogue)}
}}"""


def _backward(layout: Layout, name: str, program: Program) -> str:
    """The function of a tile's backward pass; `program` decides whether it computes the gradient of the input."""
    trace = layout.trace
    locations: dict[Value, Location] = {trace.x: ("x", f"z.p{trace.x.columns}")}
    locations |= {v: (f"{n}_0", f"z.p{v.columns}") for n, v in layout.states}
    locations |= {v: (f"{n}_1", f"z.p{v.columns}") for n, v in trace.new_state.items() if v not in locations}
    locations |= {v: (n, f"z.p{v.columns}") for v, n in layout.saved.items() if v not in locations}
    locations |= {v: (f"d_{n}", f"z.p{v.columns}") for n, v in trace.d_state.items()}
    destinations = {
        G: (f"({b} + c * R * ({width}) + {at})", f"({width})") for G, (b, at, width) in layout.gradients.items()
    }
    destinations |= {
        v: (f"next_{n}", f"z.p{v.columns}") for n, v in trace.state_gradients.items() if v not in destinations
    }
    locations = {v: location for v, location in destinations.items() if v.op != "slice"} | locations
    body = Body(program, locations)
    copies = [
        body.copy(G, f"{b} + c * R * ({width}) + {at}", width)
        for G, (b, at, width) in layout.gradients.items()
        if body.location(G) != destinations[G]
    ]
    if program is layout.plan.backward_x:
        columns = f"z.{trace.x_gradient.columns}"
        copies.append(body.copy(trace.x_gradient, f"dx + row * {columns}", columns))
    step_begin = [f"    [[maybe_unused]] real* x = q.x + t * R * z.p{trace.x.columns};"]
    prologue, epilogue = [], []
    for i, (n, v) in enumerate(layout.states):
        P, gradient = f"z.p{v.columns}", trace.state_gradients[n]
        at = {side: f"q.s_{n} + q.{side}(z, t) * R * {P}" for side in ("before", "after")}
        step_begin.append(f"    [[maybe_unused]] real *{n}_0 = {at['before']}, *{n}_1 = {at['after']};")
        prologue.append(f"  real *next_{n} = memory.take((long)R * {P}), *d_{n} = memory.take((long)R * {P}, true);")
        if body.location(gradient)[0] != f"next_{n}":
            copies.append(body.copy(gradient, f"next_{n}", P))
        rows = f"ds0[{i}] + ((long)k * z.B + b0) * z.{v.columns}"
        epilogue.append(f"  copy_rows(R, z.{v.columns}, d_{n}, {P}, {rows}, z.{v.columns});")
    copies += [
        f"    std::swap(d_{n}, next_{n});\n    zero_rows(z.resets(k, t, b0), R, z.p{v.columns}, d_{n});"
        for n, v in layout.states
    ]
    step_begin += [f"    [[maybe_unused]] real* {n} = q.{n} + t * R * z.p{v.columns};" for v, n in layout.saved.items()]
    buffers = {b: width for b, _, width in layout.gradients.values()}
    prologue += [f"  real* {b} = memory.take((long)chunk * R * ({width}));" for b, width in buffers.items()]
    return f"""static void {name}(const Shape z, const BackwardWeights w, const Sequences q, const Sums sums, int k, int b0, int R,
    const real* doutput, [[maybe_unused]] real* dx, real* const* ds0) {{
  thread_local Memory memory;
  memory.clear();
  const int chunk = std::max(1, ROWS / R);
{_lines(body.scratch)}
{_lines(prologue)}
  for (long t = z.T - 1; t >= 0; t--) {{
    const long c = t % chunk, row = ((long)k * z.T + t) * z.B + b0;
{_lines(step_begin)}
    add_into(R, z.outputs(), doutput + row * z.outputs(), (long)z.B * z.outputs(), d_{trace.output}, pad(z.outputs()));
{body.code}
{_lines(copies)}
    if (c == 0) {{  // add the steps t .. t + chunk - 1 to the weights' gradients
      const int steps = std::min<long>(chunk, z.T - t);
      Segment s[ROWS];
{_lines(_weight_gradients(layout))}
    }}
  }}
{_lines(epilogue)}
}}"""


def _weight_gradients(layout: Layout) -> list[str]:
    """Code that adds a chunk of steps to the sums of the weights' gradients.

    For each left operand A: the sum of Aᵀ G over the steps, as one product with a segment per step.
    """
    lines = []
    for i, (A, run) in enumerate(layout.outer_products()):
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
