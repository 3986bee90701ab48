"""Why cells differ: what is left of a gradient and of the state, what can be read off it, and what gates do."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.figures.panels import TALLEST, Scale, image, series
from reports.probes import Strip
from reports.style import FAINT, INK, RULE, WIDTH, Look, short
from reports.summary import Table, parts, pick

FLOW = Scale("share of the gradient that is left", 1e-6, 10, log=True, colors="cividis")
WHENS = {"init": "before training", "half": "half way", "end": "after training"}
PATHS = {"whole": "whole gradient", "held": "gates held still"}
SHARES = {"low": ("below 0.1", "#E69F00"), "middle": ("between", "#e3e7eb"), "high": ("above 0.9", "#0b3c5d")}
"""How a gate's values are shared out: orange, pale and dark differ in greyscale too."""
STRIP = 0.15
"""Inches of a strip in a trace."""


def gradient_flow(flow: Table, looks: Mapping[str, Look]) -> Figure:
    """What is left of the gradient k steps back, a row per cell: three stages of training, and two ways back.

    :param flow: when, path, cell, step, middle; of one task.
    """
    paths, whens = ([k for k in known if k in set(flow[by])] for known, by in ((PATHS, "path"), (WHENS, "when")))
    figure = Figure(figsize=(WIDTH, len(paths) * (0.75 + 0.17 * len(looks))), layout="constrained")
    axes = figure.subplots(len(paths), len(whens), squeeze=False)
    shown = None
    for line, path in zip(axes, paths, strict=True):
        for ax, when in zip(line, whens, strict=True):
            own = pick(flow, when=when, path=path)
            wide = own.pivot_table(index="cell", columns="step", values="middle").reindex(list(looks))
            steps = [f"{step:g}" for step in wide.columns]
            shown = image(ax, wide.to_numpy(dtype=float), steps, list(looks), FLOW, names=ax is line[0])
            ax.set_title(f"{PATHS[path]}, {WHENS[when]}", fontsize=8.5)
            if path == paths[-1]:
                ax.set_xlabel("steps back")
    if shown is not None:
        figure.colorbar(shown, ax=axes, label=FLOW.label, fraction=0.03, aspect=30)
    return figure


def retention(quartiles: Table, looks: Mapping[str, Look]) -> Figure:
    """What is left of a small perturbation of the state.

    :param quartiles: task, lag, cell, step, low, middle, high, all above 0.
    """
    low = max(1e-6, float(quartiles["low"].min()) / 1.5)
    high = min(1e3, max(1.5, float(quartiles["high"].max()) * 1.5))
    scale = Scale("share that is left", low, high, log=True, colors="cividis")
    return series(quartiles, looks, "steps after the perturbation", scale)


def decodability(quartiles: Table, control: Table, looks: Mapping[str, Look]) -> Figure:
    """How well a linear probe reads the stored value, over the range that it reaches on shuffled labels.

    :param quartiles: task, lag, cell, step, low, middle, high.
    :param control: task, lag, step, low, middle, high of all cells together on shuffled labels.
    """
    figure = series(quartiles, looks, "steps since the value was shown", Scale("balanced accuracy", 0, 1.02))
    axes = [ax for ax in figure.axes if ax.get_xlabel()]
    for ax, (_, own) in zip(axes, parts(quartiles, ["task", "lag"]), strict=False):
        if ax.images:  # a heat map has no room for it
            continue
        known = pick(control, task=own["task"].iloc[0], lag=own["lag"].iloc[0]).sort_values("step")
        ax.fill_between(known["step"], known["low"], known["high"], color=FAINT, alpha=0.3, linewidth=0)
        ax.plot(known["step"], known["middle"], color=INK, linewidth=1, linestyle=(0, (1, 2)))
        ax.annotate("shuffled", (0.99, float(known["high"].iloc[-1])), xycoords=("axes fraction", "data"),
                    ha="right", va="bottom", fontsize=7.5, color=FAINT)  # fmt: skip
    return figure


def state_norms(quartiles: Table, looks: Mapping[str, Look]) -> Figure:
    """The norm of the state along an endless test stream, on a logarithmic axis.

    :param quartiles: task, lag, cell, step (the window; 0 and 1 where only the first and last are known), low, ....
    """
    low, high = float(quartiles["low"].min()) / 1.3, float(quartiles["high"].max()) * 1.3
    scale = Scale("norm of the state", low, high, log=True)
    figure = series(quartiles, looks, "window of the test stream", scale)
    if quartiles["step"].max() <= 1:
        for ax in figure.axes:
            if ax.get_xlabel() and not ax.images:
                ax.set_xticks([0, 1], ["first", "last"])
    return figure


