"""Emit the Triton source of a cell's kernels.

Input: a `Plan`. Output: a Python module with the functions `forward`, `backward` and `backward_x`, which differ in whether
the gradient of the input is computed. Next stage: `build`.

Names in the source: `n_H` a size, `P_H` the columns of its blocks, `c_H` their numbers, `in_H` which of them are no padding.
`rows` and `b` are the rows of the tile and their sequences, `at` the row of the step in tensors `[time, batch, columns]`.
Sequences of a state have a row more than steps: `s_h` at t is the state before step t, at t + 1 that after it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ablations.engines.fused.graph import ONE, Value
from ablations.engines.fused.layout import size_names
from ablations.engines.fused.plan import Plan, Program
from ablations.engines.triton.body import Body


def emit(plan: Plan, title: str) -> str:
    """Return the source of a cell's kernels; `title` names the cell in its first line."""
    return "\n\n\n".join(
        [
            f"# {title}, written by the triton engine from the cell's own step.",
            Path(__file__).with_name("functions.py").read_text(encoding="utf-8").strip(),
            _forward(plan),
            _backward(plan, "backward", plan.backward),
            _backward(plan, "backward_x", plan.backward_x),
            *_memory(plan),
        ]
    )


def constants(plan: Plan) -> list[str]:
    """The names of the constants that every kernel is compiled for, but for TILE and PRECISION."""
    names = size_names(plan)
    return [f"n_{n}" for n in names] + [f"P_{n}" for n in names] + list(plan.trace.lowered.numbers.values())


def gradient_groups(plan: Plan) -> list[list[Value]]:
    """The gradients G of one width, side by side in one tensor, by tensor."""
    sizes = dict.fromkeys(G.columns for G in plan.gradients)
    return [[G for G in plan.gradients if G.columns == size] for size in sizes]


def _parts(plan: Plan) -> list[tuple[str, Value]]:
    """The names and values of the parts of the state."""
    return list(plan.trace.state.items())


def _forward_body(plan: Plan) -> Body:
    trace = plan.trace
    inputs = {trace.x: _load("x", trace.x)} | {value: f"s_{name}" for name, value in _parts(plan)}
    return Body(plan.forward, inputs, _positions(plan))


def _forward(plan: Plan) -> str:
    """The kernel of the forward pass."""
    trace, body = plan.trace, _forward_body(plan)
    new = {name: body.result(value) for name, value in trace.new_state.items()}
    saved = [(value, body.result(value)) for value in plan.saved]
    step = [f"s_{name} = tl.where(keep, s_{name}, 0.0)" for name, _ in _parts(plan)]
    step = ["if RESET:", *_indented(["keep = tl.load(reset_k + at, mask=in_b, other=0) == 0", *step])]
    step += [*_barrier(body), *body.lines]
    for name, value in _parts(plan):
        block = f"tl.broadcast_to({new[name]}, [TILE, P_{value.columns}])"
        step.append(f"new_{name} = {block}")
    for name, value in _parts(plan):
        store = [f"s_{name} = new_{name}"]
        store += _store(f"seq_{name}_k", "(at + B)", value, f"s_{name}")
        step += store if name == trace.output else [store[0], "if SAVE:", *_indented(store[1:])]
    save = [line for i, (value, name) in enumerate(saved) for line in _store(f"saved_{i}_k", "at", value, name)]
    step += ["if SAVE:", *_indented(save)] if save else []
    begin = [_pointer("x", "T * B", trace.x), "reset_k = reset + k * T * B"]
    for i, (value, _) in enumerate(saved):
        begin.append(_pointer(f"saved_{i}", "T * B", value))
    for name, value in _parts(plan):
        begin.append(_pointer(f"seq_{name}", "(T + 1) * B", value))
        begin.append(f"first_{name}_k = first_{name} + k * B * n_{value.columns}")
        begin.append(f"s_{name} = {_load(f'first_{name}', value, 'b')}")
        store = _store(f"seq_{name}_k", "b", value, f"s_{name}")
        begin += store if name == trace.output else ["if SAVE:", *_indented(store)]
    end = []
    for name, value in _parts(plan):
        begin.append(f"last_{name}_k = last_{name} + k * B * n_{value.columns}")
        end += _store(f"last_{name}_k", "b", value, f"s_{name}")
    tensors = ["x", *_weights(plan)]
    tensors += [f"{kind}_{name}" for kind in ("first", "seq", "last") for name, _ in _parts(plan)]
    tensors += [f"saved_{i}" for i in range(len(saved))]
    loop = ["for t in range(T):", *_indented(["at = t * B + b", *step])]
    return _kernel(plan, "forward", [*tensors, "reset", "scratch"], "SAVE", body, [*begin, *loop, *end])


