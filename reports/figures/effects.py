"""Comparisons: a claim's contrasts on their own scales, and how well the rules that judge them are calibrated."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.claims.findings import shown
from reports.figures.panels import plain_numbers
from reports.figures.style import FAINT, RULE, WIDTH, Look
from reports.format import short
from reports.statistics.contrasts import Contrast
from reports.statistics.quantities import SOLVED

RATIO_LIMITS = 1e-3, 1e3
"""Ratios beyond are drawn at the edge: how far they are beyond is in the text beside them."""


def contrasts(tested: Sequence[Contrast], looks: Mapping[str, Look]) -> Figure:
    """Effects with their intervals, a row each, in the colour of the cell that the effect speaks of.

    A panel for each scale: differences around 0, ratios around 1 on a logarithmic axis. What is too small to matter is
    shaded.

    :param tested: contrasts with an effect.
    """
    kinds: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in tested:
        kinds.setdefault((contrast.measure, contrast.scale), []).append(contrast)
    heights = [0.75 + 0.45 * len(own) for own in kinds.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    axes = figure.subplots(len(kinds), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, ((measure, scale), own) in zip(axes, kinds.items(), strict=True):
        _panel(ax, own, measure, scale == "ratio", looks)
    return figure


def _panel(ax: Axes, tested: Sequence[Contrast], measure: str, ratio: bool, looks: Mapping[str, Look]) -> None:
    unit = 100 if not ratio and (measure == SOLVED.name or measure.startswith("share")) else 1
    matters = max(contrast.matters for contrast in tested)
    if ratio:
        ax.set_xscale("log")
        ax.axvspan(1 / matters, matters, color=RULE, alpha=0.5, linewidth=0)
    elif measure.startswith("share"):
        ax.axvline(unit * matters, color=FAINT, linewidth=1, linestyle=":")
    else:
        ax.axvspan(-unit * matters, unit * matters, color=RULE, alpha=0.5, linewidth=0)
    ax.axvline(1 if ratio else 0, color=FAINT, linewidth=1)
    drawn = []
    for y, contrast in enumerate(tested):
        look = looks.get(contrast.a) or next(iter(looks.values()))
        ends = [unit * x for x in (contrast.ci_low, contrast.effect, contrast.ci_high) if x is not None]
        low, middle, high = np.clip(
            (ends[0], ends[len(ends) // 2], ends[-1]), *(RATIO_LIMITS if ratio else (-1e9, 1e9))
        )
        drawn += [low, high]
        ax.hlines(y, low, high, color=look.color, linewidth=2.4, alpha=0.55)
        ax.plot(middle, y, color=look.color, marker=look.marker, markersize=7, clip_on=False)
        text = f"{shown(contrast)}  {contrast.outcome}"
        ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    ax.set_yticks(range(len(tested)), [textwrap.fill(short(contrast.question, 90), 34) for contrast in tested])
    ax.set_ylim(len(tested) - 0.5, -0.5)
    if ratio:
        widest = max(2 * matters, *(max(x, 1 / x) * 1.2 for x in drawn))
        ax.set_xlim(1 / widest, widest)
        plain_numbers(ax.xaxis)
        if widest < 10:  # less than a decade has one round number
            ax.set_xticks([1 / matters, 1, matters], [f"{tick:.2g}" for tick in (1 / matters, 1, matters)])
    else:
        widest = max(2 * unit * matters, *(abs(x) * 1.05 for x in drawn))
        whole = unit == 100 and widest <= 105
        ax.set_xlim((-100, 100) if whole else (-widest, widest))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    kind = "ratio" if ratio else "points" if measure == SOLVED.name else "percent" if unit == 100 else "difference"
    ax.set_xlabel(f"{measure}, {kind}")
