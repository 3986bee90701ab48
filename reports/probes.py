"""What the probes' curves say, as tables for figures and sentences. The metrics are documented in `reports/__init__.py`."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports import summary
from reports.summary import STRATUM, Table, parts

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
    points = pd.concat([own for own in found if len(own)] or found[:1])
    middle = points.groupby(["when", "path", *STRATUM, "step"], sort=False)["value"].median()
    return middle.rename("middle").reset_index()


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
    return wide.reindex(columns=["mean", "low", "high"]).reset_index()


def traces(curves: Table | None, members: Table) -> dict[str, tuple[float, dict[str, np.ndarray], list[Strip]]]:
    """One sequence for each task: its lag, its events, and the gates and states of each cell along it.

    A cell is traced on a sequence of its own where it has no common one; the events are those of most cells.
    """
    if curves is None:
        return {}
    names = [str(metric) for metric in curves["metric"].unique() if str(metric).startswith("trace/")]
    found = [summary.points_of(curves, members, name).assign(metric=name) for name in names]
    points = pd.concat([own for own in found if len(own)] or [pd.DataFrame(columns=[*STRATUM, "metric"])])
    order = {cell: i for i, cell in enumerate(dict.fromkeys(members["cell"]))}
    told = {}
    for (task,), own in parts(points, ["task"]):
        first = own.drop_duplicates(["cell"])[["cell", "hash"]]  # one network a cell
        own = own[own["hash"].isin(first["hash"])].sort_values("step", kind="stable")
        events, strips = {}, []
        for (cell, metric), line in sorted(parts(own, ["cell", "metric"]), key=lambda part: order[part[0][0]]):
            _, kind, name = (metric + "//").split("/", 2)[:3]
            name = name.strip("/")
            values = np.full(int(line["step"].max()) + 1, np.nan) if line["step"].between(0, LONGEST).all() else None
            if values is None or kind not in ("gate", "state", "event"):
                continue
            values[line["step"].astype(int)] = line["value"]
            if kind == "event":
                events.setdefault(name, values)
            else:
                strips.append(Strip(cell, name, kind, values))
        if strips:
            told[task] = float(own["lag"].iloc[0]), events, strips
    return told
