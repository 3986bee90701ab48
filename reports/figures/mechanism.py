"""Probe results: gradient flow, retention, decodability, state norms, gate saturation and traces."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from reports.aggregates.outcomes import Table, parts, pick
from reports.aggregates.probes import PATHS, STAGES, Trace
from reports.figures.panels import TALLEST, Margins, Scale, colorbar, fixed, heat_map, label_width, series
from reports.figures.style import FAINT, INK, RULE, WIDTH, CellStyle
from reports.format import short

FLOW = Scale("relative gradient norm", 1e-6, 10, log=True, cmap="cividis")
SHARES = {"low": ("below 0.1", "#E69F00"), "middle": ("between", "#e3e7eb"), "high": ("above 0.9", "#0b3c5d")}
"""Label and colour of the shares of a gate's values; the colours also differ in greyscale."""
MEAN = "#d6004b"
BAR = 120
"""Width of a bar in pixels."""
STRIP, NAMES = 0.15, 2.9
"""Height of a trace in inches, and width of the labels beside it."""


def gradient_flow(flow: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw heat maps of the relative gradient norm k steps back: a row per cell, a panel per stage and path.

    :param flow: when, path, cell, step, middle; of one task.
    """
    paths = [path for path in PATHS if path in set(flow["path"])]
    whens = [when for when in STAGES if when in set(flow["when"])]
    margins = Margins(label_width(styles), 1.0, 0.3, 0.5, 0.12, 0.5)
    figure, axes = fixed(len(paths), len(whens), 0.17 * len(styles), margins)
    shown = None
    for line, path in zip(axes, paths, strict=True):
        for ax, when in zip(line, whens, strict=True):
            rows = pick(flow, when=when, path=path)
            wide = rows.pivot_table(index="cell", columns="step", values="middle").reindex(list(styles))
            steps = [f"{step:g}" for step in wide.columns]
            shown = heat_map(ax, wide.to_numpy(dtype=float), steps, list(styles), FLOW, names=ax is line[0])
            ax.set_title(f"{PATHS[path]}, {STAGES[when]}", fontsize=8.5)
            if path == paths[-1]:
                ax.set_xlabel("steps back")
    if shown is not None:
        colorbar(figure, shown, FLOW)
    return figure


def retention(quartiles: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the relative size of a perturbation of the state against the steps since it was applied.

    :param quartiles: task, lag, cell, step, low, middle, high, all above 0.
    """
    low = max(1e-6, float(quartiles["low"].min()) / 1.5)
    high = min(1e3, max(1.5, float(quartiles["high"].max()) * 1.5))
    scale = Scale("relative size of the perturbation", low, high, log=True, cmap="cividis")
    return series(quartiles, styles, "steps after the perturbation", scale)


def decodability(quartiles: Table, control: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the accuracy of the linear probe, and in grey its accuracy on shuffled labels.

    :param quartiles: task, lag, cell, step, low, middle, high.
    :param control: task, lag, step, low, middle, high over all cells, on shuffled labels.
    """
    figure = series(quartiles, styles, "steps since the value was presented", Scale("balanced accuracy", 0, 1.02))
    axes = [ax for ax in figure.axes if ax.get_xlabel()]
    for ax, ((task, lag), _) in zip(axes, parts(quartiles, ["task", "lag"]), strict=False):
        if ax.images:  # a heat map shows no bands
            continue
        shuffled = pick(control, task=task, lag=lag).sort_values("step")
        if shuffled.empty:
            continue
        ax.fill_between(shuffled["step"], shuffled["low"], shuffled["high"], color=FAINT, alpha=0.3, linewidth=0)
        ax.plot(shuffled["step"], shuffled["middle"], color=INK, linewidth=1, linestyle=(0, (1, 2)))
        ax.annotate("shuffled labels", (0.99, min(max(float(shuffled["low"].iloc[-1]) - 0.03, 0.1), 1.0)), xycoords=("axes fraction", "data"),
                    ha="right", va="top", fontsize=7.5, color=FAINT)  # fmt: skip
    return figure


def state_norms(quartiles: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the norm of the state along the test stream of continual tasks, on a logarithmic axis.

    :param quartiles: task, lag, cell, step, low, middle, high. `step` is the window of the stream, or 0 and 1 if only the
        first and the last window were recorded.
    """
    low, high = float(quartiles["low"].min()) / 1.3, float(quartiles["high"].max()) * 1.3
    scale = Scale("norm of the state", low, high, log=True)
    figure = series(quartiles, styles, "window of the test stream", scale)
    if quartiles["step"].max() <= 1:
        for ax in figure.axes:
            if ax.get_xlabel() and not ax.images:
                ax.set_xticks([0, 1], ["first", "last"])
    return figure


def saturation(gates: Table, styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the distribution of gate values at each kind of event: a bar of shares and a tick at the mean.

    :param gates: cell, gate, event, mean, low, high; of one task.
    """
    rows = list(dict.fromkeys(zip(gates["cell"], gates["gate"], strict=True)))
    rows = [row for cell in styles for row in rows if row[0] == cell]
    labels = [f"{short(cell, 22)}  {gate}" for cell, gate in rows]
    events = list(dict.fromkeys(gates["event"]))
    height = min(0.19, (TALLEST - 0.75) / len(rows))
    margins = Margins(label_width(labels), 0.15, 0.55, 0.3, 0.12, 0)
    figure, axes = fixed(1, len(events), height * len(rows), margins)
    for ax, event in zip(axes[0], events, strict=True):
        bars = pick(gates, event=event).set_index(["cell", "gate"]).reindex(rows)
        low, high = bars["low"].to_numpy(), bars["high"].to_numpy()
        ax.imshow(_bars(low, high, bars["mean"].to_numpy()), aspect="auto", interpolation="none",
                  extent=(0, 1, len(rows) - 0.5, -0.5))  # fmt: skip
        ax.set_title(short(event, 16))
        ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        ax.set_yticks([])
        ax.tick_params(axis="y", length=0)
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0, 0].set_yticks(range(len(rows)), labels, fontsize=min(8, 45 * height))
    for y in [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]:
        for ax in axes[0]:
            ax.axhline(y - 0.5, color=RULE, linewidth=0.8)
    handles = [Patch(color=color, label=f"values {name}") for name, color in SHARES.values()]
    figure.legend(handles=handles, loc="upper right", ncols=3)
    return figure


def _bars(low: np.ndarray, high: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """An RGBA image with a bar per row; hundreds of bars as vector shapes would be larger than the rest of the report."""
    positions = (np.arange(BAR) + 0.5) / BAR
    image = np.zeros((len(low), 6, BAR, 4))  # five lines of pixels per bar, and an empty one below it
    for row, (share_low, share_high, center) in enumerate(zip(low, high, mean, strict=True)):
        if not np.isnan(share_low + share_high):
            names = np.select([positions < share_low, positions > 1 - share_high], ["low", "high"], "middle")
            image[row, :5] = np.array([to_rgba(SHARES[str(name)][1]) for name in names])
        if not np.isnan(center):
            pixel = int(min(center * BAR, BAR - 1))
            image[row, :5, max(0, pixel - 1) : pixel + 2] = to_rgba(MEAN)
    return image.reshape(-1, BAR, 4)


def traces(traces: Sequence[Trace], styles: Mapping[str, CellStyle]) -> Figure:
    """Draw the events, gates and states along one sequence as shaded rows on a common time axis.

    Gates are shaded by value, states relative to their maximum. Events that belong to no cell are the top rows.
    """
    time = max(len(trace.values) for trace in traces)
    rows: list[Trace | None] = []
    for previous, trace in zip([None, *traces], traces, strict=False):
        rows += [None] * (previous is not None and previous.cell != trace.cell) + [trace]  # a gap before each cell
    height = 0.55 + STRIP * len(rows)
    figure = Figure(figsize=(WIDTH, height))
    ax = figure.add_axes((NAMES / WIDTH, 0.5 / height, 1 - (NAMES + 0.1) / WIDTH, 1 - 0.55 / height))
    shades = np.full((len(rows), time), np.nan)
    for y, (shade, trace) in enumerate(zip(shades, rows, strict=True)):
        if trace and trace.kind == "event":
            ax.vlines(np.flatnonzero(trace.values > 0.5), y - 0.4, y + 0.4, color=INK, linewidth=1.6)
        elif trace:
            maximum = 1.0 if trace.kind == "gate" else max(float(np.nanmax(trace.values)), 1e-12)
            shade[: len(trace.values)] = trace.values / maximum
    ticks = [int(tick) for tick in MaxNLocator(7, integer=True).tick_values(0, time - 1) if 0 <= tick < time]
    heat_map(ax, shades, [""] * time, [_trace_label(trace) if trace else "" for trace in rows], Scale("", 0, 1))
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_xlabel("time step")
    for cell in dict.fromkeys(trace.cell for trace in traces):
        ys = [y for y, trace in enumerate(rows) if trace and trace.cell == cell]
        ax.annotate(short(cell, 24) or "events", (-1.15 / (WIDTH - NAMES - 0.1), (ys[0] + ys[-1]) / 2),
                    xycoords=("axes fraction", "data"), ha="right", va="center", weight="bold", fontsize=8.5,
                    color=styles[cell].color if cell else INK)  # fmt: skip
    return figure


def _trace_label(trace: Trace) -> str:
    """The name of a gate or event, or `‖c‖ ≤ 3.2` for a state with its maximum."""
    if trace.kind == "state":
        return f"‖{short(trace.name, 10)}‖ ≤ {np.nanmax(trace.values):.3g}"
    return short(trace.name, 16)
