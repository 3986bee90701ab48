"""Axes of percentages, and of powers of ten without mathtext."""

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter


def plain_numbers(axis: Axis) -> None:
    """Label the ticks of a logarithmic axis as 0.001 rather than 10⁻³, which needs mathtext, disabled in `figure_style`."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axis.set_minor_locator(NullLocator())


def _plain(value: float) -> str:
    if value and not 9.9e-7 < abs(value) < 1e7:
        return f"{value:.0e}"
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def percent_axis(ax: Axes) -> None:
    """Make the x axis run from 0 to 100 %, with room for markers at its ends."""
    ax.set_xlim(-0.04, 1.04)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
