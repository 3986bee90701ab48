"""Tables of the terminal at the widths that it has."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from ablations.commands.table import fits, fitted

ROW = {"cell": "single_network", "size": "1500", "task": "continual_adding", "solved": "20/20"}


def table() -> Table:
    made = Table(*ROW)
    made.add_row(*ROW.values())
    return made


@pytest.mark.parametrize(
    ("width", "columns"),
    [(53, [*ROW]), (52, ["cell", "task", "solved"]), (46, ["cell", "task", "solved"]), (45, ["cell", "task"]), (20, ["cell", "task"])],
)  # fmt: skip
def test_columns_are_left_out_until_every_word_fits(width: int, columns: list[str]) -> None:
    out = Console(file=io.StringIO(), width=width)
    assert fits(table(), out) is (columns == [*ROW])
    made = fitted(table(), out, ("size", "solved"))
    assert [column.header for column in made.columns] == columns
    out.print(made)
    printed = out.file.getvalue()
    assert all((ROW[name] in printed) is (name in columns) for name in ROW) or width < 37
