"""The recurrent cells. Every module in this folder is imported, so a new file needs no other edit."""

import importlib
import pkgutil

from ablations.cells.base import Cell, Drive, State, Tap, Weight, Weights, registry

__all__ = ["Cell", "Drive", "State", "Tap", "Weight", "Weights", "catalogue", "recurrence"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def catalogue() -> dict[str, type[Cell]]:
    """Return every registered cell by name: each after its parent, otherwise in the order of definition.

    Raises ValueError for a cell whose parent is not registered.
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
    """Return all equations of a cell: those of its docstring and those it inherits.

    An equation of the parent is inherited unless the cell defines the same variable or does not have that gate. The order is
    the parent's; a new variable comes before the equation that follows it in the docstring.
    """
    own = {_variable(line): line for line in cell.equations().splitlines()}
    if cell.parent is None:
        return list(own.values())
    parent = catalogue()[cell.parent]
    inherited = {_variable(line): line for line in recurrence(parent)}
    order = [variable for variable in inherited if variable in cell.gates or variable not in parent.gates]
    position = len(order)
    for variable in reversed(own):  # a new variable goes before the equation that follows it in the docstring
        if variable in order:
            position = order.index(variable)
        else:
            order.insert(position, variable)
    return [{**inherited, **own}[variable] for variable in order]


def _variable(equation: str) -> str:
    """The variable that an equation defines: `c` for `c' = f ⊙ c + i ⊙ z`."""
    return equation.partition("=")[0].strip().removesuffix("'")
