"""How the study was run, what is missing from it, and what limits its findings: read from the manifest and the results."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from reports.aggregates.outcomes import Table, parts
from reports.calibration import power
from reports.claims.verdicts import ENOUGH_SEEDS
from reports.format import count, duration, listed, percent, span
from reports.statistics.contrasts import LEVEL
from reports.untrained import NOT_TRAINED, trained

ARM = ["cell", "task", "lag"]
"""Columns that identify an arm, apart from its size."""
UNKNOWN = "not recorded in these tables"
MATCHED = {
    "parameters": "the number of trained parameters",
    "hidden": "the number of hidden units",
    "state": "the size of the state",
}
"""What the cells are matched on, by the study's `match`."""
PHASES = {"tune": "tuning", "rerank": "re-ranking", "confirm": "confirmation"}
ARMS_SHOWN = 8
"""Most arms with missing networks that are named; further ones are only counted."""


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
            "Networks", f"{phases.sum():,}: {phases.get('tune', 0):,} tuning, {phases.get('confirm', 0):,} confirmation"
        ),
        Fact("Budget", _budget(results, train)),
        Fact("Matched on", f"{matched}: {listed(f'{size:,.0f}' for size in sizes)}" if sizes else matched),
        Fact("Search", _search(results, tune)),
        Fact("Seeds", _seeds(results)),
        Fact("Compute", f"{duration(results['seconds'].sum())} of training in total"),
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


def sizes_shown(results: Table) -> str:
    """Which of several sizes the figures show; empty if there is only one."""
    sizes = sorted(results["size"].dropna().unique()) if "size" in results else []
    if len(sizes) < 2:
        return ""
    others = listed(f"{size:,.0f}" for size in sizes[1:])
    return (
        f"Figures and tables show networks of the smallest size, {sizes[0]:,.0f}. Networks of size {others} are used by the "
        "claims that compare sizes, and are shown in the figure of cost and solve rate."
    )


def failures(results: Table, study: Mapping[str, Any], curves: Table | None = None) -> list[str]:
    """Sentences on networks that diverged, failed or are missing, tasks of no known group, and curves without a network."""
    lines = _unmatched(results, curves)
    for (phase,), diverged in parts(results[results["diverged"]], ["phase"]):
        by_cell = [f"{cell} {len(rows)}" for (cell,), rows in parts(diverged, ["cell"])]
        total = int((results["phase"] == phase).sum())
        lines.append(
            f"{len(diverged)} of {total} {PHASES[phase]} networks diverged ({', '.join(by_cell)}). They count as unsolved."
        )
    if not results["diverged"].any():
        lines.append("No network diverged.")
    failed = int((results["status"] == "failed").sum()) if "status" in results else 0
    if failed:
        lines.append(f"{count(failed, 'network')} failed for a reason other than divergence.")
    lines += _untrained(results)
    arms = _planned_arms(study)
    if arms.empty:
        return [*lines, "Missing networks cannot be listed, because there is no study.json that defines the arms."]
    missing = [text for phase in PHASES if (text := _missing(results, arms, phase))]
    return lines + (missing or ["Every network that the study defines is in these tables."])


def _untrained(results: Table) -> list[str]:
    """A sentence on the networks that were not trained because none solved a shorter lag; none if there are none."""
    left_out = results[results["status"] == NOT_TRAINED] if "status" in results else results[:0]
    if left_out.empty:
        return []
    arms = len(left_out.drop_duplicates([*ARM, "size"]))
    return [
        f"{len(left_out):,} networks of {count(arms, 'arm')} count as unsolved without having been trained, by a rule that the "
        "study declares: no network of the same cell, tuned or confirmed, solved the task at the next shorter lag."
    ]


def _planned_arms(study: Mapping[str, Any]) -> Table:
    """The arms of the manifest with the numbers of their networks in each phase; empty if it does not state them."""
    arms = pd.DataFrame(study.get("arms", []))
    if not {*ARM, "tune", "confirm"} <= {*arms}:
        return pd.DataFrame()
    return arms.assign(**{phase: 0 for phase in PHASES if phase not in arms})


