"""Trace a cell's step and its vector-Jacobian product with torch.fx and torch.func.

Input: a cell. Output: a `Trace`, the values (see `graph`) of the new state and of every gradient. Next stage: `plan`.

A step is traced at several sizes, and once more where the kernel needs sizes or numbers that no tensor has. Finally the results of the traced operators are compared with those of the step itself: a custom gradient, or state kept
between calls, is not visible in the trace, and is refused because the results differ.
"""

import itertools
import os
import re
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jaxtyping
import torch
from torch.fx import GraphModule
from torch.utils._python_dispatch import TorchDispatchMode

from ablations.cells import Cell
from ablations.engines.fused.calls import Function
from ablations.engines.fused.graph import SIZES, Untraceable, Value, require_equal, same_arguments
from ablations.engines.fused.joint import joint, outputs_of, random_inputs, require_same_results, step_of, weight_names
from ablations.engines.fused.lower import Lowered, lower


@dataclass(frozen=True)
class Trace:
    """A cell's step and its derivative, as functions of the step's weights, the input, the state and the state's gradient."""

    output: str
    """The part of the state that is the cell's output."""
    weight_names: list[str]
    """The names of the cell's weights, in order."""
    hoisted: GraphModule
    """The function from the cell's weights to the step's weights, a tuple."""
    hoisted_at_sizes: bool
    """Whether that function depends on the sizes: see `at_sizes`."""
    hoisted_computes: bool
    """Whether `hoisted` computes anything, or only selects weights."""
    weights: list[Value]
    """The step's weights."""
    step_weight_names: list[str]
    """Their names: the cell's, or the node's in `hoisted`."""
    x: Value
    state: dict[str, Value]
    d_state: dict[str, Value]
    """The gradient with respect to the state after the step."""
    new_state: dict[str, Value]
    """The state after the step."""
    weight_gradients: list[Value]
    x_gradient: Value
    state_gradients: dict[str, Value]
    """The gradient with respect to the state before the step."""
    graphs: list[GraphModule]
    """The traces at `SIZES`; the last one only if the others differ in more than the sizes of tensors."""
    lowered: Lowered
    """Their values, and the names of the sizes and numbers that these depend on."""


class AtSizes(NamedTuple):
    """What of a trace depends on the sizes, at some sizes."""

    hoisted: Function
    """The function from the cell's weights to the step's weights, a tuple."""
    sizes: dict[str, int]
    """The symbolic sizes."""
    numbers: list[float]
    """The numbers that depend on the sizes."""


_tracing = threading.Lock()  # torch.fx keeps the state of its tracer in globals


def trace(cell: Cell, dtype: torch.dtype = torch.float32) -> Trace:
    """Return the trace of a cell, whose constants may depend on the dtype, as `torch.finfo` does.

    Raises Untraceable, with the line of the step at fault where it can be found.
    """
    try:
        with _tracing, torch.enable_grad():
            return _trace(cell, dtype)
    except Untraceable as error:
        if error.__cause__:
            frames = traceback.extract_tb(error.__cause__.__traceback__)
        else:
            frames = _stack_at_use(cell, error.operator, error.occurrence)
        frames = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
        where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        raise Untraceable(f"{error}{where}") from error


_LIBRARIES = (
    "<",  # generated code
    *(str(folder) + os.sep for folder in (Path(torch.__file__).parent, Path(jaxtyping.__file__).parent)),
    str(Path(__file__).parents[1]) + os.sep,
)
"""Beginnings of the file names of frames that are not the cell's code."""


def _stack_at_use(cell: Cell, operator: str, occurrence: int) -> list[traceback.FrameSummary]:
    """The stack at a use of an operator, the first being 0; empty if the step does not use it."""
    stacks: list[list[traceback.FrameSummary]] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if str(func).split(".")[1] == operator:
                stacks.append(traceback.extract_stack()[:-1])
            return func(*args, **(kwargs or {}))

    with Watch():
        step_of(cell)(*random_inputs(cell, SIZES[0], torch.float32))
    return stacks[min(occurrence, len(stacks) - 1)] if stacks else []


