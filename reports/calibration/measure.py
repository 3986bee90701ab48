"""Error rate, power and interval coverage of the verdicts, measured on simulated studies with known truth.

    python -m reports.calibration           # writes calibration.csv beside this file: ten minutes of one core

calibration.csv has one row per setting, world and claim, and one for all claims together:

setting, world  the setting (a key of `SETTINGS`) and the world (a key of `worlds.WORLDS`)
claim           id of the claim; 0: all of them
right           the correct verdict
decidable       whether the study can reach it: the claim's premise is true, and the tasks tell cells apart
studies         number of simulated studies
false           share of studies with a verdict of supported or refuted that is not the correct one
found           share of studies with the correct verdict; empty where that is `inconclusive`
intervals, covered
                number of intervals of the claim's contrasts, and the share of them that cover the true value

The table is committed, the report draws it, and the tests simulate a part of it again.
"""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.calibration import worlds
from reports.calibration.simulate import LAGS, Setting, expected_value, is_false, studies
from reports.claims import CLAIMS, Claim, Contrast, decide
from reports.claims.comparisons import SENSITIVE, sensitive
from reports.statistics.comparison import Comparison, Term
from reports.statistics.estimates import stratum_weights
from reports.statistics.quantities import LOST, Quantity
from reports.statistics.strata import Stratum, Where

ALL = 0
"""The number in the column `claim` of the row for all claims together."""
STUDIES = 12
"""Simulated studies per setting and world."""
SETTINGS = {
    "design": ("the design of why-gates: 10 searches, 2 seeds each, differences of 3 octaves", Setting()),
    "1 octave": ("differences of exactly 1 octave, the smallest that counts", Setting(effect=1.0)),
    "2 octaves": ("differences of 2 octaves", Setting(effect=2.0)),
    "5 × 4": ("5 searches, 4 seeds each", Setting(searches=5, seeds=4)),
    "20 × 1": ("20 searches, 1 seed each", Setting(searches=20, seeds=1)),
    "wide": ("searches differ by a standard deviation of 1 octave", Setting(spread=1.0)),
    "uneven": ("searches of worse cells differ twice as much", Setting(uneven=2.0)),
    "all or nothing": ("every network of a search solves, or none", Setting(slope=0.02, spread=0.7)),
    "crossing": ("the curves of worse cells fall more slowly, and cross others", Setting(steep=4.0, effect=1.0)),
    "easy": ("every cell solves every lag", Setting(limit=64.0)),
    "hard": ("no cell solves any lag", Setting(limit=1 / 256)),
    "diverging": ("one of the single networks always diverges", Setting(diverging="single_network+width=2")),
    "missing": ("30 % of the confirmed networks are missing at random", Setting(lost=0.3)),
    "untuned": ("no tuning trials are known", Setting(trials=0)),
    "one search": ("one search, 20 seeds", Setting(searches=1, seeds=20)),
}
"""Every setting in words, and its parameters."""


class Tally(NamedTuple):
    """A row of the table as counts; its fields are the columns described above."""

    setting: str
    world: str
    claim: int
    studies: int
    false: int
    found: int
    intervals: int
    covered: int

    def row(self) -> dict[str, object]:
        right = worlds.TRUTH[self.claim][self.world] if self.claim else ""
        return {
            "setting": self.setting,
            "world": self.world,
            "claim": self.claim,
            "right": right,
            "decidable": is_decidable(self.claim, self.world) if self.claim else "",
            "studies": self.studies,
            "false": round(self.false / self.studies, 4),
            "found": round(self.found / self.studies, 4) if right in ("supported", "refuted") else None,
            "intervals": self.intervals,
            "covered": round(self.covered / self.intervals, 4) if self.intervals else None,
        }


def is_decidable(claim_id: int, world: str) -> bool:
    """Return whether the correct verdict is a decision that a study can reach: where cells have to keep up, the tasks tell cells
    apart."""
    right = worlds.TRUTH[claim_id][world]
    if right != "supported":
        return right == "refuted"
    claim = _claim(claim_id)
    names = {comparison.name for comparison in claim.comparisons}
    tasks = [task for task in SENSITIVE if sensitive(task) in names]
    tells_apart = all(
        worlds.reach(world, better, task, False) > worlds.reach(world, worse, task, False)
        for task in tasks
        for better, worse in [SENSITIVE[task]]
    )
    return tells_apart and (sensitive("counting") not in names or not worlds.can_count(world, "rnn"))


