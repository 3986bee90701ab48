"""The claims, declared before any run as data, and the decision about each from the table."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.contrasts import GROUPS, Contrast, Stratum

__all__ = ["GROUPS", "LEVEL", "Contrast", "Stratum", "Verdict", "decide"]

LEVEL = 0.90
"""Level of every interval shown: 90 %, the level the rules for ≈ and ≽ decide on."""


@dataclass(frozen=True)
class Verdict:
    """What the table says about one claim."""

    id: int
    claim: str
    verdict: str  # supported | refuted | inconclusive | not_tested
    effect: float | None  # of the claim's decisive contrast
    ci_low: float | None  # interval at LEVEL
    ci_high: float | None
    seeds: int
    contrasts: tuple[Contrast, ...]
    how_to_test: str  # the command that runs what is missing; empty when nothing is
    why: str  # the verdict in words with numbers
    preliminary: bool  # fewer than 20 confirmation seeds


def decide(results: pd.DataFrame) -> list[Verdict]:
    """Placeholder until the rules are in."""
    return []
