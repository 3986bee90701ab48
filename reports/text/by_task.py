"""One sentence per task, and a table beside them: which cells learn it, which do not, which come near."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from reports.aggregates.outcomes import Table, complete_lags, parts, reference_lags
from reports.format import MISSING, count, listed, number, signed, span
from reports.text.sentences import DEMANDS
from reports.untrained import trained

MOST, FEW = 0.75, 0.25
"""A cell learns a task if at least this share of its networks solves it, and does not if at most this share does."""
NEAR = 0.8
"""A cell comes near: the median score is at least this share of the lowest score of a network that solved the task."""
NAMED = 6
"""Most cells that a part of a sentence names; more are counted, unless it is a single one, and are in the table."""


class Finding(NamedTuple):
    """What the confirmation networks show on one task."""

    task: str
    """The task with the lag: `recall, lag 20`."""
    demand: str
    """What the task demands, with its name and the lag: `Hold a value (recall, lag 20)`."""
    sentence: str
    cells: dict[str, str]
    """By cell: networks solved of all, and the median score where not all solved: `3/20 (0.87)`."""


def findings(confirm: Table, cells: Sequence[str]) -> list[Finding]:
    """Describe each task at one lag: the longest that some cell solves with half of its networks, else the longest of all.

    Only lags at which most cells were confirmed are considered. A task whose lags are in two groups is described once for each.

    :param confirm: confirmation networks, without those of control tasks (`+reset`), in the study's order of tasks.
    :param cells: all cells, in the study's order.
    """
    found = []
    for (task, group), networks in parts(confirm, ["task", "group"]):
        networks = complete_lags(networks)
        lag = reference_lags(networks)[task]
        at_lag = networks[networks["lag"] == lag]
        arms = pd.DataFrame(
            [
                (cell, int(arm["solved"].sum()), len(arm), arm["score"].median(), len(trained(arm)) > 0)
                for cell in cells
                if len(arm := at_lag[at_lag["cell"] == cell])
            ],
            columns=["cell", "solved", "seeds", "score", "trained"],
        )
        solving = at_lag.loc[at_lag["solved"], "score"]
        found.append(
            Finding(
                f"{task}, lag {lag:g}",
                f"{DEMANDS[group].capitalize()} ({task}, lag {lag:g})" if group in DEMANDS else f"{task}, lag {lag:g}",
                _sentence(arms, float(solving.min()) if len(solving) else None),
                {cell: _entry(*counts) for cell, *counts in arms.itertuples(index=False)},
            )
        )
    return found


def rows(found: Sequence[Finding], cells: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The table beside the sentences: each cell with its entry for every task; a dash where it was not run."""
    return [(cell, [finding.cells.get(cell, MISSING) for finding in found]) for cell in cells]


def _sentence(arms: Table, threshold: float | None) -> str:
    """Which cells learn the task, learn it in some runs, come near, miss only the rest of the criterion, do not learn it, or were
    not trained.

    :param arms: cell, solved and seeds (networks), score (median), trained (whether any network was): a row per cell.
    :param threshold: the lowest score of a network that solved the task; None if none did.
    """
    arms, skipped = arms[arms["trained"]], arms[~arms["trained"]]
    rate = arms["solved"] / arms["seeds"]
    learned, failed = arms[rate >= MOST], arms[rate <= FEW]
    between = arms[(rate < MOST) & (rate > FEW)]
    none = failed.iloc[:0]
    # A score that is as good as that of a network that solved the task: the criterion demands more than the score.
    high_score = none if threshold is None else failed[failed["score"] >= threshold]
    near = none if threshold is None else failed[failed["score"].between(NEAR * threshold, threshold, inclusive="left")]
    failed = failed.drop([*near.index, *high_score.index])
    clauses = []
    if len(learned):
        clauses.append(f"{_names(learned)} {_verb(learned)} it, {_solved(learned)}")
    if len(between):
        clauses.append(f"{_names(between)} only in some runs, {_solved(between)}")
    if len(near):
        scores = span(*(float(f"{score:.2f}") for score in (near["score"].min(), near["score"].max())))
        clauses.append(
            f"{_names(near)} {'does' if len(near) == 1 else 'do'} not, but {'comes' if len(near) == 1 else 'come'} near, "
            f"{_solved(near)} (median score {scores}; solved from {number(threshold, 2)})"
        )
    if len(high_score):
        clauses.append(
            f"{_names(high_score)} {'does' if len(high_score) == 1 else 'do'} not, {_solved(high_score)}, although the test score is as high: "
            "the rest of the criterion is not met"
        )
    if len(failed):
        clauses.append(f"{_names(failed)} {'does' if len(failed) == 1 else 'do'} not, {_solved(failed)}")
    if len(skipped):
        one = len(skipped) == 1
        clauses.append(
            f"{_names(skipped)} {'was' if one else 'were'} not trained at this lag, as none of {'its' if one else 'their'} networks "
            "solved the last shorter one that was tried"
        )
    text = "; ".join(clauses)
    return f"{text}." if text else "No network was confirmed."


def _names(arms: Table) -> str:
    names = list(arms["cell"])
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], count(len(names) - NAMED, "other cell")]
    return listed(names)


def _verb(arms: Table) -> str:
    return "learns" if len(arms) == 1 else "learn"


def _solved(arms: Table) -> str:
    """The numbers of networks that solved the task: `6 of 6`, `16 to 20 of 20`."""
    low, high = int(arms["solved"].min()), int(arms["solved"].max())
    seeds = span(arms["seeds"].min(), arms["seeds"].max())
    if low == high == 0:
        return f"none of {seeds} networks" if len(arms) == 1 else f"none of {seeds} networks each"
    solved = f"{low}" if low == high else f"{low} to {high}"
    return f"{solved} of {seeds} networks" if len(arms) == 1 else f"{solved} of {seeds} networks each"


def _entry(solved: int, seeds: int, score: float, was_trained: bool) -> str:
    if not was_trained:
        return "not trained"
    shown = "" if solved == seeds or pd.isna(score) else f" ({signed(score, 2)})"
    return f"{solved}/{seeds}{shown}"