def at_sizes(cell: Cell, traced: Trace, inputs: int, hidden: int, dtype: torch.dtype) -> AtSizes:
    """Trace a cell at some sizes too. Raises Untraceable if it is not the trace at other sizes but for sizes and numbers."""
    other_sizes = {i * inputs + h * hidden for i in range(9) for h in range(9)}
    batch = next(size for size in itertools.count(SIZES[0]["B"]) if size not in other_sizes)
    sizes = {"B": batch, "I": inputs, "H": hidden}
    with _tracing, torch.enable_grad():
        here = joint(cell, sizes, dtype)
    lowered = lower([*traced.graphs, here.joint], [*SIZES, sizes])
    if _structure(lowered, len(SIZES)) != _structure(traced.lowered, len(SIZES)):
        raise Untraceable(f"the operators of the step are others with {inputs} inputs and {hidden} units")
    return AtSizes(
        here.hoisted,
        {name: size[-1] for size, name in lowered.sizes.items()},
        [number[-1] for number in lowered.numbers],
    )


def _structure(lowered: Lowered, count: int) -> list[Any]:
    """The operators and the names of sizes and numbers of a lowered graph, in order."""
    values = [(value.op, value.rows, value.columns, value.sizes) for value in lowered.values.values()]
    named = [*lowered.sizes.items(), *lowered.numbers.items()]
    return [*values, *((key[:count], name) for key, name in named)]


def _trace(cell: Cell, dtype: torch.dtype) -> Trace:
    first, second = (joint(cell, at, dtype) for at in SIZES[:2])
    require_equal([first.hoisted, second.hoisted])
    graphs, hoisted_at_sizes = [first.joint, second.joint], not same_arguments(first.hoisted, second.hoisted)
    lowered = lower(graphs, SIZES[:2])
    if hoisted_at_sizes or lowered.depends_on_sizes:  # on which ones?
        third = joint(cell, SIZES[2], dtype)
        require_equal([first.hoisted, third.hoisted])
        if not same_arguments(first.hoisted, third.hoisted):
            raise Untraceable("an expression of weights alone depends on the batch size, or changes from call to call")
        graphs.append(third.joint)
        lowered = lower(graphs, SIZES)
    values = lowered.values
    require_same_results(cell, first, dtype)
    parts = [_identifier(part, i) for i, part in enumerate(cell.state)]
    inputs = [values[node] for node in first.joint.graph.find_nodes(op="placeholder")]
    outputs = [values[node] for node in outputs_of(first.joint)]
    n, weights = len(parts), len(first.differentiable)
    gradients = iter(outputs[n:])
    cell_weights = dict(zip(first.hoisted.graph.find_nodes(op="placeholder"), weight_names(cell), strict=True))
    return Trace(
        parts[list(cell.state).index(cell.output)],
        weight_names(cell),
        first.hoisted,
        hoisted_at_sizes,
        any(node.op == "call_function" for node in first.hoisted.graph.nodes),
        weights=inputs[:weights],
        step_weight_names=[cell_weights.get(node, node.name) for node in outputs_of(first.hoisted)],
        x=inputs[weights],
        state=dict(zip(parts, inputs[weights + 1 : weights + 1 + n], strict=True)),
        d_state=dict(zip(parts, inputs[weights + 1 + n :], strict=True)),
        new_state=dict(zip(parts, outputs[:n], strict=True)),
        weight_gradients=[
            next(gradients) if differentiable else Value("zeros_like", (), weight.rows, weight.columns, "none")
            for weight, differentiable in zip(inputs[:weights], first.differentiable, strict=True)
        ],
        x_gradient=next(gradients),
        state_gradients=dict(zip(parts, gradients, strict=True)),
        graphs=graphs,
        lowered=lowered,
    )


def _identifier(part: str, position: int) -> str:
    """The name of a part of the state in C++: any text may be its name in the cell."""
    return part if re.fullmatch("[A-Za-z][A-Za-z0-9_]*", part) else f"state{position}"
