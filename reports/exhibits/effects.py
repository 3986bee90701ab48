"""Comparisons: the gate lattice, and the contrasts of a claim."""

from collections.abc import Mapping, Sequence

import pandas as pd

from reports.aggregates import lattice
from reports.aggregates.outcomes import Table
from reports.exhibits import NO_CONFIRMATION, Exhibit, exhibit, none
from reports.figures import effects as figures
from reports.figures import tree
from reports.figures.style import Look
from reports.format import percent
from reports.statistics.contrasts import LEVEL, Contrast, Estimate
from reports.statistics.quantities import SOLVED
from reports.text import alt_text as alts
from reports.text import sentences as prose

INTERVALS = f"{percent(LEVEL)} intervals"


def lattice_of(
    placed: Sequence[lattice.Node],
    rates: Table,
    effects: Mapping[tuple[str, str], Estimate],
    looks: Mapping[str, Look],
) -> Exhibit:
    """The gate lattice.

    :param rates: group, cell, rate.
    """
    if rates.empty:
        return none(NO_CONFIRMATION)
    demands = {group: prose.DEMANDS.get(group, "") for group in dict.fromkeys(rates["group"])}
    interval = percent(LEVEL)
    if compact := tree.is_compact(placed, demands):
        caption = (
            "The gate lattice. Left: each cell hangs under the cell it differs from by one change. Right: what the change "
            "did to the solve rate in each group of tasks, in points; blue more, orange less. Bold and saturated: its "
            f"{interval} interval leaves out 0. Pale, with “?”: it does not. Cells without a parent show their own "
            "solve rate, in grey."
        )
    else:
        caption = (
            "The gate lattice. Left: each cell hangs under the cell it differs from by one change, named above it. Right: an "
            "arrow leads from the solve rate of the parent (tick) to that of the cell; the number is the difference in "
            f"points, with its {interval} interval. Grey, dotted and with “?”: the interval includes no difference."
        )
    if not effects:
        caption += " No cell's parent is in these tables, so no change can be measured."
    draw = tree.compact if compact else tree.draw
    data = pd.DataFrame(
        [
            (node.cell, node.parent or "", node.change, group, rate, *_numbers(effects.get((node.cell, group))))
            for node in placed
            for group, rate in rates[rates["cell"] == node.cell][["group", "rate"]].itertuples(index=False)
        ],
        columns=["cell", "parent", "change", "group", "rate", "effect", "low", "high", "seeds"],
    )
    return exhibit(lambda: draw(placed, rates, effects, looks, demands), alts.lattice(placed, effects), caption, data)


def _numbers(estimate: Estimate | None) -> tuple[float | None, ...]:
    return (estimate.effect, estimate.low, estimate.high, estimate.seeds) if estimate else (None,) * 4


def contrasts(tested: Sequence[Contrast], looks: Mapping[str, Look]) -> Exhibit:
    """The comparisons that a claim rests on; at least one has an effect."""
    told = [f"Effects with {INTERVALS}."]
    for measure, scale in dict.fromkeys((c.measure, c.scale) for c in tested):
        matters = max(c.matters for c in tested if (c.measure, c.scale) == (measure, scale))
        if scale == "ratio":
            told.append(f"Ratios of {measure}; shaded: less than a factor {matters:.3g}, too small to matter.")
        elif measure.startswith("share"):
            told.append(f"Dotted: {round(100 * matters)} %, what the {measure} is held against.")
        elif measure == SOLVED.name:
            told.append(f"Shaded: differences in {measure} below ±{round(100 * matters)} points, too small to matter.")
        else:
            told.append(f"Shaded: differences in {measure} below ±{matters:.3g}, too small to matter.")
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
    return exhibit(lambda: figures.contrasts(tested, looks), alts.contrasts(tested), " ".join(told), data)
