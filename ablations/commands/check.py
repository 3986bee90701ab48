"""What `whygates check` prints: how the cells and tasks of a file keep their contract."""

import inspect
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ablations.cells import Cell
from ablations.contract import Check, Kind, fault, plugins
from ablations.engines import choose_all


def check_file(file: Path, out: Console) -> bool:
    """Print what passes and what fails; whether all passes. Raises InputError for a file that cannot be used."""
    failed = [failure for kind in plugins.define(file) for failure in _check(kind, out)]
    out.print(f"checks that fail: {len(failed)}" if failed else "every check passes", highlight=False)
    return not failed


def _check(kind: Kind, out: Console) -> list[Check]:
    """The checks that fail. Those that a cell or task must pass to be used at all come first, and alone if one fails."""
    contract = plugins.contract(kind)
    out.print(Text.assemble((kind.name, "bold"), f", a {'cell' if issubclass(kind, Cell) else 'task'}"), soft_wrap=True)
    failed = [check for check in contract.BASIC if not _passes(check, kind, out)]
    if failed:
        out.print(f"  the other {len(contract.CHECKS) - len(contract.BASIC)} checks come after these", highlight=False)
        return failed
    failed = [check for check in contract.CHECKS[len(contract.BASIC) :] if not _passes(check, kind, out)]
    if issubclass(kind, Cell):
        for line in choose_all("auto", {kind.name: kind()}):
            out.print(f"  {line}", soft_wrap=True, highlight=False)
    return failed


def _passes(check: Check, kind: Kind, out: Console) -> bool:
    said = inspect.cleandoc(check.__doc__ or "").splitlines()[0]
    try:
        check(kind)
    except Exception as error:  # what is not ours may raise anything
        out.print(Text.assemble(("  FAILS  ", "red"), said, "\n         ", fault(kind, error)), soft_wrap=True)
        return False
    out.print(Text.assemble(("  passes ", "green"), said), soft_wrap=True)
    return True
