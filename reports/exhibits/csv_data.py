"""The numbers of a figure as CSV."""

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV, six digits a number. A text that a spreadsheet would take for a formula gets an apostrophe."""
    shown = table.copy()
    for column in shown:
        if not pd.api.types.is_numeric_dtype(shown[column]):
            shown[column] = shown[column].map(_plain)
    shown.columns = [_plain(str(column)) for column in shown.columns]
    return shown.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _plain(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
