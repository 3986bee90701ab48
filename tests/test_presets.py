"""The claims and the presets belong together: what a claim's command runs is what decides it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ablations.studies.loading import load, presets
from ablations.studies.study import Study
from ablations.sweeps.sizes import phase_sizes
from reports.claims import CLAIMS, Claim, decide
from reports.tables import MEASURED, NUMBERS_OR_EMPTY


def table(preset: str) -> pd.DataFrame:
    """Every member of a preset's arms with made-up results, four of five solved, and every measurement there may be."""
    rng, rows = np.random.default_rng(0), []
    study = load(preset)
    for arm in study.arms():
        task = arm.task.build()
        group = "control" if arm.task.options.get("reset") else task.group
        for phase, count in phase_sizes(arm).items():
            for member in range(count):
                rows.append({
                    "study": preset, "phase": phase, "cell": arm.cell.label, "task": arm.task.label, "lag": float(arm.lag),
                    "size": float(arm.size), "group": group, "search": float(member % arm.tune.searches), "seed": 0.0,
                    "solved": bool(rng.random() < 0.8), "diverged": False, "steps": float(arm.train.steps),
                })  # fmt: skip
    results = pd.DataFrame(rows)
    for column in {*NUMBERS_OR_EMPTY, *MEASURED, "score", "steps_to_solve"} - {*results.columns, "value"}:
        results[column] = 1 + rng.random(len(results))
    return results.assign(steps_to_solve=np.where(results["solved"], 0.5, 1.0) * results["steps"])


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.id))
def test_the_preset_of_a_claim_runs_every_arm_that_it_needs(claim: Claim) -> None:
    assert claim.preset in presets()
    found = {verdict.id: verdict for verdict in decide(table(claim.preset))}
    assert found[claim.id].verdict != "not_tested", found[claim.id].how_to_test
    missing = [contrast.question for contrast in found[claim.id].contrasts if contrast.outcome == "missing"]
    assert not missing


def test_a_claim_needs_its_arms() -> None:
    found = {verdict.id: verdict.verdict for verdict in decide(table("smoke"))}
    assert found[2] == found[7] == found[9] == "not_tested"


def test_the_readme_lists_every_preset_with_its_question_and_number_of_arms() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \| (\d+) \|$", readme.partition("<!-- studies -->")[2], re.MULTILINE)
    studies = {name: load(name) for name in presets()}
    assert {name: (question, int(arms)) for name, question, arms in rows} == {
        name: (study.description, len(study.arms())) for name, study in studies.items()
    }


def _settings(study: Study) -> dict[str, Any]:
    """What a robustness study may change, by name."""
    return {
        "cells": {cell.label: (cell.cell, cell.layers, cell.init, cell.options) for cell in study.cells},
        "matching": (study.match, study.sizes[:1]),
        "train": study.train,
        "space": study.tune.space,
        "trials": study.tune.trials,
    }


@pytest.mark.parametrize("name", [name for name in presets() if name.startswith("robust-")])
def test_a_robustness_study_changes_one_thing_of_why_gates(name: str) -> None:
    study, whole = load(name), load("why-gates")
    mine, other = _settings(study), _settings(whole)
    changed = [key for key in ("matching", "train", "space", "trials") if mine[key] != other[key]]
    changed += ["cells"] if not mine["cells"].items() <= other["cells"].items() else []
    assert len(changed) == 1, changed
    assert (study.tune.rerank, study.tune.sampler) == (whole.tune.rerank, "random")
    lags = {task.label: task.lags for task in whole.task}
    assert all(lag in lags[task.label] for task in study.task for lag in task.lags)
