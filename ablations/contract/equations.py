"""Checks of the equations in a cell's docstring: they name the weights, and define the gates and the new state."""

import re

from ablations.cells import Cell, recurrence
from ablations.contract import join, require


def equations_name_every_weight(cls: type[Cell]) -> None:
    """The equations name every weight, as `weights` does; `W_{xi}` stands for `W_xi`, and `W^T` for `W`."""
    names = identifiers("\n".join(recurrence(cls)))
    missing = [weight for weight in cls().weights(2, 3) if weight not in names]
    require(not missing, f"the equations do not name the weights {join(missing)}")


def identifiers(equations: str) -> set[str]:
    """The identifiers in equations, in any script, with their subscripts."""
    return set(re.findall(r"[^\W\d]\w*", re.sub(r"_\{(\w+)\}", r"_\1", equations)))


def equations_define_every_gate(cls: type[Cell]) -> None:
    """The equations define every gate and every part of the new state, each once."""
    defined = [line.partition("=")[0].strip() for line in recurrence(cls)]
    letters = {letter.removesuffix("'") for letter in defined}
    missing = [gate for gate in cls.gates if gate not in letters]
    require(not missing, f"no equation defines the gates {join(missing)}")
    missing = [f"{part}'" for part in cls.state if f"{part}'" not in defined]
    require(not missing, f"no equation defines {join(missing)}, the new state")
    variables = [line.partition("=")[0].strip() for line in cls.equations().splitlines()]
    repeated = sorted({letter for letter in variables if variables.count(letter) > 1})
    require(not repeated, f"more than one equation defines {join(repeated)}")
