"""Exhibits: the figures of a report, each with its data, its text for those who cannot see it and a caption that says how
to read it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from reports.aggregates.outcomes import Table
from reports.exhibits.csv_data import csv_text
from reports.figures import style
from reports.figures.panels import TALLEST

NO_CONFIRMATION = "There are no confirmation runs in these tables, so there is nothing to show here."


class Sheet(NamedTuple):
    """A page of a figure."""

    svg: str
    about: str
    """What is on it; empty where it is the only one."""


class Exhibit(NamedTuple):
    """A figure ready to be shown, or the reason why there is none."""

    sheets: tuple[Sheet, ...]
    alt: str
    caption: str
    data: str
    """The figure's numbers as CSV."""

    @property
    def shown(self) -> bool:
        """Whether there is a figure; otherwise the caption says why not."""
        return bool(self.sheets)


def exhibit(draw: Callable[[], Figure], alt: str, caption: str, data: pd.DataFrame) -> Exhibit:
    """An exhibit of one sheet."""
    with style.style():
        return Exhibit((Sheet(style.svg(draw()), ""),), alt, caption, csv_text(data))


def paged(
    table: Table, tasks: int, draw: Callable[[Table], Figure], alt: str, caption: str, data: pd.DataFrame | None = None
) -> Exhibit:
    """An exhibit with so many tasks on each sheet.

    :param table: what is drawn, with a column `task`.
    :param data: where it is not the table itself that is offered as CSV.
    """
    pages = list(_pages(list(dict.fromkeys(table["task"])), max(1, tasks)))
    with style.style():
        sheets = tuple(
            Sheet(style.svg(draw(table[table["task"].isin(page)])), ", ".join(page) if len(pages) > 1 else "")
            for page in pages
        )
    return Exhibit(sheets, alt, caption, csv_text(table if data is None else data))


def none(reason: str) -> Exhibit:
    return Exhibit((), "", reason, "")


def fitting(table: Table, height: float) -> int:
    """How many tasks fit on a sheet of `task_by_lag`, whose rows of panels are so high."""
    rows = max(1, int(TALLEST / height))
    lags = table.groupby("task")["lag"].nunique(dropna=False).max() if len(table) else 1
    return max(3 // lags, 2 * rows if lags == 1 else rows)


def _pages(tasks: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(tasks), size):
        yield tasks[start : start + size]
