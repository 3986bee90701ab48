"""What the caller of a kernel needs of a cell's trace and plan: its source, and the names of its tensors, sizes and numbers.

Input: a `Plan`, or JSON-like content from a file (`stored`). Output: an `Interface`. Next stage: `run`.
"""

from typing import Any, NamedTuple

from torch.fx import GraphModule

from ablations.engines.fused import calls
from ablations.engines.fused.layout import size_names
from ablations.engines.fused.plan import Plan
from ablations.engines.fused.trace import AtSizes


class Rows(NamedTuple):
    """A part of the state, or one of the step's weights."""

    name: str
    rows: str
    """The symbolic number of rows."""
    columns: str
    """The symbolic number of columns."""


class Interface(NamedTuple):
    """A kernel's source, and how it is called. All but `hoisted` is text and numbers."""

    source: str
    """The kernel: in C++, or with Triton in Python."""
    size_names: list[str]
    """The sizes that the kernel gets, in order."""
    inputs: str
    """The symbolic number of columns of the input."""
    state: list[Rows]
    output: int
    """The position in the state of the cell's output."""
    weights: list[Rows]
    """The step's weights."""
    cell_weights: list[str]
    """The names of the cell's weights, in order."""
    hoisted: calls.Function
    """The function from the cell's weights to the step's weights."""
    hoisted_computes: bool
    """Whether that function computes anything, or only selects weights."""
    depends_on_sizes: bool
    """Whether that function, or a size or number of the kernel, has to be traced at the sizes of a call: see `trace.at_sizes`."""


def interface_of(plan: Plan, source: str) -> Interface:
    """Return the interface of a plan.

    :param source: the kernel.
    """
    trace = plan.trace
    return Interface(
        source,
        size_names(plan),
        trace.x.columns,
        [Rows(name, value.rows, value.columns) for name, value in trace.state.items()],
        list(trace.state).index(trace.output),
        [
            Rows(name, value.rows, value.columns)
            for name, value in zip(trace.step_weight_names, trace.weights, strict=True)
        ],
        trace.weight_names,
        trace.hoisted,
        trace.hoisted_computes,
        bool(trace.hoisted_at_sizes or plan.derived_sizes or trace.lowered.numbers),
    )


def content_of(this: Interface | AtSizes) -> dict[str, Any]:
    """Return the content to store. Raises TypeError if the function of the weights has no such form."""
    if not isinstance(this.hoisted, GraphModule):
        raise TypeError("the function of the weights is no graph")
    return this._asdict() | {"hoisted": calls.content_of(this.hoisted)}


def interface_from(content: dict[str, Any]) -> Interface:
    """Return the interface of stored content. Raises what a wrong content leads to."""
    state, weights = ([Rows(*rows) for rows in content[name]] for name in ("state", "weights"))
    return Interface(**content | {"state": state, "weights": weights, "hoisted": calls.function_of(content["hoisted"])})


def at_sizes_from(content: dict[str, Any]) -> AtSizes:
    """Return what depends on the sizes, from stored content. Raises what a wrong content leads to."""
    return AtSizes(calls.function_of(content["hoisted"]), content["sizes"], content["numbers"])
