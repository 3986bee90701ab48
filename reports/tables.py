"""Read and validate the tables of a study. An invalid table raises one sentence that names the file, column and row.

`reports/templates/README.md` documents the columns.
"""

from __future__ import annotations

import difflib
import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from reports.aggregates.outcomes import Table
from reports.aggregates.tuning import SCALES
from reports.statistics.strata import group_of
from reports.untrained import with_untrained

MEMBERS = ("results.csv", "trials.csv", "trials.csv.gz")
CURVES_FILES = ("curves.csv", "curves.parquet")
"""Either form of the curves: Parquet takes a tenth of the space."""
TABLES = (*MEMBERS, *CURVES_FILES, "study.json")
"""The tables of a study, of which only the first must be there."""
TEXT = ("study", "phase", "cell", "task", "hash")
NUMBERS = ("lag", "seed", "hidden_size", "parameters", "score", "steps_to_solve", "seconds")
BOOLEANS = ("solved", "censored", "diverged")
NUMBERS_OR_EMPTY = (
    "trial",
    "search",
    "size",
    "loss",
    "steps",
    "finished_at",
    "objective",
    "flops_per_step",
    "learning_rate",
)
NUMBERS_OR_EMPTY += ("clip_norm", "state_norm_first", "state_norm_10", "state_norm_last")
NUMBERS_OR_EMPTY += ("largest_n", "error_free_steps")
NUMBERS_OR_EMPTY += ("decay_init", "decay_half", "decay_end", "retained", "time_constant", "decodability")
NUMBERS_OR_EMPTY += ("clamp_none", "clamp_mean", "clamp_event", "clamp_shuffled", "distilled")
REQUIRED = ("study", "phase", "cell", "task", "lag", "seed", "trial", "hidden_size", "parameters", "score", "solved")
REQUIRED += ("steps_to_solve", "censored", "diverged", "seconds", "hash")
MANIFEST = {
    "definition": dict,
    "cells": dict,
    "tasks": dict,
    "hyperparameters": dict,
    "versions": dict,
    "hardware": dict,
    "lattice": list,
    "arms": list,
    "failed": list,
    "queued": int,
    "command": str,
}
"""Type of each optional key of study.json."""
KINDS = {dict: "an object", list: "a list", int: "a whole number", str: "a text"}
"""How an error message names a type."""
CURVES = ("hash", "step", "metric", "value")
PHASES = ("tune", "rerank", "confirm")
MEASURED = ("score", "loss", "objective", "flops_per_step", "value")
MEASURED += ("state_norm_first", "state_norm_10", "state_norm_last")
MEASURED += ("decay_init", "decay_half", "decay_end", "retained", "time_constant")
MEASURED += ("clamp_none", "clamp_mean", "clamp_event", "clamp_shuffled", "distilled")
LARGEST, LARGEST_MEASURED = 1e15, 1e100
"""Largest magnitude of a count or setting, and of a measurement: float32 ends at 3e38, and sums of squares must not overflow."""
LARGEST_TABLE, LARGEST_CURVES = 200_000, 30_000_000
"""Most rows that are read, about a gigabyte. A study of every cell on every task at four lags has 80,000 members."""
TRUTH = {"1": True, "true": True, "1.0": True, "0": False, "false": False, "0.0": False}

TEXTS = ("cell", "parent", "change", "task", "reference", "equations", "group", "lag_means", "criterion")
"""Optional keys of the manifest's entries whose value is a text."""


class BadTable(ValueError):
    """An invalid table. The message is one sentence that names the file, column, row and what is allowed."""


class Tables(NamedTuple):
    """The tables of a study."""

    results: pd.DataFrame  # one row per member, `group` filled; also of members that were not trained (`untrained`)
    curves: pd.DataFrame | None  # one row per (member, step, metric)
    study: dict[str, Any]  # the manifest, {} if there is none


def read(path: Path | str) -> Tables:
    """Read the tables in a folder, or a single results.csv. Confirmation networks come first, whichever table has them.

    :raises BadTable: if a file is missing or invalid.
    """
    path = Path(path)
    if path.is_file():
        return Tables(_members([path]), None, {})
    if not path.is_dir():
        raise BadTable(f"{path}: there is no such file or folder")
    study = path / "study.json"
    files = [path / name for name in MEMBERS if (path / name).is_file()]
    if path / MEMBERS[0] not in files:
        raise BadTable(f"{path}: there is no {MEMBERS[0]} in this folder")
    manifest = _study(study) if study.is_file() else {}
    return Tables(with_untrained(_members(files), manifest), read_curves(path), manifest)


