"""Comparisons of cells: the gate lattice, and the contrasts of a claim."""

from collections.abc import Mapping, Sequence

import pandas as pd

from reports.aggregates import lattice
from reports.aggregates.outcomes import Table
from reports.claims.findings import unit_of
from reports.exhibits import INTERVALS, NO_CONFIRMATION, Exhibit, exhibit, missing
from reports.figures import effects as figures
from reports.figures import tree
from reports.figures.style import CellStyle
from reports.format import percent
from reports.statistics.contrasts import LEVEL, Contrast, Estimate
from reports.text import alt_text
from reports.text.sentences import DEMANDS


def lattice_with_effects(
    nodes: Sequence[lattice.Node],
    rates: Table,
    effects: Mapping[tuple[str, str], Estimate],
    styles: Mapping[str, CellStyle],
) -> Exhibit:
    """The lattice of cells with the effect of each change on the solve rate.

    :param rates: mean solve rates per group of tasks: group, cell, rate.
    :param effects: by (cell, group), the cell minus its parent.
    """
    if rates.empty:
        return missing(NO_CONFIRMATION)
    demands = {group: DEMANDS.get(group, "") for group in dict.fromkeys(rates["group"])}
    interval = percent(LEVEL)
    if compact := tree.is_compact(nodes, demands):
        caption = (
            "The gate lattice. Left: each cell is placed below the cell that it differs from by one change. Right: the effect "
            "of the change on the solve rate in each group of tasks, in percentage points. Coloured (blue: increase, orange: decrease): the "
            f"{interval} interval excludes 0. With “?”: it includes 0. A percentage is the cell's own solve rate, shown where there is nothing to "
            "compare it with; a dot means that it was not run."
        )
    else:
        caption = (
            "The gate lattice. Left: each cell is placed below the cell that it differs from by the change named above it. "
            "Right: an arrow from the solve rate without the change (tick) to that of the cell; the number is the difference in "
            f"percentage points, with its {interval} interval. Grey, dotted and with “?”: the interval includes 0."
        )
    caption += (
        " Effects are means over the tasks and lags that both cells have, rates over those that the cell has; lags left out because no "
        "network solves a shorter one count as 0."
    )
    if not effects:
        caption += " These tables contain no cell together with its parent, so no change can be measured."
    draw = tree.compact if compact else tree.draw
    data = pd.DataFrame(
        [
            (node.cell, node.parent or "", node.change, group, rate, *_columns(effects.get((node.cell, group))))
            for node in nodes
            for group, rate in rates[rates["cell"] == node.cell][["group", "rate"]].itertuples(index=False)
        ],
        columns=["cell", "parent", "change", "group", "rate", "effect", "low", "high", "seeds"],
    )
    return exhibit(
        lambda: draw(nodes, rates, effects, styles, demands), alt_text.lattice(nodes, effects), caption, data
    )


def _columns(estimate: Estimate | None) -> tuple[float | None, ...]:
    """The columns effect, low, high and seeds; None without an estimate."""
    return (estimate.effect, estimate.low, estimate.high, estimate.seeds) if estimate else (None,) * 4


def contrasts(tested: Sequence[Contrast], styles: Mapping[str, CellStyle]) -> Exhibit:
    """The contrasts of a claim with their intervals.

    :param tested: contrasts; at least one has an effect.
    """
    sentences = [f"Effects with {INTERVALS}."]
    for measure, scale in dict.fromkeys((c.measure, c.scale) for c in tested):
        matters = max(c.matters for c in tested if (c.measure, c.scale) == (measure, scale))
        if scale == "ratio":
            sentences.append(f"Ratios of {measure}; shaded: less than a factor of {matters:.3g}, too small to matter.")
        elif measure.startswith("share"):
            sentences.append(f"Dotted: {round(100 * matters)} %, the threshold for the {measure}.")
        elif unit_of(next(c for c in tested if c.measure == measure)) == "points":
            points = round(100 * matters)
            sentences.append(f"Shaded: differences in {measure} below ±{points} points, too small to matter.")
        else:
            sentences.append(f"Shaded: differences in {measure} below ±{matters:.3g}, too small to matter.")
    data = pd.DataFrame(
        {
            "contrast": [c.question for c in tested],
            "measure": [c.measure for c in tested],
            "scale": [c.scale for c in tested],
            "effect": [c.effect for c in tested],
            "low": [c.ci_low for c in tested],
            "high": [c.ci_high for c in tested],
            "p": [c.p for c in tested],
            "seeds": [c.seeds for c in tested],
            "outcome": [c.outcome for c in tested],
            "lags": ["; ".join(str(stratum) for stratum in c.lags) for c in tested],
        }
    )
    return exhibit(lambda: figures.contrasts(tested, styles), alt_text.contrasts(tested), " ".join(sentences), data)
