"""Synthetic probe results for `synthetic_study`: the memory decays by a constant factor per step."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Points = list[tuple[str, float, str, float]]
RETAINED = {
    "rnn": 0.85,
    "single_network": 0.82,
    "identity_rnn": 0.995,
    "lstm": 0.985,
    "lstm_no_forget": 0.999,
    "gru": 0.97,
}
"""Share of the memory that remains after one step; 0.9 to 0.98 for other cells."""
EVENTS = {"recall": ("cue", "distractor", "query"), "continual_adding": ("mark", "reset", "query")}
LENGTH = 60
"""Steps of the traced sequence."""


def retained_per_step(cell: str) -> float:
    return RETAINED.get(cell, 0.9 + 0.08 * (sum(cell.encode()) % 17) / 17)


def columns(random: np.random.Generator, cell: str, task: str, lag: float, score: float, gated: bool) -> dict[str, Any]:
    """The columns of results.csv that come from probes."""
    before = retained_per_step(cell) ** float(np.exp(random.normal(0, 0.2)))
    after = 1 - (1 - before) * (0.5 if score > 0.9 else 0.9)
    drop = random.uniform(0, 0.6) * max(score, 0)
    return {
        "decay_init": before,
        "decay_half": (before + after) / 2,
        "decay_end": after,
        "retained": after**lag,
        "time_constant": -1 / np.log(after) if gated else None,
        "decodability": max(0.0, 0.5 * score + random.normal(0, 0.03)),
        **({"clamp_none": score, "clamp_mean": score - drop, "clamp_event": score - 0.3 * drop} if gated else {}),
        **({"clamp_shuffled": score - 1.2 * drop} if gated else {}),
        **({"largest_n": int(lag * random.uniform(1, 9 * after))} if task == "counting" else {}),
        **({"error_free_steps": round(float(random.gamma(2, 2000)))} if task == "continual_reber" else {}),
        **({"distilled": score * random.uniform(0.3, 1)} if cell == "lstm" else {}),
    }


def points(random: np.random.Generator, row: dict[str, Any], gates: Sequence[str], trace: bool) -> Points:
    """The rows of curves.csv that come from probes."""
    name, lag, rows = row["hash"], int(row["lag"]), list[tuple[str, float, str, float]]()
    distances = np.unique(np.geomspace(1, max(lag, 2), 12).round().astype(int))
    for when in ("init", "half", "end"):
        decay = row[f"decay_{when}"]
        for k in distances:
            whole = decay**k * np.exp(random.normal(0, 0.2))
            rows += [(name, int(k), f"flow/{when}/whole", whole), (name, int(k), f"flow/{when}/held", 0.9 * whole)]
    rows += [(name, int(k), "retention", row["decay_end"] ** k * np.exp(random.normal(0, 0.1))) for k in distances]
    for k in np.unique(np.linspace(0, lag, 16).round().astype(int)):
        share = 0.5 + 0.5 * max(row["score"], 0.05) * row["decay_end"] ** (k / 4)
        rows.append((name, int(k), "decode/true", float(np.clip(share + random.normal(0, 0.02), 0, 1))))
        rows.append((name, int(k), "decode/shuffled", float(0.5 + random.normal(0, 0.02))))
    events = EVENTS.get(row["task"], ("cue", "query"))
    for gate in gates:
        for event in (*events, "other"):
            low, high = np.sort(random.uniform(0, 1, 2)) * [1, 0.5]
            for part, value in (("mean", high), ("low", low), ("high", (1 - low) * high)):
                rows.append((name, 0, f"gate/{gate}/{event}/{part}", float(value)))
    return rows + (_trace(random, name, gates, events) if trace else [])


def _trace(random: np.random.Generator, name: str, gates: Sequence[str], events: Sequence[str]) -> Points:
    """The gates and state along one sequence; its events are the same for every cell."""
    rows: Points = []
    common = np.random.default_rng(0)
    when = {event: common.choice(LENGTH, 1 + 2 * i, replace=False) for i, event in enumerate(events)}
    for t in range(LENGTH):
        rows += [(name, t, f"trace/event/{event}", float(t in steps)) for event, steps in when.items()]
        for i, gate in enumerate(gates):
            lift = 0.6 * any(t in steps for steps in list(when.values())[i % len(when) :])
            rows.append((name, t, f"trace/gate/{gate}", float(np.clip(0.2 + lift + random.normal(0, 0.05), 0, 1))))
        rows.append((name, t, "trace/state/c", float(1 + 0.1 * t + abs(random.normal(0, 0.2)))))
    return rows
