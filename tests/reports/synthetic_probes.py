"""The probes of a made-up network, for `synthetic`: a share of the memory is kept at each step, and the rest follows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Points = list[tuple[str, float, str, float]]
KEPT = {"rnn": 0.85, "single_network": 0.82, "identity_rnn": 0.995, "lstm": 0.985, "lstm_no_forget": 0.999, "gru": 0.97}
"""Share of the memory that is left after a step; 0.9 to 0.98 for a cell that is not here."""
EVENTS = {"recall": ("cue", "distractor", "query"), "continual_adding": ("mark", "reset", "query")}
LENGTH = 60
"""Steps of a traced sequence."""


def kept(cell: str) -> float:
    return KEPT.get(cell, 0.9 + 0.08 * (sum(cell.encode()) % 17) / 17)


def columns(random: np.random.Generator, cell: str, task: str, lag: float, score: float, gated: bool) -> dict[str, Any]:
    """The columns of results.csv that probes fill."""
    f = kept(cell) ** float(np.exp(random.normal(0, 0.2)))
    learned = 1 - (1 - f) * (0.5 if score > 0.9 else 0.9)
    drop = random.uniform(0, 0.6) * max(score, 0)
    return {
        "decay_init": f,
        "decay_half": (f + learned) / 2,
        "decay_end": learned,
        "retained": learned**lag,
        "time_constant": -1 / np.log(learned) if gated else None,
        "decodability": max(0.0, 0.5 * score + random.normal(0, 0.03)),
        **({"clamp_none": score, "clamp_mean": score - drop, "clamp_event": score - 0.3 * drop} if gated else {}),
        **({"clamp_shuffled": score - 1.2 * drop} if gated else {}),
        **({"largest_n": int(lag * random.uniform(1, 9 * learned))} if task == "counting" else {}),
        **({"error_free_steps": round(float(random.gamma(2, 2000)))} if task == "continual_reber" else {}),
        **({"distilled": score * random.uniform(0.3, 1)} if cell == "lstm" else {}),
    }


def points(random: np.random.Generator, row: dict[str, Any], gates: Sequence[str], trace: bool) -> Points:
    """Rows of curves.csv that probes fill."""
    name, lag, found = row["hash"], int(row["lag"]), list[tuple[str, float, str, float]]()
    distances = np.unique(np.geomspace(1, max(lag, 2), 12).round().astype(int))
    for when in ("init", "half", "end"):
        decay = row[f"decay_{when}"]
        for k in distances:
            whole = decay**k * np.exp(random.normal(0, 0.2))
            found += [(name, int(k), f"flow/{when}/whole", whole), (name, int(k), f"flow/{when}/held", 0.9 * whole)]
    found += [(name, int(k), "retention", row["decay_end"] ** k * np.exp(random.normal(0, 0.1))) for k in distances]
    for k in np.unique(np.linspace(0, lag, 16).round().astype(int)):
        share = 0.5 + 0.5 * max(row["score"], 0.05) * row["decay_end"] ** (k / 4)
        found.append((name, int(k), "decode/true", float(np.clip(share + random.normal(0, 0.02), 0, 1))))
        found.append((name, int(k), "decode/shuffled", float(0.5 + random.normal(0, 0.02))))
    events = EVENTS.get(row["task"], ("cue", "query"))
    for gate in gates:
        for event in (*events, "other"):
            low, high = np.sort(random.uniform(0, 1, 2)) * [1, 0.5]
            for part, value in (("mean", high), ("low", low), ("high", (1 - low) * high)):
                found.append((name, 0, f"gate/{gate}/{event}/{part}", float(value)))
    return found + (_trace(random, name, gates, events) if trace else [])


def _trace(random: np.random.Generator, name: str, gates: Sequence[str], events: Sequence[str]) -> Points:
    """The sequence is the same for every cell."""
    found: Points = []
    common = np.random.default_rng(0)
    when = {event: common.choice(LENGTH, 1 + 2 * i, replace=False) for i, event in enumerate(events)}
    for t in range(LENGTH):
        found += [(name, t, f"trace/event/{event}", float(t in steps)) for event, steps in when.items()]
        for i, gate in enumerate(gates):
            lift = 0.6 * any(t in steps for steps in list(when.values())[i % len(when) :])
            found.append((name, t, f"trace/gate/{gate}", float(np.clip(0.2 + lift + random.normal(0, 0.05), 0, 1))))
        found.append((name, t, "trace/state/c", float(1 + 0.1 * t + abs(random.normal(0, 0.2)))))
    return found