def _backward_body(plan: Plan, program: Program) -> Body:
    trace = plan.trace
    inputs = {trace.x: _load("x", trace.x)}
    inputs |= {value: _load(f"seq_{name}", value) for name, value in _parts(plan)}
    for name, value in _parts(plan):
        before = _load(f"seq_{name}", value)
        inputs[value] = f"tl.where(keep, {before}, 0.0) if RESET else {before}"
    inputs |= {
        value: _load(f"seq_{name}", value, "(at + B)") for name, value in trace.new_state.items() if value not in inputs
    }
    inputs |= {value: _load(f"saved_{i}", value) for i, value in enumerate(plan.saved) if value not in inputs}
    inputs |= {value: f"d_{name}" for name, value in trace.d_state.items()}
    return Body(program, inputs, _positions(plan))


def _backward(plan: Plan, kernel: str, program: Program) -> str:
    """The kernel of the backward pass; `program` decides whether it computes the gradient of the input."""
    trace, body, groups = plan.trace, _backward_body(plan, program), gradient_groups(plan)
    before = {name: body.result(value) for name, value in trace.state_gradients.items()}
    gradients = {G: body.result(G) for G in plan.gradients}
    dx = body.result(trace.x_gradient) if program is plan.backward_x else ""
    output = trace.state[trace.output]
    step = [f"d_{trace.output} += {_load('d_outputs', output)}", *_barrier(body)]
    step += ["if RESET:", "    keep = tl.load(reset_k + at, mask=in_b, other=0) == 0", *body.lines]
    for i, group in enumerate(groups):
        size, columns = group[0].columns, f"{len(group)} * n_{group[0].columns}"
        for position, G in enumerate(group):
            row = f"g_{i}_k + (at * ({columns}) + {position} * n_{size} + c_{size})"
            block = f"tl.broadcast_to({gradients[G]}, [TILE, P_{size}])"
            step.append(f"tl.store({row}, {block}, mask=in_b & in_{size})")
    if dx:
        step += _store("dx_k", "at", trace.x, dx)
    for name, value in _parts(plan):
        step.append(f"next_{name} = tl.broadcast_to({before[name]}, [TILE, P_{value.columns}]).to(tl.float32)")
    for name, _ in _parts(plan):
        step.append(f"d_{name} = tl.where(keep, next_{name}, 0.0) if RESET else next_{name}")
    begin = [_pointer("x", "T * B", trace.x), _pointer("d_outputs", "T * B", output), "reset_k = reset + k * T * B"]
    begin += [_pointer("dx", "T * B", trace.x)] if dx else []
    begin += [f"g_{i}_k = g_{i} + k * (T * B) * ({len(g)} * n_{g[0].columns})" for i, g in enumerate(groups)]
    begin += [_pointer(f"saved_{i}", "T * B", value) for i, value in enumerate(plan.saved)]
    end = []
    for name, value in _parts(plan):
        begin.append(_pointer(f"seq_{name}", "(T + 1) * B", value))
        begin.append(f"d_{name} = tl.zeros([TILE, P_{value.columns}], tl.float32)")
        begin.append(f"ds_{name}_k = ds_{name} + k * B * n_{value.columns}")
        end += _store(f"ds_{name}_k", "b", value, f"d_{name}")
    names = [name for name, _ in _parts(plan)]
    tensors = ["x", *_weights(plan), *(f"seq_{name}" for name in names)]
    tensors += [f"saved_{i}" for i in range(len(plan.saved))]
    tensors += ["d_outputs", *(f"ds_{name}" for name in names), *(f"g_{i}" for i in range(len(groups)))]
    tensors += ["dx"] if dx else []
    loop = ["for step in range(T):", "    t = T - 1 - step", *_indented(["at = t * B + b", *step])]
    return _kernel(plan, kernel, [*tensors, "reset", "scratch"], "", body, [*begin, *loop, *end])


