"""The cells: one recurrence in one place. A module put into this folder is found without any other edit."""

import importlib
import pkgutil

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights, _registry

__all__ = ["Cell", "Drive", "State", "Tap", "Weight", "Weights", "catalogue"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def catalogue() -> dict[str, type[Cell]]:
    """Every registered cell by name: roots before their descendants, otherwise in the order of definition.

    Raises ValueError for a cell whose parent is none.
    """
    ordered: dict[str, type[Cell]] = {}

    def add(parent: str | None) -> None:
        for name, cell in _registry.items():
            if cell.parent == parent:
                ordered[name] = cell
                add(name)

    add(None)
    for name in _registry.keys() - ordered.keys():
        raise ValueError(f"cell {name!r}: its parent {_registry[name].parent!r} is not a registered cell")
    return ordered
