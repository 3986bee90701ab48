"""Error rate, power and interval coverage of the verdicts, measured on simulated studies with known truth.

    python -m reports.calibration           # writes calibration.csv beside this file: a quarter of an hour of one core

calibration.csv has one row per setting and claim, and one for all claims together:

world, base, spread, strata, seeds, effect
                the setting (`simulate.Setting`); an empty `spread`: a single search, so only seeds vary
claim           id of the claim; 0: all of them
right           the correct verdict
studies         number of simulated studies
false           share of studies with a verdict of supported or refuted that is not the correct one
found           share of studies with the correct verdict; empty where that is `inconclusive`
intervals, covered
                number of 90 % intervals of the claim's contrasts, and the share of them that cover the true value

The table is committed, the report draws it, and the tests simulate a part of it again.

Results, with α shared by 14 claims: any false verdict in 0.2 % of 3,024 studies (the goal is at most 5 %); 93 % of the
90 % intervals cover the true value. With a planted difference of Δ, where the true value is on the equivalence margin, 6 %
of studies have a false verdict. The goal of 90 % power at 2Δ over three lags is met by a single lead if only seeds vary (90
to 100 %), but not with a standard deviation of .2 or .3 between five searches (50 to 71 % on three lags, 58 to 90 % on
four); that takes 40 seeds from ten searches. Claims that join several comparisons have less power. Six simultaneous ties
(claims 9 and 12) have nearly none below a solve rate of .97, and claim 6, whose premise is a lead of 2Δ, needs one of 3Δ.
Undetected effects give inconclusive verdicts; no rule was relaxed to raise the power.
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
from reports.calibration.simulate import Setting, correct_verdict, expected_value, is_false, studies
from reports.claims import CLAIMS, WORLDS, Contrast, decide
from reports.statistics.comparison import Comparison, Term
from reports.statistics.quantities import LOST, Quantity
from reports.statistics.strata import Stratum, group_at, group_of

ALL = 0
"""The number in the column `claim` of the row for all claims together."""
BASES, SPREADS = (0.5, 0.8, 0.97), (None, 0.2, 0.3)
STUDIES, STUDIES_VARIED = 16, 10  # per world and setting, in the first part of the grid and in the second
WORLDS_VARIED = ("latch", "erase", "static", "rnn")
"""Worlds in which the effect and the numbers of seeds and lags are varied."""


def grid() -> list[tuple[str, Setting, int]]:
    """Return (world, setting, number of studies): all base rates and spreads in all worlds, then effect, seeds and lags."""
    crossed = [Setting(base, spread, strata) for base, spread, strata in product(BASES, SPREADS, (3, 4))]
    varied = [
        Setting(0.8, spread, strata, seeds, effect)
        for spread, strata, seeds, effect in (
            *product((None, 0.3), (4,), (10, 20, 40, 60), (0.2, 0.4, 0.6)),
            *product((None, 0.3), (2, 6), (20,), (0.4,)),
        )
    ]
    return [(world, setting, STUDIES) for setting in crossed for world in WORLDS] + [
        (world, setting, STUDIES_VARIED) for setting in varied if setting not in crossed for world in WORLDS_VARIED
    ]


class Tally(NamedTuple):
    """A row of the table as counts; its fields are the columns described above."""

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
        """The correct verdict; "" for all claims together."""
        return correct_verdict(self.claim, self.world) if self.claim else ""

    def row(self) -> dict[str, object]:
        base, spread, strata, seeds, effect, _ = self.setting
        decidable = self.right in ("supported", "refuted")
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
            "found": round(self.found / self.studies, 4) if decidable else None,
            "intervals": self.intervals,
            "covered": round(self.covered / self.intervals, 4) if self.intervals else None,
        }


def tallies(world: str, setting: Setting, count: int, seed: int) -> list[Tally]:
    """Simulate and judge `count` studies, and return a tally of all claims together followed by one of each."""
    rng = np.random.default_rng([list(WORLDS).index(world), seed])
    false, found, intervals, covered = (dict.fromkeys((ALL, *(claim.id for claim in CLAIMS)), 0) for _ in range(4))
    for results in studies(world, setting, count, rng):
        any_false = False
        for claim, verdict in zip(CLAIMS, decide(results), strict=True):
            any_false |= is_false(verdict, world)
            false[claim.id] += is_false(verdict, world)
            found[claim.id] += verdict.verdict == correct_verdict(claim.id, world)
            for comparison, contrast in zip(claim.comparisons, verdict.contrasts, strict=False):
                covers = _covers(contrast, comparison, world, setting)
                if covers is not None:
                    for key in (claim.id, ALL):
                        intervals[key] += 1
                        covered[key] += covers
        false[ALL] += any_false
    return [Tally(world, setting, key, count, false[key], found[key], intervals[key], covered[key]) for key in false]


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


def true_value(comparison: Comparison, strata: Sequence[Stratum], world: str, setting: Setting) -> float:
    """Return the expected value of a contrast on some strata; NaN for a share of a denominator of 0."""
    groups = {stratum: group_at(group_of(stratum.task), stratum) for stratum in strata}
    sides = [
        [stratum for stratum, group in groups.items() if any((stratum, group) in place for place in places)]
        for places in (comparison.where, comparison.minus)
    ]

    def value(quantity: Quantity, terms: tuple[Term, ...]) -> float:
        means = [
            np.mean([_linear_combination(quantity, terms, stratum, world, setting) for stratum in side])
            for side in sides
            if side
        ]
        return float(means[0] - sum(means[1:]))

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
            quantity, world, setting, term.cell, stratum.task + term.option, large=(term.size_factor or 1) > 1
        )
        for term in terms
    )


def main(arguments: list[str]) -> None:
    """Simulate the grid and write the table to the path given, by default beside this file."""
    out = Path(arguments[0]) if arguments else FILE
    rows: list[Tally] = []
    settings = grid()
    for number, (world, setting, count) in enumerate(settings):
        rows += tallies(world, setting, count, seed=number)
        print(f"\r{number + 1} of {len(settings)} settings", end="", file=sys.stderr, flush=True)
    table(rows).to_csv(out, index=False)