def _members(files: Sequence[Path]) -> pd.DataFrame:
    """The rows of all tables of members."""
    tables = [table for file in files if len(table := _results(file))]
    if not tables:
        raise BadTable(f"{files[0]}: the table has a header but no rows")
    members: Table = pd.concat(tables, ignore_index=True)
    for file in files[1:]:
        twice = members["hash"].duplicated()
        if twice.any():
            raise BadTable(f"{file}: the network {members['hash'][twice].iloc[0]!r} is also in {files[0].name}")
    for column in members.select_dtypes("str"):
        members[column] = members[column].fillna("")  # a column that one of the tables does not have
    return members.sort_values("phase", key=lambda phase: phase != "confirm", kind="stable", ignore_index=True)


def _results(file: Path) -> pd.DataFrame:
    table = _csv(file, REQUIRED, rows=False, limit=LARGEST_TABLE)
    for column in TEXT:
        _refuse(file, table, column, table[column] == "", "must not be empty")
    _refuse(file, table, "phase", ~table["phase"].isin(PHASES), f"must be one of {', '.join(PHASES)}")
    _refuse(file, table, "hash", table["hash"].duplicated(), "must be unique")
    for column in BOOLEANS:
        truth = table[column].str.lower().map(TRUTH)
        _refuse(file, table, column, truth.isna(), "must be 0 or 1 (or false, true)")
        table[column] = truth.astype(bool)
    for column in NUMBERS:
        table[column] = _numbers(file, table, column)
    for column in NUMBERS_OR_EMPTY:
        if column in table:
            table[column] = _numbers(file, table, column, empty=True)
    group = table["group"] if "group" in table else pd.Series("", index=table.index, dtype="str")
    table["group"] = group.where(group != "", table["task"].map(group_of))
    return table


def read_curves(folder: Path) -> pd.DataFrame | None:
    """The curves of a folder, from whichever of CURVES_FILES is there; None if none is."""
    file = next((folder / name for name in CURVES_FILES if (folder / name).is_file()), None)
    if file is None:
        return None
    if file.suffix == ".parquet":
        return _columnar(file)
    _csv(file, CURVES, rows=False)
    table = _parsed(file)
    if table is None:
        table = _csv(file, CURVES, rows=False, limit=LARGEST_CURVES)
        for column in ("step", "value"):
            table[column] = _numbers(file, table, column)
    _refuse_long(file, table, LARGEST_CURVES)
    return table


def _columnar(file: Path) -> pd.DataFrame:
    """The curves of a Parquet file."""
    try:
        table = pd.read_parquet(file, columns=list(CURVES))
        table = table.astype({"hash": "category", "metric": "category", "step": "float64", "value": "float64"})
    except Exception as error:  # a damaged file can raise anything
        reason = str(error).partition("\n")[0]
        raise BadTable(f"{file}: this is not a Parquet table with the columns {', '.join(CURVES)} ({reason})") from None
    _refuse_long(file, table, LARGEST_CURVES)
    for column, largest in (("step", LARGEST), ("value", LARGEST_MEASURED)):
        _refuse(file, table, column, ~(table[column].abs() <= largest), f"must be a number up to {largest:g}")
    return table


def _parsed(file: Path) -> pd.DataFrame | None:
    """Parse the curves directly into numbers, since the text of a large study does not fit into memory.

    None if a value is invalid; `_csv` then reads the text, so that the error message can name the cell.
    """
    kinds: Any = {"hash": "category", "metric": "category", "step": "float64", "value": "float64"}
    rows, mark = LARGEST_CURVES + 1, separator(file)
    try:
        table = pd.read_csv(
            file, dtype=kinds, usecols=list(CURVES), keep_default_na=False, encoding="utf-8-sig", nrows=rows,
            sep=mark, decimal="." if mark == "," else ",",
        )  # fmt: skip
    except ValueError:
        return None
    good = bool(np.all(table["step"].abs() <= LARGEST) and np.all(table["value"].abs() <= LARGEST_MEASURED))
    return table if good else None


