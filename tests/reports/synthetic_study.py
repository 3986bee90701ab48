"""Synthetic tables of a study, for tests only.

The probability that a network solves its task decreases with the lag and with the distance from a good learning rate.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tests.reports import synthetic_probes
from tests.reports.synthetic_catalogue import CELLS, GROUPS, HALF_SOLVED_LAG, TASKS

BUDGET, EVAL_EVERY, WINDOWS = 600, 25, 50


class Synthetic(NamedTuple):
    """The three tables of a study."""

    results: pd.DataFrame
    curves: pd.DataFrame
    study: dict[str, Any]


def study(
    lags: dict[str, list[int]] | None = None,
    searches: int = 2,
    trials: int = 4,
    confirm: int = 6,
    seed: int = 0,
    cells: dict[str, tuple[Any, ...]] | None = None,
) -> Synthetic:
    """A study of five cells on two tasks, by default as large as the demo.

    :param lags: the lags of each task.
    :param confirm: confirmation networks per arm, divided evenly among the searches.
    :param cells: label -> parent, change, reference, gates, hidden units.
    """
    cells = cells or CELLS
    lags = lags or {"recall": [20], "continual_adding": [10, 20]}
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    curves: list[tuple[str, float, str, float]] = []
    for task, task_lags in lags.items():
        for lag in task_lags:
            for cell, (*_, gates, hidden) in cells.items():
                for search in range(searches):
                    rates = 10 ** random.uniform(-4, -1.5, trials)
                    best = float(rates[np.abs(np.log10(rates) + 2.3).argmin()])
                    for trial, rate in enumerate(rates):
                        rows.append(
                            _member(random, curves, cell, task, lag, search, trial, rate, "tune", trial, hidden)
                        )
                    for k in range(confirm // searches):
                        number = search * (confirm // searches) + k
                        row = _member(random, curves, cell, task, lag, search, None, best, "confirm", number, hidden)
                        rows.append(row)
                        if not row["diverged"]:
                            probe_random = np.random.default_rng([seed, int(row["hash"], 16)])
                            row |= synthetic_probes.columns(probe_random, cell, task, lag, row["score"], bool(gates))
                            curves += synthetic_probes.points(probe_random, row, gates, trace=number == 0)
    return Synthetic(
        pd.DataFrame(rows).astype({"trial": "Int64"}),
        pd.DataFrame(curves, columns=["hash", "step", "metric", "value"]),
        _manifest(lags, searches, trials, confirm, cells),
    )


def write(folder: Path, tables: Synthetic) -> Path:
    """Write the three tables into a folder, as the tracker exports them."""
    folder.mkdir(parents=True, exist_ok=True)
    tables.results.to_csv(folder / "results.csv", index=False)
    tables.curves.to_csv(folder / "curves.csv", index=False)
    (folder / "study.json").write_text(json.dumps(tables.study, indent=2), encoding="utf-8")
    return folder


def _member(
    random: np.random.Generator,
    curves: list[tuple[str, float, str, float]],
    cell: str,
    task: str,
    lag: int,
    search: int,
    trial: int | None,
    rate: float,
    phase: str,
    seed: int,
    hidden: int,
) -> dict[str, Any]:
    distance = abs(np.log10(rate) + 2.3)
    diverged = bool(random.random() < (0.25 if rate > 0.015 and cell in ("rnn", "lstm_no_forget") else 0.01))
    ease = 3.5 * np.log(_half_solved_lag(cell, task) / lag) - 2 * distance
    chance = 1 / (1 + np.exp(-ease))
    solved = bool(random.random() < chance) and not diverged
    share = float(np.clip(random.beta(4, 4) * (1.3 - 0.3 * ease / 4), 0.1, 0.95))
    steps = int(np.ceil(share * BUDGET / EVAL_EVERY)) * EVAL_EVERY if solved else BUDGET
    score = float(random.uniform(0.991, 1)) if solved else float(np.clip(random.beta(2, 3) * 0.9 - 0.08, -0.05, 0.93))
    score = 0.0 if diverged else round(score, 4)
    name = hashlib.sha256(repr((cell, task, lag, phase, search, seed, rate)).encode()).hexdigest()[:16]
    ended = int(random.integers(2, 10)) * EVAL_EVERY if diverged else steps
    middle, width = steps * 0.55, 40 + steps * 0.08
    for step in range(0, ended + (0 if diverged else 1), EVAL_EVERY):
        value = max(score, 0.05) / (1 + np.exp(-(step - middle) / width)) + random.normal(0, 0.015)
        curves.append((name, step, "eval/score", round(float(value), 4)))
        curves.append((name, step, "train/loss", round(float(2 - 1.9 * value), 4)))
    norms = None
    if task == "continual_adding" and not diverged:
        level = 2.5 + random.gamma(2, 0.4)
        slope = random.uniform(25, 70) if cell == "lstm_no_forget" else 0.0
        trace = [round(level + slope * w + abs(random.normal(0, 0.2)), 3) for w in range(WINDOWS)]
        curves.extend((name, w + 1, "test/state_norm", value) for w, value in enumerate(trace))
        norms = trace[0], trace[-1]
    return {
        "study": "demo",
        "phase": phase,
        "cell": cell,
        "task": task,
        "lag": lag,
        "group": _task(task)["group"],
        "search": search,
        "trial": trial,
        "seed": seed if phase == "tune" else 1000 + seed,
        "size": 5000,
        "hidden_size": hidden,
        "parameters": 4950 + hidden,
        "engine": "fused",
        "status": "diverged" if diverged else "solved" if solved else "unsolved",
        "score": score,
        "objective": round(score * (1 - 0.5 * share), 4),
        "solved": int(solved),
        "steps": BUDGET,
        "steps_to_solve": steps,
        "finished_at": ended,
        "censored": int(not solved),
        "diverged": int(diverged),
        "seconds": round(0.002 * ended + random.uniform(0, 0.3), 2),
        "flops_per_step": 32 * (lag + 60) * 6 * (4950 + hidden),
        "learning_rate": float(f"{rate:.4g}"),
        "clip_norm": round(float(10 ** random.uniform(-1, 1)), 3),
        "forget_bias": None
        if cell in ("rnn", "single_network", "lstm_no_forget")
        else str(random.choice([0.0, 1.0, 3.0])),
        "recurrent_init": str(random.choice(["uniform", "orthogonal", "identity"])),
        "state_norm_first": norms[0] if norms else None,
        "state_norm_last": norms[1] if norms else None,
        "hash": name,
    }


def _half_solved_lag(cell: str, task: str) -> float:
    """The lag at which half of the networks solve the task; for other cells 5 to 80, derived from the names."""
    return HALF_SOLVED_LAG.get((cell, task)) or 5 * 16 ** (sum((cell + task).encode()) % 29 / 28)


def _task(task: str) -> dict[str, Any]:
    plain = {"lag_means": "steps", "criterion": "accuracy above 99 %", "reference": "", "options": {}}
    return TASKS.get(task) or {"task": task, "group": GROUPS[task], **plain}


def _manifest(
    lags: dict[str, list[int]], searches: int, trials: int, confirm: int, cells: dict[str, tuple[Any, ...]]
) -> dict[str, Any]:
    return {
        "study": "demo",
        "definition": {
            "name": "demo",
            "seed": 0,
            "cells": list(cells),
            "match": "parameters",
            "sizes": [5000],
            "task": [{"name": task, "lags": task_lags} for task, task_lags in lags.items()],
            "train": {"steps": BUDGET, "batch": 32, "eval_every": EVAL_EVERY, "patience": 3, "test": 2000},
            "tune": {
                "searches": searches,
                "trials": trials,
                "seeds": 1,
                "sampler": "random",
                "population": None,
                "space": {
                    "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
                    "clip_norm": {"low": 0.1, "high": 10, "log": True},
                    "recurrent_init": ["uniform", "orthogonal", "identity"],
                    "forget_bias": [0.0, 1.0, 3.0, 5.0, "chrono"],
                },
            },
            "confirm": {"seeds": confirm},
        },
        "cells": {
            name: {
                "cell": name,
                "parent": parent,
                "change": change,
                "reference": reference,
                "equations": "c' = f ⊙ c + i ⊙ z\nh' = o ⊙ tanh(c')" if name == "lstm" else "h' = tanh(W x + U h + b)",
                "gates": gates,
            }
            for name, (parent, change, reference, gates, _) in cells.items()
        },
        "lattice": [{"cell": name, "parent": parent, "change": change} for name, (parent, change, *_) in cells.items()],
        "tasks": {task: _task(task) for task in lags},
        "experiment": "7",
        "versions": {"whygates": "0.1.0", "torch": "2.9.0", "optuna": "5.0.0", "mlflow": "3.17.2"},
        "hardware": {"machine": "x86_64", "cores": 2, "memory_gib": 8},
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "arms": [
            {
                "cell": cell,
                "task": task,
                "lag": lag,
                "size": 5000,
                "hidden_size": cells[cell][4],
                "parameters": 5000,
                "tune": searches * trials,
                "confirm": confirm,
            }
            for task, task_lags in lags.items()
            for lag in task_lags
            for cell in cells
        ],
    }
