"""The data of a figure as CSV text."""

import pandas as pd

from reports.format import rounded

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet evaluate a text as a formula."""


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV with six significant digits; texts that look like formulas are prefixed with an apostrophe."""
    escaped = table.copy()
    for column in escaped:
        if pd.api.types.is_float_dtype(escaped[column]):
            escaped[column] = escaped[column].map(rounded)
        elif not pd.api.types.is_numeric_dtype(escaped[column]):
            escaped[column] = escaped[column].map(_escape)
    escaped.columns = [_escape(str(column)) for column in escaped.columns]
    return escaped.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _escape(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
