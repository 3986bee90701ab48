"""`whygates export`: a table of a study as one file, for pandas, R or a spreadsheet."""

from pathlib import Path
from typing import Literal

import pandas as pd
from rich.console import Console

from ablations.errors import InputError
from ablations.sweeps.store import Store, atomic_file
from ablations.tracking.runs import using
from ablations.tracking.tracked import TrackedStudy
from reports.format import count

TableName = Literal["members", "trials", "curves"]


def export(study: str, folder: Path, out: Path, table: TableName, console: Console) -> None:
    """Write the confirmed members of a study, its tuning trials or all learning curves to a new CSV or Parquet file.

    The package `reports` documents the columns. Raises InputError.
    """
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"--out {out}: the name of the file must end in .csv or .parquet")
    if out.exists():
        raise InputError(f"--out {out}: it exists; name a new file")
    store = Store.open(folder)
    with console.status("reading the runs"), using(store):
        tracker = TrackedStudy(store, study)
        rows = _rows(tracker, table)
    try:
        with atomic_file(out) as scratch:
            rows.to_csv(scratch, index=False) if out.suffix == ".csv" else _typed(rows).to_parquet(scratch, index=False)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror or error}") from None
    console.print(f"Written:     {out} ({count(len(rows), 'row')})", soft_wrap=True)


def _rows(tracker: TrackedStudy, table: TableName) -> pd.DataFrame:
    manifest = tracker.manifest()
    if table == "curves":
        return tracker.curves(manifest)
    return tracker.results(manifest).query(f"phase {'==' if table == 'members' else '!='} 'confirm'")


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with one type per column, which Parquet needs: a bias may be a number or `chrono`."""
    mixed = [column for column in rows if rows[column].dtype == object and len({*map(type, rows[column])}) > 1]
    return rows.astype(dict.fromkeys(mixed, "string"))
