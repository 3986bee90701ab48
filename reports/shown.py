"""Effects in words, on their own scale: `−42 points (−60 to −24)`, `×2.3 (1.8 to 3.1)`."""

from reports.contrasts import Contrast

POINTS = ("solve rate",)
"""Measures that are shares, told in percentage points."""


def shown(contrast: Contrast, unit: bool = True) -> str:
    """The effect of a contrast with its interval; a dash where nothing was measured."""
    low, effect, high = contrast.ci_low, contrast.effect, contrast.ci_high
    if effect is None:
        return "–"
    if contrast.scale == "ratio":
        return f"×{factor(effect)}" + ("" if None in (low, high) else f" ({factor(low)} to {factor(high)})")
    if contrast.measure in POINTS:
        middle = f"{points(effect)} points" if unit else points(effect)
        return middle + ("" if None in (low, high) else f" ({points(low)} to {points(high)})")
    return signed(effect) + ("" if None in (low, high) else f" ({signed(low)} to {signed(high)})")


def points(share: float | None) -> str:
    """A difference of rates in points, with its sign: −0.834 -> `−83`."""
    if share is None:
        return "?"
    rounded = round(100 * share)
    return "0" if rounded == 0 else f"{rounded:+d}".replace("-", "−")


def limits(low: float | None, high: float | None) -> str:
    """`−97 to −60`, in points."""
    return f"{points(low)} to {points(high)}"


def factor(ratio: float | None) -> str:
    """`2.3`, `0.041`, `1,200`."""
    if ratio is None:
        return "?"
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2g}"


def signed(value: float | None) -> str:
    """`+0.12`."""
    return "?" if value is None else f"{value:+.2f}".replace("-", "−")
