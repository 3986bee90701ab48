"""Comparisons of cells, declared before any run: what is compared, in which strata, and against which margins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from reports.statistics.quantities import REACH, SOLVED, Quantity
from reports.statistics.strata import Stratum, Where, joined

OCTAVE = math.log(2)
"""The smallest effect on reach of interest: a factor of 2."""
DELTA = 0.2
"""The smallest difference in solve rate of interest, where lags cannot be in octaves."""


class Margins(NamedTuple):
    """The thresholds of an effect, on the quantity's own scale: logarithms where its scale is a ratio."""

    superiority: float = OCTAVE  # a is better if the effect is at least this ...
    null: float = 0.0  # ... and significantly above this
    inferiority: float = (
        -OCTAVE
    )  # a is worse if the effect is at most this and significantly below the null; −inf: not tested
    equivalence: tuple[float, float] | None = (-OCTAVE, OCTAVE)  # a tie if the interval lies inside; None: not tested
    inferential: bool = (
        True  # False: a descriptive manipulation check; a tie if every stratum lies inside `equivalence`
    )


REACH_MARGINS = Margins()
RATE_MARGINS = Margins(DELTA, 0.0, -DELTA, (-DELTA, DELTA))


class Term(NamedTuple):
    """A cell's weighted mean in a contrast."""

    weight: float
    cell: str
    option: str = ""  # in the same task with this option: "+reset"
    size_factor: float | None = None  # at this multiple of the smallest size of the table; None: at the stratum's size

    @property
    def label(self) -> str:
        """The cell, with its size if that differs: "rnn at 8 × the size"."""
        return self.cell + (f" at {self.size_factor:g} × the size" if self.size_factor not in (None, 1) else "")

    def stratum(self, stratum: Stratum) -> Stratum:
        """Return the stratum of this term's arm, given the stratum of the comparison."""
        size = stratum.size if self.size_factor is None or stratum.size is None else self.size_factor * stratum.size
        return Stratum(stratum.task + self.option, stratum.lag, size)


@dataclass(frozen=True)
class Comparison:
    """The declared contrast a − b in a set of strata; without b, a itself against the margins."""

    name: str
    a: str
    b: str
    where: tuple[Where, ...]
    minus: tuple[Where, ...] = ()  # if set: an interaction, a − b on `where` minus a − b here
    informative_only: bool = True  # exclude strata that no cell solved in any trial
    quantity: Quantity = REACH
    margins: Margins = REACH_MARGINS
    bounded: bool = False  # not worse is claimed for these lags only, so b need not reach its limit in them
    rival: str = ""  # a cell that replaces a if it solved more of its tuning trials
    terms: tuple[Term, ...] = ()  # if set: a linear contrast other than a − b
    denominator: tuple[Term, ...] = ()  # if set: the effect is the sum of `terms` as a share of this sum
    phrase: str = ""  # the finding as a sentence, instead of the quantity's phrase

    @property
    def contrast_terms(self) -> tuple[Term, ...]:
        """The terms of the linear contrast: `terms` if declared, else a − b (b − a where lower is better)."""
        if self.terms:
            return self.terms
        sign = -1 if self.quantity.lower_is_better else 1
        return (Term(sign, self.a), Term(-sign, self.b)) if self.b else (Term(sign, self.a),)

    @property
    def is_share(self) -> bool:
        """Whether the effect is a share of a denominator."""
        return bool(self.denominator) or self.quantity.denominator is not None

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.cell for term in self.contrast_terms))

    @property
    def question(self) -> str:
        """The comparison as a label: "score: lstm − gru on latch"."""
        where = joined(self.where) if self.where else ""
        measure = "" if self.quantity is SOLVED and not self.is_share else f"{self.measure}: "
        return f"{measure}{self.formula} on {where}{self.subtracted}"

    @property
    def subtracted(self) -> str:
        """The tasks of `minus` as the end of a label, on the scale of the test: " relative to that on recall"; "" without any."""
        relation = "relative to" if self.scale == "ratio" else "minus"
        return f" {relation} that on {joined(self.minus)}" if self.minus else ""

    @property
    def formula(self) -> str:
        """The cells of the contrast, positive weights first: "lstm − gru", "rnn / lstm"."""
        if self.is_share:
            return " − ".join(cell for cell in (self.a, self.b) if cell)
        first, *others = sorted(self.contrast_terms, key=lambda term: -term.weight)
        minus, plus = (" / ", " · ") if self.scale == "ratio" else (" − ", " + ")
        signed = [(plus if term.weight > 0 else minus) + self._named(term) for term in others]
        return self._named(first) + "".join(signed)

    def _named(self, term: Term) -> str:
        rival = self.rival if term.label == self.a != self.rival else ""
        return f"({term.label} or {rival})" if rival else term.label + term.option

    @property
    def measure(self) -> str:
        return "share of the lead explained" if self.denominator else self.quantity.name

    @property
    def scale(self) -> str:
        """The scale of the test: "ratio" (of logarithms) or "difference"; a share is tested as part − ½ × whole."""
        return "difference" if self.is_share else self.quantity.scale

    @property
    def unit(self) -> str:
        """The unit of the effect: "points", "%", "×", or "" for a plain number."""
        return "×" if self.scale == "ratio" else "%" if self.is_share else self.quantity.unit

    @property
    def phrased(self) -> bool:
        """Whether it is reported by a phrase of its own, because it is not a difference in rates."""
        return bool(self.phrase or self.quantity.phrase)

    @property
    def reference(self) -> str:
        """The cell whose limit the lags have to contain for the other to be not worse; "" where they need not."""
        return self.b if self.quantity.over_lags and not self.bounded and not self.minus and not self.is_share else ""

    @property
    def smallest_effect_of_interest(self) -> float:
        """The smallest difference, factor or share of interest, on the scale that is shown."""
        if self.is_share:
            return 0.5
        superiority, _, _, equivalence, inferential = self.margins
        margin = superiority if inferential or not equivalence else equivalence[1]
        return math.exp(margin) if self.scale == "ratio" else margin
