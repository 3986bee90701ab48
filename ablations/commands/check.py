"""`whygates check`: run the contract's checks on the cells and tasks of a file."""

import inspect
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ablations.cells import Cell
from ablations.contract import Check, Kind, failure_message, plugins
from ablations.engines import Sizes, choose_all

USUAL = (16, 20, 32, 64, 100, 128)
"""Hidden sizes at which the kernel of a cell is compared with its step; a sweep compares at the sizes of its arms."""


def check_file(file: Path, out: Console) -> bool:
    """Print which checks pass and which fail; returns whether all pass. Raises InputError for a file that cannot be used."""
    failures = sum(_failures(kind, out) for kind in plugins.defined(file))
    out.print(f"failed checks: {failures}" if failures else "all checks pass")
    return not failures


def _failures(kind: Kind, out: Console) -> int:
    """Run the checks of one cell or task; returns the number of failures. The basic ones come first, and each of them assumes
    that those before it pass."""
    contract = plugins.contract(kind)
    out.print(Text.assemble((kind.name, "bold"), f", a {'cell' if issubclass(kind, Cell) else 'task'}"), soft_wrap=True)
    for done, check in enumerate(contract.BASIC, 1):
        if not _passes(check, kind, out):
            out.print(f"  the other {len(contract.CHECKS) - done} checks are skipped until this one passes")
            return 1
    failures = sum(not _passes(check, kind, out) for check in contract.CHECKS[len(contract.BASIC) :])
    if issubclass(kind, Cell):
        if kind.custom_gradient:
            out.print(
                "  its gradients are not compared with finite differences: custom_gradient = True", soft_wrap=True
            )
        sizes = [Sizes(members=3, batch=16, inputs=8, hidden=hidden) for hidden in USUAL]
        for line in choose_all("auto", {kind.name: (kind(), sizes)}):
            out.print(f"  {line}", soft_wrap=True)
    return failures


def _passes(check: Check, kind: Kind, out: Console) -> bool:
    title = inspect.cleandoc(check.__doc__ or "").splitlines()[0]
    try:
        with out.status(f"  {title}"):
            check(kind)
    except Exception as error:  # a user's code may raise anything
        out.print(
            Text.assemble(("  FAILS  ", "red"), title, "\n         ", failure_message(kind, error)), soft_wrap=True
        )
        return False
    out.print(Text.assemble(("  passes ", "green"), title), soft_wrap=True)
    return True
