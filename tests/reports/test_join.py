"""Tables of several studies become those of one, and studies that differ in their setting are refused."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from reports.join import join
from reports.tables import BadTable, read

DEFINITION = {
    "seed": 0,
    "match": "parameters",
    "train": {"steps": 2000, "batch": 16},
    "tune": {"searches": 10, "space": {"learning_rate": {"low": 1e-4, "high": 1e-2}}},
    "confirm": {"seeds": 20, "probes": ["flow"]},
}


def write(folder: Path, name: str, labels: list[str], task: str, lags: list[int], **changes: object) -> Path:
    """The tables of a study of one search with two networks per arm."""
    folder.mkdir()
    rows = [
        {
            "study": name, "phase": "confirm", "cell": cell, "task": task, "lag": lag, "size": 1500, "search": 0, "trial": 1,
            "seed": seed, "hidden_size": 5, "parameters": 1500, "score": 0.5, "solved": seed % 2, "steps_to_solve": 2000,
            "censored": 1, "diverged": 0, "seconds": 1, "hash": f"{cell}-{task}-{lag}-{seed}",
        }
        for cell in labels for lag in lags for seed in (0, 1)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "results.csv", index=False)
    curves = [{"hash": row["hash"], "step": 50, "metric": "eval/score", "value": 0.5} for row in rows]
    pd.DataFrame(curves).to_csv(folder / "curves.csv", index=False)
    arms = [
        {"hash": f"{cell}-{task}-{lag}", "cell": cell, "task": task, "lag": lag, "size": 1500, "tune": 0, "rerank": 0, "confirm": 2}
        for cell in labels for lag in lags
    ]  # fmt: skip
    manifest = {
        "study": name,
        "results_version": 2,
        "definition": DEFINITION
        | {
            "description": f"What about {name}?",
            "cells": [{"label": cell} for cell in labels],
            "task": [{"label": task, "lags": lags}],
            "sizes": [1500],
        },
        "cells": {cell: {"cell": cell} for cell in labels},
        "tasks": {task: {"task": task}},
        "arms": arms,
        "command": f"whygates sweep {name}",
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        table = manifest
        for parent in parents:
            table[parent] = dict(table[parent])
            table = table[parent]
        table[last] = value
    (folder / "study.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def latch(tmp_path: Path) -> Path:
    return write(tmp_path / "latch", "latch", ["lstm", "rnn"], "recall", [10, 20])


def joined(tmp_path: Path, *folders: Path) -> Path:
    (target := tmp_path / "joined").mkdir(exist_ok=True)
    join(folders, target)
    return target


def test_joined_tables_have_the_networks_arms_and_curves_of_all(tmp_path: Path, latch: Path) -> None:
    erase = write(tmp_path / "erase", "erase", ["lstm", "gru"], "continual_adding", [5], definition__confirm={"seeds": 20, "probes": ["clamp"]})  # fmt: skip
    results, curves, study = read(joined(tmp_path, latch, erase))
    assert len(results) == len(curves) == 2 * (4 + 2)
    assert set(results["study"]) == {"latch + erase"}
    assert study["study"] == "latch + erase"
    assert len(study["arms"]) == 6
    assert [cell["label"] for cell in study["definition"]["cells"]] == ["lstm", "rnn", "gru"]
    assert set(study["tasks"]) == {"recall", "continual_adding"}
    assert study["command"] == "whygates sweep latch && whygates sweep erase"


def test_networks_that_several_tables_have_count_once(tmp_path: Path, latch: Path) -> None:
    more = write(tmp_path / "more", "latch", ["lstm"], "recall", [20, 40])
    results, curves, study = read(joined(tmp_path, latch, more))
    assert len(results) == len(curves) == 2 * 5
    assert study["study"] == "latch"
    assert [task["lags"] for task in study["definition"]["task"]] == [[10, 20, 40]]
    assert len(study["arms"]) == 5


def test_an_arm_is_the_same_in_two_versions_of_its_source(tmp_path: Path, latch: Path) -> None:
    """A stage of a study that was swept before a cell's source changed without changing its numbers: another hash, other texts."""
    more = write(tmp_path / "more", "latch", ["lstm"], "recall", [20, 40])
    manifest = json.loads((more / "study.json").read_text())
    for arm in manifest["arms"]:
        arm["hash"] += "-newer"
    manifest["cells"]["lstm"]["reference"] = "Gers 2000, corrected"
    (more / "study.json").write_text(json.dumps(manifest))
    study = read(joined(tmp_path, latch, more)).study
    assert [(arm["cell"], arm["lag"]) for arm in study["arms"]] == [
        ("lstm", 10), ("lstm", 20), ("rnn", 10), ("rnn", 20), ("lstm", 40),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"definition__train": {"steps": 3000, "batch": 16}}, "train.steps is 2000 and 3000"),
        ({"definition__tune": DEFINITION["tune"] | {"searches": 5}}, "tune.searches is 10 and 5"),
        ({"definition__tune": DEFINITION["tune"] | {"space": {}}}, "tune.space.learning_rate is"),
        ({"definition__confirm": {"seeds": 10}}, "confirm.seeds is 20 and 10"),
        ({"definition__match": "hidden"}, "match is parameters and hidden"),
        ({"definition__seed": 1}, "seed is 0 and 1"),
        ({"results_version": 1}, "their networks were trained by different versions of the code"),
        ({"cells": {"lstm": {"cell": "lstm", "options": {"peephole": True}}}}, "the label 'lstm' stands for different cells"),
        ({"tasks": {"recall": {"task": "recall", "options": {"alphabet": 9}}}}, "the label 'recall' stands for different tasks"),
    ],
)  # fmt: skip
def test_studies_that_differ_are_refused(tmp_path: Path, latch: Path, changes: dict[str, object], message: str) -> None:
    other = write(tmp_path / "other", "other", ["lstm"], "recall", [40], **changes)
    with pytest.raises(
        BadTable, match=re.escape(f"{latch} and {other} cannot be joined: ") + ".*" + re.escape(message)
    ):
        joined(tmp_path, latch, other)
    assert not list((tmp_path / "joined").iterdir())


def test_an_arm_of_two_versions_of_the_code_is_refused(tmp_path: Path, latch: Path) -> None:
    other = write(tmp_path / "other", "other", ["lstm"], "recall", [20])
    text = (other / "results.csv").read_text().replace("lstm-recall", "newer")
    (other / "results.csv").write_text(text)
    with pytest.raises(
        BadTable, match="both have networks of lstm · recall · 20 · 1500, trained by different versions"
    ):
        joined(tmp_path, latch, other)


@pytest.mark.parametrize("missing", ["results.csv", "study.json"])
def test_folders_without_tables_are_refused(tmp_path: Path, latch: Path, missing: str) -> None:
    other = write(tmp_path / "other", "other", ["lstm"], "recall", [40])
    (other / missing).unlink()
    with pytest.raises(BadTable, match=re.escape(f"there is no {missing} in this folder")):
        joined(tmp_path, latch, other)


@pytest.mark.parametrize("text", ["{", "[]", '{"study": "x"}', '{"study": "", "definition": {}, "arms": []}'])
def test_a_manifest_that_defines_no_study_is_refused(tmp_path: Path, latch: Path, text: str) -> None:
    other = write(tmp_path / "other", "other", ["lstm"], "recall", [40])
    (other / "study.json").write_text(text)
    with pytest.raises(BadTable, match=r"study\.json: it does not define a study"):
        joined(tmp_path, latch, other)
