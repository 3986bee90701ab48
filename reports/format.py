"""Numbers and lists as text: the only formatters of the project.

Signs: a negative number has a minus sign (U+2212), never a hyphen. A difference between cells also shows its plus sign, so
that +20 points (an effect) cannot be mistaken for 20 points (a threshold). Zero, ratios and shares have no sign.

This module imports only the standard library, because the command line imports it.
"""

import math
from collections.abc import Iterable

MINUS = "−"
MISSING = "–"
"""Shown where there is no value."""


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table: 12345 -> `12,345`; 0.01234 -> `0.0123`; 77e6 -> `7.70 × 10⁷`; None or NaN -> `–`.

    :param digits: significant digits of numbers that are neither whole nor above 100.
    """
    if value is None or math.isnan(value):
        return MISSING
    value += 0.0  # zero has no sign
    if abs(value) >= 1e6:
        exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the rounded number
        superscript = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = f"{value / 10**exponent:.{digits - 1}f} × 10{superscript}"
    elif abs(value) >= 100 or float(value).is_integer():
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", MINUS)


def rounded(value: float) -> float:
    """A number with six significant digits, the same on every processor.

    Processors differ in the last digits of a double, which would decide how a number half way between two candidates is rounded:
    it is first rounded to twelve digits.
    """
    return float(f"{float(f'{value:.12g}'):.6g}")


def thousands(value: float) -> str:
    """A number in the width of a tick: 150 -> `150`; 1500 -> `1.5k`."""
    return f"{value:g}" if abs(value) < 1000 else f"{value / 1000:.3g}k"


def span(low: float, high: float) -> str:
    """A range of numbers: (33, 66) -> `33 to 66`; (33, 33) -> `33`."""
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def points(share: float) -> str:
    """A difference of solve rates in percentage points: 0.416 -> `+42`; -0.834 -> `−83`; 0.001 -> `0`."""
    return _in_unit(share, "points", plus=True)


def amount(value: float, unit: str, *, plus: bool = False) -> str:
    """A number with its unit: (0.416, "points") -> `42 points`; (2.31, "×") -> `×2.3`; (0.62, "%") -> `62 %`.

    :param unit: `points` or `%` for a share, `×` for a ratio, empty for a number without a unit.
    :param plus: show the plus sign, for a difference between cells: `+42 points`, `+0.31`.
    """
    text = _in_unit(value, unit, plus)
    match unit:
        case "points":
            return f"{text} point" + ("" if text.lstrip("+" + MINUS) == "1" else "s")
        case "×":
            return f"×{text}"
    return f"{text} {unit}".strip()


def confidence_limits(low: float, high: float, unit: str = "points") -> str:
    """The confidence limits of an effect, without their unit: (-0.97, -0.6) -> `−97 to −60`; (1.8, 3.1, "×") -> `1.8 to 3.1`."""
    return f"{_in_unit(low, unit, plus=True)} to {_in_unit(high, unit, plus=True)}"


def percent(share: float, decimals: int = 0) -> str:
    """A share in percent: 0.834 -> `83 %`; (0.0125, 1) -> `1.2 %`."""
    return f"{signed(100 * share, decimals)} %"


def probability(p: float) -> str:
    """A p-value: 0.0123 -> `p = 0.012`; 1e-9 -> `p < 0.0001`."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def duration(seconds: float) -> str:
    """A time: 0.25 -> `0.25 s`; 45 -> `45 s`; 720 -> `12 min`; 12240 -> `3.4 h`."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"


def count(n: int, singular: str, plural: str = "") -> str:
    """A count with its noun: (1, "cell") -> `1 cell`; (1200, "cell") -> `1,200 cells`.

    :param plural: where it is not the singular with an s.
    """
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def listed(items: Iterable[str], last: str = " and ") -> str:
    """A list in a sentence, each item once: `a, b and c`; empty for no items.

    :param last: what separates the last item from the one before it.
    """
    *head, tail = [*dict.fromkeys(items)] or [""]
    return f"{', '.join(head)}{last}{tail}" if head else tail


def short(label: str, width: int = 26) -> str:
    """A label of at most `width` characters: ("single_network", 8) -> `single_…`."""
    return label if len(label) <= width else label[: width - 1] + "…"


def _in_unit(value: float, unit: str, plus: bool) -> str:
    """The number that precedes a unit."""
    if unit == "points":
        return signed(100 * value, 0, plus)
    if unit == "%":
        return signed(100 * value, 0)
    if unit == "×":
        decimals = 2 if value < 1.95 else 1 if value < 9.95 else 0
        return f"{value:.{decimals}f}" if 1e-3 <= value < 1e4 else f"{value:.0e}"
    return signed(value, 2, plus)


def signed(value: float, decimals: int, plus: bool = False) -> str:
    """A rounded number with its sign; zero after rounding has none."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0."):
        return text
    return (MINUS if value < 0 else "+" if plus else "") + text
