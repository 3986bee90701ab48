"""Tuning: the trials of each search, the importance of hyperparameters, and the expected best of n trials."""

from collections.abc import Mapping
from typing import Any

from reports.aggregates import tuning as aggregates
from reports.aggregates.outcomes import Table
from reports.exhibits import Exhibit, missing, paged, tasks_per_sheet
from reports.figures import tuning as figures
from reports.figures.panels import MANY, SCORE_FLOOR, TALLEST, Scale, series, series_height
from reports.figures.style import CellStyle
from reports.text import alt_text, takeaways


def trials(tune: Table, styles: Mapping[str, CellStyle], hyperparameters: Mapping[str, str]) -> Exhibit:
    """The objective of each trial against its learning rate.

    :param tune: the tuning rows of results.csv.
    :param hyperparameters: name -> scale, as returned by `aggregates.tuning.hyperparameters`.
    """
    has_columns = {"learning_rate", "objective"} <= set(tune.columns)
    rows = tune.dropna(subset=["learning_rate", "objective"]) if has_columns else tune.iloc[:0]
    if rows.empty:
        return missing("These tables contain no tuning runs with a learning rate and an objective.")
    caption = (
        "Objective of every tuning trial against its learning rate, pooled over lags. The objective is the mean "
        "of solved (0 or 1) and the normalised area under the validation score; 1 is best. Filled markers are trials that "
        "solved the task. If the best trials of a cell lie at the edge of the range, the range was too narrow."
    )
    many = len(styles) > MANY
    data = rows[[c for c in ("task", "lag", "cell", "search", "trial", *hyperparameters) if c in rows]].assign(
        objective=rows["objective"], solved=rows["solved"]
    )
    tasks = len(set(rows["task"])) if many else int(TALLEST / 1.7)
    scale = hyperparameters.get("learning_rate", "log")
    alt, takeaway = alt_text.tuning(rows), takeaways.learning_rates(rows)
    return paged(rows, tasks, lambda page: figures.trials(page, styles, scale), alt, caption, data, takeaway)


def importance(tune: Table, styles: Mapping[str, CellStyle], hyperparameters: Mapping[str, str]) -> Exhibit:
    """The share of the objective's variance that each hyperparameter explains.

    :param tune: the tuning rows of results.csv.
    :param hyperparameters: name -> scale, as returned by `aggregates.tuning.hyperparameters`.
    """
    shares = aggregates.importance(tune, hyperparameters) if "objective" in tune else tune.iloc[:0]
    if shares.empty:
        return missing(
            f"No cell has at least {aggregates.FEWEST_TRIALS} tuning trials on one task with objectives that differ, so "
            "the importance of hyperparameters cannot be estimated."
        )
    caption = (
        "Share of the variance of the objective, in percent, that each hyperparameter explains alone: one-way analysis of "
        f"variance over the trials, with numerical hyperparameters in {aggregates.BINS} bins, after subtracting the mean of each lag. A dot "
        "marks a share below the 95th percentile of random permutations. White: the cell does not have the hyperparameter, "
        "or has too few trials. Interactions are not included."
    )
    tasks = 3 * max(1, int(TALLEST / (1.1 + 0.22 * len(styles))))
    alt, takeaway = alt_text.importance(shares), takeaways.importance(shares)
    return paged(shares, tasks, lambda page: figures.importance(page, styles), alt, caption, takeaway=takeaway)


def best_of(tune: Table, styles: Mapping[str, CellStyle], study: Mapping[str, Any]) -> Exhibit:
    """The expected best objective of n random trials."""
    sampler = study.get("definition", {}).get("tune", {}).get("sampler", "random")
    if sampler != "random":
        return missing(
            f"The trials of a {sampler} search are not independent, so the expected best of n trials is not defined."
        )
    curves = aggregates.best_of(tune) if "objective" in tune else tune.iloc[:0]
    if curves.empty or curves["step"].max() < 2:
        return missing("These tables contain no searches of two or more trials with an objective.")
    caption = (
        "Expected best objective of n random trials: the mean over all subsets of n trials of a search, averaged over lags. "
        "The line is the mean over searches, the band is their range. A line that still rises at its end suggests that more "
        "trials would help; a wide band means that the result of a single search depends on chance."
    )
    scale = Scale("best objective", min(0.0, max(SCORE_FLOOR, curves["low"].min())), 1.02)
    return paged(
        curves,
        tasks_per_sheet(curves, series_height(styles)),
        lambda page: series(page, styles, "trials", scale),
        alt_text.ends("Best of n trials", curves),
        caption,
        takeaway=takeaways.best_of(curves),
    )
