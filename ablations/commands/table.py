"""Tables that fit into the width of the terminal without breaking a name inside a word."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

WIDEST = 10_000
"""Characters in which any table fits."""


def fits(table: Table, out: Console) -> bool:
    """Whether no word of a table has to be broken."""
    return out.measure(table, options=out.options.update(max_width=WIDEST)).minimum <= out.width


def fitted(table: Table, out: Console, optional: Sequence[str]) -> Table:
    """Remove as many of the `optional` columns, from the first on, as make the table fit; returns the table."""
    for name in optional:
        if fits(table, out):
            break
        table.columns = [column for column in table.columns if column.header != name]
    if fits(table, out):
        for column in table.columns:  # rich would narrow columns in proportion to their widths, and break names
            column.no_wrap = all(" " not in str(cell) for cell in column.cells)
    return table
