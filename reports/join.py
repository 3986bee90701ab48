"""Joining the tables of several studies, so that one report decides the claims that they answer together.

Cells are compared only where the setting is the same: studies with different training, tuning or confirmation are refused, and so are
labels that mean different things, and networks of one arm that were trained by different versions of the code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.tables import MEMBERS, BadTable, read_curves

SHARED = ("seed", "match", "train", "tune", "confirm")
"""What the definitions of joined studies have in common; only the probes of `confirm` may differ."""
ARM = ["cell", "task", "lag", "size"]


def join(folders: Sequence[Path], target: Path) -> None:
    """Write the tables of several studies to a folder as those of one.

    :param folders: folders with results.csv and study.json, some with trials.csv or curves.
    :raises BadTable: for studies that cannot be joined, or a folder without these tables.
    """
    manifests = [_manifest(folder) for folder in folders]
    for folder, other in zip(folders[1:], manifests[1:], strict=True):
        _refuse_differences(folders[0], manifests[0], folder, other)
    paths = [folder / name for folder in folders for name in MEMBERS if (folder / name).is_file()]
    results = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]
    joined = pd.concat(results, ignore_index=True).fillna("").drop_duplicates("hash")
    _refuse_versions(folders, joined)
    name = manifests[0]["study"] if len({one["study"] for one in manifests}) == 1 else _named(manifests)
    joined.assign(study=name).to_csv(target / "results.csv", index=False)
    if curves := [found for folder in folders if (found := read_curves(folder)) is not None]:
        pd.concat(curves, ignore_index=True).drop_duplicates(["hash", "metric", "step"]).to_parquet(
            target / "curves.parquet", index=False
        )
    manifest = _joined(manifests) | {"study": name}
    (target / "study.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _manifest(folder: Path) -> dict[str, Any]:
    for name in ("results.csv", "study.json"):
        if not (folder / name).is_file():
            raise BadTable(f"{folder}: there is no {name} in this folder, so it cannot be joined with others")
    try:
        manifest = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        if (
            not isinstance(manifest["definition"], dict)
            or not isinstance(manifest["arms"], list)
            or not manifest["study"]
        ):
            raise KeyError
        return manifest
    except (ValueError, KeyError, TypeError):
        raise BadTable(
            f"{folder / 'study.json'}: it does not define a study, so it cannot be joined with others"
        ) from None


def _refuse_differences(
    folder: Path, manifest: Mapping[str, Any], other_folder: Path, other: Mapping[str, Any]
) -> None:
    where = f"{folder} and {other_folder} cannot be joined"
    if manifest.get("results_version") != other.get("results_version"):
        raise BadTable(f"{where}: their networks were trained by different versions of the code")
    for key in SHARED:
        mine, theirs = ({**one["definition"].get(key, {}), "probes": None} if key == "confirm" else one["definition"].get(key)
                        for one in (manifest, other))  # fmt: skip
        if mine != theirs:
            raise BadTable(f"{where}: {_difference(key, mine, theirs)}")
    for kind, name in (("cells", "cell"), ("tasks", "task")):
        for label in manifest.get(kind, {}).keys() & other.get(kind, {}).keys():
            # Their texts, such as the reference, may have been corrected in between.
            if any(manifest[kind][label].get(key) != other[kind][label].get(key) for key in (name, "options")):
                raise BadTable(f"{where}: the label {label!r} stands for different {kind}")


def _difference(key: str, mine: Any, theirs: Any) -> str:
    """The first setting that differs, with both values."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for name in [*mine, *theirs]:
            if mine.get(name) != theirs.get(name):
                return _difference(f"{key}.{name}", mine.get(name), theirs.get(name))
    return f"{key} is {mine} and {theirs}"


def _refuse_versions(folders: Sequence[Path], results: pd.DataFrame) -> None:
    """Refuse an arm whose networks appear twice under different hashes."""
    place = [*ARM, "phase", "search", "trial", "seed"]
    twice = results[results.duplicated([column for column in place if column in results])]
    if len(twice):
        arm = " · ".join(str(twice.iloc[0][column]) for column in ARM if column in twice)
        raise BadTable(
            f"{' and '.join(map(str, folders))} cannot be joined: both have networks of {arm}, trained by different versions of its code"
        )


def _named(manifests: Sequence[Mapping[str, Any]]) -> str:
    return " + ".join(dict.fromkeys(str(one["study"]) for one in manifests))


def _joined(manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One manifest: the first, with the cells, tasks, arms, failures and queues of all."""
    first = dict(manifests[0])
    # Not by hash: it changes with the source of a cell, and the setting is the same.
    arms = {tuple(arm.get(key) for key in ARM): arm for one in manifests for arm in one["arms"]}
    definition = first["definition"] | {
        "description": " ".join(dict.fromkeys(one["definition"].get("description", "") for one in manifests)).strip(),
        "task": _tasks([task for one in manifests for task in one["definition"].get("task", [])]),
        "cells": list({c["label"]: c for one in manifests for c in one["definition"].get("cells", [])}.values()),
        "sizes": sorted({size for one in manifests for size in one["definition"].get("sizes", [])}),
    }
    return first | {
        "definition": definition,
        "cells": {label: cell for one in manifests for label, cell in one.get("cells", {}).items()},
        "tasks": {label: task for one in manifests for label, task in one.get("tasks", {}).items()},
        "arms": list(arms.values()),
        "queued": sum(one.get("queued", 0) for one in manifests),
        "failed": [name for one in manifests for name in one.get("failed", [])],
        "command": " && ".join(dict.fromkeys(one["command"] for one in manifests if one.get("command"))),
    }


def _tasks(tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    joined: dict[str, dict[str, Any]] = {}
    for task in tasks:
        known = joined.setdefault(task["label"], dict(task))
        known["lags"] = sorted({*known["lags"], *task["lags"]})
    return list(joined.values())
