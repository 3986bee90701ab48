"""The saved weights of a confirmed network, half-way through training and at its end, in a safetensors file.

The step at which a member will finish is not known beforehand. Therefore snapshots are taken at steps that are powers of
two, and the one nearest to half of a member's steps is saved. Initial weights are not saved: they are drawn again from the
seed.
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
    """A member's weights by name, `[rows, columns]` each, on the CPU."""

    half_step: int
    """The power of two nearest to half of its steps, within a factor of √2."""
    half: Weights
    end: Weights


class Snapshots:
    """Snapshots of a population's weights after the last three steps that are powers of two: if a member finishes now, the
    one nearest to half of its steps is among them."""

    def __init__(self) -> None:
        self.flat: dict[int, Float[Tensor, "members parameters"]] = {}
        """By step."""

    def take(self, step: int, flat: Float[Tensor, "members parameters"]) -> None:
        """Copy the weights if the step is a power of two, and drop older copies. To be called after every step."""
        if step.bit_count() == 1:
            self.flat = {earlier: w for earlier, w in self.flat.items() if 4 * earlier >= step} | {step: flat.clone()}

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
        """The weights to save for a member that finishes after `step` steps with the weights `end[row]`."""
        half = min(self.flat, key=lambda earlier: abs(math.log(2 * earlier / step)))
        named = [unpack(flat[row : row + 1]) for flat in (self.flat[half], end)]
        return SavedWeights(half, *({n: w[0].to("cpu", copy=True) for n, w in weights.items()} for weights in named))


def to_bytes(weights: SavedWeights, metadata: dict[str, Any]) -> bytes:
    """The content of a safetensors file that carries JSON-like metadata. The same input gives the same bytes."""
    tensors = {
        f"{stage}/{name}": w for stage, named in zip(_STAGES, weights[1:], strict=True) for name, w in named.items()
    }
    text = json.dumps(metadata | {"half_step": weights.half_step}, sort_keys=True)
    return save(tensors, {METADATA_KEY: text})  # one entry, as safetensors writes several entries in arbitrary order


def from_bytes(data: bytes) -> tuple[SavedWeights, dict[str, Any]]:
    """The inverse of `to_bytes`: the weights and the metadata.

    :raises ValueError: for content that is damaged or was not written by `to_bytes`.
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
