"""How often the decision engine is wrong, and how often it finds what is there: measured in the worlds of `worlds`.

    python -m reports.calibration.measure           # writes calibration.csv beside this file: a quarter of an hour of one core

One row per kind of study and claim, and one for all claims together (`claim` 0):

world, base, spread, strata, seeds, effect
                the kind of study (`worlds.Setting`); an empty `spread`: one search, only seeds differ
claim           number of the claim; 0: all of them
right           the verdict that is right there
studies         simulated studies
false           share of them with the opposite of the right verdict, or with any where none is right
found           share with the right verdict; empty where `inconclusive` is right
intervals, covered
                intervals shown with the claim's contrasts, and the share of them that holds the true value (they are
                90 % intervals)

The table is committed and the report draws it. The test suite simulates a part of it again.

What it shows, with α shared by 14 claims: any false verdict in 0.2 % of 3,024 studies (a goal of at most 5 %), and 93 % of the
90 % intervals hold the truth. Where the planted difference is just Δ, so that the truth lies on the limit of a tie, 6 % of
studies have a false verdict. The goal of finding 2Δ over three lags in nine studies of ten is met by a single lead where
seeds alone differ (90 to 100 %). With a spread of .2 or .3 between five searches it is not (50 to 71 % on three lags, 58 to
90 % on four): that takes 40 seeds from ten searches. Claims that join several comparisons find less, six ties at once (9,
12) nearly nothing below a rate of .97, and claim 6, whose premise is a lead of 2Δ, needs one of 3Δ. What is not found is left
open; no rule was loosened for it.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.calibration.power import FILE
from reports.calibration.simulate import Setting, expected, is_false, right, studies
from reports.claims import CLAIMS, WORLDS, Contrast, decide
from reports.statistics.comparison import Compare, Term
from reports.statistics.quantities import LOST, Quantity
from reports.statistics.strata import Stratum, group_at, group_of

ALL = 0
"""Stands for all claims together."""
BASES, SPREADS = (0.5, 0.8, 0.97), (None, 0.2, 0.3)
STUDIES, MORE = 16, 10  # per world and setting, in the first grid and in the second
PLANTED = ("latch", "erase", "static", "rnn")
"""Worlds in which effects, seeds and lags are varied."""


def grid() -> list[tuple[str, Setting, int]]:
    """World, setting, number of studies: every base rate and spread in every world, then effect, seeds and lags."""
    first = [Setting(base, spread, strata) for base, spread, strata in product(BASES, SPREADS, (3, 4))]
    more = [
        Setting(0.8, spread, strata, seeds, effect)
        for spread, strata, seeds, effect in (
            *product((None, 0.3), (4,), (10, 20, 40, 60), (0.2, 0.4, 0.6)),
            *product((None, 0.3), (2, 6), (20,), (0.4,)),
        )
    ]
    return [(world, setting, STUDIES) for setting in first for world in WORLDS] + [
        (world, setting, MORE) for setting in more if setting not in first for world in PLANTED
    ]


class Tally(NamedTuple):
    """One row of the table, as counts."""

    world: str
    setting: Setting
    claim: int
    studies: int
    false: int
    found: int
    intervals: int
    covered: int

    @property
    def right(self) -> str:
        return right(self.claim, self.world) if self.claim else ""

    def row(self) -> dict[str, object]:
        base, spread, strata, seeds, effect, _ = self.setting
        findable = self.right in ("supported", "refuted")
        return {
            "world": self.world,
            "base": base,
            "spread": spread,
            "strata": strata,
            "seeds": seeds,
            "effect": effect,
            "claim": self.claim,
            "right": self.right,
            "studies": self.studies,
            "false": round(self.false / self.studies, 4),
            "found": round(self.found / self.studies, 4) if findable else None,
            "intervals": self.intervals,
            "covered": round(self.covered / self.intervals, 4) if self.intervals else None,
        }


def tallies(world: str, setting: Setting, count: int, seed: int) -> list[Tally]:
    """Simulate, decide and count: one row for all claims, then one for each."""
    rng = np.random.default_rng([list(WORLDS).index(world), seed])
    false, found, intervals, covered = (dict.fromkeys((ALL, *(claim.id for claim in CLAIMS)), 0) for _ in range(4))
    for table in studies(world, setting, count, rng):
        wrong = False
        for claim, verdict in zip(CLAIMS, decide(table), strict=True):
            wrong |= is_false(verdict, world)
            false[claim.id] += is_false(verdict, world)
            found[claim.id] += verdict.verdict == right(claim.id, world)
            for compare, contrast in zip(claim.compares, verdict.contrasts, strict=False):
                holds = _holds(contrast, compare, world, setting)
                if holds is not None:
                    for key in (claim.id, ALL):
                        intervals[key] += 1
                        covered[key] += holds
        false[ALL] += wrong
    return [Tally(world, setting, key, count, false[key], found[key], intervals[key], covered[key]) for key in false]


def table(rows: Iterable[Tally]) -> pd.DataFrame:
    return pd.DataFrame([one.row() for one in rows])


def _holds(contrast: Contrast, compare: Compare, world: str, setting: Setting) -> bool | None:
    """Is the true value in the interval shown? None where none is shown, or what it is about was made, not found."""
    if contrast.ci_low is None or contrast.ci_high is None or not compare.limits.inferred:
        return None
    value = true_value(compare, contrast.lags, world, setting)
    if compare.scale == "ratio":
        value = math.exp(value)
    slack = 1e-9  # rounding, where a rate is 0 or 1
    return bool(contrast.ci_low - slack <= value <= contrast.ci_high + slack)


def true_value(compare: Compare, lags: Sequence[Stratum], world: str, setting: Setting) -> float:
    """What a contrast would be with endlessly many seeds and searches; of a share of nothing, NaN."""
    groups = {stratum: group_at(group_of(stratum.task), stratum) for stratum in lags}
    sides = [
        [stratum for stratum, group in groups.items() if any((stratum, group) in place for place in places)]
        for places in (compare.where, compare.minus)
    ]

    def value(quantity: Quantity, terms: tuple[Term, ...]) -> float:
        means = [
            np.mean([_sum(quantity, terms, stratum, world, setting) for stratum in side]) for side in sides if side
        ]
        return float(means[0] - sum(means[1:]))

    part = value(compare.quantity, compare.sum)
    if not compare.shares:
        return part
    whole = value(compare.quantity, compare.whole) if compare.whole else value(LOST, compare.sum)
    return part / whole if whole > 1e-9 else math.nan


def _sum(quantity: Quantity, terms: tuple[Term, ...], stratum: Stratum, world: str, setting: Setting) -> float:
    """A rival of a cell costs and solves as much as that does, in every world."""
    return sum(
        term.weight * expected(quantity, world, setting, term.cell, stratum.task + term.option, (term.times or 1) > 1)
        for term in terms
    )


def main(arguments: list[str]) -> None:
    """Simulate the grid and write the table."""
    out = Path(arguments[0]) if arguments else FILE
    rows: list[Tally] = []
    todo = grid()
    for number, (world, setting, count) in enumerate(todo):
        rows += tallies(world, setting, count, seed=number)
        print(f"\r{number + 1} of {len(todo)} settings", end="", file=sys.stderr, flush=True)
    table(rows).to_csv(out, index=False)
