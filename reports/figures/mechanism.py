"""Why cells differ: what is left of a gradient and of the state, what can be read off it, and what gates do."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from reports.aggregates.outcomes import Table, parts, pick
from reports.aggregates.probes import Strip
from reports.figures.panels import TALLEST, Margins, Scale, beside, colorbar, fixed, image, series
from reports.figures.style import FAINT, INK, RULE, WIDTH, Look
from reports.format import short

FLOW = Scale("share of the gradient that is left", 1e-6, 10, log=True, colors="cividis")
WHENS = {"init": "before training", "half": "half way", "end": "after training"}
PATHS = {"whole": "in all", "held": "gates still"}
SHARES = {"low": ("below 0.1", "#E69F00"), "middle": ("between", "#e3e7eb"), "high": ("above 0.9", "#0b3c5d")}
"""How a gate's values are shared out: orange, pale and dark differ in greyscale too."""
MEAN = "#d6004b"
BAR = 120
"""Pixels of a bar."""
STRIP, NAMES = 0.15, 2.9
"""Inches of a strip in a trace, and of the names beside it."""


def gradient_flow(flow: Table, looks: Mapping[str, Look]) -> Figure:
    """What is left of the gradient k steps back, a row per cell: three stages of training, and two ways back.

    :param flow: when, path, cell, step, middle; of one task.
    """
    paths, whens = ([k for k in known if k in set(flow[by])] for known, by in ((PATHS, "path"), (WHENS, "when")))
    names, tall = beside(looks), 0.17 * len(looks)
    figure, axes = fixed(len(paths), len(whens), tall, Margins(names, 1.0, 0.3, 0.5, 0.12, 0.5))
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
        colorbar(figure, shown, FLOW)
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
        if known.empty:
            continue
        ax.fill_between(known["step"], known["low"], known["high"], color=FAINT, alpha=0.3, linewidth=0)
        ax.plot(known["step"], known["middle"], color=INK, linewidth=1, linestyle=(0, (1, 2)))
        ax.annotate("shuffled labels", (0.99, min(max(float(known["low"].iloc[-1]) - 0.03, 0.1), 1.0)), xycoords=("axes fraction", "data"),
                    ha="right", va="top", fontsize=7.5, color=FAINT)  # fmt: skip
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
    names = beside([f"{short(cell, 22)}  {gate}" for cell, gate in rows])
    figure, axes = fixed(1, len(events), row * len(rows), Margins(names, 0.15, 0.55, 0.3, 0.12, 0))
    for ax, event in zip(axes[0], events, strict=True):
        own = pick(gates, event=event).set_index(["cell", "gate"]).reindex(rows)
        low, high = own["low"].to_numpy(), own["high"].to_numpy()
        ax.imshow(_bars(low, high, own["mean"].to_numpy()), aspect="auto", interpolation="none",
                  extent=(0, 1, len(rows) - 0.5, -0.5))  # fmt: skip
        ax.set_title(short(event, 16))
        ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        ax.set_yticks([])
        ax.tick_params(axis="y", length=0)
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0, 0].set_yticks(
        range(len(rows)), [f"{short(cell, 22)}  {gate}" for cell, gate in rows], fontsize=min(8, 45 * row)
    )
    for y in [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]:
        for ax in axes[0]:
            ax.axhline(y - 0.5, color=RULE, linewidth=0.8)
    handles = [Patch(color=color, label=f"values {name}") for name, color in SHARES.values()]
    figure.legend(handles=handles, loc="upper right", ncols=3)
    return figure


def _bars(low: np.ndarray, high: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """A picture of a bar for each row: as shapes, hundreds of them would weigh more than the rest of the report."""
    places = (np.arange(BAR) + 0.5) / BAR
    picture = np.ones((len(low), 6, BAR, 3))  # the last of six lines stays white
    for row, (under, over, middle) in enumerate(zip(low, high, mean, strict=True)):
        if not np.isnan(under + over):
            part = np.select([places < under, places > 1 - over], ["low", "high"], "middle")
            picture[row, :5] = np.array([to_rgb(SHARES[str(name)][1]) for name in part])
        if not np.isnan(middle):
            at = int(min(middle * BAR, BAR - 1))
            picture[row, :5, max(0, at - 1) : at + 2] = to_rgb(MEAN)
    return picture.reshape(-1, BAR, 3)


def traces(strips: Sequence[Strip], looks: Mapping[str, Look]) -> Figure:
    """One sequence: when its events are, and the gates and the size of the state of each cell, time aligned.

    Gates are dark where open; a state is dark where it is largest, whatever that is. Events stand on top where they are
    the same for all cells, else with each.
    """
    time = max(len(strip.values) for strip in strips)
    lines: list[Strip | None] = []
    for strip in strips:
        known = [line for line in lines if line]
        lines += [None] * bool(known and known[-1].cell != strip.cell) + [strip]  # a gap before each cell
    height = 0.55 + STRIP * len(lines)
    figure = Figure(figsize=(WIDTH, height))
    ax = figure.add_axes((NAMES / WIDTH, 0.5 / height, 1 - (NAMES + 0.1) / WIDTH, 1 - 0.55 / height))
    values = np.full((len(lines), time), np.nan)
    for y, (line, strip) in enumerate(zip(values, lines, strict=True)):
        if strip and strip.kind == "event":
            ax.vlines(np.flatnonzero(strip.values > 0.5), y - 0.4, y + 0.4, color=INK, linewidth=1.6)
        elif strip:
            top = 1.0 if strip.kind == "gate" else max(float(np.nanmax(strip.values)), 1e-12)
            line[: len(strip.values)] = strip.values / top
    ticks = [int(tick) for tick in MaxNLocator(7, integer=True).tick_values(0, time - 1) if 0 <= tick < time]
    image(ax, values, [""] * time, [_strip_name(strip) if strip else "" for strip in lines], Scale("", 0, 1))
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_xlabel("time step")
    for cell in dict.fromkeys(strip.cell for strip in strips):
        own = [y for y, strip in enumerate(lines) if strip and strip.cell == cell]
        ax.annotate(short(cell, 24) or "events", (-1.15 / (WIDTH - NAMES - 0.1), (own[0] + own[-1]) / 2),
                    xycoords=("axes fraction", "data"), ha="right", va="center", weight="bold", fontsize=8.5,
                    color=looks[cell].color if cell else INK)  # fmt: skip
    return figure


def _strip_name(strip: Strip) -> str:
    largest = f" ≤ {np.nanmax(strip.values):.3g}" if strip.kind == "state" else ""
    return f"‖{short(strip.name, 10)}‖{largest}" if strip.kind == "state" else short(strip.name, 16)
