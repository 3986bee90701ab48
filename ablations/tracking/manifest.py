"""The manifest of a sweep, `study.json`: the data of a study that a report needs besides results.csv and curves.csv."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ablations import cells
from ablations.contract import plugins, siblings
from ablations.hyperparameters import HYPERPARAMETERS
from ablations.studies.hashing import RESULTS_VERSION
from ablations.studies.schema import CellChoice, TaskChoice
from ablations.studies.study import Arm, Study
from ablations.sweeps.sizes import build_model, flops_per_step, phase_sizes

PACKAGES = ("whygates", "torch", "optuna", "mlflow", "numpy", "pandas", "scipy")


def manifest(study: Study) -> dict[str, Any]:
    """The study's definition, its arms with hashes and sizes, the metadata of cells, tasks and hyperparameters, the source
    of plug-ins, and the software and hardware in use."""
    return {
        "study": study.name,
        "results_version": RESULTS_VERSION,
        "definition": study.model_dump(mode="json"),
        "cells": {choice.label: _cell(choice) for choice in study.cells},
        "hyperparameters": {one.name: {"default": one.default, "scale": one.scale} for one in HYPERPARAMETERS.values()},
        "lattice": [{"cell": c.name, "parent": c.parent, "change": c.change} for c in cells.catalogue().values()],
        "tasks": {choice.label: _task(choice) for choice in study.task},
        "arms": [_arm(arm) for arm in study.arms()],
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        "hardware": {"machine": platform.machine(), "cores": os.cpu_count(), "processor": _processor()},
        "commit": _commit(),
        "plugins": plugins.loaded() | siblings.texts,
    }


def _cell(choice: CellChoice) -> dict[str, Any]:
    kind = cells.catalogue()[choice.cell]
    return {
        "cell": kind.name,
        "parent": kind.parent,
        "change": kind.change,
        "reference": kind.reference,
        "equations": kind.equations(),
        "gates": list(kind.gates),
        "options": {**choice.init, **choice.options, **({"layers": choice.layers} if choice.layers > 1 else {})},
    }


def _task(choice: TaskChoice) -> dict[str, Any]:
    task = choice.build()
    return {
        "task": task.name,
        "group": "control" if choice.options.get("reset") else task.group,
        "lag_means": task.lag_means,
        "criterion": task.criterion,
        "reference": task.reference,
        "options": choice.options,
    }


def _arm(arm: Arm) -> dict[str, Any]:
    model = build_model(arm)
    return {
        "hash": arm.hash,
        "cell": arm.cell.label,
        "task": arm.task.label,
        "lag": arm.lag,
        "size": arm.size,
        "hidden_size": model.hidden,
        "parameters": model.parameters,
        "flops_per_step": flops_per_step(arm, model),
        "until_unsolved": arm.task.until_unsolved,
        **phase_sizes(arm),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _commit() -> str | None:
    """The commit of the source tree in use; None if it is not a git checkout."""
    try:
        git = ["git", "-C", str(Path(__file__).parent)]
        subprocess.run([*git, "ls-files", "--error-unmatch", Path(__file__).name], check=True, capture_output=True)
        clean = not subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True).stdout
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head if clean else f"{head} with uncommitted changes"
