"""How the study was run, and what limits its findings: read from the manifest and the results."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reports.aggregates.outcomes import Table, parts, pick
from reports.calibration import power
from reports.claims.verdicts import ENOUGH_SEEDS
from reports.format import count, duration, listed, percent, span
from reports.page.incomplete import ARM, PHASES, some
from reports.statistics.contrasts import LEVEL
from reports.untrained import trained

EDGE, OFTEN = 0.1, 0.25
"""The part of a range that is near an end of it, and the share of chosen values there that is reported."""
UNKNOWN = "not recorded in these tables"
CHRONO = " (chrono: drawn so that the time constants of a gate reach up to the lag, Tallec & Ollivier 2018)"
MATCHED = {
    "parameters": "the number of trained parameters",
    "hidden": "the number of hidden units",
    "state": "the size of the state",
}
"""What the cells are matched on, by the study's `match`."""


class Fact(NamedTuple):
    """A term and its description, one line of the methods."""

    term: str
    text: str


def facts(results: Table, study: Mapping[str, Any]) -> list[Fact]:
    """The lines of the methods: networks, budget, matching, search, seeds, compute, engine, hardware, versions, commit."""
    definition = study.get("definition", {})
    train, tune = definition.get("train", {}), definition.get("tune", {})
    matched = MATCHED.get(definition.get("match", ""), UNKNOWN)
    sizes = sorted(results["size"].dropna().unique()) if "size" in results else []
    phases = trained(results)["phase"].value_counts()
    lines = [
        Fact(
            "Networks",
            f"{phases.sum():,}: " + listed(f"{phases[key]:,} {PHASES[key]}" for key in PHASES if key in phases),
        ),
        Fact("Budget", _budget(results, train)),
        Fact("Matched on", f"{matched}: {listed(f'{size:,.0f}' for size in sizes)}" if sizes else matched),
        Fact("Search", _search(results, tune)),
        Fact("Seeds", _seeds(results)),
        Fact("Compute", _compute(results)),
        Fact("Hardware", _pairs(study.get("hardware", {}))),
        Fact("Versions", _pairs(study.get("versions", {}))),
        Fact("Commit", study.get("commit") or UNKNOWN),
    ]
    if "engine" in results:
        lines.insert(6, Fact("Engine", listed(engine for engine in results["engine"] if engine) or UNKNOWN))
    return lines


def search_space(study: Mapping[str, Any]) -> list[Fact]:
    """The search space, the same for every cell: hyperparameters with their ranges."""
    space = study.get("definition", {}).get("tune", {}).get("space", {})
    return [Fact(name, _range(values)) for name, values in space.items()]


def sizes_shown(results: Table, study: Mapping[str, Any]) -> str:
    """Which of several sizes the figures show; empty if there is only one."""
    sizes = sorted(results["size"].dropna().unique()) if "size" in results else []
    if len(sizes) < 2:
        return ""
    others = listed(f"{size:,.0f}" for size in sizes[1:])
    unit = " parameters" if study.get("definition", {}).get("match") == "parameters" else ""
    return (
        f"Figures and tables show networks of the smallest size, {sizes[0]:,.0f}{unit}. Networks of size {others} are used by the "
        "claims that compare sizes, and are in the figure of cost and solve rate if they have its tasks and lags."
    )


def threats(results: Table, study: Mapping[str, Any], seeds: int) -> list[str]:
    """One sentence or two for each threat to the validity of the findings."""
    train = study.get("definition", {}).get("train", {})
    steps, batch, patience = train.get("steps"), train.get("batch"), train.get("patience")
    lines = [
        power.sentence(),
        f"“Unsolved” means not solved within the budget{f' of {steps:,} steps' if steps else ''}: a network might have solved "
        "its task with more steps.",
        f"A network stops as solved when {f'{patience} validations' if patience else 'several validations'} in a row, the test "
        "set and a second test set that is new every time meet the criterion. One close to it may try more than once.",
        f"Training uses Adam on batches{f' of {batch}' if batch else ''}, not the online gradient descent of the original "
        "papers, so published results can be compared in direction only, not in size.",
        "The searches are small: a cell that works only in a narrow range of hyperparameters appears worse than it is. "
        "Every cell had the same number of trials and the same range of each hyperparameter that it has; cells without gates have no biases of gates.",
        "Each task demands a single ability. A difference between cells found here need not matter on natural sequences.",
        "Where no network or every network solves a task, equal solve rates do not show that the cells are equal. A claim that a cell "
        "keeps up therefore demands tasks on which a cell that is known to fail does fail, and lags at which the other fails, unless its rule "
        "says otherwise (“as far as lags were tried”, or solve rates at short lags).",
    ]
    lines += _at_the_edge(results, study)
    if seeds < ENOUGH_SEEDS:
        lines.insert(
            0,
            f"{count(seeds, 'confirmation seed')} cannot separate cells whose solve rates differ by less than about 50 points.",
        )
    if "search" not in results or len(results["search"].dropna().unique()) < 2:
        lines.append(
            "There is only one search per cell: the variance between searches cannot be separated from the effect of the cell."
        )
    if "size" in results and len(results["size"].dropna().unique()) == 1:
        lines.append("All networks have one size: the ranking of the cells may differ at other sizes.")
    return lines


