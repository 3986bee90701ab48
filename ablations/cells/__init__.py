"""The cells: one recurrence in one place. A module put into this folder is found without any other edit."""

import importlib
import pkgutil

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights, registry

__all__ = ["Cell", "Drive", "State", "Tap", "Weight", "Weights", "catalogue", "recurrence"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def catalogue() -> dict[str, type[Cell]]:
    """Every registered cell by name: roots before their descendants, otherwise in the order of definition.

    Raises ValueError for a cell whose parent is none.
    """
    ordered: dict[str, type[Cell]] = {}

    def add(parent: str | None) -> None:
        for name, cell in registry.items():
            if cell.parent == parent:
                ordered[name] = cell
                add(name)

    add(None)
    for name in registry.keys() - ordered.keys():
        raise ValueError(f"cell {name!r}: its parent {registry[name].parent!r} is not a registered cell")
    return ordered


def recurrence(cell: type[Cell]) -> list[str]:
    """All equations of a cell: its own, and its parent's that still hold: of gates it has, and not defined anew."""
    own = {_defined(line): line for line in cell.equations().splitlines()}
    if cell.parent is None:
        return list(own.values())
    parent = catalogue()[cell.parent]
    inherited = {_defined(line): line for line in recurrence(parent)}
    order = [letter for letter in inherited if letter in cell.gates or letter not in parent.gates]
    at = len(order)
    for letter in reversed(own):  # what is new stands before what is computed from it
        if letter in order:
            at = order.index(letter)
        else:
            order.insert(at, letter)
    return [{**inherited, **own}[letter] for letter in order]


def _defined(equation: str) -> str:
    """What an equation defines: `c` of `c' = f ⊙ c + i ⊙ z`."""
    return equation.partition("=")[0].strip().removesuffix("'")
