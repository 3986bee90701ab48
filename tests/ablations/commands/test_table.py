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


def test_columns_of_several_words_are_wrapped_before_a_name_is_broken() -> None:
    out = Console(file=io.StringIO(), width=60)
    made = Table("cell", "lag", "one", "two", "three", "four")
    made.add_row("single_network", "5, 10, 20, 40", "18,000", "18,000", "18,000", "18,000")
    out.print(fitted(made, out, ()))
    assert "single_network" in out.file.getvalue()
    assert "5, 10, 20, 40" not in out.file.getvalue()