def _at_the_edge(results: Table, study: Mapping[str, Any]) -> list[str]:
    """A sentence on each range of the search in which many chosen values lie at an end: a wider one might have better values."""
    chosen = trained(pick(results, phase="confirm")).drop_duplicates([*ARM, "search"] if "search" in results else ARM)
    lines = []
    for name, values in study.get("definition", {}).get("tune", {}).get("space", {}).items():
        if name not in chosen or not isinstance(values, Mapping):
            continue
        low, high, value = values["low"], values["high"], chosen[name]
        if values.get("log"):
            low, high, value = np.log(low), np.log(high), np.log(value)
        place = (value - low) / (high - low)
        at_end = ((place < EDGE) | (place > 1 - EDGE)).groupby(chosen["cell"], sort=False).mean()
        many = at_end[at_end >= OFTEN].sort_values(ascending=False)
        if len(many):
            cells = some([f"{cell} {percent(share)}" for cell, share in many.items()])
            lines.append(
                f"Of some cells many of the chosen trials have a {name.replace('_', ' ')} within a tenth of an end of its range ({cells}): they "
                "might be better with a wider range."
            )
    return lines


def examples(confirm: Table) -> Table:
    """For each cell and task the confirmation network of median score at the longest lag.

    :returns: cell, task, lag, score, hash.
    """
    rows = []
    for _, networks in parts(confirm, ["task", "cell"]):
        longest = networks[networks["lag"] == networks["lag"].max()].sort_values(["score", "hash"])
        rows.append(longest.iloc[[(len(longest) - 1) // 2]])
    return pd.concat(rows)[["cell", "task", "lag", "score", "hash"]] if rows else confirm


def _budget(results: Table, train: Mapping[str, Any]) -> str:
    if not train:
        steps = results["steps"].dropna().unique() if "steps" in results else []
        return f"{listed(f'{step:,.0f}' for step in sorted(steps))} steps" if len(steps) else UNKNOWN
    templates = {
        "steps": "{:,} gradient steps",
        "batch": "{:,} sequences per step",
        "eval_every": "validated every {:,} steps",
        "patience": "solved when {:,} validations in a row and then two test sets meet the criterion, the second of them never used before",
        "test": "{:,} test sequences",
    }
    return ", ".join(text.format(train[key]) for key, text in templates.items() if key in train)


def _search(results: Table, tune: Mapping[str, Any]) -> str:
    if not (results["phase"] == "tune").any():
        return "no tuning runs in these tables"
    if not tune:
        return UNKNOWN
    searches, trials, sampler = tune.get("searches", 1), tune.get("trials"), tune.get("sampler", "random")
    again = min(tune.get("rerank", 0), trials or 0)
    reranked = (
        f", the best {again} of each trained on {count(tune.get('rerank_seeds', 1), 'more seed')} before one was chosen by the "
        "share of networks that solved the task, then by speed"
        if again
        else ""
    )
    return f"{searches} independent {sampler} searches of {trials} trials per cell, task and lag{reranked}; the same for every cell"


def _compute(results: Table) -> str:
    """The time of all training, and networks per hour: a worker trains several at a time, each is given its share."""
    seconds = float(results["seconds"].sum())
    per_hour = f", {3600 * len(trained(results)) / seconds:,.0f} networks per hour of a worker" if seconds else ""
    return f"{duration(seconds)} of training in total{per_hour}"


def _seeds(results: Table) -> str:
    confirm = results[results["phase"] == "confirm"]
    if confirm.empty:
        return "no confirmation runs in these tables"
    counts = confirm.groupby([*ARM, "size"] if "size" in confirm else ARM, dropna=False).size()
    return (
        f"{span(counts.min(), counts.max())} confirmation seeds per cell, task and lag, none of them used in tuning. "
        f"Intervals are {percent(LEVEL)} intervals: of the solve rate of one cell those of Wilson, of comparisons those of t over the means of "
        "the searches, whose variance is at least that of the networks."
    )


def _range(values: Any) -> str:
    if isinstance(values, Mapping):
        return f"{values.get('low'):g} to {values.get('high'):g}" + (", logarithmic" if values.get("log") else "")
    return ", ".join(str(value) for value in values) + (CHRONO if "chrono" in values else "")


def _pairs(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in sorted(table.items())) or UNKNOWN