def _kernel(plan: Plan, name: str, tensors: Sequence[str], flag: str, body: Body, lines: Sequence[str]) -> str:
    """A kernel of the grid (members, tiles)."""
    declared = [f"{constant}: tl.constexpr" for constant in constants(plan)]
    declared += [
        f"{each}: tl.constexpr"
        for each in ([flag] if flag else []) + ["RESET", "RESIDENT", "STRIP", "TILE", "PRECISION"]
    ]
    begin = [
        f"n_{ONE}: tl.constexpr = 1",
        f"P_{ONE}: tl.constexpr = 1",
        "n_zero: tl.constexpr = 0",
        "k = tl.program_id(0).to(tl.int64)",
        "rows = tl.arange(0, TILE)[:, None]",
        "all_rows = rows >= 0",
        "b = tl.program_id(1) * TILE + rows",
        "in_b = b < B",
    ]
    for size in [*size_names(plan), ONE]:
        begin.append(f"c_{size} = tl.arange(0, P_{size})[None, :]")
        begin.append(f"r_{size} = tl.arange(0, P_{size})[:, None]")
        begin.append(f"in_{size} = c_{size} < n_{size}")
    if body.scratch_sizes:
        total = " + ".join(f"P_{size}" for size in body.scratch_sizes)
        begin.append(f"scratch += (k * tl.num_programs(1) + tl.program_id(1)) * (TILE * ({total}))")
    begin += [f"{variable} = {code}" for variable, code in body.before.items()]
    if body.matrices:
        begin += ["if RESIDENT:", *_indented(f"{name} = {code}" for name, (code, *_) in body.matrices.items())]
    arguments = ", ".join([*tensors, "T", "B", *declared])
    return "\n".join(["@triton.jit", f"def {name}({arguments}):", *_indented([*begin, *lines])])


def _memory(plan: Plan) -> list[str]:
    """The sizes of the values in the scratch memory of each kernel, and those of its matrices."""
    bodies = {"forward": (_forward_body(plan), [*plan.trace.new_state.values(), *plan.saved])}
    for name, program in (("backward", plan.backward), ("backward_x", plan.backward_x)):
        bodies[name] = _backward_body(plan, program), program.targets
    lines = []
    for name, (body, targets) in bodies.items():
        for value in targets:
            body.result(value)
        lines.append(f"SCRATCH_{name} = {body.scratch_sizes!r}")
        lines.append(f"MATRICES_{name} = {[(rows, columns) for _, rows, columns in body.matrices.values()]!r}")
    return lines


def _weights(plan: Plan) -> list[str]:
    return [f"w{i}" for i in range(len(plan.trace.weights))]


def _positions(plan: Plan) -> dict[Value, int]:
    return {weight: i for i, weight in enumerate(plan.trace.weights)}


def _barrier(body: Body) -> list[str]:
    """Before scratch memory is written again, every thread has read what the last step wrote."""
    if not body.scratch_sizes:
        return []
    return ["tl.debug_barrier()"] if body.always_scratch else ["if not RESIDENT:", "    tl.debug_barrier()"]


def _pointer(name: str, rows: str, value: Value) -> str:
    """The member's part of a tensor `[members, rows, columns]`."""
    return f"{name}_k = {name} + k * ({rows}) * n_{value.columns}"


def _row(name: str, row: str, value: Value) -> str:
    return f"{name} + ({row} * n_{value.columns} + c_{value.columns})"


def _load(name: str, value: Value, row: str = "at") -> str:
    """A block of a tensor; its padding is zero."""
    return f"tl.load({_row(f'{name}_k', row, value)}, mask=in_b & in_{value.columns}, other=0.0)"


def _store(pointer: str, row: str, value: Value, block: str) -> list[str]:
    block = f"tl.broadcast_to({block}, [TILE, P_{value.columns}])"
    return [f"tl.store({_row(pointer, row, value)}, {block}, mask=in_b & in_{value.columns})"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
