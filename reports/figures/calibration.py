"""Error rates, coverage and power of the verdicts in simulated studies."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from reports.aggregates.outcomes import Table, parts
from reports.figures.colors import COLORS
from reports.figures.style import FAINT, INK, WIDTH

MARKERS = ("o", "D", "s")


def errors(false: Table, coverage: Table, error: float, level: float) -> Figure:
    """Draw the share of studies with a false verdict and the coverage of intervals, per setting.

    :param false: studies with any false verdict: setting, share, low, high.
    :param coverage: intervals that contain the true value, with the same columns.
    :param error: nominal error rate.
    :param level: nominal coverage.
    """
    settings = list(dict.fromkeys(false["setting"]))
    figure = Figure(figsize=(WIDTH, 1.2 + 0.26 * len(settings)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _by_setting(left, false, settings, error, "studies with a false verdict")
    left.set_xlim(left=-0.001)  # so that markers at 0 are not cut off
    _by_setting(right, coverage, settings, level, "coverage of intervals")
    right.set_xlim(min(0.8, float(coverage["low"].min())), 1)
    left.set_yticks(range(len(settings)), settings)
    left.set_ylim(len(settings) - 0.5, -0.5)
    return figure


def power(shares: Table) -> Figure:
    """Draw the share of studies that decide a claim correctly: setting, claim, share, low, high."""
    claims = sorted(set(shares["claim"]))
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    ax: Axes = figure.subplots()
    settings = list(parts(shares, ["setting"]))
    for k, ((setting,), rows) in enumerate(settings):
        x = [claims.index(claim) + 0.2 * (k - (len(settings) - 1) / 2) for claim in rows["claim"]]
        ax.vlines(x, rows["low"], rows["high"], color=COLORS[k], linewidth=2, alpha=0.45)
        ax.plot(x, rows["share"], MARKERS[k % len(MARKERS)], color=COLORS[k], markersize=5, label=setting)
    ax.set_xticks(range(len(claims)), [str(claim) for claim in claims])
    ax.set_xlabel("claim")
    ax.set_ylabel("decided correctly")
    ax.set_ylim(0, 1.03)
    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=len(settings))
    return figure


def _by_setting(ax: Axes, rows: Table, settings: Sequence[str], nominal: float, label: str) -> None:
    """One row per setting; a dotted line at the nominal value."""
    ax.axvline(nominal, color=INK, linewidth=1, linestyle=":")
    y = [settings.index(setting) for setting in rows["setting"]]
    ax.hlines(y, rows["low"], rows["high"], color=COLORS[0], linewidth=2, alpha=0.45)
    ax.plot(rows["share"], y, "o", color=COLORS[0], markersize=5.5, clip_on=False)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    ax.set_xlabel(label)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=FAINT, alpha=0.2)
