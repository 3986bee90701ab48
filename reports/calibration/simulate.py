"""Simulated studies in which the differences between cells are known (`worlds`).

The probability that a network solves a task falls with the lag: logit P = (log₂ reach − log₂ lag) / slope. The reach of a search
is normally distributed, in octaves, around that of its cell.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from reports.calibration import worlds
from reports.claims import CLAIMS, Verdict, decide
from reports.statistics.quantities import (
    COUNTS_FOUR_TIMES,
    COUNTS_TWICE,
    FLOPS,
    GROWTH,
    LOST,
    REACH,
    RECOVERED,
    SCORE,
    SOLVED,
    Quantity,
)
from reports.statistics.strata import GROUPS, base_name

LAGS = {
    "n_back": (1, 2, 4),
    "recall": (1, 2, 5, 10, 20, 40, 80, 160, 320),
    "recall+variant=plain": (10, 20, 40, 80, 160, 320),
    "adding": (3, 5, 10, 20, 40, 80, 160, 320),
    "continual_adding": (5, 10, 20, 40, 80),
    "temporal_order": (20, 40, 80, 160, 320),
    "parity": (5, 10, 20, 40, 80, 160),
    "counting": (5, 10, 20),
    "flip_flop": (3, 6, 12),
}
LIMITS = {
    "n_back": 10.0,
    "recall": 110.0,
    "recall+variant=plain": 110.0,
    "adding": 160.0,
    "continual_adding": 40.0,
    "temporal_order": 160.0,
    "parity": 80.0,
    "counting": 80.0,
    "flip_flop": 40.0,
}
"""The lag up to which half of the networks of an unaffected cell solve a task."""
UNTIL_UNSOLVED = ("recall", "recall+variant=plain", "adding", "temporal_order", "parity")
"""Tasks of why-gates on which a cell is not trained beyond the first lag that none of its networks solves."""
SIZE = 1500
CLAMP_NOISE = 0.05  # SD of the effect of clamping on a score
COUNT_RATES = {True: (0.95, 0.9), False: (0.05, 0.02)}
"""Whether a cell counts -> the share of its networks that count to twice and to four times the trained length."""
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


class Setting(NamedTuple):
    """The parameters of a simulated study."""

    searches: int = 10
    seeds: int = 2
    """Confirmed networks of each search."""
    spread: float = 0.5
    """Standard deviation of log₂ reach between searches, in octaves."""
    slope: float = 0.25
    """Octaves per unit of the logit; near 0, a search solves all or nothing."""
    effect: float = 3.0
    """Planted difference in reach, in octaves."""
    steep: float = 1.0
    """Factor of the slope of affected cells: above 1, the curves of two cells may cross."""
    uneven: float = 1.0
    """Factor of the spread of affected cells."""
    limit: float = 1.0
    """Factor of every reach: large where everybody solves everything, small where nobody does."""
    diverging: str = ""
    """A cell whose networks all diverge."""
    lost: float = 0.0
    """Share of confirmed networks that are missing at random."""
    trials: int = 4
    """Tuning trials of each search."""
    until_unsolved: bool = True
    """Whether a cell is not trained beyond the first lag that none of its networks solves, on the tasks of `UNTIL_UNSOLVED`."""


@cache
def arms() -> tuple[tuple[str, str, float], ...]:
    """Cell, task and multiple of the size of every arm that a claim compares."""
    found = {
        (term.cell, place.task + term.option, term.size_factor or 1)
        for claim in CLAIMS
        for comparison in claim.comparisons
        for place in (*comparison.where, *comparison.minus)
        for term in (*comparison.contrast_terms, *comparison.denominator)
    }
    return tuple(sorted(found))


def log_reach(world: str, setting: Setting, cell: str, task: str, large: bool) -> float:
    """Return log₂ of the lag up to which half of a cell's networks solve a task."""
    octaves = setting.effect * worlds.reach(world, cell, task, large)
    return float(np.log2(LIMITS[base_name(task) if "reset" in task else task] * setting.limit) + octaves)


def _shape(world: str, setting: Setting, cell: str, task: str, large: bool) -> tuple[float, float]:
    """Return the slope and the spread of a cell's curve."""
    affected = worlds.reach(world, cell, task, large) != 0
    return setting.slope * (setting.steep if affected else 1), setting.spread * (setting.uneven if affected else 1)


def solve_rate(world: str, setting: Setting, cell: str, task: str, lag: float, large: bool) -> float:
    """Return the expected solve rate of an arm, over searches."""
    if cell == setting.diverging:
        return 0.0
    slope, spread = _shape(world, setting, cell, task, large)
    logits = (log_reach(world, setting, cell, task, large) + spread * NODES - np.log2(lag)) / slope
    return float(NODE_WEIGHTS @ expit(logits) / NODE_WEIGHTS.sum())


def expected_value(
    quantity: Quantity, world: str, setting: Setting, cell: str, task: str, lag: float, large: bool
) -> float:
    """Return the expectation of a quantity in an arm under the distributions that `studies` samples."""
    rate = solve_rate(world, setting, cell, task, lag, large)
    lost, recovered = worlds.clamping(world, task)
    twice, four_times = COUNT_RATES[worlds.can_count(world, cell)]
    means = {
        SOLVED: rate,
        REACH: rate,
        COUNTS_TWICE: twice,
        COUNTS_FOUR_TIMES: four_times,
        SCORE: 0.985 * rate + 0.2 * (1 - rate),
        GROWTH: np.log(worlds.growth(world)),
        FLOPS: np.log((0.3 * rate + 1 - rate) * worlds.flops(world, cell)),
        LOST: lost + CLAMP_NOISE * np.sqrt(2 / np.pi),
        RECOVERED: recovered,
    }
    return float(means[quantity])


