"""What the networks did: solve rates, scores, time to solve, learning curves, cost."""

from collections.abc import Mapping

from reports.aggregates import outcomes as summary
from reports.aggregates.outcomes import Table
from reports.exhibits import NO_CONFIRMATION, Exhibit, exhibit, fitting, none, paged
from reports.figures import outcomes as figures
from reports.figures.panels import MANY, SCORE_FLOOR, TALLEST, Scale, series, series_height
from reports.figures.style import Look
from reports.format import percent
from reports.statistics.contrasts import LEVEL
from reports.text import alt_text as alts

INTERVALS = f"{percent(LEVEL)} intervals"
SHARE_SOLVED = Scale("networks that solved it", 0, 1.02)


def solve_rates(rates: Table, looks: Mapping[str, Look]) -> Exhibit:
    """Who solves what, at which lag.

    :param rates: as `summary.solve_rates` gives them.
    """
    if rates.empty:
        return none(NO_CONFIRMATION)
    alt = alts.rates(rates)
    if len(looks) > MANY:
        caption = (
            "Confirmation networks that solve the task, in percent of all; the darker, the more. A column is a lag of a "
            f"task, a row a cell. Counts and Wilson {INTERVALS} are in the data."
        )
        return exhibit(lambda: figures.solve_rates(rates, looks), alt, caption, rates)
    caption = f"Share of confirmation networks that solve the task against its lag, with Wilson {INTERVALS}."
    return paged(rates, int(2 * TALLEST / 2.7), lambda own: figures.solve_rates(own, looks), alt, caption)


def scores(confirm: Table, looks: Mapping[str, Look]) -> Exhibit:
    """How single networks scored.

    :param confirm: the confirmation rows of results.csv.
    """
    if confirm.empty:
        return none(NO_CONFIRMATION)
    caption = (
        "Test score of every confirmation network: 0 is the best trivial predictor, 1 is perfect. Filled: solved by the "
        f"task's own criterion. Scores below {SCORE_FLOOR:g} are drawn there. Outcomes are often all or nothing, which is why "
        "rates and not mean scores decide."
    ).replace("-", "−", 1)
    data = confirm[["task", "lag", "cell", "seed", "score", "solved", "diverged", "hash"]]
    tasks = fitting(confirm, figures.scores_height(looks))
    return paged(confirm, tasks, lambda own: figures.scores(own, looks), alts.scores(confirm), caption, data)


def solving(confirm: Table, looks: Mapping[str, Look]) -> Exhibit:
    """How long solving takes, unsolved networks counted in."""
    stairs = summary.kaplan_meier(confirm)
    if stairs.empty:
        return none(NO_CONFIRMATION)
    caption = (
        "Share of networks that have solved the task by a training step (Kaplan–Meier; those that do not are cut off at "
        f"their budget, not left out), with {INTERVALS}. The earlier and higher a line rises, the better. The median time "
        "to solve is where a line crosses one half."
    )
    drawn = summary.on_grid(stairs) if len(looks) > MANY else stairs
    return paged(
        drawn,
        fitting(drawn, series_height(looks)),
        lambda own: series(own, looks, "training step", SHARE_SOLVED, stairs=True),
        alts.ends("Share of networks that have solved their task", stairs),
        caption,
        stairs,
    )


def learning_curves(curves: Table | None, confirm: Table, looks: Mapping[str, Look]) -> Exhibit:
    """How networks learned.

    :param curves: the table of that name; None where there is none.
    """
    quartiles = summary.curve_quartiles(curves, confirm, "eval/score")
    if quartiles.empty:
        return none("Learning curves need curves.csv with the metric eval/score, which these tables do not have.")
    band = "median, darker where higher; quartiles are in the data" if len(looks) > MANY else "median and quartiles"
    caption = (
        f"Validation score of the confirmation networks while they train: {band}. A network that has solved "
        "its task stops and keeps its last score; one that diverged falls to 0."
    )
    scale = Scale("validation score", min(0.0, max(SCORE_FLOOR, quartiles["low"].min())), 1.02)
    return paged(
        quartiles,
        fitting(quartiles, series_height(looks)),
        lambda own: series(own, looks, "training step", scale),
        alts.ends("Validation score while training", quartiles),
        caption,
    )


def costs(confirm: Table, looks: Mapping[str, Look]) -> Exhibit:
    """What cells cost beside what they reach; every size that was run.

    :param confirm: confirmation rows at all sizes.
    """
    points = summary.prices(confirm)
    if points.empty or not points[["parameters", "flops_per_step", "seconds"]].notna().any().any():
        return none("There is no cost to compare: no confirmation runs with a parameter count or a time above 0.")
    caption = (
        "Cost beside success, for cells that were run on everything: mean solve rate over all tasks and lags, against "
        "the geometric mean of what a network costs. Up and to the left is better. Networks that solve leave early, so "
        "seconds fall with success."
    )
    if points["size"].nunique() > 1:
        caption += " Dotted lines join the sizes of a cell."
    return exhibit(lambda: figures.costs(points, looks), alts.costs(points), caption, points)
