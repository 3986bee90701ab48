"""Simulated studies in which it is known which cells differ, and where.

The worlds are those of `claims.WORLDS`, in each of which every claim declares the verdict that is right. Solve rates are
`base` for all, and `effect` less (2Δ = 0.4 where nothing else is said) where the world plants a deficit.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.claims import CLAIMS, WORLDS, Verdict, decide
from reports.statistics.quantities import FLOPS, GROWTH, LARGEST, LOST, RECOVERED, SCORE, SOLVED, Quantity
from reports.statistics.strata import GROUPS

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
"""The arms that the claims ask for."""
LARGER = ("rnn", "single_network")
"""Cells that are also run at 8 times the size."""
SIZE = 5000
JITTER = 0.05  # SD of what clamping does besides
PROBED = 5  # networks of an arm that are clamped; where there are searches, one of each


class Setting(NamedTuple):
    """What kind of study is simulated."""

    base: float = 0.8  # chance that a confirmed network solves
    spread: float | None = 0.25  # SD between searches of that chance; None: one search, its seeds alone differ
    strata: int = 3  # lags per group
    seeds: int = 20
    effect: float = 0.4  # planted deficit in solve rate
    tuned: bool = True  # tuning rows in the table


def worse(world: str, cell: str, task: str, large: bool) -> bool:
    """Does the world plant a deficit here?"""
    group = GROUPS["n_back"] if task == "adding" else GROUPS[task.split("+")[0]]
    bare = cell.split("+")[0]
    match world:
        case "latch":
            return bare in LARGER and group == "latch"
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
            fails = "lstm_sigmoid_cell" if group == "capacity" else group
            constant = ("single_network_residual", "identity_rnn", "lstm_static_leak")
            return cell == fails or (cell in constant and group == "erase")
    return False


def price(world: str, cell: str) -> float:
    """Operations of a training step."""
    if world in ("latch", "closed") and cell in LARGER:
        return 2.0
    return 3.0 if world == "gru" and cell in ("lstm", "gru") else 1.0


def counts(world: str, cell: str) -> float:
    """How far a cell counts, beside others."""
    if cell == "lstm_no_forget" and world in ("erase", "forget"):
        return 4.0 if world == "erase" else 0.25
    return 0.25 if world == "gru" and cell == "lstm_coupled" else 1.0


def growth(world: str) -> float:
    """How many times its first norm the state of lstm_no_forget reaches in ten windows."""
    return 8.0 if world in ("erase", "forget") else 1.0


def clamping(world: str) -> tuple[float, float]:
    """What clamped gates lose, and what gates that follow the kind of event get back of it."""
    return {"erase": (0.5, 0.5), "static": (0.5, 0.0)}.get(world, (0.0, 0.0))


def expected(quantity: Quantity, world: str, setting: Setting, cell: str, task: str, large: bool) -> float:
    """Mean of a quantity over endlessly many networks: what `studies` draws from."""
    rate = setting.base - setting.effect * worse(world, cell, task, large)
    lost, returned = clamping(world)
    means = {
        SOLVED: rate,
        SCORE: 0.985 * rate + 0.2 * (1 - rate),
        GROWTH: np.log(growth(world)),
        LARGEST: np.log(counts(world, cell)),
        FLOPS: np.log((0.3 * rate + 1 - rate) * price(world, cell)),
        LOST: lost + JITTER * np.sqrt(2 / np.pi),
        RECOVERED: returned,
    }
    return float(means[quantity])


def strata(number: int, task: str) -> tuple[float, ...]:
    """`number` lags of each task; `n_back` has two, and beside it `adding` at T ≤ 10 counts as short."""
    return (10, 8, 6, 4)[: number - 2] if task == "adding" else LAGS[task][:number]


class _Template(NamedTuple):
    """What all studies of a setting have in common."""

    table: pd.DataFrame
    units: pd.DataFrame  # one row per arm, phase and search
    unit: np.ndarray  # [rows] its number


def _template(world: str, setting: Setting) -> _Template:
    arms = [
        (cell, task, lag, SIZE * larger, setting.base - setting.effect * worse(world, cell, task, larger > 1))
        for cell, tasks in ARMS.items()
        for task in tasks
        for lag in strata(setting.strata, task)
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
        diverged=False, steps=3000, flops_per_step=[price(world, cell) for cell in table["cell"]]
    )
    return _Template(table, units, unit)


def studies(world: str, setting: Setting, count: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Results tables of `count` studies: searches of 8 trials, one for every 4 seeds and at least 5.

    A search's chance is Beta-distributed around the cell's rate with SD `spread`, at most so wide that runs of one
    search correlate by one half (near a rate of 1 no wider spread is possible; the pilot's is .4).
    """
    table, units, unit = _template(world, setting)
    cells, tasks = units["cell"].to_numpy()[unit], units["task"].to_numpy()[unit]
    counting, erase, clamped = tasks == "counting", units["group"].to_numpy()[unit] == "erase", _clamped(table)
    reach = np.log([20 * counts(world, cell) for cell in units["cell"]])
    grows, (loses, returns) = np.log(growth(world)), clamping(world)
    matched = np.char.endswith(cells.astype(str), "+matched")
    rate = units["rate"].to_numpy()
    for _ in range(count):
        chance, luck = rate, np.zeros(len(units))
        if setting.spread is not None:
            variance = np.minimum(setting.spread**2, rate * (1 - rate) / 2)
            size = rate * (1 - rate) / variance - 1
            chance, luck = rng.beta(rate * size, (1 - rate) * size), rng.normal(0, 0.2, len(units))
        n = len(table)
        solved = rng.random(n) < chance[unit]
        noise = rng.normal(size=(3, n))
        uniform = rng.random(n)
        kept, full = np.where(clamped, 1.0, np.nan), 0.97 + 0.03 * uniform
        yield table.assign(
            solved=solved,
            score=np.where(solved, full, 0.4 * uniform),
            steps_to_solve=np.where(solved, 600 + 600 * uniform, 3000),
            largest_n=np.where(counting, np.round(np.exp((reach + luck)[unit] + 0.3 * noise[0])), np.nan),
            state_norm_first=np.where(erase, np.exp(0.1 * noise[1]), np.nan),
            state_norm_10=np.where(erase, np.exp(grows + 0.1 * noise[2]), np.nan),
            decay_init=np.where(matched, 0.98 + 0.001 * uniform, np.nan),
            clamp_none=kept * full,
            clamp_mean=kept * (full - loses - JITTER * np.abs(noise[0])),
            clamp_event=kept * (full - loses + returns - JITTER * np.abs(noise[1])),
        )


def _clamped(table: pd.DataFrame) -> np.ndarray:
    """The first networks of each search of an lstm on recall and flip_flop, as many as are probed."""
    own = table.query("cell == 'lstm' and task in ('recall', 'flip_flop') and phase == 'confirm'")
    by = own.groupby(["task", "lag", "search"], observed=True, dropna=False)
    first = by.cumcount() < max(1, PROBED // max(1, own["search"].nunique()))
    return table.index.isin(own.index[first])


def verdicts(world: str, setting: Setting, count: int, seed: int = 0) -> list[dict[int, Verdict]]:
    """Claim id -> verdict, per simulated study."""
    rng = np.random.default_rng([list(WORLDS).index(world), seed])
    return [{one.id: one for one in decide(table)} for table in studies(world, setting, count, rng)]


def right(claim: int, world: str) -> str:
    """The verdict that is right in that world."""
    return next(one for one in CLAIMS if one.id == claim).truth[world]


def is_false(verdict: Verdict, world: str) -> bool:
    """A decided claim that contradicts the truth; leaving it open is never false."""
    return verdict.verdict in ("supported", "refuted") and verdict.verdict != right(verdict.id, world)