def separator(file: Path) -> str:
    """The separator of a table, which is the most frequent one in its header: spreadsheets also write semicolons and tabs."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig", errors="replace") as lines:
        header = lines.readline()
    return max(",;\t", key=header.count)


def _refuse_long(file: Path, table: pd.DataFrame, limit: int) -> None:
    if len(table) > limit:
        raise BadTable(f"{file}: more than {limit:,} rows do not fit into a report; export a part of the study")


def _study(file: Path) -> dict[str, Any]:
    try:
        study = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # also JSONDecodeError and UnicodeDecodeError
        raise BadTable(f"{file}: this is not JSON ({error})") from error
    if not isinstance(study, dict):
        raise BadTable(f"{file}: must hold one JSON object, not a {type(study).__name__}")
    for key, kind in MANIFEST.items():
        if not isinstance(study.get(key, kind()), kind):
            raise BadTable(f"{file}: {key} must be {KINDS[kind]}, not {KINDS.get(type(study[key]), 'a single value')}")
        entries = study.get(key, kind()) if key in ("lattice", "arms", "cells", "tasks") else []
        for entry in entries.values() if isinstance(entries, dict) else entries:
            if not isinstance(entry, dict):
                raise BadTable(f"{file}: every entry of {key} must be an object")
            for name in TEXTS:
                if not isinstance(entry.get(name, ""), str | None):
                    raise BadTable(f"{file}: {name} of an entry of {key} must be a text")
            if key == "lattice" and not entry.get("cell"):
                raise BadTable(f"{file}: every entry of lattice must name its cell")
    for name, entry in study.get("hyperparameters", {}).items():
        if not isinstance(entry, dict) or entry.get("scale") not in SCALES:
            raise BadTable(
                f"{file}: the scale of hyperparameter {name} must be {', '.join(SCALES[:-1])} or {SCALES[-1]}"
            )
    return study


def _csv(file: Path, required: tuple[str, ...], rows: bool = True, limit: int = 0) -> pd.DataFrame:
    """Read every value as text, so that a cell named "1" or "nan" keeps its name.

    :param rows: whether the table must have rows.
    :param limit: the most rows allowed; 0 reads only the header and one row.
    """
    try:
        table = pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding="utf-8-sig", nrows=limit + 1, sep=separator(file)
        )
        table.attrs["decimal comma"] = separator(file) != ","
    except pd.errors.EmptyDataError as error:
        raise BadTable(f"{file}: the file is empty") from error
    except (pd.errors.ParserError, UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadTable(f"{file}: this is not a CSV table ({str(error).strip()})") from error
    missing = [column for column in required if column not in table]
    if len(missing) == len(required):
        raise BadTable(f"{file}: this is not a table of whygates: it has none of the columns {', '.join(required)}")
    if missing:
        raise BadTable(f"{file}: missing {', '.join(_near(column, table.columns) for column in missing)}")
    if rows and table.empty:
        raise BadTable(f"{file}: the table has a header but no rows")
    if limit:
        _refuse_long(file, table, limit)
    return table


def _near(column: str, present: pd.Index) -> str:
    """A missing column, with the most similar present one."""
    close = difflib.get_close_matches(column, [str(name) for name in present], n=1, cutoff=0.75)
    return f"column {column}" + (f" (should {close[0]} be named {column}?)" if close else "")


def _numbers(file: Path, table: pd.DataFrame, column: str, empty: bool = False) -> pd.Series:
    """A column as finite numbers within their bounds; NaN for an empty value where `empty` allows it."""
    cells = table[column].str.strip()
    if table.attrs.get("decimal comma"):  # as spreadsheets write where the comma is the decimal mark
        cells = cells.str.replace(",", ".", n=1)
    numbers = pd.Series(pd.to_numeric(cells, errors="coerce"), index=table.index)
    bad = ~np.isfinite(np.asarray(numbers, dtype=float))
    if empty:
        bad &= np.asarray(cells != "")
    _refuse(file, table, column, bad, "must be a finite number" + (" or empty" if empty else ""))
    if column == "learning_rate":
        _refuse(file, table, column, numbers <= 0, "must be above 0 or empty")
    if column != "seed":  # a seed is any 64-bit number
        largest = LARGEST_MEASURED if column in MEASURED else LARGEST
        _refuse(file, table, column, numbers.abs() > largest, f"must be a number between −{largest:g} and {largest:g}")
    return numbers


def _refuse(file: Path, table: pd.DataFrame, column: str, bad: ArrayLike, rule: str) -> None:
    """Raise for the first bad value. Rows are numbered as in a spreadsheet: the header is row 1.

    :param bad: one boolean per row.
    :param rule: what a value must be, as in "must be 0 or 1".
    """
    where = np.flatnonzero(np.asarray(bad))
    if len(where):
        (cell,) = table[column].iloc[where[:1]].tolist()
        raise BadTable(f"{file}: column {column}, row {int(where[0]) + 2}: {cell!r} {rule}")
