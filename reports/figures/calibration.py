"""Error rates, coverage and power of the verdicts in simulated studies."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from reports.aggregates.outcomes import Table, parts, pick
from reports.figures.style import COLORS, FAINT, INK, WIDTH

SPREADS = {
    "seeds": ("seeds vary", COLORS[0], "o", "-"),
    "searches": ("seeds and searches vary", COLORS[3], "D", "--"),
}
"""Label, colour, marker and line style of each source of variance between networks."""
AXES = {"effect": "true difference in solve rate", "strata": "lags per group", "seeds": "confirmation seeds"}


def errors(false: Table, coverage: Table, error: float, level: float) -> Figure:
    """Draw the share of studies with a false verdict and the coverage of intervals, per simulated world.

    :param false: studies with any false verdict: world, spread (a key of `SPREADS`), share, low, high.
    :param coverage: intervals that contain the true value, with the same columns.
    :param error: nominal error rate.
    :param level: nominal coverage.
    """
    worlds = list(dict.fromkeys(false["world"]))
    figure = Figure(figsize=(WIDTH, 1.4 + 0.3 * len(worlds)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _by_world(left, false, worlds, error, "studies with a false verdict")
    left.set_xlim(left=-0.001)  # so that markers at 0 are not cut off
    _by_world(right, coverage, worlds, level, "coverage of intervals")
    right.set_xlim(min(0.8, float(coverage["low"].min())), 1)
    right.xaxis.set_major_locator(MultipleLocator(0.05))
    left.set_yticks(range(len(worlds)), worlds)
    left.set_ylim(len(worlds) - 0.5, -0.5)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def power(by_factor: dict[str, Table]) -> Figure:
    """Draw the share of studies that find a planted effect, a panel per varied factor.

    :param by_factor: by key of `AXES`: at (the factor's value), spread (a key of `SPREADS`), share, low, high.
    """
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes: Sequence[Axes] = figure.subplots(1, len(by_factor), squeeze=False, sharey=True)[0]
    for ax, (factor, rows) in zip(axes, by_factor.items(), strict=True):
        for (spread,), curve in parts(rows, ["spread"]):
            name, color, marker, line = SPREADS[spread]
            ax.fill_between(curve["at"], curve["low"], curve["high"], color=color, alpha=0.13, linewidth=0)
            ax.plot(curve["at"], curve["share"], color=color, marker=marker, linestyle=line, label=name)
        ax.set_xticks(sorted(set(rows["at"])))
        ax.set_xlabel(AXES[factor])
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes[0].set_ylabel("power")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _by_world(ax: Axes, rows: Table, worlds: Sequence[str], nominal: float, label: str) -> None:
    """One row per world with a marker per spread; a dotted line at the nominal value."""
    ax.axvline(nominal, color=INK, linewidth=1, linestyle=":")
    for k, (spread, (name, color, marker, _)) in enumerate(SPREADS.items()):
        shares = pick(rows, spread=spread)
        if shares.empty:
            continue
        y = np.array([worlds.index(world) for world in shares["world"]]) + 0.24 * k - 0.12
        ax.hlines(y, shares["low"], shares["high"], color=color, linewidth=2, alpha=0.45)
        ax.plot(shares["share"], y, marker, color=color, markersize=5.5, label=name, clip_on=False)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    ax.set_xlabel(label)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=FAINT, alpha=0.2)
