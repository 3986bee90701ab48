"""Lower slices and concatenations of columns. A part of `lower`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from torch.fx import Node

from ablations.engines.fused.graph import Size, Untraceable, Value

if TYPE_CHECKING:
    from ablations.engines.fused.lower import Lowering

_STRIDED = "slices with a step other than 1 are not supported; take contiguous columns"


def slice_of(lowering: Lowering, name: str, nodes: tuple[Node, ...], shape: list[Size]) -> Any:
    """A range of columns; a slice of a slice becomes a slice of the original value."""
    operator, args = nodes[0], cast(list[Any], [node.args for node in nodes])
    if name == "getitem":  # a piece of a split
        operator, piece = args[0]
        args = [split.args for split, _ in args]
        sizes = [split[1] for split in args]
        axis = _argument(args[0], 2, 0)
        begin = [sum(each[:piece]) if isinstance(each, list) else each * piece for each in sizes]
    else:
        axis, begin = _argument(args[0], 1, 0), [_argument(each, 2, 0) for each in args]
    twins = tuple(each[0] for each in args)
    source, before = lowering.values[twins[0]], lowering.shape(twins)
    if shape == before or not isinstance(source, Value):
        return source
    if name == "slice" and _argument(args[0], 4, 1) != 1:
        raise Untraceable(_STRIDED, operator)
    if axis % len(shape) == 0:
        raise Untraceable("slices along the batch axis are not supported; slice the last axis", operator)
    if len(shape) != 2:
        raise Untraceable("slices of rows with more than one axis are not supported; slice before the view", operator)
    offset = tuple(b % n for b, n in zip(begin, before[1], strict=True))  # negative: from the end
    if source.op == "slice":
        offset = _plus(offset, lowering.size(source.sizes[0]))
        (source,) = source.values
    return lowering.new("slice", (source,), shape, nodes[0].name, [offset])


def concatenation(lowering: Lowering, name: str, nodes: tuple[Node, ...], shape: list[Size]) -> Value:
    """Pieces side by side, with zeros between them; the pieces of a concatenated piece are taken instead of it."""
    args: Any = nodes[0].args
    zero = (0,) * len(nodes)
    if name == "cat":
        parts, axis = [lowering.values[part] for part in args[0]], _argument(args, 1, 0)
        widths = [lowering.size(part.columns) if isinstance(part, Value) else zero for part in parts]
        begins = list(itertools.accumulate(widths[:-1], _plus, initial=zero))
    else:  # slice_backward: the gradient of a slice, zero outside its columns
        gradient, _, axis, _, _, step = args
        columns = lowering.shape(nodes)[1]
        parts = [lowering.values[gradient]]
        begins = [tuple(cast(int, node.args[3]) % n for node, n in zip(nodes, columns, strict=True))]
        if step != 1:
            raise Untraceable(_STRIDED, nodes[0])
    if axis % len(shape) == 0:
        raise Untraceable(
            "concatenations along the batch axis are not supported; concatenate along the last axis", nodes[0]
        )
    if len(shape) != 2:
        raise Untraceable("concatenations of rows with more than one axis are not supported", nodes[0])
    pieces: list[tuple[Value, Size]] = []
    for part, begin in zip(parts, begins, strict=True):
        if isinstance(part, Value) and part.op == "cat":
            pieces += [(piece, _plus(begin, offset)) for piece, offset in _pieces(lowering, part)]
        elif isinstance(part, Value) and part.op != "zeros_like":
            pieces.append((part, begin))
    return _join(lowering, pieces, shape, nodes[0].name)


def joined(lowering: Lowering, value: Value) -> Value:
    """A sum of two concatenations as one concatenation where their pieces do not overlap; any other value as it is."""
    if value.op != "add" or len(value.values) != 2 or any(arg.op != "cat" for arg in value.values):
        return value
    pieces = [piece for arg in value.values for piece in _pieces(lowering, arg)]
    for which in range(len(lowering.batch)):
        spans = sorted((offset[which], offset[which] + lowering.size(p.columns)[which]) for p, offset in pieces)
        if any(end > begin for (_, end), (begin, _) in itertools.pairwise(spans)):
            return value
    pieces.sort(key=lambda piece: piece[1])
    return _join(lowering, pieces, [lowering.batch, lowering.size(value.columns)], value.name)


def _join(lowering: Lowering, pieces: list[tuple[Value, Size]], shape: Sequence[Size], node: str) -> Value:
    return lowering.new("cat", tuple(p for p, _ in pieces), shape, node, [offset for _, offset in pieces])


def _pieces(lowering: Lowering, value: Value) -> list[tuple[Value, Size]]:
    """The pieces of a concatenation, each with its first column."""
    return [(piece, lowering.size(name)) for piece, name in zip(value.values, value.sizes, strict=True)]


def _argument(args: Any, position: int, default: int) -> Any:
    """A positional argument, or its default where the call omits it."""
    return args[position] if len(args) > position else default


def _plus(one: Size, other: Size) -> Size:
    return tuple(a + b for a, b in zip(one, other, strict=True))
