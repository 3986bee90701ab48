"""Simulated studies in which it is known which cells differ, and where.

In each world every claim of `reports.claims` declares the verdict that is right. Solve rates are `base` for all, and
2Δ = 0.4 less where the world plants a deficit.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.claims import CLAIMS, Verdict, decide

DEFICIT = 0.4
CELLS = ("rnn", "single_network", "lstm_no_forget", "lstm", "gru")
LAGS = {
    "n_back": ("short", (1, 2)),
    "recall": ("latch", (20, 40, 80, 160)),
    "continual_adding": ("erase", (10, 20, 40, 80)),
    "temporal_order": ("order", (20, 40, 80, 160)),
    "copy": ("capacity", (5, 10, 20, 40)),
    "counting": ("count", (4, 8, 12, 16)),
}
WORLDS: dict[str, Callable[[str, str], bool]] = {  # is this cell worse in this group?
    "alike": lambda cell, group: False,
    "latch": lambda cell, group: cell in ("rnn", "single_network") and group == "latch",
    "erase": lambda cell, group: cell == "lstm_no_forget" and group == "erase",
    "forget": lambda cell, group: cell == "lstm_no_forget" and group in ("erase", "latch"),
    "gru": lambda cell, group: cell == "gru" and group == "order",
    "rnn": lambda cell, group: cell == "rnn",
}


class Setting(NamedTuple):
    """What kind of study is simulated."""

    base: float = 0.8  # chance that a confirmed network solves
    spread: float | None = 0.25  # SD between searches of that chance; None: one search, its seeds alone differ
    strata: int = 3  # lags per group
    seeds: int = 20
    tuned: bool = True  # tuning rows in the table


def studies(world: str, setting: Setting, count: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Results tables of `count` studies: 5 searches × 8 trials, the seeds shared out among the searches.

    A search's chance is Beta-distributed around the cell's rate with SD `spread`, at most so wide that runs of one
    search correlate by one half (near a rate of 1 no wider spread is possible; the pilot's is .4).
    """
    arms = [
        (cell, task, "latch" if task == "adding" else group, lag, setting.base - DEFICIT * WORLDS[world](cell, group))
        for cell in CELLS
        for task, group, lag in strata(setting.strata)
    ]
    searches, trials = (5, 8) if setting.spread is not None else (1, 40)
    phases = [("confirm", max(1, setting.seeds // searches))] + [("tune", trials)] * setting.tuned
    frames = []
    for phase, runs in phases:
        frame = pd.DataFrame(arms, columns=["cell", "task", "group", "lag", "rate"])
        frame = frame.loc[frame.index.repeat(searches)].assign(search=np.tile(np.arange(searches), len(arms)))
        frames.append(frame.assign(phase=phase, runs=runs))
    units = pd.concat(frames, ignore_index=True)
    table = units.loc[units.index.repeat(units["runs"])].reset_index(drop=True)
    if setting.spread is None:
        table["search"] = np.nan
    table = table.astype(dict.fromkeys(("cell", "task", "group", "phase"), "category")).assign(diverged=False)
    rate, runs = units["rate"].to_numpy(), units["runs"].to_numpy()
    chance = rate
    for _ in range(count):
        if setting.spread is not None:
            variance = np.minimum(setting.spread**2, rate * (1 - rate) / 2)
            size = rate * (1 - rate) / variance - 1
            chance = rng.beta(rate * size, (1 - rate) * size)
        yield table.assign(solved=rng.random(len(table)) < np.repeat(chance, runs))


def strata(number: int) -> list[tuple[str, str, float]]:
    """(task, group, lag) of every stratum, `number` lags in each group; at T ≤ 10 adding counts as short."""
    short = [("adding", "short", lag) for lag in (10, 8)[: number - 2]]
    return [(task, group, lag) for task, (group, lags) in LAGS.items() for lag in lags[:number]] + short


def verdicts(world: str, setting: Setting, count: int, seed: int = 0) -> list[dict[int, Verdict]]:
    """Claim id -> verdict, per simulated study."""
    rng = np.random.default_rng(seed)
    return [{one.id: one for one in decide(table)} for table in studies(world, setting, count, rng)]


def right(claim: int, world: str) -> str:
    """The verdict that is right in that world."""
    return next(one for one in CLAIMS if one.id == claim).truth[world]


def is_false(verdict: Verdict, world: str) -> bool:
    """A decided claim that contradicts the truth; leaving it open is never false."""
    return verdict.verdict in ("supported", "refuted") and verdict.verdict != right(verdict.id, world)
