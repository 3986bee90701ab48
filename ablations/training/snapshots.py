"""The saved weights of a confirmed network, half way through training and at the end, in a safetensors file.

When training will end is not known beforehand, so rolling snapshots at powers of two are taken; the nearest to half of
the steps is saved. Initial weights are not saved: the seed draws them again.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ablations.cells import Weights
from ablations.errors import InputError

METADATA_KEY = "whygates"
_STAGES = ("half", "end")


class SavedWeights(NamedTuple):
    """A member's weights by name, `[rows, columns]` each."""

    half_step: int
    """The power of two nearest to half of its steps, within a factor of √2."""
    half: Weights
    end: Weights


class Snapshots:
    """Rolling snapshots of a population's weights: after steps that are powers of two, as long as one of them may turn
    out to be half way."""

    def __init__(self) -> None:
        self.flat: dict[int, Float[Tensor, "members parameters"]] = {}
        """By step."""

    def take(self, step: int, flat: Float[Tensor, "members parameters"]) -> None:
        """To be called after every step: copies the weights if the step is a power of two, and drops older copies."""
        if step.bit_count() == 1:
            self.flat = {before: w for before, w in self.flat.items() if 4 * before >= step} | {step: flat.clone()}

    def select(self, rows: Int64[Tensor, " rows"]) -> None:
        """Keep only these members."""
        self.flat = {step: flat[rows] for step, flat in self.flat.items()}

    def saved_weights(
        self,
        row: int,
        step: int,
        end: Float[Tensor, "members parameters"],
        unpack: Callable[[Tensor], Weights],
    ) -> SavedWeights:
        """The weights to save of a member that finishes after `step` with the weights `end[row]`."""
        half = min(self.flat, key=lambda before: abs(math.log(2 * before / step)))
        named = [unpack(flat[row : row + 1]) for flat in (self.flat[half], end)]
        return SavedWeights(half, *({name: w[0].clone() for name, w in weights.items()} for weights in named))


def to_bytes(weights: SavedWeights, metadata: dict[str, Any]) -> bytes:
    """The content of a safetensors file that carries JSON-like metadata. The same input gives the same bytes."""
    tensors = {
        f"{stage}/{name}": w for stage, named in zip(_STAGES, weights[1:], strict=True) for name, w in named.items()
    }
    text = json.dumps(metadata | {"half_step": weights.half_step}, sort_keys=True)
    return save(tensors, {METADATA_KEY: text})  # a single entry: safetensors writes several in any order


def from_bytes(data: bytes) -> tuple[SavedWeights, dict[str, Any]]:
    """What `to_bytes` was given.

    :raises ValueError: for content that is damaged, or not from `to_bytes`.
    """
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = json.loads(header["__metadata__"][METADATA_KEY])
        step = int(metadata.pop("half_step"))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a file of a network's weights, or damaged: {error}") from None
    half, end = (
        {name.removeprefix(f"{stage}/"): w for name, w in tensors.items() if name.startswith(f"{stage}/")}
        for stage in _STAGES
    )
    if half.keys() != end.keys():
        raise ValueError("not a file of a network's weights, or damaged")
    return SavedWeights(step, half, end), metadata


def read(path: Path) -> tuple[SavedWeights, dict[str, Any]]:
    """The weights in a file, and its metadata.

    :raises InputError: if the file cannot be read or is damaged.
    """
    try:
        return from_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{path}: {reason}; if the file is removed, the next sweep trains this network again"
        ) from None


def stacked(members: list[Weights]) -> Weights:
    """The weights of several members with a leading member axis."""
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}
