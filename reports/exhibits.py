"""Exhibits: the figures of a report, each with its text for those who cannot see it and a caption that says how to read it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from reports import figures, lattice, prose, style, summary
from reports.contrasts import LEVEL, Contrast, Estimate
from reports.summary import Table

NO_CONFIRMATION = "There are no confirmation runs in these tables, so there is nothing to show here."
INTERVALS = f"{lattice.percent(LEVEL)} intervals"


class Exhibit(NamedTuple):
    """A figure ready to be shown, or the reason why there is none."""

    svg: str
    alt: str
    caption: str

    @property
    def shown(self) -> bool:
        """Whether there is a figure; otherwise the caption says why not."""
        return bool(self.svg)


def lattice_of(
    placed: Sequence[lattice.Node],
    rates: Table,
    effects: Mapping[tuple[str, str], Estimate],
    looks: Mapping[str, style.Look],
) -> Exhibit:
    """The gate lattice.

    :param rates: group, cell, rate.
    """
    if rates.empty:
        return _none(NO_CONFIRMATION)
    demands = {group: prose.DEMANDS.get(group, "") for group in dict.fromkeys(rates["group"])}
    caption = (
        "The gate lattice. Left: each cell hangs under the cell it differs from by one change, named above it. Right: an "
        "arrow leads from the solve rate of the parent (tick) to that of the cell; the number is the difference in points, "
        f"with its {lattice.percent(LEVEL)} interval. Grey, dotted and with “?”: the interval includes no difference."
    )
    if not effects:
        caption += " No cell's parent is in these tables, so no change can be measured."
    return _exhibit(
        lambda: lattice.draw(placed, rates, effects, looks, demands), prose.lattice_alt(placed, effects), caption
    )


def solve_rates(rates: Table, looks: dict[str, style.Look]) -> Exhibit:
    """Who solves what, at which lag.

    :param rates: as `summary.solve_rates` gives them.
    """
    if rates.empty:
        return _none(NO_CONFIRMATION)
    caption = f"Share of confirmation networks that solve the task, with Wilson {INTERVALS}."
    if len(looks) > figures.MANY:
        caption = "Confirmation networks that solve the task, of all; the darker, the more."
    return _exhibit(lambda: figures.solve_rates(rates, looks), prose.rates_alt(rates), caption)


def scores(confirm: Table, looks: dict[str, style.Look]) -> Exhibit:
    """How single networks scored.

    :param confirm: the confirmation rows of results.csv.
    """
    if confirm.empty:
        return _none(NO_CONFIRMATION)
    caption = (
        "Test score of every confirmation network: 0 is the best trivial predictor, 1 is perfect. Filled: solved by the "
        "task's own criterion. Outcomes are often all or nothing, which is why rates and not mean scores decide."
    )
    return _exhibit(lambda: figures.scores(confirm, looks), prose.scores_alt(confirm), caption)


def learning_curves(curves: Table | None, confirm: Table, looks: dict[str, style.Look]) -> Exhibit:
    """How networks learned.

    :param curves: the table of that name; None where there is none.
    """
    quartiles = _curve(curves, confirm, "eval/score")
    if quartiles.empty:
        return _none("Learning curves need curves.csv with the metric eval/score, which these tables do not have.")
    caption = (
        "Validation score of the confirmation networks while they train: median and quartiles. A network that has solved "
        "its task stops and keeps its last score; one that diverged falls to 0."
    )
    alt = prose.ends_alt("Validation score while training", quartiles)
    return _exhibit(lambda: figures.learning_curves(quartiles, looks), alt, caption)


def state_norms(curves: Table | None, confirm: Table, looks: dict[str, style.Look]) -> Exhibit:
    """How the state grows along a stream.

    :param curves: the table of that name; None where there is none.
    """
    quartiles = _curve(curves, confirm, "test/state_norm")
    if quartiles.empty and "state_norm_first" in confirm and "state_norm_last" in confirm:
        quartiles = summary.end_norms(confirm)
    quartiles = quartiles[quartiles["low"] > 0]
    if quartiles.empty:
        return _none(
            "No continual task with a recorded norm of the state: how memory grows along a stream is not known."
        )
    caption = (
        "Norm of the state along an endless test stream, median and quartiles, logarithmic. A cell that cannot erase keeps "
        "adding, and its state grows without end."
    )
    alt = prose.ends_alt("Norm of the state along the stream", quartiles)
    return _exhibit(lambda: figures.state_norms(quartiles, looks), alt, caption)


def tuning(tune: Table, looks: dict[str, style.Look]) -> Exhibit:
    """What the search found.

    :param tune: the tuning rows of results.csv.
    """
    known = {"learning_rate", "objective"} <= set(tune.columns)
    rows = tune.dropna(subset=["learning_rate", "objective"]) if known else tune.iloc[:0]
    if rows.empty:
        return _none("No tuning runs with a learning rate and an objective in these tables.")
    caption = (
        "Every trial of the search: what it reached (whether it solved, and the area under its validation score: 1 is best) "
        "against its learning rate, all lags together. Filled: solved. A cell whose good trials sit at the edge was not searched widely enough."
    )
    return _exhibit(lambda: figures.tuning(rows, looks), prose.tuning_alt(rows), caption)


def contrasts(tested: Sequence[Contrast], delta: float, looks: dict[str, style.Look]) -> Exhibit:
    """The comparisons that a claim rests on; at least one has an effect."""
    caption = (
        f"Differences in solve rate, in points, with {INTERVALS}. Shaded: differences below ±{round(100 * delta)} points, "
        "too small to matter."
    )
    return _exhibit(lambda: figures.contrasts(tested, delta, looks), prose.contrasts_alt(tested), caption)


def _curve(curves: Table | None, confirm: Table, metric: str) -> Table:
    if curves is None or confirm.empty:
        return pd.DataFrame(columns=[*summary.STRATUM, "step", "low", "middle", "high"])
    return summary.curve_quartiles(curves, confirm, metric)


def _exhibit(draw: Callable[[], Figure], alt: str, caption: str) -> Exhibit:
    with style.style():
        return Exhibit(style.svg(draw()), alt, caption)


def _none(reason: str) -> Exhibit:
    return Exhibit("", "", reason)
