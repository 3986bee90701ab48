"""The tables of a study as they are stored with a report: confirmation networks and trials in separate files, curves thinned."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from reports.aggregates.outcomes import GRID, Table
from reports.tables import TABLES, Tables, separator

TRACE = "trace/"
"""First letters of the metrics of single sequences, whose every step counts."""


def thinned(tables: Tables) -> Tables:
    """Leave out the curves of tuning networks, and thin those of the others to about GRID points each.

    Within a task and lag, all curves of a metric are thinned to the same equidistant steps and, each, its last one. A
    table that is already thinned stays as it is.
    """
    results: Table = tables.results
    if tables.curves is None:
        return tables
    trials = results.loc[results["phase"] != "confirm", "hash"]
    curves: Table = tables.curves[~tables.curves["hash"].isin(trials)].reset_index(drop=True)
    strata = results.drop_duplicates("hash").set_index("hash")[["task", "lag"]]
    numbers = strata.groupby(["task", "lag"]).ngroup()
    points = curves.groupby(["hash", "metric"], sort=False, observed=True)["step"]
    place, length = points.cumcount(), points.transform("size")
    stratum = curves["hash"].map(numbers).astype(float).fillna(-1)  # curves of unknown networks
    longest = length.groupby([stratum, curves["metric"]], observed=True).transform("max")
    stride = (-(-(longest - 1) // GRID)).clip(lower=1)
    kept = (place % stride == 0) | (place == length - 1) | curves["metric"].str.startswith(TRACE)
    return tables._replace(curves=curves[kept].reset_index(drop=True))


def stored(folder: Path, thin: Tables) -> Iterator[tuple[str, str | bytes | Path]]:
    """The tables of a folder by file name: their content, or the path of the file where it stays as it is.

    :param folder: the folder, or the path of a results.csv.
    :param thin: its tables, as `thinned` returns them.
    """
    if folder.is_file():
        yield from _split(folder)
        return
    paths = {name: folder / name for name in TABLES if (folder / name).is_file()}
    for name, path in paths.items():
        if name == "results.csv" and not paths.keys() & {"trials.csv", "trials.csv.gz"}:
            yield from _split(path)
        elif name == "curves.csv" and thin.curves is not None:
            yield name, _text(thin.curves)
        elif name == "curves.parquet" and thin.curves is not None:
            yield name, thin.curves.to_parquet(index=False, compression="zstd")
        else:
            yield name, path


def _split(results: Path) -> Iterator[tuple[str, str | Path]]:
    """A results.csv of all phases as one of confirmation networks, and the trials."""
    mark = separator(results)
    table = pd.read_csv(results, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep=mark)
    trials = table["phase"] != "confirm"
    if not any(trials):
        yield "results.csv", results
        return
    for name, rows in (("results.csv", table[~trials]), ("trials.csv", table[trials])):
        yield name, rows.to_csv(index=False, sep=mark, lineterminator="\n")


def _text(curves: Table) -> str:
    """The curves as CSV that is read as the same numbers; a step that is whole has no decimals."""
    whole = curves["step"] == curves["step"].round()
    steps = curves["step"].astype("int64") if whole.all() else curves["step"]
    return curves.assign(step=steps).to_csv(index=False, lineterminator="\n")
