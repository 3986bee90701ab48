"""Outcomes of training: solve rates, scores, time to solve, learning curves and costs."""

from collections.abc import Mapping

from reports.aggregates import outcomes
from reports.aggregates.outcomes import Table
from reports.exhibits import INTERVALS, NO_CONFIRMATION, Exhibit, exhibit, missing, paged, tasks_per_sheet
from reports.figures import outcomes as figures
from reports.figures.panels import MANY, SCORE_FLOOR, TALLEST, Scale, series, series_height
from reports.figures.style import CellStyle
from reports.format import listed
from reports.text import alt_text, takeaways

SHARE_SOLVED = Scale("solved", 0, 1.02, percent=True)


def solve_rates(rates: Table, reaches: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """Solve rate of each cell against the lag of each task, with its reach.

    :param rates: as returned by `outcomes.solve_rates`.
    :param reaches: as returned by `reach.reaches`.
    """
    if rates.empty:
        return missing(NO_CONFIRMATION)
    alt, takeaway = alt_text.rates(rates) + alt_text.reaches(reaches), takeaways.reaches(reaches)
    data = rates.merge(
        reaches.rename(columns={"low": "reach_low", "high": "reach_high"}), how="left", on=["task", "cell"]
    )
    if len(styles) > MANY:
        caption = (
            "Solve rate of the confirmation networks, in percent (darker is higher). Columns are the lags of each task, "
            f"rows are cells. The data file lists counts and Wilson {INTERVALS}."
        )
        return exhibit(lambda: figures.solve_rates(rates, reaches, styles), alt, caption, data, takeaway)
    caption = f"Share of confirmation networks that solve the task, with Wilson {INTERVALS}"
    if len(reaches):
        caption += (
            ", against its lag. Below: the reach of each cell, the lag at which half of its networks solve the task, with the "
            f"{INTERVALS.removesuffix('s')} over searches; an arrow where the lags do not contain it"
        )
    per_sheet = int(2 * TALLEST / (2.7 + figures.REACH_ROW * len(styles)))
    return paged(
        rates,
        max(per_sheet, 1),
        lambda rows: figures.solve_rates(rows, reaches, styles),
        alt,
        f"{caption}.",
        data,
        takeaway,
    )


def scores(confirm: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """Test score of every confirmation network.

    :param confirm: the confirmation rows of results.csv.
    """
    if confirm.empty:
        return missing(NO_CONFIRMATION)
    floor = f"{SCORE_FLOOR:g}".replace("-", "−")
    caption = (
        "Test score of every confirmation network: 0 is the best trivial predictor, 1 is perfect. Filled markers are "
        f"networks that met the task's criterion. Scores below {floor} are drawn at {floor}. The distribution is often "
        "bimodal (solved or not), so conclusions rest on solve rates rather than on mean scores."
    )
    data = confirm[["task", "lag", "cell", "seed", "score", "solved", "diverged", "hash"]]
    tasks = tasks_per_sheet(confirm, figures.scores_height(styles))
    alt, takeaway = alt_text.scores(confirm), takeaways.scores(confirm)
    return paged(confirm, tasks, lambda rows: figures.scores(rows, styles), alt, caption, data, takeaway)


def solving(confirm: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """Kaplan-Meier curves of the time to solve.

    :param confirm: the confirmation rows of results.csv.
    """
    curves = outcomes.time_to_solve(confirm)
    if curves.empty:
        return missing(NO_CONFIRMATION)
    caption = (
        "Share of networks that have solved the task by a training step (Kaplan–Meier; networks that did not solve it are "
        "censored at their budget). Higher and further left is better. The median time to solve is where a curve crosses one half"
    )
    if len(styles) > MANY:
        caption += f". The data file lists {INTERVALS}."
    else:
        caption += (
            f"; the bar there is its {INTERVALS.removesuffix('s')}. The data file lists the intervals of the shares."
        )
    table = outcomes.on_grid(curves) if len(styles) > MANY else curves
    return paged(
        table,
        tasks_per_sheet(table, series_height(styles)),
        lambda rows: series(rows, styles, "training step", SHARE_SOLVED, stairs=True),
        alt_text.ends("Share of networks that have solved their task", curves),
        caption,
        curves,
        takeaways.solving(outcomes.arms(confirm)),
    )


def learning_curves(curves: Table | None, confirm: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """Validation score during training.

    :param curves: curves.csv; None if there is none.
    :param confirm: the confirmation rows of results.csv.
    """
    quartiles = outcomes.curve_quartiles(curves, confirm, "eval/score")
    if quartiles.empty:
        return missing("Learning curves need curves.csv with the metric eval/score, which these tables do not have.")
    shown = "median, darker is higher; the data file lists quartiles" if len(styles) > MANY else "median and quartiles"
    caption = (
        f"Validation score of the confirmation networks during training: {shown}. A network that has solved its task stops "
        "training and keeps its last score; after divergence the score counts as 0."
    )
    scale = Scale("validation score", min(0.0, max(SCORE_FLOOR, quartiles["low"].min())), 1.02)
    return paged(
        quartiles,
        tasks_per_sheet(quartiles, series_height(styles)),
        lambda rows: series(rows, styles, "training step", scale),
        alt_text.ends("Validation score while training", quartiles),
        caption,
        takeaway=takeaways.rising(quartiles),
    )


def costs(confirm: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """Solve rate of each cell and size against its costs.

    :param confirm: confirmation rows at all sizes.
    """
    points = outcomes.costs_by_size(confirm)
    if points.empty or not points[list(figures.COSTS)].notna().any().any():
        return missing("These tables contain no confirmation runs with a parameter count or a training time above 0.")
    shown = figures.costs_that_differ(points)
    if not shown:
        return missing("All cells have the same costs, so their solve rates are not drawn against them.")
    caption = (
        "Cost against success: mean solve rate over the tasks and lags that most cells have, for the cells that have all of these, "
        "against the cost of a network (the geometric mean, over these, of the median network's). Up and to the left is better. Networks stop training once "
        "they have solved their task, so seconds decrease as the solve rate increases."
    )
    equal = [name for cost, name in figures.COSTS.items() if cost not in shown and points[cost].notna().any()]
    if equal:
        caption += f" Not shown, because it is the same for all of these cells within 10 %: {listed(equal)}."
    if points["size"].nunique() > 1:
        caption += " Dotted lines connect the sizes of a cell."
    takeaway = takeaways.costs(points)
    return exhibit(lambda: figures.costs(points, styles), alt_text.costs(points), caption, points, takeaway)
