"""Options of cells in words, for cells that differ from another by an option and not by an equation."""

from collections.abc import Mapping
from typing import Any

PHRASES = {
    "activation": "the new memory is {} of the network's output",
    "decay": "the gradient starts with a decay of {} per step",
    "depth": "the network has {} hidden layers",
    "forget_bias": "initial bias of the forget gate: {}",
    "input_bias": "initial bias of the input gate: {}",
    "keep": "the network's initial weights keep the memory, c' ≈ c",
    "layers": "{} layers",
    "leak": "f = {}, not learned",
    "peephole": "the gates also receive the memory",
    "recurrent_init": "{} initial recurrent weights",
    "width": "the network's hidden layers have {} times the units",
}
"""By option of a built-in cell or initialisation; `{}` is its value."""


def in_words(options: Mapping[str, Any]) -> str:
    """Describe options, separated by commas: in words where they are known, else as `name=value`."""
    return ", ".join(
        PHRASES.get(name, f"{name}={{}}").format(value) for name, value in options.items() if value is not False
    )
