"""Why cells differ: the probes."""

from collections.abc import Mapping

import pandas as pd

from reports.aggregates import outcomes as summary
from reports.aggregates import probes
from reports.aggregates.outcomes import Table
from reports.exhibits import Exhibit, Sheet, fitting, none, paged
from reports.exhibits.csv_data import csv_text
from reports.figures import mechanism as figures
from reports.figures.panels import MANY, series_height
from reports.figures.style import Look, style, svg
from reports.text import alt_text as alts

MISSING = "{} not known: curves.csv has no metric {} for these networks. The probes run on confirmation networks."
AT = "Each task at the longest lag that some cell solves in half of its runs."


def gradient_flow(curves: Table | None, members: Table, looks: Mapping[str, Look]) -> Exhibit:
    """What is left of the gradient over time.

    :param members: confirmation rows, each task at its telling lag.
    """
    flow = probes.flows(curves, members)
    flow = flow[flow["middle"] > 0]
    if flow.empty:
        return none(MISSING.format("How the gradient flows back is", "flow/…"))
    caption = (
        "Gradient flow: what is left, k steps back, of the gradient of the last step's loss, ‖∂L_T/∂s_{T−k}‖ / ‖∂L_T/∂s_T‖; "
        "median over networks, logarithmic. Dark: vanished, pale: kept, brightest: above 1, it explodes. Above in all, below "
        f"with the gates held still: what the additive path alone carries. {AT}"
    )
    return paged(flow, 1, lambda own: figures.gradient_flow(own, looks), alts.flow(flow), caption)


def retention(curves: Table | None, members: Table, looks: Mapping[str, Look]) -> Exhibit:
    """How long a perturbation of the state lives."""
    quartiles = summary.probe_quartiles(curves, members, "retention")
    quartiles = quartiles[quartiles["low"] > 0]
    if quartiles.empty:
        return none(MISSING.format("How long the state keeps a perturbation is", "retention"))
    caption = (
        "Retention: what is left of a small perturbation of the state after k steps, of trained networks"
        f"{_band(looks)}, logarithmic. A flat line keeps everything, also what it should forget. {AT}"
    )
    alt = alts.ends("Share of a perturbation that is left", quartiles)
    tasks = fitting(quartiles, series_height(looks))
    return paged(quartiles, tasks, lambda own: figures.retention(own, looks), alt, caption)


def decodability(curves: Table | None, members: Table, looks: Mapping[str, Look]) -> Exhibit:
    """How well the stored value can be read off the state."""
    quartiles = summary.probe_quartiles(curves, members, "decode/true")
    if quartiles.empty:
        return none(MISSING.format("What can be read off the state is", "decode/true"))
    control = probes.control(curves, members)
    caption = (
        "Decodability: balanced accuracy of a linear probe that reads the stored value off the state, against the steps "
        f"since the value was shown{_band(looks)}. The same probe on shuffled labels shows what chance gives (grey, quartiles "
        f"over all cells{'; in the data' if len(looks) > MANY else ''}). {AT}"
    )
    data = pd.concat([quartiles.assign(labels="true"), control.assign(cell="all", labels="shuffled")])
    return paged(
        quartiles,
        fitting(quartiles, series_height(looks)),
        lambda own: figures.decodability(own, control, looks),
        alts.ends("Accuracy of a linear probe of the state", quartiles),
        caption,
        data,
    )


def saturation(curves: Table | None, members: Table, looks: Mapping[str, Look]) -> Exhibit:
    """How gates answer to events."""
    gates = probes.gates(curves, members)
    if gates.empty:
        return none(MISSING.format("What the gates do at each event is", "gate/<name>/<event>/…"))
    caption = (
        "Gates at each kind of event, after training: shares of values below 0.1 (orange), above 0.9 (dark) and between, "
        "and the mean (red tick); a bar each for cell and gate. Candidates, which may be negative, count by their size. A "
        f"gate that does the same in every column does not answer to events and could be a constant. {AT}"
    )
    return paged(gates, 1, lambda own: figures.saturation(own, looks), alts.saturation(gates), caption)


def traces(curves: Table | None, members: Table, looks: Mapping[str, Look]) -> Exhibit:
    """What gates do along one sequence."""
    told = probes.traces(curves, members)
    if not told:
        return none(MISSING.format("What the gates do along a sequence is", "trace/…"))
    caption = (
        "The gates and the size of the state of one trained network of each cell along a sequence, aligned with its events "
        "(bars). Dark: a gate is open (of a candidate: its mean is above 0); a state is at its largest, which is written "
        "beside it. Where events stand on top, the sequence is the same for all cells. Each task at its longest traced lag."
    )
    with style():
        sheets = tuple(
            Sheet(svg(figures.traces(strips, looks)), f"{task}, lag {lag:g}") for task, (lag, strips) in told.items()
        )
    rows = [
        pd.DataFrame({"task": task, "lag": lag, "cell": cell, "kind": kind, "name": name, "value": values}).assign(
            step=range(len(values))
        )
        for task, (lag, strips) in told.items()
        for cell, name, kind, values in strips
    ]
    alt = (
        "Strips of shades along one sequence of each task, one for each gate and state of each cell, under the steps "
        f"at which events happen. Tasks: {', '.join(told)}. The values are in the figure's data."
    )
    return Exhibit(sheets, alt, caption, csv_text(pd.concat(rows)))


def state_norms(curves: Table | None, confirm: Table, looks: Mapping[str, Look]) -> Exhibit:
    """How the state grows along a stream.

    :param curves: the table of that name; None where there is none.
    """
    quartiles = summary.curve_quartiles(curves, confirm, "test/state_norm")
    if quartiles.empty and "state_norm_first" in confirm and "state_norm_last" in confirm:
        quartiles = summary.end_norms(confirm)
    quartiles = quartiles[quartiles["low"] > 0]
    if quartiles.empty:
        return none(
            "No continual task with a recorded norm of the state: how memory grows along a stream is not known."
        )
    caption = (
        f"Norm of the state along an endless test stream{_band(looks)}, logarithmic. A cell that cannot erase keeps "
        "adding, and its state grows without end."
    )
    alt = alts.ends("Norm of the state along the stream", quartiles)
    tasks = fitting(quartiles, series_height(looks))
    return paged(quartiles, tasks, lambda own: figures.state_norms(own, looks), alt, caption)


def _band(looks: Mapping[str, Look]) -> str:
    return ", median (quartiles are in the data)" if len(looks) > MANY else ", median and quartiles"
