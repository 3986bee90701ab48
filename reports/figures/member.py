"""Member figures: the curves of a single network: learning, gradient flow, retention, decodability and traces.

with figure_style():
    figure = member_figure(curves, "lstm · recall · lag 20")     # (step, value) pairs by metric, see `reports/templates/README.md`
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from reports.aggregates.probes import PATHS, STAGES
from reports.figures.colors import COLORS
from reports.figures.panels import SCORE_FLOOR
from reports.figures.style import FAINT, INK, LINES, RULE, WIDTH, Line, figure_style, svg
from reports.format import short

Curves = Mapping[str, Sequence[tuple[int, float]]]
"""(step, value) pairs by metric."""

SHARE_LIMITS = 1e-8, 1e8
"""The widest limits of an axis that shows the relative size of a gradient or perturbation."""
_HEIGHT = 2.3
"""Inches of a row of panels."""


class Panel(NamedTuple):
    """A panel of the member figure."""

    prefix: str
    """The panel is drawn if there is a metric whose name starts with this."""
    draw: Callable[[Axes, Curves], None]
    title: str


def member_figure(curves: Curves, title: str) -> Figure:
    """Return one figure with all panels for which there are curves; traces take a full row."""
    names = _recorded(curves)
    narrow, wide = ([name for name in names if name.startswith("trace") is traced] for traced in (False, True))
    rows = [narrow[k : k + 2] for k in range(0, len(narrow), 2)] + [[name] for name in wide]
    return _figure(curves, title, [row if len(row) == 2 else row * 2 for row in rows])


def member_svg(curves: Curves, title: str) -> str:
    """Return the member figure as SVG; labels are text elements rather than outlines, which keeps the file small."""
    with figure_style(), mpl.rc_context({"svg.fonttype": "none"}):
        return svg(member_figure(curves, title), tight=False)


def panel_figures(curves: Curves, title: str) -> dict[str, Figure]:
    """Return a figure per panel, by name; the two panels of a trace share one."""
    rows: dict[str, list[list[str]]] = {}
    for name in _recorded(curves):
        rows.setdefault(name.split("-")[0], []).append([name])
    return {name: _figure(curves, title, panels) for name, panels in rows.items()}


def _recorded(curves: Curves) -> list[str]:
    """The panels for which there are curves."""
    return [name for name, panel in PANELS.items() if any(metric.startswith(panel.prefix) for metric in curves)]


def _figure(curves: Curves, title: str, rows: list[list[str]]) -> Figure:
    width = WIDTH if len(rows) != 1 or len(rows[0]) == 2 else WIDTH / 1.6
    figure = Figure(figsize=(width, 0.4 + _HEIGHT * max(len(rows), 0.5)))
    mosaic: Any = rows
    panels = figure.subplot_mosaic(mosaic) if rows else {}  # a network that diverged at once has no curves
    for name, ax in panels.items():
        ax.set_title(PANELS[name].title)
        PANELS[name].draw(ax, curves)
    figure.suptitle(short(title, 100), x=0.01, y=1 - 0.1 / figure.get_figheight(), ha="left", va="top", fontsize=10)
    figure.subplots_adjust(
        left=0.7 / width, right=1 - 0.75 / width, wspace=0.48, hspace=0.5,
        bottom=0.5 / figure.get_figheight(), top=1 - 0.65 / figure.get_figheight(),
    )  # fmt: skip
    return figure


def _learning(ax: Axes, curves: Curves) -> None:
    _line(ax, curves["eval/score"], INK)
    ax.axhline(0, color=RULE, linewidth=1, zorder=0)
    ax.set_ylim(min(0, max(SCORE_FLOOR, min(score for _, score in curves["eval/score"]))) - 0.04, 1.04)
    ax.set_ylabel("validation score")
    ax.set_xlabel("training step")
    if points := [(step, loss) for step, loss in curves.get("train/loss", []) if loss > 0]:
        losses = ax.twinx()
        _line(losses, points, COLORS[2], linewidth=1)
        _logarithmic(losses, subs=(1, 2, 5))
        losses.set_ylabel("training loss", color=COLORS[2])


def _flow(ax: Axes, curves: Curves) -> None:
    for k, (when, label) in enumerate(STAGES.items()):
        for part, line in (("whole", LINES[0]), ("held", LINES[1])):
            if points := curves.get(f"flow/{when}/{part}"):
                _line(ax, points, COLORS[k], line, label if part == "whole" else f"{label}, {PATHS['held']}")
    _relative_size_axis(ax)
    ax.set_xlabel("steps back from the loss")
    ax.legend(fontsize=6.5)


def _retention(ax: Axes, curves: Curves) -> None:
    _line(ax, curves["retention"], COLORS[0])
    _relative_size_axis(ax)
    ax.set_xlabel("steps after the perturbation")


def _decode(ax: Axes, curves: Curves) -> None:
    for name, color, line in (("true", COLORS[0], LINES[0]), ("shuffled", FAINT, LINES[1])):
        _line(ax, curves.get(f"decode/{name}", []), color, line, name)
    ax.set_ylim(-0.04, 1.04)
    ax.set_ylabel("balanced accuracy")
    ax.set_xlabel("steps since the value was presented")
    ax.legend(fontsize=6.5)


def _gates(ax: Axes, curves: Curves) -> None:
    _traces(ax, curves, "trace/gate/")
    ax.set_ylim(min(0, ax.get_ylim()[0]), 1.04)
    ax.set_ylabel("mean over units")


def _state(ax: Axes, curves: Curves) -> None:
    _traces(ax, curves, "trace/state/")
    ax.set_ylabel("magnitude, mean over units")
    ax.set_xlabel("time step")


def _traces(ax: Axes, curves: Curves, prefix: str) -> None:
    """All traces whose metric starts with `prefix`, and vertical lines at the events, labelled at the first of each."""
    for k, metric in enumerate(metric for metric in curves if metric.startswith(prefix)):
        _line(ax, curves[metric], COLORS[k % len(COLORS)], LINES[k // len(COLORS)], metric.removeprefix(prefix))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    for k, metric in enumerate(metric for metric in curves if metric.startswith("trace/event/")):
        steps = [step for step, on in curves[metric] if on]
        ax.vlines(
            steps, 0, 1, transform=ax.get_xaxis_transform(), color=FAINT, linestyle=LINES[k % len(LINES)], linewidth=0.7,
            alpha=0.6, zorder=0,
        )  # fmt: skip
        if steps:
            name = metric.removeprefix("trace/event/")
            place = {"xycoords": ("data", "axes fraction"), "va": "top", "rotation": 90}
            ax.annotate(short(name, 16), (steps[0], 0.98), **place, fontsize=6.5, color=FAINT)
    ax.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _line(
    ax: Axes,
    points: Sequence[tuple[int, float]],
    color: str,
    line: Line = "-",
    label: str = "",
    linewidth: float = 1.4,
) -> None:
    ax.plot(*zip(*points, strict=True), color=color, linestyle=line, label=label, linewidth=linewidth)


def _logarithmic(ax: Axes, subs: Sequence[float] = (1,)) -> None:
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=subs))
    ax.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}")
    )  # a power of ten needs mathtext, which figure_style disables
    ax.yaxis.set_minor_locator(NullLocator())


def _relative_size_axis(ax: Axes) -> None:
    """A logarithmic y axis for relative sizes, within SHARE_LIMITS."""
    _logarithmic(ax)
    low, high = ax.get_ylim()
    ax.axhline(1, color=RULE, linewidth=1, zorder=0)
    ax.set_ylim(max(min(low, 0.1), SHARE_LIMITS[0]), min(max(high, 2), SHARE_LIMITS[1]))
    ax.set_ylabel("relative size")


PANELS = {
    "learning": Panel("eval/score", _learning, "learning"),
    "flow": Panel("flow/", _flow, "gradient flow"),
    "retention": Panel("retention", _retention, "retention of a perturbation"),
    "decode": Panel("decode/", _decode, "decodability by a linear probe"),
    "trace-gates": Panel("trace/gate/", _gates, "gates along one sequence"),
    "trace-state": Panel("trace/state/", _state, "state along the same sequence"),
}