def unfinished(results: Table, study: Mapping[str, Any]) -> str:
    """Sentences on the planned arms that are not finished, not trained, not uploaded or failed; empty if there are none."""
    arms = _planned_arms(study)
    planned = networks = missing = incomplete = 0
    if not arms.empty:
        lacking = [_lacking(results, arms, phase) for phase in PHASES]
        planned, networks = len(arms), int(arms[[*PHASES]].sum().sum())
        missing = sum(n for phase in lacking for n in phase.missing.values())
        incomplete = len({arm for phase in lacking for arm in phase.missing})
    failed, queued = study.get("failed", []), study.get("queued", 0)
    parts = []
    if missing:
        parts.append(
            f"{planned - incomplete:,} of {count(planned, 'arm')} (a cell on a task, at a lag and a size) and {networks - missing:,} of "
            f"{count(networks, 'network')} are finished; what is missing is not counted below"
        )
    if missing and (skipped := len(results) - len(trained(results))):
        parts.append(
            f"{skipped:,} of the finished networks were not trained, as no network of the same cell solved a shorter lag of the task: they count as unsolved"
        )
    if queued:
        parts.append(f"{count(queued, 'result')} are trained, but not uploaded to MLflow yet")
    if failed:
        parts.append(f"{count(len(failed), 'arm')} failed: {_some(failed)}")
    return f"{'. '.join(parts)}." if parts else ""


def _some(names: list[str]) -> str:
    """A list of at most ARMS_SHOWN names; further ones are only counted."""
    more = [f"{len(names) - ARMS_SHOWN:,} more"] if len(names) > ARMS_SHOWN else []
    return listed([*names[:ARMS_SHOWN], *more])


def _unmatched(results: Table, curves: Table | None) -> list[str]:
    """Tasks of no known group, and curves of networks that are not in results.csv."""
    lines = []
    tasks = sorted(set(results.loc[results["group"] == "", "task"]))
    if tasks:
        belong, them = ("belong", "them") if len(tasks) > 1 else ("belongs", "it")
        lines.append(f"{listed(tasks)} {belong} to no known group: no claim uses {them}.")
    if curves is not None:
        unknown = len(set(curves["hash"].unique()) - set(results["hash"]))
        if unknown:
            lines.append(f"Curves of {count(unknown, 'network')} that are not in results.csv are left out.")
    return lines


class _Lacking(NamedTuple):
    """The networks of one phase that the study defines and the tables lack."""

    defined: dict[Any, int]
    """By arm: cell, task, lag, and size where the tables have it."""
    missing: dict[Any, int]
    """Likewise, of arms that lack any."""


def _lacking(results: Table, arms: Table, phase: str) -> _Lacking:
    by = [*ARM, "size"] if "size" in arms and "size" in results and results["size"].notna().all() else ARM
    present = results[results["phase"] == phase].groupby(by).size().to_dict()
    defined = arms.groupby(by, sort=False)[phase].sum().to_dict()
    return _Lacking(defined, {arm: n - present.get(arm, 0) for arm, n in defined.items() if present.get(arm, 0) < n})


def _missing(results: Table, arms: Table, phase: str) -> str:
    """A sentence on the arms with fewer networks than the study defines; empty if there are none."""
    defined, missing = _lacking(results, arms, phase)
    if not missing:
        return ""
    several = "size" in arms and len({*arms["size"]}) > 1
    named = [
        f"{cell} on {task} lag {lag:g}{f' at size {size[0]:g}' if size and several else ''} "
        f"({defined[cell, task, lag, *size] - n:,} of {defined[cell, task, lag, *size]:,})"
        for (cell, task, lag, *size), n in missing.items()
    ]
    return (
        f"{sum(missing.values()):,} of {sum(defined.values()):,} {PHASES[phase]} networks are missing, failed or not run, "
        f"in {len(missing):,} of {count(len(defined), 'arm')}: {_some(named)}."
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
        "Every cell had the same ranges and the same number of trials.",
        "Each task demands a single ability. A difference between cells found here need not matter on natural sequences.",
        "Where no network or every network solves a task, equal solve rates do not show that the cells are equal. A cell "
        "therefore keeps up only on tasks on which a cell that is known to fail does fail, and up to lags at which the other fails.",
    ]
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


def _seeds(results: Table) -> str:
    confirm = results[results["phase"] == "confirm"]
    if confirm.empty:
        return "no confirmation runs in these tables"
    counts = confirm.groupby([*ARM, "size"] if "size" in confirm else ARM, dropna=False).size()
    return (
        f"{span(counts.min(), counts.max())} confirmation seeds per cell, task and lag, none of them used in tuning. "
        f"Intervals are {percent(LEVEL)} intervals."
    )


def _range(values: Any) -> str:
    if isinstance(values, Mapping):
        return f"{values.get('low'):g} to {values.get('high'):g}" + (", logarithmic" if values.get("log") else "")
    return ", ".join(str(value) for value in values)


def _pairs(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in sorted(table.items())) or UNKNOWN
