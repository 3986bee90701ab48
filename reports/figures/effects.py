"""The contrasts of a claim, on their own scales."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.claims.findings import shown, unit_of
from reports.figures.axes import plain_numbers
from reports.figures.style import FAINT, RULE, WIDTH, CellStyle
from reports.format import short
from reports.statistics.contrasts import Contrast

RATIO_LIMITS = 1e-3, 1e3
"""Ratios outside these limits are drawn at the edge; the text beside them gives their value."""


def contrasts(tested: Sequence[Contrast], styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the effects with their intervals, a row each, in the style of the contrast's first cell.

    A panel per measure and scale: differences around 0, ratios around 1 on a logarithmic axis. The range of effects that
    are too small to matter is shaded.

    :param tested: contrasts with an effect.
    """
    by_scale: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in tested:
        by_scale.setdefault((contrast.measure, contrast.scale), []).append(contrast)
    heights = [0.75 + 0.45 * len(rows) for rows in by_scale.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    axes = figure.subplots(len(by_scale), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, ((measure, scale), rows) in zip(axes, by_scale.items(), strict=True):
        _panel(ax, rows, measure, scale == "ratio", styles)
    return figure


def _panel(ax: Axes, tested: Sequence[Contrast], measure: str, ratio: bool, styles: Mapping[str, CellStyle]) -> None:
    kind = {"×": "ratio", "points": "points", "%": "percent"}.get(unit_of(tested[0]), "difference")
    unit = 100 if kind in ("points", "percent") else 1
    matters = max(contrast.matters for contrast in tested)
    if ratio:
        ax.set_xscale("log")
        ax.axvspan(1 / matters, matters, color=RULE, alpha=0.5, linewidth=0)
    elif measure.startswith("share"):
        ax.axvline(unit * matters, color=FAINT, linewidth=1, linestyle=":")
    else:
        ax.axvspan(-unit * matters, unit * matters, color=RULE, alpha=0.5, linewidth=0)
    ax.axvline(1 if ratio else 0, color=FAINT, linewidth=1)
    limits = []
    for y, contrast in enumerate(tested):
        style = styles.get(contrast.a) or next(iter(styles.values()))
        ends = [unit * x for x in (contrast.ci_low, contrast.effect, contrast.ci_high) if x is not None]
        low, middle, high = np.clip(
            (ends[0], ends[len(ends) // 2], ends[-1]), *(RATIO_LIMITS if ratio else (-1e9, 1e9))
        )
        limits += [low, high]
        ax.hlines(y, low, high, color=style.color, linewidth=2.4, alpha=0.55)
        ax.plot(middle, y, color=style.color, marker=style.marker, markersize=7, clip_on=False)
        text = f"{shown(contrast)}  {contrast.outcome}"
        ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    ax.set_yticks(range(len(tested)), [textwrap.fill(short(contrast.question, 90), 34) for contrast in tested])
    ax.set_ylim(len(tested) - 0.5, -0.5)
    if ratio:
        widest = max(2 * matters, *(max(x, 1 / x) * 1.2 for x in limits))
        ax.set_xlim(1 / widest, widest)
        plain_numbers(ax.xaxis)
        if widest < 10:  # less than a decade contains one power of ten
            ax.set_xticks([1 / matters, 1, matters], [f"{tick:.2g}" for tick in (1 / matters, 1, matters)])
    else:
        widest = max(2 * unit * matters, *(abs(x) * 1.05 for x in limits))
        whole = unit == 100 and widest <= 105
        ax.set_xlim((-100, 100) if whole else (-widest, widest))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(f"{measure}, {kind}")
