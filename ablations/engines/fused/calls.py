"""Functions of weights as JSON-like content: the nodes of a torch.fx graph, each a call of an operator of torch.

Content from a file selects operators of `torch.ops.aten` by name; it is not Python code. A part of `stored`.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule, Node

Function = Callable[..., tuple[Tensor, ...]]
Content = list[list[Any]]
"""A node per entry: its kind and what the kind needs. Arguments are numbers, texts, lists, and dictionaries with one entry for
anything else: `{"node": 3}` is the result of the fourth node, `{"torch": "float32"}` is `torch.float32`."""


def content_of(module: GraphModule) -> Content:
    """Return a function's content. Raises TypeError for what has no such form, such as an operator of another library."""
    number = {node: i for i, node in enumerate(module.graph.nodes)}
    return [_node(module, node, number) for node in module.graph.nodes]


def _node(module: GraphModule, node: Node, number: dict[Node, int]) -> list[Any]:
    if node.op == "placeholder":
        return ["input"]
    if node.op == "output":
        return ["output", _encoded(node.args[0], number)]
    if node.op == "get_attr":
        constant = getattr(module, str(node.target))
        if isinstance(constant, Tensor) and constant.device.type == "cpu" and constant.layout == torch.strided:
            return ["constant", constant.tolist(), _encoded(constant.dtype, number)]
    if isinstance(node.target, OpOverload) and str(node.target).startswith("aten."):
        arguments = (_encoded(list(node.args), number), [[k, _encoded(v, number)] for k, v in node.kwargs.items()])
        return ["aten", *str(node.target).split(".")[1:], *arguments]
    if node.target is operator.getitem:
        return ["getitem", _encoded(list(node.args), number)]
    raise TypeError(f"{node.target} cannot be stored")


def _encoded(argument: Any, number: dict[Node, int]) -> Any:
    if isinstance(argument, Node):
        return {"node": number[argument]}
    if isinstance(argument, list | tuple):
        return [_encoded(one, number) for one in argument]
    if isinstance(argument, torch.dtype | torch.layout | torch.memory_format):
        return {"torch": str(argument).removeprefix("torch.")}
    if isinstance(argument, torch.device):
        return {"device": str(argument)}
    if argument is None or isinstance(argument, bool | int | float | str):
        return argument
    raise TypeError(f"{argument!r} cannot be stored")


def function_of(content: Content) -> Function:
    """Rebuild the function that `content_of` wrote. Raises TypeError, ValueError, AttributeError or IndexError, at once or when it is
    called, for content that `content_of` does not write."""
    steps: list[Callable[[list[Any]], Any]] = []
    for kind, *rest in content:
        match kind, rest:
            case "input", []:
                steps.append(lambda _: None)
            case "constant", [values, dtype]:
                constant = torch.tensor(values, dtype=_decoded(dtype, []))
                steps.append(lambda _, constant=constant: constant)
            case "aten", [name, overload, args, kwargs]:
                call = getattr(getattr(torch.ops.aten, name), overload)
                steps.append(
                    lambda known, call=call, args=args, kwargs=kwargs: call(
                        *_decoded(args, known), **{k: _decoded(v, known) for k, v in kwargs}
                    )
                )
            case "getitem", [args]:
                steps.append(lambda known, args=args: operator.getitem(*_decoded(args, known)))
            case "output", [results]:
                steps.append(lambda known, results=results: tuple(_decoded(results, known)))
            case _:
                raise ValueError(f"unknown node {kind!r}")
    inputs = sum(kind == "input" for kind, *_ in content)

    def function(*weights: Tensor) -> tuple[Tensor, ...]:
        known: list[Any] = list(weights)
        for step in steps[inputs:]:
            known.append(step(known))
        return known[-1]

    return function


def _decoded(argument: Any, known: list[Any]) -> Any:
    if isinstance(argument, list):
        return [_decoded(one, known) for one in argument]
    match argument:
        case {"node": int(number)}:
            return known[number]
        case {"torch": str(name)}:
            found = getattr(torch, name)
            if not isinstance(found, torch.dtype | torch.layout | torch.memory_format):
                raise TypeError(f"torch.{name} is no dtype, layout or memory format")
            return found
        case {"device": str(name)}:
            return torch.device(name)
        case dict():
            raise ValueError(f"unknown argument {argument!r}")
    return argument