def _claim(claim_id: int) -> Claim:
    return next(claim for claim in CLAIMS if claim.id == claim_id)


def tallies(name: str, world: str, count: int, seed: int) -> list[Tally]:
    """Simulate and judge `count` studies, and return a tally of all claims together followed by one of each."""
    _, setting = SETTINGS[name]
    rng = np.random.default_rng([list(worlds.WORLDS).index(world), seed])
    false, found, intervals, covered = (dict.fromkeys((ALL, *(claim.id for claim in CLAIMS)), 0) for _ in range(4))
    for results in studies(world, setting, count, rng):
        any_false = False
        for claim, verdict in zip(CLAIMS, decide(results), strict=True):
            any_false |= is_false(verdict, world)
            false[claim.id] += is_false(verdict, world)
            found[claim.id] += verdict.verdict == worlds.TRUTH[claim.id][world]
            for comparison, contrast in zip(claim.comparisons, verdict.contrasts, strict=False):
                covers = _covers(contrast, comparison, world, setting)
                if covers is not None:
                    for key in (claim.id, ALL):
                        intervals[key] += 1
                        covered[key] += covers
        false[ALL] += any_false
    return [Tally(name, world, key, count, false[key], found[key], intervals[key], covered[key]) for key in false]


def table(rows: Iterable[Tally]) -> pd.DataFrame:
    return pd.DataFrame([tally.row() for tally in rows])


def _covers(contrast: Contrast, comparison: Comparison, world: str, setting: Setting) -> bool | None:
    """Return whether the interval covers the true value; None without an interval or for a manipulation check."""
    if contrast.ci_low is None or contrast.ci_high is None or not comparison.margins.inferential:
        return None
    value = true_value(comparison, contrast.lags, world, setting)
    if comparison.scale == "ratio":
        value = math.exp(value)
    tolerance = 1e-9  # for rounding at rates of 0 and 1
    return bool(contrast.ci_low - tolerance <= value <= contrast.ci_high + tolerance)


def true_value(comparison: Comparison, used: Iterable[Stratum], world: str, setting: Setting) -> float:
    """Return the expected value of a contrast; NaN for a share of a denominator of 0.

    An integral over lags is over all that were run: those that are left out are differences of 0. Other quantities are
    averaged over the strata that were used.
    """
    kept = {(stratum.task, stratum.lag) for stratum in used}

    def strata(places: tuple[Where, ...]) -> list[Stratum]:
        everywhere = [Stratum(place.task, lag) for place in places for lag in LAGS[place.task]]
        inside = [stratum for stratum in everywhere if any((stratum, "") in place for place in places)]
        return [s for s in inside if comparison.quantity.over_lags or (s.task, s.lag) in kept]

    sides = strata(comparison.where), strata(comparison.minus)

    def value(quantity: Quantity, terms: tuple[Term, ...]) -> float:
        sums = [
            sum(
                weight * _linear_combination(quantity, terms, stratum, world, setting)
                for stratum, weight in stratum_weights(comparison, side).items()
            )
            for side in sides
        ]
        return float(sums[0] - sums[1])

    part = value(comparison.quantity, comparison.contrast_terms)
    if not comparison.is_share:
        return part
    if comparison.denominator:
        whole = value(comparison.quantity, comparison.denominator)
    else:
        whole = value(LOST, comparison.contrast_terms)
    return part / whole if whole > 1e-9 else math.nan


def _linear_combination(
    quantity: Quantity, terms: tuple[Term, ...], stratum: Stratum, world: str, setting: Setting
) -> float:
    """Return the expected weighted sum; a comparison's rival equals its a in every world, so it is not looked up."""
    return sum(
        term.weight
        * expected_value(
            quantity, world, setting, term.cell, stratum.task + term.option, stratum.lag, (term.size_factor or 1) > 1
        )
        for term in terms
    )


def main(out: Path) -> None:
    """Simulate the grid and write the table."""
    rows: list[Tally] = []
    grid = [(name, world) for name in SETTINGS for world in worlds.WORLDS]
    for number, (name, world) in enumerate(grid):
        rows += tallies(name, world, STUDIES, seed=number)
        print(f"\r{number + 1} of {len(grid)} settings and worlds", end="", file=sys.stderr, flush=True)
    table(rows).to_csv(out, index=False)
