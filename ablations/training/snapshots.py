"""What is kept of a confirmed network: its weights half way through its training and at the end, in a file of safetensors.

Half way is not known beforehand, so the weights of the last few powers of two are at hand at any time. The initial weights
are not kept: its seed draws them again.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ablations.cells import Weights
from ablations.errors import InputError

ABOUT = "whygates"
_KINDS = ("half", "end")


class SavedWeights(NamedTuple):
    """A member's weights by name, `[rows, columns]` each."""

    half_step: int
    """The power of two that is nearest to half its steps, to a factor of √2."""
    half: Weights
    end: Weights


class Snapshots:
    """The weights that may turn out to be those half way: of members in training, a row each, by step."""

    def __init__(self) -> None:
        self.flat: dict[int, Tensor] = {}

    def take(self, step: int, flat: Tensor) -> None:
        """Look at the weights after every step: those of a power of two are remembered, while they may be needed."""
        if step.bit_count() == 1:
            self.flat = {before: w for before, w in self.flat.items() if 4 * before >= step} | {step: flat.clone()}

    def rows(self, kept: Tensor) -> None:
        """Go on with some of the members."""
        self.flat = {step: flat[kept] for step, flat in self.flat.items()}

    def of(self, row: int, step: int, end: Tensor, unpack: Callable[[Tensor], Weights]) -> SavedWeights:
        """What is kept of a member that leaves after `step` with the weights `end`."""
        half = min(self.flat, key=lambda before: abs(math.log(2 * before / step)))
        named = [unpack(flat[row : row + 1]) for flat in (self.flat[half], end)]
        return SavedWeights(half, *({name: w[0].clone() for name, w in weights.items()} for weights in named))


def pack(kept: SavedWeights, about: dict[str, Any]) -> bytes:
    """A file that says itself what it holds: `about` is JSON-like data. The same weights give the same bytes."""
    tensors = {
        f"{kind}/{name}": w for kind, weights in zip(_KINDS, kept[1:], strict=True) for name, w in weights.items()
    }
    said = json.dumps(about | {"half_step": kept.half_step}, sort_keys=True)
    return save(tensors, {ABOUT: said})  # one entry: those of several would come in any order


def unpack(data: bytes) -> tuple[SavedWeights, dict[str, Any]]:
    """What `pack` was given. Raises ValueError for a file that is damaged, or something else."""
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(header["__metadata__"][ABOUT])
        step = int(about.pop("half_step"))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no weights of a member, or damaged: {error}") from None
    weights = [
        {name.removeprefix(f"{kind}/"): w for name, w in tensors.items() if name.startswith(f"{kind}/")}
        for kind in _KINDS
    ]
    if weights[0].keys() != weights[1].keys():
        raise ValueError("no weights of a member, or damaged")
    return SavedWeights(step, *weights), about


def read(path: Path) -> tuple[SavedWeights, dict[str, Any]]:
    """The weights in a file, and what it says about them. Raises InputError."""
    try:
        return unpack(path.read_bytes())
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: {said}; without the file the sweep trains this network again") from None


def stacked(weights: list[Weights]) -> Weights:
    """Several members' weights with a leading member axis."""
    return {name: torch.stack([member[name] for member in weights]) for name in weights[0]}
