"""Portraits: what one network did, drawn from its own curves. The report draws studies; this draws their members.

with style():
    figure = portrait(curves, "lstm · recall · lag 20")     # (step, value) pairs by metric: see the package for these
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from reports.figures.style import COLORS, FAINT, INK, LINES, RULE, WIDTH, Line, style, svg
from reports.format import short

Curves = Mapping[str, Sequence[tuple[int, float]]]

SCORE_FLOOR = -0.25
"""Scores are drawn down to here: how bad a regression is, is of no interest."""
VANISHED = 1e-8
"""What is left of a gradient or a perturbation is drawn down to here."""
EXPLODED = 1e8
"""And up to here."""
_WHEN = {"init": "before training", "half": "half way", "end": "after training"}
_HEIGHT = 2.3


class Panel(NamedTuple):
    """A part of a portrait, and the metrics that it shows: those that begin so."""

    prefix: str
    draw: Callable[[Axes, Curves], None]
    title: str


def portrait(curves: Curves, title: str) -> Figure:
    """All that the curves show of a network, in one figure."""
    narrow, wide = [[name for name in _shown(curves) if name.startswith("trace") is wide] for wide in (False, True)]
    rows = [narrow[k : k + 2] for k in range(0, len(narrow), 2)] + [[name] for name in wide]
    return _figure(curves, title, [row if len(row) == 2 else row * 2 for row in rows])


def portrait_svg(curves: Curves, title: str) -> str:
    """A portrait as a small SVG: its text is text, not outlines."""
    with style(), mpl.rc_context({"svg.fonttype": "none"}):
        return svg(portrait(curves, title), tight=False)


def figures(curves: Curves, title: str) -> dict[str, Figure]:
    """The parts of a portrait, each in a figure of its own, by name; the trace of a sequence is one."""
    parts: dict[str, list[list[str]]] = {}
    for name in _shown(curves):
        parts.setdefault(name.split("-")[0], []).append([name])
    return {part: _figure(curves, title, rows) for part, rows in parts.items()}


def _shown(curves: Curves) -> list[str]:
    """The panels that have something to show."""
    return [name for name, panel in PANELS.items() if any(metric.startswith(panel.prefix) for metric in curves)]


def _figure(curves: Curves, title: str, rows: list[list[str]]) -> Figure:
    width = WIDTH if len(rows) != 1 or len(rows[0]) == 2 else WIDTH / 1.6
    figure = Figure(figsize=(width, 0.4 + _HEIGHT * max(len(rows), 0.5)))
    mosaic: Any = rows
    for name, ax in figure.subplot_mosaic(mosaic).items() if rows else ():  # who diverged at once has no curves
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
    for k, (when, words) in enumerate(_WHEN.items()):
        for part, line in (("whole", LINES[0]), ("held", LINES[1])):
            if points := curves.get(f"flow/{when}/{part}"):
                _line(ax, points, COLORS[k], line, words if part == "whole" else f"{words}, gates held")
    _shares(ax)
    ax.set_xlabel("steps back from the loss")
    ax.legend(fontsize=6.5)


def _retention(ax: Axes, curves: Curves) -> None:
    _line(ax, curves["retention"], COLORS[0])
    _shares(ax)
    ax.set_xlabel("steps after the perturbation")


def _decode(ax: Axes, curves: Curves) -> None:
    for name, color, line in (("true", COLORS[0], LINES[0]), ("shuffled", FAINT, LINES[1])):
        _line(ax, curves.get(f"decode/{name}", []), color, line, name)
    ax.set_ylim(-0.04, 1.04)
    ax.set_ylabel("balanced accuracy")
    ax.set_xlabel("steps after the value was shown")
    ax.legend(fontsize=6.5)


def _gates(ax: Axes, curves: Curves) -> None:
    _traces(ax, curves, "trace/gate/")
    ax.set_ylim(min(0, ax.get_ylim()[0]), 1.04)
    ax.set_ylabel("mean over units")


def _state(ax: Axes, curves: Curves) -> None:
    _traces(ax, curves, "trace/state/")
    ax.set_ylabel("size, mean over units")
    ax.set_xlabel("time step")


def _traces(ax: Axes, curves: Curves, prefix: str) -> None:
    """Every curve of a kind over time, behind them the events: a line at each step, named at the first."""
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
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # a power would need the mathematics
    ax.yaxis.set_minor_locator(NullLocator())


def _shares(ax: Axes) -> None:
    """A logarithmic axis from what has vanished to what has exploded, no longer than the lines need."""
    _logarithmic(ax)
    low, high = ax.get_ylim()
    ax.axhline(1, color=RULE, linewidth=1, zorder=0)
    ax.set_ylim(max(min(low, 0.1), VANISHED), min(max(high, 2), EXPLODED))
    ax.set_ylabel("what is left")


PANELS = {
    "learning": Panel("eval/score", _learning, "learning"),
    "flow": Panel("flow/", _flow, "the gradient"),
    "retention": Panel("retention", _retention, "a small perturbation of the state"),
    "decode": Panel("decode/", _decode, "the stored value, read by a linear probe"),
    "trace-gates": Panel("trace/gate/", _gates, "gates in one sequence"),
    "trace-state": Panel("trace/state/", _state, "the state in the same sequence"),
}
