"""Mechanism: what the probes measured in trained networks (gradient flow, retention, decodability, gates, states)."""

from collections.abc import Mapping

import pandas as pd

from reports.aggregates import probes
from reports.aggregates.outcomes import Table, curve_quartiles, end_norms, pick, probe_quartiles
from reports.exhibits import Exhibit, missing, paged, sheet, tasks_per_sheet
from reports.exhibits.csv_data import csv_text
from reports.figures import mechanism as figures
from reports.figures.panels import MANY, series_height
from reports.figures.style import CellStyle, figure_style
from reports.text import alt_text, takeaways

TITLES = {
    "gradient_flow": "Gradient flow",
    "retention": "Retention",
    "decodability": "Decodability",
    "gates": "Gates at events",
    "traces": "Gates along one sequence",
    "state_norms": "Memory along a stream",
}
NOT_MEASURED = "the tables have no such measurements of confirmed networks."
AT = "Each task is shown at the longest lag that some cell solves in at least half of its runs."


def gradient_flow(curves: Table | None, members: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The relative gradient norm against the number of steps back.

    :param curves: curves.csv; None if there is none (also below).
    :param members: confirmation rows, each task at its reference lag (also below).
    """
    flow = probes.gradient_flow(curves, members)
    flow = flow[flow["middle"] > 0]
    if flow.empty:
        return missing(NOT_MEASURED)
    caption = (
        "Gradient flow: norm of the gradient of the last step's loss with respect to the state k steps back, relative to "
        "the last step, ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖; median over networks, logarithmic. Dark: vanished; pale: preserved; "
        "brightest: above 1, exploding. Top: the full gradient. Bottom: with the gates held constant, which leaves the "
        f"additive path. {AT}"
    )
    trained = pick(flow, when="end", path="whole")
    takeaway = takeaways.last("relative gradient norm, the furthest back, after training", trained)
    return paged(
        flow, 1, lambda rows: figures.gradient_flow(rows, styles), alt_text.flow(flow), caption, takeaway=takeaway
    )


def retention(curves: Table | None, members: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The relative size of a perturbation of the state after k steps."""
    quartiles = probe_quartiles(curves, members, "retention")
    quartiles = quartiles[quartiles["low"] > 0]
    if quartiles.empty:
        return missing(NOT_MEASURED)
    caption = (
        "Retention: size of a small perturbation of the state after k steps, relative to its initial size, in trained "
        f"networks{_shown(styles)}, logarithmic. A flat line means that the state retains everything, including what the "
        f"task requires it to forget. {AT}"
    )
    alt = alt_text.ends("Relative size of a perturbation", quartiles)
    tasks = tasks_per_sheet(quartiles, series_height(styles))
    takeaway = takeaways.last("what remains of a perturbation", quartiles)
    return paged(quartiles, tasks, lambda rows: figures.retention(rows, styles), alt, caption, takeaway=takeaway)


def decodability(curves: Table | None, members: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The accuracy of a linear probe that decodes the stored value from the state."""
    quartiles = probe_quartiles(curves, members, "decode/true")
    if quartiles.empty:
        return missing(NOT_MEASURED)
    control = probes.shuffled_control(curves, members)
    caption = (
        "Decodability: balanced accuracy of a linear probe that decodes the stored value from the state, against the steps "
        f"since the value was presented{_shown(styles)}. The control is the same probe on shuffled labels (grey, quartiles "
        f"over all cells{'; in the data file' if len(styles) > MANY else ''}). {AT}"
    )
    data = pd.concat([quartiles.assign(labels="true"), control.assign(cell="all", labels="shuffled")])
    return paged(
        quartiles,
        tasks_per_sheet(quartiles, series_height(styles)),
        lambda rows: figures.decodability(rows, control, styles),
        alt_text.ends("Accuracy of a linear probe of the state", quartiles),
        caption,
        data,
        takeaways.last("accuracy at the end", quartiles),
    )


def saturation(curves: Table | None, members: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The distribution of gate values at each kind of event."""
    gates = probes.gates(curves, members)
    if gates.empty:
        return missing(NOT_MEASURED)
    caption = (
        "Gate values at each kind of event, after training: shares of values below 0.1 (orange), above 0.9 (dark) and in "
        "between (pale), and the mean (red tick); one bar per cell and gate. Candidates can be negative, and their absolute "
        "values are counted. A gate with the same bar in every column does not depend on the events and might be replaced "
        f"by a constant. {AT}"
    )
    alt, takeaway = alt_text.saturation(gates), takeaways.gates(gates)
    return paged(gates, 1, lambda rows: figures.saturation(rows, styles), alt, caption, takeaway=takeaway)


def traces(curves: Table | None, members: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The gates and the state norm of one network per cell along one sequence.

    :param members: confirmation rows at all lags.
    """
    by_task = probes.traces(curves, members)
    if not by_task:
        return missing(NOT_MEASURED)
    caption = (
        "Gates and state norm of one trained network of each cell along a sequence, aligned with its events (bars). For a "
        "gate, darker is closer to 1; for a candidate, dark means a positive mean; a state is shaded relative to its "
        "largest norm, which is printed beside it. Events in the top rows are the same for all cells. Each task is shown "
        "at its longest traced lag."
    )
    with figure_style():
        sheets = tuple(
            sheet(figures.traces(traces, styles), f"{task}, lag {lag:g}") for task, (lag, traces) in by_task.items()
        )
    rows = [
        pd.DataFrame({"task": task, "lag": lag, "cell": cell, "kind": kind, "name": name, "value": values}).assign(
            step=range(len(values))
        )
        for task, (lag, traces) in by_task.items()
        for cell, name, kind, values in traces
    ]
    alt = (
        "Shaded strips along one sequence of each task, one for each gate and state of each cell, below the time steps of "
        f"the events. Tasks: {', '.join(by_task)}. The values are in the figure's data."
    )
    return Exhibit(sheets, alt, caption, csv_text(pd.concat(rows)))


def state_norms(curves: Table | None, confirm: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The norm of the state along the test stream of continual tasks.

    :param confirm: the confirmation rows of results.csv.
    """
    quartiles = curve_quartiles(curves, confirm, "test/state_norm")
    if quartiles.empty and "state_norm_first" in confirm and "state_norm_last" in confirm:
        quartiles = end_norms(confirm)
    quartiles = quartiles[quartiles["low"] > 0]
    if quartiles.empty:
        return missing(NOT_MEASURED)
    caption = (
        f"Norm of the state along a continual test stream{_shown(styles)}, logarithmic. A norm that "
        "still increases at the end of the stream is that of a cell that accumulates its inputs without resetting its memory."
    )
    alt = alt_text.ends("Norm of the state along the stream", quartiles)
    tasks = tasks_per_sheet(quartiles, series_height(styles))
    takeaway = takeaways.last("norm of the state at the end", quartiles)
    return paged(quartiles, tasks, lambda rows: figures.state_norms(rows, styles), alt, caption, takeaway=takeaway)


def _shown(styles: Mapping[str, CellStyle]) -> str:
    return ", median (quartiles are in the data file)" if len(styles) > MANY else ", median and quartiles"
