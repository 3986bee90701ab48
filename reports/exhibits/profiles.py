"""Aggregates over tasks and lags: performance profiles, the probability of improvement, and speed against reliability."""

from collections.abc import Mapping

from reports.aggregates import profiles as aggregates
from reports.aggregates.outcomes import Table
from reports.exhibits import INTERVALS, NO_CONFIRMATION, Exhibit, missing, paged, tasks_per_sheet
from reports.figures import profiles as figures
from reports.figures.panels import MANY, TALLEST, Scale, series, series_height
from reports.figures.style import CellStyle
from reports.text import alt_text, takeaways
from reports.text.sentences import group_name

REFERENCE = "lstm"
BOOTSTRAP = f"{INTERVALS} by a stratified bootstrap that draws the searches of each task and lag again"


def profile(confirm: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The share of networks above each score.

    :param confirm: the confirmation rows of results.csv without controls.
    """
    found = aggregates.profiles(confirm)
    if found.empty:
        return missing(NO_CONFIRMATION)
    named = found.assign(task=found["group"].map(group_name), lag=float("nan"))
    caption = (
        "Performance profile (Agarwal et al. 2021): share of confirmation networks whose test score is above a threshold, "
        "averaged over the tasks and lags of each group that most cells have. Higher is better; a steep fall near 1 means networks that almost "
        f"solve their task. {'The data file lists' if len(styles) > MANY else 'Bands:'} {BOOTSTRAP}."
    )
    return paged(
        named,
        tasks_per_sheet(named, series_height(styles)),
        lambda rows: series(rows, styles, "test score above", Scale("networks", 0, 1.02, percent=True)),
        alt_text.profiles(named),
        caption,
        found,
        takeaways.profiles(named),
    )


def improvement(confirm: Table, styles: Mapping[str, CellStyle]) -> Exhibit:
    """The probability that each cell is better than the LSTM.

    :param confirm: the confirmation rows of results.csv without controls.
    """
    found = aggregates.improvements(confirm, REFERENCE)
    if found.empty:
        return missing(f"These tables do not have {REFERENCE} and another cell on the same task and lag.")
    named = found.assign(task=found["group"].map(group_name))
    caption = (
        f"Probability of improvement (Agarwal et al. 2021): how often a network of the cell has a higher test score than one of "
        f"{REFERENCE} on the same task and lag, averaged over the tasks and lags of each group. A tie counts one half, and two networks "
        f"that solved the task are a tie, since training stopped then. At 50 % neither is better. {BOOTSTRAP[0].upper()}{BOOTSTRAP[1:]}."
    )
    per_sheet = 3 * max(1, int(TALLEST / figures.improvements_height(styles)))
    alt, takeaway = alt_text.improvements(named, REFERENCE), takeaways.improvements(found, REFERENCE)
    return paged(named, per_sheet, lambda rows: figures.improvements(rows, styles), alt, caption, found, takeaway)


def speed(confirm: Table, tune: Table, lags: Mapping[str, float], styles: Mapping[str, CellStyle]) -> Exhibit:
    """How reliably and how fast each cell solves each task.

    :param tune: the tuning rows of results.csv.
    :param lags: the lag of each task.
    """
    found = aggregates.speeds(confirm, tune, lags)
    found = found[found["cell"].isin(confirm["cell"])]
    if found.empty:
        return missing(NO_CONFIRMATION)
    budgets = confirm.groupby("task")["steps_to_solve"].max()
    caption = (
        "Reliability and speed: share of networks that solve the task, against the median number of training steps of those "
        "that did (at the right end where none did). Filled: confirmation networks, with the chosen hyperparameters; empty: "
        "tuning trials, with random ones. Up and to the left is better; a long line means that success depends on tuning. Each "
        "task is shown at the longest lag that some cell solves in at least half of its runs."
    )
    per_sheet = 2 * max(1, int(TALLEST / figures.speeds_height(styles)))
    with_budgets = found.assign(budget=found["task"].map(budgets))
    alt, takeaway = alt_text.speeds(found), takeaways.speeds(found)
    return paged(with_budgets, per_sheet, lambda rows: figures.speeds(rows, styles), alt, caption, found, takeaway)
