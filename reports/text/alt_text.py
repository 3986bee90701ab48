"""Figures in words, for those who cannot see them: what stands in each, as plain text (the templates escape it)."""

from collections.abc import Mapping, Sequence
from math import isnan

from reports.aggregates.lattice import Node
from reports.aggregates.outcomes import Table, parts, pick
from reports.claims.findings import shown
from reports.format import confidence_limits, listed, percent, points
from reports.statistics.contrasts import Contrast, Estimate
from reports.text.sentences import group_name

MOST = 40
"""Entries that are read out: who wants all of them has the figure's data."""


def told(entries: Sequence[str]) -> str:
    """`a; b; c`, up to what can be listened to."""
    more = f"; and {len(entries) - MOST:,} more, in the figure's data" if len(entries) > MOST else ""
    return "; ".join(entries[:MOST]) + more


def rates(rates: Table) -> str:
    """The solve rates in words, for those who cannot see the figure."""
    panels = []
    for (task, lag), own in parts(rates, ["task", "lag"]):
        counts = [f"{row['cell']} {row['solved']} of {row['seeds']}" for _, row in own.iterrows()]
        panels.append(f"{task}, lag {lag:g}: {', '.join(counts)}")
    return f"Networks that solved their task. {told(panels)}."


def lattice(placed: Sequence[Node], effects: Mapping[tuple[str, str], Estimate]) -> str:
    """The lattice in words."""
    edges = []
    for node in placed:
        if node.parent is None:
            edges.append(f"{node.cell} is a root")
            continue
        moves = [
            f"{group_name(group)} {points(estimate.effect)} points ({confidence_limits(estimate.low, estimate.high)})"
            for (cell, group), estimate in effects.items()
            if cell == node.cell
        ]
        edges.append(f"{node.cell} from {node.parent} ({node.change}): {', '.join(moves) or 'not compared'}")
    return f"A tree of cells with the effect of each single change on the solve rate. {told(edges)}."


def scores(confirm: Table) -> str:
    """The spread of test scores in words."""
    spread = []
    for (task, cell), own in parts(confirm, ["task", "cell"]):
        low, middle, high = own["score"].min(), own["score"].median(), own["score"].max()
        spread.append(f"{cell} on {task} {low:.2f} to {high:.2f}, median {middle:.2f}")
    return f"Test scores of single confirmation networks. {told(spread)}."


def ends(what: str, quartiles: Table) -> str:
    """Where the median of a curve starts and ends at the longest lag, in words."""
    ends = []
    for (task,), rows in parts(quartiles, ["task"]):
        longest = rows["lag"].max()
        cells = []
        for (cell,), own in parts(rows if isnan(longest) else pick(rows, lag=longest), ["cell"]):
            middle = own.sort_values("step")["middle"].tolist()
            cells.append(f"{cell} {middle[0]:.3g} to {middle[-1]:.3g}")
        ends.append(f"{task}{'' if isnan(longest) else f', lag {longest:g}'}: {', '.join(cells)}")
    return f"{what}: median at the start and at the end. {told(ends)}."


def tuning(tune: Table) -> str:
    """How many trials solved, in words."""
    counts = [
        f"{cell} on {task}: {int(own['solved'].sum())} of {len(own)} trials"
        for (task, cell), own in parts(tune, ["task", "cell"])
    ]
    return f"Trials of the search against learning rate. Solved: {told(counts)}."


def contrasts(tested: Sequence[Contrast]) -> str:
    """The contrasts of a claim in words."""
    return f"Effects with their intervals. {told([f'{c.question}: {shown(c)}, {c.outcome}' for c in tested])}."


def flow(flows: Table) -> str:
    """What is left of the gradient at the largest distance, before and after training."""
    entries = []
    whole = pick(flows, path="whole")
    for (task, cell), own in parts(whole, ["task", "cell"]):
        k = own["step"].max()
        far = pick(own, step=k).set_index("when")["middle"]
        stages = [f"{far[when]:.2g} {name}" for when, name in (("init", "before"), ("end", "after")) if when in far]
        entries += [f"{cell} on {task} {k:g} steps back: {listed(stages)}"] if stages else []
    return f"Share of the gradient that is left, before and after training. {told(entries)}."


def saturation(gates: Table) -> str:
    """How open gates are."""
    entries = [
        f"{cell} {gate}: {', '.join(f'{row.event} {row.mean:.2f}' for row in own.itertuples())}"
        for (cell, gate), own in parts(gates, ["cell", "gate"])
    ]
    return f"Mean openness of each gate at each kind of event, 0 closed, 1 open. {told(entries)}."


def importance(shares: Table) -> str:
    """The setting that mattered most, per task and cell."""
    top = shares.sort_values("share", ascending=False, kind="stable").drop_duplicates(["task", "cell"]).sort_index()
    entries = [
        f"{row.cell} on {row.task}: {row.setting.replace('_', ' ')}, {percent(row.share)}"
        if row.share > row.noise
        else f"{row.cell} on {row.task}: none above chance"
        for row in top.itertuples()
    ]
    return f"The hyperparameter that goes with most of the objective's variance. {told(entries)}."


def costs(points: Table) -> str:
    """Cost and success, per cell and size."""
    entries = [
        f"{row.cell}: {percent(row.rate)} solve with {row.parameters:,.0f} parameters, {row.seconds:,.3g} seconds"
        for row in points.itertuples()
    ]
    return f"Cost beside success. {told(entries)}."
