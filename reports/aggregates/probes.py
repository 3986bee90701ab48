"""What the probes' curves say, as tables for figures and sentences. The metrics are documented in `reports/__init__.py`."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.aggregates import outcomes as summary
from reports.aggregates.outcomes import STRATUM, Table, parts

WHENS, PATHS = ("init", "half", "end"), ("whole", "held")

GATE = re.compile(r"gate/(?P<gate>[^/]+)(?:/(?P<event>[^/]+))?/(?P<part>mean|low|high)")
ALL = "all steps"
"""What stands for the event where a gate was not told apart by events."""
LONGEST = 10_000
"""Steps of a sequence that can be drawn."""


class Strip(NamedTuple):
    """One quantity of one cell along a sequence."""

    cell: str
    name: str
    kind: str  # gate or state
    values: np.ndarray  # [time], NaN where it is not known


def flows(curves: Table | None, members: Table) -> Table:
    """Median over members of what is left of the gradient: when, path, task, lag, cell, step, middle; above 0."""
    found = [
        summary.points_of(curves, members, f"flow/{when}/{path}").assign(when=when, path=path)
        for when in WHENS
        for path in PATHS
    ]
    points: Table = pd.concat([own for own in found if len(own)] or found[:1])
    points = points.astype({"value": float})  # nothing at all has no type
    grouped = points.groupby(["when", "path", *STRATUM, "step"], sort=False)
    return grouped.agg(middle=("value", "median")).reset_index()


def control(curves: Table | None, members: Table) -> Table:
    """Quartiles of a probe's accuracy on shuffled labels, all cells together: task, lag, step, low, middle, high."""
    return summary.quartiles(summary.points_of(curves, members, "decode/shuffled"), ["task", "lag", "step"])


def gates(curves: Table | None, members: Table) -> Table:
    """How open gates are after training: task, lag, cell, gate, event, mean, low, high, means over members.

    Where some are told apart by events, what holds for all steps together is left out.
    """
    columns = [*STRATUM, "gate", "event", "mean", "low", "high"]
    if curves is None:
        return pd.DataFrame(columns=columns)
    known = {metric: found for metric in curves["metric"].unique() if (found := GATE.fullmatch(str(metric)))}
    if any(found["event"] for found in known.values()):
        known = {metric: found for metric, found in known.items() if found["event"]}
    rows = []
    for metric, found in sorted(known.items()):
        points = summary.points_of(curves, members, metric)
        last = points.sort_values("step", kind="stable").drop_duplicates("hash", keep="last")
        means = last.groupby(STRATUM, sort=False)["value"].mean().rename("value").reset_index()
        rows.append(means.assign(gate=found["gate"], event=found["event"] or ALL, part=found["part"]))
    if not rows or not any(map(len, rows)):
        return pd.DataFrame(columns=columns)
    tall = pd.concat(rows)
    tall["value"] = tall["value"].clip(0, 1)
    wide = tall.pivot_table(index=[*STRATUM, "gate", "event"], columns="part", values="value", sort=False)
    wide = wide.reindex(columns=["mean", "low", "high"]).reset_index()
    return wide.sort_values("event", key=lambda event: event == "other", kind="stable")


def traces(curves: Table | None, members: Table) -> dict[str, tuple[float, list[Strip]]]:
    """One sequence for each task: its lag, and the events, gates and states of each cell along it.

    Where all cells were traced on the same sequence, its events come first, once, and belong to no cell.
    """
    if curves is None:
        return {}
    names = [str(metric) for metric in curves["metric"].unique() if str(metric).startswith("trace/")]
    found = [summary.points_of(curves, members, name).assign(metric=name) for name in names]
    points: Table = pd.concat(
        [own for own in found if len(own)] or [pd.DataFrame(columns=[*STRATUM, "hash", "step", "value", "metric"])]
    )
    told = {}
    for task in dict.fromkeys(members["task"]):
        own = points[points["task"] == task]
        lag = own["lag"].max()
        own = own[(own["lag"] == lag) & own["step"].between(0, LONGEST)].sort_values("step", kind="stable")
        blocks = [_strips(cell, line) for (cell,), line in parts(own, ["cell"])]
        order = {cell: i for i, cell in enumerate(dict.fromkeys(members["cell"]))}
        blocks = sorted((block for block in blocks if block), key=lambda block: order[block[0].cell])
        common = [_events(block) for block in blocks]
        if common and common[0] and all(events == common[0] for events in common):
            shared = [strip._replace(cell="") for strip in blocks[0] if strip.kind == "event"]
            blocks = [shared, *([strip for strip in block if strip.kind != "event"] for block in blocks)]
        if any(strip.kind != "event" for block in blocks for strip in block):
            told[task] = float(lag), [strip for block in blocks for strip in block]
    return told


def _strips(cell: str, points: Table) -> list[Strip]:
    """The events, gates and states of one network of a cell, in this order."""
    own = points[points["hash"] == points["hash"].iloc[0]]
    strips = []
    for (metric,), line in parts(own, ["metric"]):
        _, kind, name = (*metric.split("/", 2), "")[:3]
        values = np.full(int(line["step"].max()) + 1, np.nan)
        values[line["step"].astype(int)] = line["value"]
        strips.append(Strip(cell, name, kind, values))
    kinds = ("event", "gate", "state")
    return sorted((strip for strip in strips if strip.kind in kinds), key=lambda s: (kinds.index(s.kind), s.name))


def _events(block: list[Strip]) -> dict[str, bytes]:
    return {strip.name: strip.values.tobytes() for strip in block if strip.kind == "event"}