def saturation(gates: Table, looks: Mapping[str, Look]) -> Figure:
    """How open each gate is at each kind of event: shares of its values near 0, between and near 1, and its mean.

    :param gates: cell, gate, event, mean, low, high; of one task.
    """
    rows = list(dict.fromkeys(zip(gates["cell"], gates["gate"], strict=True)))
    rows = [row for cell in looks for row in rows if row[0] == cell]
    events = list(dict.fromkeys(gates["event"]))
    row = min(0.19, (TALLEST - 0.75) / len(rows))
    figure = Figure(figsize=(WIDTH, 0.75 + row * len(rows)), layout="constrained")
    axes = figure.subplots(1, len(events), squeeze=False, sharey=True)
    for ax, event in zip(axes[0], events, strict=True):
        own = pick(gates, event=event).set_index(["cell", "gate"]).reindex(rows)
        low, high = own["low"].to_numpy(), own["high"].to_numpy()
        left = np.zeros(len(rows))
        for name, width in (("low", low), ("middle", 1 - low - high), ("high", high)):
            ax.barh(range(len(rows)), np.nan_to_num(width), left=np.nan_to_num(left), height=0.72,
                    color=SHARES[name][1], edgecolor="white", linewidth=0.4)  # fmt: skip
            left = left + width
        ax.plot(own["mean"], range(len(rows)), "|", color="#d6004b", markersize=7, markeredgewidth=1.6)
        ax.set_title(short(event, 16))
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        ax.tick_params(axis="y", length=0)
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0, 0].set_yticks(
        range(len(rows)), [f"{short(cell, 22)}  {gate}" for cell, gate in rows], fontsize=min(8, 45 * row)
    )
    axes[0, 0].set_ylim(len(rows) - 0.4, -0.6)
    for y in [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]:
        for ax in axes[0]:
            ax.axhline(y - 0.5, color=RULE, linewidth=0.8)
    handles = [Patch(color=color, label=f"values {name}") for name, color in SHARES.values()]
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
    return figure


def traces(events: Mapping[str, np.ndarray], strips: Sequence[Strip], looks: Mapping[str, Look]) -> Figure:
    """One sequence: above when its events are, below the gates and the size of the state of each cell, time aligned.

    Gates are dark where open; a state is dark where it is largest, whatever that is.

    :param events: by name, 1 where the event is, [time].
    """
    time = max(len(strip.values) for strip in strips)
    cells = list(dict.fromkeys(strip.cell for strip in strips))
    sizes = [max(1, len(events)), *(sum(strip.cell == cell for strip in strips) for cell in cells)]
    figure = Figure(figsize=(WIDTH, 0.5 + sum(STRIP * size + 0.12 for size in sizes)), layout="constrained")
    axes = figure.subplots(len(sizes), 1, squeeze=False, sharex=True, height_ratios=sizes)[:, 0]
    _lanes(axes[0], events)
    for ax, cell in zip(axes[1:], cells, strict=True):
        own = [strip for strip in strips if strip.cell == cell]
        values = np.full((len(own), time), np.nan)
        for line, strip in zip(values, own, strict=True):
            top = 1.0 if strip.kind == "gate" else max(float(np.nanmax(strip.values)), 1e-12)
            line[: len(strip.values)] = strip.values / top
        image(ax, values, [""] * time, [_strip_name(strip) for strip in own], Scale("", 0, 1))
        ax.set_xticks([])
        ax.set_ylabel(short(cell, 22), rotation=0, ha="right", va="center", weight="bold", fontsize=8.5,
                      color=looks[cell].color, labelpad=4)  # fmt: skip
    axes[-1].set_xticks(np.unique(np.linspace(0, time - 1, 7).round()))
    axes[-1].set_xlabel("time step")
    figure.align_ylabels(axes)
    return figure


def _strip_name(strip: Strip) -> str:
    return strip.name if strip.kind == "gate" else f"‖{strip.name}‖ ≤ {np.nanmax(strip.values):.3g}"


def _lanes(ax: Axes, events: Mapping[str, np.ndarray]) -> None:
    for y, happens in enumerate(events.values()):
        ax.vlines(np.flatnonzero(happens > 0.5), y - 0.4, y + 0.4, color=INK, linewidth=1.6)
        ax.axhline(y, color=RULE, linewidth=0.6, zorder=0)
    ax.set_yticks(range(len(events)), [short(event, 16) for event in events], fontsize=8)
    ax.set_ylim(len(events) - 0.4, -0.6)
    ax.set_ylabel("events", rotation=0, ha="right", va="center", weight="bold", fontsize=8.5, labelpad=4)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
