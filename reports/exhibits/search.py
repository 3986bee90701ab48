"""What tuning found."""

from collections.abc import Mapping
from typing import Any

from reports.aggregates import tuning as search
from reports.aggregates.outcomes import Table
from reports.exhibits import Exhibit, fitting, none, paged
from reports.figures import search as figures
from reports.figures.panels import MANY, SCORE_FLOOR, TALLEST, Scale, series, series_height
from reports.figures.style import Look
from reports.text import alt_text as alts


def tuning(tune: Table, looks: Mapping[str, Look]) -> Exhibit:
    """What each trial reached.

    :param tune: the tuning rows of results.csv.
    """
    known = {"learning_rate", "objective"} <= set(tune.columns)
    rows = tune.dropna(subset=["learning_rate", "objective"]) if known else tune.iloc[:0]
    if rows.empty:
        return none("No tuning runs with a learning rate and an objective in these tables.")
    caption = (
        "Every trial of the search: what it reached (whether it solved, and the area under its validation score: 1 is best) "
        "against its learning rate, all lags together. Filled: solved. A cell whose good trials sit at the edge was not searched widely enough."
    )
    many = len(looks) > MANY
    data = rows[[c for c in ("task", "lag", "cell", "search", "trial", *search.SETTINGS) if c in rows]].assign(
        objective=rows["objective"], solved=rows["solved"]
    )
    alt, per = alts.tuning(rows), len(set(rows["task"])) if many else int(TALLEST / 1.7)
    return paged(rows, per, lambda own: figures.tuning(own, looks), alt, caption, data)


def importance(tune: Table, looks: Mapping[str, Look]) -> Exhibit:
    """Which hyperparameters mattered."""
    shares = search.importance(tune) if "objective" in tune else tune.iloc[:0]
    if shares.empty:
        return none(
            f"No cell has {search.FEWEST} tuning trials with an objective that varies on one task: what each "
            "hyperparameter is worth cannot be told."
        )
    caption = (
        "Share of the variance of the objective, in percent, that goes with each hyperparameter alone: one-way analysis of "
        "variance over the trials, numbers cut into four bins, the mean of each lag taken off. A dot: less than what 95 % "
        "of random pairings reach. White: the cell does not have it, or too few trials. Interactions are in no share."
    )
    per = 3 * max(1, int(TALLEST / (1.1 + 0.22 * len(looks))))
    return paged(shares, per, lambda own: figures.importance(own, looks), alts.importance(shares), caption)


def best_of(tune: Table, looks: Mapping[str, Look], study: Mapping[str, Any]) -> Exhibit:
    """How much more trials would help."""
    sampler = study.get("definition", {}).get("tune", {}).get("sampler", "random")
    if sampler != "random":
        return none(
            f"The trials of a {sampler} search build on each other, so there is no best of n of them to expect."
        )
    lines = search.best_of(tune) if "objective" in tune else tune.iloc[:0]
    if lines.empty or lines["step"].max() < 2:
        return none("There are no searches of two or more trials with an objective in these tables.")
    caption = (
        "What the best of n random trials reaches: the mean over all choices of n of a search's trials, averaged over lags; "
        "the line is the mean over searches, the band spans them. A line that still rises at its end asks for more trials, a "
        "wide band says that one search is luck."
    )
    scale = Scale("best objective", min(0.0, max(SCORE_FLOOR, lines["low"].min())), 1.02)
    return paged(
        lines,
        fitting(lines, series_height(looks)),
        lambda own: series(own, looks, "trials", scale),
        alts.ends("Best of n trials", lines),
        caption,
    )