def _template(world: str, setting: Setting) -> pd.DataFrame:
    """One row per search of every arm and phase, with the parameters of its distribution."""
    rows = [
        {
            "cell": cell,
            "task": task,
            "lag": float(lag),
            "size": float(SIZE * larger),
            "mean": log_reach(world, setting, cell, task, larger > 1),
            "slope": _shape(world, setting, cell, task, larger > 1)[0],
            "spread": _shape(world, setting, cell, task, larger > 1)[1],
            "flops_per_step": worlds.flops(world, cell),
            "group": "control" if "+reset" in task else GROUPS[base_name(task)],
            "diverged": cell == setting.diverging,
            "counts": worlds.can_count(world, cell),
            "loses": worlds.clamping(world, task)[0],
            "recovers": worlds.clamping(world, task)[1],
        }
        for cell, task, larger in arms()
        for lag in LAGS[base_name(task) if "reset" in task else task]
    ]
    units = pd.DataFrame(rows)
    units = units.loc[units.index.repeat(setting.searches)].reset_index(drop=True)
    return units.assign(search=units.groupby(["cell", "task", "lag", "size"]).cumcount().astype(float))


def studies(world: str, setting: Setting, count: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Yield the results tables of `count` studies."""
    units = _template(world, setting)
    numbers = {"tune": setting.trials, "confirm": setting.seeds}
    unit = np.concatenate([np.repeat(np.arange(len(units)), number) for number in numbers.values() if number])
    table = units.loc[unit].reset_index(drop=True)
    table["phase"] = np.repeat(list(numbers), [len(units) * number for number in numbers.values()])
    table = table.astype(dict.fromkeys(("cell", "task", "group", "phase"), "category")).assign(steps=2000.0)
    counting, erase = (table["task"] == "counting").to_numpy(), (table["group"] == "erase").to_numpy()
    probed = _probed(table)
    log_growth = np.log(worlds.growth(world))
    rates = np.array([COUNT_RATES[able] for able in table["counts"]])
    for _ in range(count):
        n = len(table)
        reached = units["mean"] + units["spread"] * rng.normal(size=len(units))
        probability = expit(((reached - np.log2(units["lag"])) / units["slope"]).to_numpy())[unit]
        solved = (rng.random(n) < probability) & ~table["diverged"].to_numpy()
        uniform, noise = rng.random(n), rng.normal(size=(3, n))
        # The largest n: below twice, from twice to four times, or beyond four times the trained length.
        draw = rng.random(n)[:, None] < rates
        factor = np.where(draw[:, 1], 8.0, np.where(draw[:, 0], 3.0, 1.1))
        score = 0.97 + 0.03 * uniform
        measured = np.where(probed & solved, score, np.nan)
        whole = table.assign(
            solved=solved,
            score=np.where(solved, score, 0.4 * uniform),
            steps_to_solve=np.where(solved, 400 + 400 * uniform, 2000),
            largest_n=np.where(counting, factor * table["lag"], np.nan),
            state_norm_first=np.where(erase, np.exp(0.1 * noise[1]), np.nan),
            state_norm_10=np.where(erase, np.exp(log_growth + 0.1 * noise[2]), np.nan),
            decay_init=np.where(table["cell"].str.endswith("+matched"), 0.98 + 0.001 * uniform, np.nan),
            clamp_none=measured,
            clamp_mean=measured - table["loses"] - CLAMP_NOISE * np.abs(noise[0]),
            clamp_event=measured - table["loses"] + table["recovers"] - CLAMP_NOISE * np.abs(noise[1]),
        )
        if setting.until_unsolved:
            whole = whole.assign(solved=whole["solved"] & ~_untrained(whole))
        missing = (rng.random(n) < setting.lost) & (table["phase"] == "confirm")
        yield whole[~missing.to_numpy()]


def _untrained(table: pd.DataFrame) -> np.ndarray:
    """Return a mask of the networks at lags beyond the first one that no network of their cell solves."""
    curve = ["cell", "size", "task"]
    solves = table.groupby([*curve, "lag"], observed=True)["solved"].transform("any")
    first_unsolved = (
        table["lag"].where(~solves, np.inf).groupby([table[key] for key in curve], observed=True).transform("min")
    )
    return (table["task"].isin(UNTIL_UNSOLVED) & (table["lag"] > first_unsolved)).to_numpy()


def _probed(table: pd.DataFrame) -> np.ndarray:
    """Return a mask of the clamped networks: the first of each search of lstm."""
    rows = table[(table["cell"] == "lstm") & (table["phase"] == "confirm")]
    first = rows.groupby(["task", "lag", "search"], observed=True).cumcount() == 0
    return table.index.isin(rows.index[first])


def verdicts(world: str, setting: Setting, count: int, seed: int = 0) -> list[dict[int, Verdict]]:
    """Return the verdicts of `count` simulated studies, each by claim id."""
    rng = np.random.default_rng([list(worlds.WORLDS).index(world), seed])
    return [{verdict.id: verdict for verdict in decide(table)} for table in studies(world, setting, count, rng)]


def is_false(verdict: Verdict, world: str) -> bool:
    """Return whether a decided claim contradicts the truth; an inconclusive verdict is never false."""
    return verdict.verdict in ("supported", "refuted") and verdict.verdict != worlds.TRUTH[verdict.id][world]
