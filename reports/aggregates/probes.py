"""Aggregate the curves that probes record, for figures and sentences. `reports/templates/README.md` documents the metrics."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import ARM, Table, metric_points, parts, quartiles

STAGES = {"init": "before training", "half": "halfway", "end": "after training"}
"""When the gradient flow is measured: the metric's name for the stage, and its label."""
PATHS = {"whole": "full", "held": "gates fixed"}
"""What the gradient flows through: the whole cell, or the cell with its gates held constant."""

GATE = re.compile(r"gate/(?P<gate>[^/]+)(?:/(?P<event>[^/]+))?/(?P<part>mean|low|high)")
ALL_STEPS = "all steps"
"""The label of the event where gates were not recorded per event."""
LONGEST_TRACE = 10_000
"""The largest time step of a trace that is drawn."""


class Trace(NamedTuple):
    """One quantity of one cell along a sequence."""

    cell: str
    """Empty for events that are common to all cells."""
    name: str
    kind: str
    """`event`, `gate` or `state`."""
    values: np.ndarray
    """[time], NaN where nothing was recorded."""


def gradient_flow(curves: Table | None, members: Table) -> Table:
    """Return the median relative gradient norm over members: when, path, task, lag, cell, step, middle.

    `when` is a key of `STAGES`, `path` a key of `PATHS`, `step` the distance k from the last step.
    """
    tables = [
        metric_points(curves, members, f"flow/{when}/{path}").assign(when=when, path=path)
        for when in STAGES
        for path in PATHS
    ]
    points: Table = pd.concat([table for table in tables if len(table)] or tables[:1])
    points = points.astype({"value": float})  # an empty column has dtype object
    grouped = points.groupby(["when", "path", *ARM, "step"], sort=False)
    return grouped.agg(middle=("value", "median")).reset_index()


def shuffled_control(curves: Table | None, members: Table) -> Table:
    """Return quartiles over all cells of the linear probe's accuracy on shuffled labels: task, lag, step, low, middle, high."""
    return quartiles(metric_points(curves, members, "decode/shuffled"), ["task", "lag", "step"])


def gates(curves: Table | None, members: Table) -> Table:
    """Return gate statistics after training, means over members: task, lag, cell, gate, event, mean, low, high.

    `low` and `high` are the shares of values near 0 and near 1. Where any gate was recorded per event, statistics over
    all steps are omitted.
    """
    columns = [*ARM, "gate", "event", "mean", "low", "high"]
    if curves is None:
        return pd.DataFrame(columns=columns)
    matches = {metric: match for metric in curves["metric"].unique() if (match := GATE.fullmatch(str(metric)))}
    if any(match["event"] for match in matches.values()):
        matches = {metric: match for metric, match in matches.items() if match["event"]}
    tables = []
    for metric, match in sorted(matches.items()):
        points = metric_points(curves, members, metric)
        last = points.sort_values("step", kind="stable").drop_duplicates("hash", keep="last")
        means = last.groupby(ARM, sort=False)["value"].mean().rename("value").reset_index()
        tables.append(means.assign(gate=match["gate"], event=match["event"] or ALL_STEPS, part=match["part"]))
    if not tables or not any(map(len, tables)):
        return pd.DataFrame(columns=columns)
    long = pd.concat(tables)
    long["value"] = long["value"].clip(0, 1)
    wide = long.pivot_table(index=[*ARM, "gate", "event"], columns="part", values="value", sort=False)
    wide = wide.reindex(columns=["mean", "low", "high"]).reset_index()
    return wide.sort_values("event", key=lambda event: event == "other", kind="stable")


def traces(curves: Table | None, members: Table) -> dict[str, tuple[float, list[Trace]]]:
    """Return for each task its longest traced lag, and the events, gates and states of each cell along one sequence.

    If all cells were traced on the same sequence, its events come first, once, with an empty cell name.
    """
    if curves is None:
        return {}
    names = [str(metric) for metric in curves["metric"].unique() if str(metric).startswith("trace/")]
    tables = [metric_points(curves, members, name).assign(metric=name) for name in names]
    points: Table = pd.concat(
        [table for table in tables if len(table)] or [pd.DataFrame(columns=[*ARM, "hash", "step", "value", "metric"])]
    )
    order = {cell: i for i, cell in enumerate(dict.fromkeys(members["cell"]))}
    by_task = {}
    for task in dict.fromkeys(members["task"]):
        rows = points[points["task"] == task]
        lag = rows["lag"].max()
        rows = rows[(rows["lag"] == lag) & rows["step"].between(0, LONGEST_TRACE)].sort_values("step", kind="stable")
        by_cell = [_cell_traces(cell, cell_rows) for (cell,), cell_rows in parts(rows, ["cell"])]
        by_cell = sorted((traces for traces in by_cell if traces), key=lambda traces: order[traces[0].cell])
        events = [_events(traces) for traces in by_cell]
        if events and events[0] and all(others == events[0] for others in events):
            common = [trace._replace(cell="") for trace in by_cell[0] if trace.kind == "event"]
            by_cell = [common, *([trace for trace in traces if trace.kind != "event"] for traces in by_cell)]
        if any(trace.kind != "event" for traces in by_cell for trace in traces):
            by_task[task] = float(lag), [trace for traces in by_cell for trace in traces]
    return by_task


def _cell_traces(cell: str, points: Table) -> list[Trace]:
    """The traces of the first network of a cell: events, then gates, then states."""
    points = points[points["hash"] == points["hash"].iloc[0]]
    traces = []
    for (metric,), rows in parts(points, ["metric"]):
        _, kind, name = (*metric.split("/", 2), "")[:3]
        values = np.full(int(rows["step"].max()) + 1, np.nan)
        values[rows["step"].astype(int)] = rows["value"]
        traces.append(Trace(cell, name, kind, values))
    kinds = ("event", "gate", "state")
    return sorted((trace for trace in traces if trace.kind in kinds), key=lambda t: (kinds.index(t.kind), t.name))


def _events(traces: list[Trace]) -> dict[str, bytes]:
    """The events of a sequence as bytes, which compare equal where NaN would not."""
    return {trace.name: trace.values.tobytes() for trace in traces if trace.kind == "event"}
