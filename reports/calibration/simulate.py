"""Simulated studies in which the differences between cells are known.

In each world of `claims.WORLDS`, every claim declares the correct verdict. All cells have the solve rate `base`, lowered by
`effect` (2Δ = 0.4 by default) where the world plants a deficit.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.claims import CLAIMS, WORLDS, Verdict, decide
from reports.statistics.quantities import FLOPS, GROWTH, LARGEST, LOST, RECOVERED, SCORE, SOLVED, Quantity
from reports.statistics.strata import GROUPS, base_name

LAGS = {
    "n_back": (1, 2),
    "recall": (20, 40, 80, 160, 240, 320),
    "continual_adding": (10, 20, 40, 80, 120, 160),
    "continual_adding+reset": (10, 20, 40, 80, 120, 160),
    "temporal_order": (20, 40, 80, 160, 240, 320),
    "copy": (5, 10, 20, 40, 60, 80),
    "counting": (4, 8, 12, 16, 20, 24),
    "flip_flop": (3, 6, 12, 24, 36, 48),
}
EVERYWHERE = ("n_back", "adding", "recall", "continual_adding", "temporal_order", "copy", "counting")
ARMS = {
    **dict.fromkeys(("lstm", "gru", "lstm_coupled", "lstm_sigmoid_cell", "lstm_network_readout"), EVERYWHERE),
    "lstm": (*EVERYWHERE, "flip_flop"),
    "rnn": ("n_back", "adding", "recall"),
    "single_network": ("recall",),
    **dict.fromkeys(("single_network_residual", "identity_rnn", "lstm_static_leak"), ("recall", "continual_adding")),
    "lstm_no_forget": ("recall", "continual_adding", "continual_adding+reset", "counting"),
    "lstm+matched": ("recall",),
    "single_network+matched": ("recall",),
}
"""Cell -> tasks of the arms that the claims compare."""
LARGER = ("rnn", "single_network")
"""Cells that are also run at 8 times the size."""
SIZE = 5000
CLAMP_NOISE = 0.05  # SD of the effect of clamping on a score
PROBED = 5  # networks of an arm that are clamped, spread evenly over its searches


class Setting(NamedTuple):
    """The parameters of a simulated study."""

    base: float = 0.8  # probability that a confirmed network solves
    spread: float | None = 0.25  # SD of that probability between searches; None: one search, so only seeds vary
    strata: int = 3  # lags per group
    seeds: int = 20
    effect: float = 0.4  # planted deficit in solve rate
    tuned: bool = True  # whether the table has tuning rows


def has_deficit(world: str, cell: str, task: str, large: bool) -> bool:
    """Return whether the world plants a lower solve rate in this arm."""
    group = GROUPS["n_back"] if task == "adding" else GROUPS[base_name(task)]
    match world:
        case "latch":
            return base_name(cell) in LARGER and group == "latch"
        case "closed":
            return cell in LARGER and group == "latch" and not large
        case "erase":
            return cell == "lstm_no_forget" and task == "continual_adding"
        case "forget":
            return cell == "lstm_no_forget" and group in ("erase", "latch")
        case "gru":
            return cell == "gru" and group == "order"
        case "rnn":
            return cell == "rnn"
        case "static":
            constant = ("single_network_residual", "identity_rnn", "lstm_static_leak")
            return (cell == "lstm_sigmoid_cell" and group == "capacity") or (cell in constant and group == "erase")
    return False


def flops(world: str, cell: str) -> float:
    """Return the FLOPs of a training step, relative to the cheapest cell."""
    if world in ("latch", "closed") and cell in LARGER:
        return 2.0
    return 3.0 if world == "gru" and cell in ("lstm", "gru") else 1.0


def largest_n(world: str, cell: str) -> float:
    """Return the largest n that a cell counts to, relative to an unaffected cell."""
    if cell == "lstm_no_forget" and world in ("erase", "forget"):
        return 4.0 if world == "erase" else 0.25
    return 0.25 if world == "gru" and cell == "lstm_coupled" else 1.0


def growth(world: str) -> float:
    """Return the factor by which the state norm of lstm_no_forget grows in ten windows."""
    return 8.0 if world in ("erase", "forget") else 1.0


def clamping(world: str) -> tuple[float, float]:
    """Return the score lost by clamping gates to their mean, and the part of it recovered by a mean per kind of event."""
    return {"erase": (0.5, 0.5), "static": (0.5, 0.0)}.get(world, (0.0, 0.0))


def expected_value(quantity: Quantity, world: str, setting: Setting, cell: str, task: str, large: bool) -> float:
    """Return the expectation of a quantity in an arm under the distributions that `studies` samples."""
    rate = setting.base - setting.effect * has_deficit(world, cell, task, large)
    lost, recovered = clamping(world)
    means = {
        SOLVED: rate,
        SCORE: 0.985 * rate + 0.2 * (1 - rate),
        GROWTH: np.log(growth(world)),
        LARGEST: np.log(largest_n(world, cell)),
        FLOPS: np.log((0.3 * rate + 1 - rate) * flops(world, cell)),
        LOST: lost + CLAMP_NOISE * np.sqrt(2 / np.pi),
        RECOVERED: recovered,
    }
    return float(means[quantity])


def lags(number: int, task: str) -> tuple[float, ...]:
    """Return the lags of a task in a study of `number` lags per group.

    The group `short` consists of both lags of `n_back` and `number` − 2 of `adding`, which is short up to lag 10.
    """
    return (10, 8, 6, 4)[: number - 2] if task == "adding" else LAGS[task][:number]


class _Template(NamedTuple):
    """The columns that all studies of a setting share."""

    table: pd.DataFrame
    units: pd.DataFrame  # one row per arm, phase and search
    unit: np.ndarray  # [rows] index of the row's unit


def _template(world: str, setting: Setting) -> _Template:
    arms = [
        (cell, task, lag, SIZE * larger, setting.base - setting.effect * has_deficit(world, cell, task, larger > 1))
        for cell, tasks in ARMS.items()
        for task in tasks
        for lag in lags(setting.strata, task)
        for larger in ((1, 8) if cell in LARGER and task == "recall" else (1,))
    ]
    searches, trials = (max(5, setting.seeds // 4), 8) if setting.spread is not None else (1, 40)
    phases = [("confirm", max(1, setting.seeds // searches))] + [("tune", trials)] * setting.tuned
    frames = []
    for phase, runs in phases:
        frame = pd.DataFrame(arms, columns=["cell", "task", "lag", "size", "rate"])
        frame = frame.loc[frame.index.repeat(searches)].assign(search=np.tile(np.arange(searches), len(arms)))
        frames.append(frame.assign(phase=phase, runs=runs))
    units = pd.concat(frames, ignore_index=True)
    units["group"] = [
        "latch" if task == "adding" else "control" if "+reset" in task else GROUPS[task] for task in units["task"]
    ]
    unit = np.repeat(np.arange(len(units)), units["runs"])
    table = units.loc[unit].reset_index(drop=True)
    if setting.spread is None:
        table["search"] = np.nan
    table = table.astype(dict.fromkeys(("cell", "task", "group", "phase"), "category")).assign(
        diverged=False, steps=3000, flops_per_step=[flops(world, cell) for cell in table["cell"]]
    )
    return _Template(table, units, unit)


def studies(world: str, setting: Setting, count: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Yield the results tables of `count` studies: searches of 8 trials, one per 4 seeds but at least 5.

    The solve probability of a search is Beta-distributed around the cell's rate with SD `spread`. Its variance is limited
    to an intraclass correlation of one half, because near a rate of 1 no larger spread is possible (the pilot's is .4).
    """
    table, units, unit = _template(world, setting)
    cells, tasks = units["cell"].to_numpy()[unit], units["task"].to_numpy()[unit]
    counting, erase, clamped = tasks == "counting", units["group"].to_numpy()[unit] == "erase", _clamped(table)
    log_n = np.log([20 * largest_n(world, cell) for cell in units["cell"]])
    log_growth, (lost, recovered) = np.log(growth(world)), clamping(world)
    matched = np.char.endswith(cells.astype(str), "+matched")
    rate = units["rate"].to_numpy()
    for _ in range(count):
        probability, search_effect = rate, np.zeros(len(units))
        if setting.spread is not None:
            variance = np.minimum(setting.spread**2, rate * (1 - rate) / 2)
            size = rate * (1 - rate) / variance - 1
            probability = rng.beta(rate * size, (1 - rate) * size)
            search_effect = rng.normal(0, 0.2, len(units))
        n = len(table)
        solved = rng.random(n) < probability[unit]
        noise = rng.normal(size=(3, n))
        uniform = rng.random(n)
        measured, score = np.where(clamped, 1.0, np.nan), 0.97 + 0.03 * uniform
        yield table.assign(
            solved=solved,
            score=np.where(solved, score, 0.4 * uniform),
            steps_to_solve=np.where(solved, 600 + 600 * uniform, 3000),
            largest_n=np.where(counting, np.round(np.exp((log_n + search_effect)[unit] + 0.3 * noise[0])), np.nan),
            state_norm_first=np.where(erase, np.exp(0.1 * noise[1]), np.nan),
            state_norm_10=np.where(erase, np.exp(log_growth + 0.1 * noise[2]), np.nan),
            decay_init=np.where(matched, 0.98 + 0.001 * uniform, np.nan),
            clamp_none=measured * score,
            clamp_mean=measured * (score - lost - CLAMP_NOISE * np.abs(noise[0])),
            clamp_event=measured * (score - lost + recovered - CLAMP_NOISE * np.abs(noise[1])),
        )


def _clamped(table: pd.DataFrame) -> np.ndarray:
    """Return a mask of the clamped networks: the first of each search of lstm on recall and flip_flop."""
    rows = table.query("cell == 'lstm' and task in ('recall', 'flip_flop') and phase == 'confirm'")
    by_search = rows.groupby(["task", "lag", "search"], observed=True, dropna=False)
    first = by_search.cumcount() < max(1, PROBED // max(1, rows["search"].nunique()))
    return table.index.isin(rows.index[first])


def verdicts(world: str, setting: Setting, count: int, seed: int = 0) -> list[dict[int, Verdict]]:
    """Return the verdicts of `count` simulated studies, each by claim id."""
    rng = np.random.default_rng([list(WORLDS).index(world), seed])
    return [{verdict.id: verdict for verdict in decide(table)} for table in studies(world, setting, count, rng)]


def correct_verdict(claim_id: int, world: str) -> str:
    return next(claim for claim in CLAIMS if claim.id == claim_id).truth[world]


def is_false(verdict: Verdict, world: str) -> bool:
    """Return whether a decided claim contradicts the truth; an inconclusive verdict is never false."""
    return verdict.verdict in ("supported", "refuted") and verdict.verdict != correct_verdict(verdict.id, world)
