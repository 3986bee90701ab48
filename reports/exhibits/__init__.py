"""Exhibits: the figures of a report, each as SVG with a caption, a text alternative and its data as CSV.

A function of this package aggregates the tables (`reports.aggregates`), draws a figure (`reports.figures`) and returns
an `Exhibit`. Where the tables lack what a figure needs, the exhibit holds the reason instead.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from reports.aggregates.outcomes import Table
from reports.exhibits.csv_data import csv_text
from reports.figures.panels import TALLEST
from reports.figures.style import figure_style, pdf, svg
from reports.format import percent
from reports.statistics.contrasts import LEVEL

INTERVALS = f"{percent(LEVEL)} intervals"
NO_CONFIRMATION = "These tables contain no confirmation runs, so this figure cannot be drawn."


class Sheet(NamedTuple):
    """One image of an exhibit; a figure that is too tall for a page is split into several."""

    svg: str
    pdf: bytes
    about: str
    """The tasks on this sheet; empty if it is the only one."""


class Exhibit(NamedTuple):
    """A figure with its caption, text alternative and data, or the reason why it is missing."""

    sheets: tuple[Sheet, ...]
    alt: str
    """Text alternative for readers who cannot see the figure."""
    caption: str
    """The caption, or the reason why there are no sheets."""
    data: str
    """The numbers of the figure as CSV."""
    takeaway: str = ""
    """What the figure shows, in a sentence."""

    @property
    def shown(self) -> bool:
        """Whether there is a figure."""
        return bool(self.sheets)


def sheet(figure: Figure, about: str = "") -> Sheet:
    """Return a figure as a sheet."""
    return Sheet(svg(figure), pdf(figure), about)


def exhibit(draw: Callable[[], Figure], alt: str, caption: str, data: pd.DataFrame, takeaway: str = "") -> Exhibit:
    """Return an exhibit of one sheet."""
    with figure_style():
        return Exhibit((sheet(draw()),), alt, caption, csv_text(data), takeaway)


def paged(
    table: Table,
    tasks: int,
    draw: Callable[[Table], Figure],
    alt: str,
    caption: str,
    data: pd.DataFrame | None = None,
    takeaway: str = "",
) -> Exhibit:
    """Return an exhibit with at most `tasks` tasks on each sheet.

    :param table: what is drawn, with a column `task`.
    :param draw: called with the rows of the tasks on one sheet.
    :param data: the table offered as CSV, if it is not `table`.
    """
    pages = list(_pages(list(dict.fromkeys(table["task"])), max(1, tasks)))
    with figure_style():
        sheets = tuple(
            sheet(draw(table[table["task"].isin(page)]), ", ".join(page) if len(pages) > 1 else "") for page in pages
        )
    return Exhibit(sheets, alt, caption, csv_text(table if data is None else data), takeaway)


def missing(reason: str) -> Exhibit:
    """Return an exhibit without a figure."""
    return Exhibit((), "", reason, "")


def tasks_per_sheet(table: Table, height: float) -> int:
    """Return how many tasks fit on a sheet of `task_by_lag` whose rows of panels are `height` inches tall."""
    rows = max(1, int(TALLEST / height))
    lags = table.groupby("task")["lag"].nunique(dropna=False).max() if len(table) else 1
    return max(3 // lags, 2 * rows if lags == 1 else rows)


def _pages(tasks: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(tasks), size):
        yield tasks[start : start + size]
