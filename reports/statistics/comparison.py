"""Questions about cells, declared before any run: what is compared, where, and from which size on a difference matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from reports.statistics.quantities import SOLVED, Quantity
from reports.statistics.strata import Stratum, Where, joined

DELTA = 0.2
"""Smallest difference in solve rate that matters."""


class Limits(NamedTuple):
    """What an effect is held against, in the quantity's own numbers: logarithms where its scale is a ratio."""

    lead: float = DELTA  # a is better from here on ...
    null: float = 0.0  # ... if more than chance puts it above this
    trail: float = -DELTA  # a is worse from here down; −inf: that is not asked
    tie: tuple[float, float] | None = (-DELTA, DELTA)  # a tie where the whole interval lies inside; None: not asked
    inferred: bool = True  # False: a check of how the study was made; a tie where every stratum lies inside


RATES = Limits()


class Term(NamedTuple):
    """A cell's part in a contrast: its mean in the stratum, or beside it, times a weight."""

    weight: float
    cell: str
    option: str = ""  # the same task with this option: "+reset"
    times: float | None = None  # at this many times the smallest size of the table; None: at the stratum's own

    @property
    def label(self) -> str:
        """ "rnn at 8 × the size"."""
        return self.cell + (f" at {self.times:g} × the size" if self.times not in (None, 1) else "")

    def beside(self, stratum: Stratum) -> Stratum:
        size = stratum.size if self.times is None or stratum.size is None else self.times * stratum.size
        return Stratum(stratum.task + self.option, stratum.lag, size)


@dataclass(frozen=True)
class Compare:
    """Is a better or worse than b, and where? Without b: is a above what the limits name?"""

    name: str
    a: str
    b: str
    where: tuple[Where, ...]
    minus: tuple[Where, ...] = ()  # filled: an interaction, the difference on `where` minus the difference here
    informative: bool = True  # leave lags out that nobody, or everybody, solved while tuning
    quantity: Quantity = SOLVED
    limits: Limits = RATES
    rival: str = ""  # instead of a, where it solved more of its trials while tuning
    terms: tuple[Term, ...] = ()  # filled: a sum that is not simply a − b
    whole: tuple[Term, ...] = ()  # filled: the question is what share of this sum the terms are
    phrase: str = ""  # the finding in words, where the quantity's do not fit

    @property
    def sum(self) -> tuple[Term, ...]:
        if self.terms:
            return self.terms
        sign = -1 if self.quantity.less else 1
        return (Term(sign, self.a), Term(-sign, self.b)) if self.b else (Term(sign, self.a),)

    @property
    def shares(self) -> bool:
        return bool(self.whole) or self.quantity.whole is not None

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.cell for term in self.sum))

    @property
    def question(self) -> str:
        sides = [joined(places) if places else "" for places in (self.where, self.minus)]
        what = "" if self.quantity is SOLVED and not self.shares else f"{self.measure}: "
        return what + f"{self.who} on {sides[0]}" + (f" minus that on {sides[1]}" if self.minus else "")

    @property
    def who(self) -> str:
        if self.shares:
            return " − ".join(cell for cell in (self.a, self.b) if cell)
        first_plus = sorted(self.sum, key=lambda term: -term.weight)
        return (" / " if self.scale == "ratio" else " − ").join(term.label + term.option for term in first_plus)

    @property
    def measure(self) -> str:
        return "share of the lead explained" if self.whole else self.quantity.name

    @property
    def scale(self) -> str:
        return self.quantity.scale

    @property
    def unit(self) -> str:
        """ "points", "%", "×", or none."""
        return "×" if self.scale == "ratio" else "%" if self.shares else self.quantity.unit

    @property
    def phrased(self) -> bool:
        """Not simply a difference in solve rates?"""
        return bool(self.phrase or self.quantity.phrase)

    @property
    def matters(self) -> float:
        """The smallest difference, factor or share that matters, as it is shown."""
        if self.shares:
            return 0.5
        edge = self.limits.lead if self.limits.inferred or not self.limits.tie else self.limits.tie[1]
        return math.exp(edge) if self.scale == "ratio" else edge
