"""Alternative text of figures: their content as plain text, for readers who cannot see them (the templates escape it)."""

from collections.abc import Mapping, Sequence
from math import isnan

from reports.aggregates.lattice import Node
from reports.aggregates.outcomes import Table, parts, pick
from reports.claims.findings import shown
from reports.format import confidence_limits, duration, listed, percent, points
from reports.statistics.contrasts import Contrast, Estimate
from reports.text.sentences import group_name

MOST = 40
"""Most entries of an alternative text; all values are in the figure's data."""


def rates(rates: Table) -> str:
    """The number of solved runs per cell, task and lag."""
    panels = []
    for (task, lag), rows in parts(rates, ["task", "lag"]):
        counts = [f"{row['cell']} {row['solved']} of {row['seeds']}" for _, row in rows.iterrows()]
        panels.append(f"{task}, lag {lag:g}: {', '.join(counts)}")
    return f"Networks that solved their task. {_joined(panels)}."


def reaches(reaches: Table) -> str:
    """The reach of each cell on each task; empty if there is none."""
    entries = [
        f"{cell} on {task} {'' if relation == '=' else 'above ' if relation == '>' else 'below '}{reach:.3g}"
        for task, cell, reach, relation in reaches[["task", "cell", "reach", "relation"]].itertuples(index=False)
    ]
    return f" Reach in lags: {_joined(entries)}." if entries else ""


def lattice(nodes: Sequence[Node], effects: Mapping[tuple[str, str], Estimate]) -> str:
    """The parent of each cell, and the effect of the change on the solve rate in each group of tasks."""
    edges = []
    for node in nodes:
        if node.parent is None:
            edges.append(f"{node.cell} is a root")
            continue
        by_group = [
            f"{group_name(group)} {points(estimate.effect)} points ({confidence_limits(estimate.low, estimate.high)})"
            for (cell, group), estimate in effects.items()
            if cell == node.cell
        ]
        edges.append(f"{node.cell} from {node.parent} ({node.change}): {', '.join(by_group) or 'not compared'}")
    return f"A tree of cells with the effect of each single change on the solve rate. {_joined(edges)}."


def scores(confirm: Table) -> str:
    """The range and median of the test scores per task and cell."""
    ranges = []
    for (task, cell), rows in parts(confirm, ["task", "cell"]):
        low, median, high = rows["score"].min(), rows["score"].median(), rows["score"].max()
        ranges.append(f"{cell} on {task} {low:.2f} to {high:.2f}, median {median:.2f}")
    return f"Test scores of single confirmation networks. {_joined(ranges)}."


def ends(what: str, quartiles: Table) -> str:
    """The first and the last median of each cell's curve at the longest lag.

    :param what: what the curves show; begins the text.
    :param quartiles: task, lag, cell, step, middle; `lag` is NaN for curves over all lags.
    """
    panels = []
    for (task,), curves in parts(quartiles, ["task"]):
        longest = curves["lag"].max()
        cells = []
        for (cell,), curve in parts(curves if isnan(longest) else pick(curves, lag=longest), ["cell"]):
            medians = curve.sort_values("step")["middle"].tolist()
            cells.append(f"{cell} {medians[0]:.3g} to {medians[-1]:.3g}")
        panels.append(f"{task}{'' if isnan(longest) else f', lag {longest:g}'}: {', '.join(cells)}")
    return f"{what}: median at the start and at the end. {_joined(panels)}."


def tuning(tune: Table) -> str:
    """The number of solved trials per cell and task."""
    counts = [
        f"{cell} on {task}: {int(rows['solved'].sum())} of {len(rows)} trials"
        for (task, cell), rows in parts(tune, ["task", "cell"])
    ]
    return f"Trials of the search against learning rate. Solved: {_joined(counts)}."


def contrasts(tested: Sequence[Contrast]) -> str:
    """The contrasts of a claim: effect, interval and outcome."""
    entries = [f"{contrast.question}: {shown(contrast)}, {contrast.outcome}" for contrast in tested]
    return f"Effects with their intervals. {_joined(entries)}."


def flow(flows: Table) -> str:
    """The share of the gradient that remains at the largest distance, before and after training."""
    entries = []
    for (task, cell), rows in parts(pick(flows, path="whole"), ["task", "cell"]):
        distance = rows["step"].max()
        by_stage = pick(rows, step=distance).set_index("when")["middle"]
        stages = [
            f"{by_stage[when]:.2g} {name}" for when, name in (("init", "before"), ("end", "after")) if when in by_stage
        ]
        entries += [f"{cell} on {task} {distance:g} steps back: {listed(stages)}"] if stages else []
    return f"Share of the gradient that remains, before and after training. {_joined(entries)}."


def saturation(gates: Table) -> str:
    """The mean value of each gate at each kind of event."""
    entries = [
        f"{cell} {gate}: {', '.join(f'{row.event} {row.mean:.2f}' for row in rows.itertuples())}"
        for (cell, gate), rows in parts(gates, ["cell", "gate"])
    ]
    return f"Mean value of each gate at each kind of event, 0 closed, 1 open. {_joined(entries)}."


def importance(shares: Table) -> str:
    """The hyperparameter with the largest share of the objective's variance, per task and cell."""
    top = shares.sort_values("share", ascending=False, kind="stable").drop_duplicates(["task", "cell"]).sort_index()
    entries = [
        f"{row.cell} on {row.task}: {row.setting.replace('_', ' ')}, {percent(row.share)}"
        if row.share > row.noise
        else f"{row.cell} on {row.task}: none above chance"
        for row in top.itertuples()
    ]
    return f"The hyperparameter that explains most of the objective's variance. {_joined(entries)}."


def costs(networks: Table) -> str:
    """Solve rate, parameters and training time per cell and size."""
    entries = [
        f"{row.cell}: {percent(row.rate)} solved with {row.parameters:,.0f} parameters in {duration(row.seconds)}"
        for row in networks.itertuples()
    ]
    return f"Cost and solve rate. {_joined(entries)}."


def profiles(found: Table) -> str:
    """The share of networks of each cell above two scores, in each group of tasks."""
    shares = {score: found[(found["step"] - score).abs() < 1e-9] for score in (0.5, 0.9)}
    entries = [
        f"{half.cell} on {half.task} tasks {percent(half.middle)} and {percent(most)}"
        for half, most in zip(shares[0.5].itertuples(), shares[0.9]["middle"], strict=True)
    ]
    return f"Share of networks with a score above 0.5 and above 0.9. {_joined(entries)}."


def improvements(found: Table, over: str) -> str:
    """The probability of improvement of each cell in each group of tasks."""
    entries = [f"{row.cell} on {row.task} tasks {percent(row.probability)}" for row in found.itertuples()]
    return f"Probability of a higher score than {over}. {_joined(entries)}."


def speeds(found: Table) -> str:
    """The share of confirmation networks that solved each task, and their median step."""
    entries = [
        f"{row.cell} on {row.task}: {percent(row.share)}" + ("" if isnan(row.step) else f" in {row.step:,.0f} steps")
        for row in pick(found, phase="confirm").itertuples()
    ]
    return f"Confirmation networks that solved their task, and their median steps. {_joined(entries)}."


def _joined(entries: Sequence[str]) -> str:
    """`a; b; c`, at most MOST entries."""
    more = f"; and {len(entries) - MOST:,} more, in the figure's data" if len(entries) > MOST else ""
    return "; ".join(entries[:MOST]) + more
