"""How the study was run, what it cannot say, and where its runs are: read off the manifest, with notes where it is silent."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from reports.aggregates.outcomes import Table, parts
from reports.calibration import power
from reports.format import count, duration, listed, percent, span
from reports.statistics.contrasts import LEVEL
from reports.text.sentences import ENOUGH_SEEDS

ARM = ["cell", "task", "lag"]
UNKNOWN = "not recorded in these tables"
MATCHED = {
    "parameters": "the number of trained parameters",
    "hidden": "the number of hidden units",
    "state": "the size of the state",
}


PHASES = {"tune": "tuning", "confirm": "confirmation"}
ARMS_TOLD = 8
"""How many arms with missing networks are named one by one."""


class Fact(NamedTuple):
    """One line of the methods."""

    term: str
    text: str


def facts(results: Table, study: Mapping[str, Any]) -> list[Fact]:
    """Budget, search, seeds, matching, versions, hardware, commit."""
    definition = study.get("definition", {})
    train, tune = definition.get("train", {}), definition.get("tune", {})
    matched = MATCHED.get(definition.get("match", ""), f"what is {UNKNOWN}")
    sizes = sorted(results["size"].dropna().unique()) if "size" in results else []
    phases = results["phase"].value_counts()
    lines = [
        Fact(
            "Networks", f"{len(results):,}: {phases.get('tune', 0):,} tuning, {phases.get('confirm', 0):,} confirmation"
        ),
        Fact("Budget", _budget(results, train)),
        Fact("Held equal", f"{matched}: {listed(f'{size:,.0f}' for size in sizes)}" if sizes else matched),
        Fact("Search", _search(results, tune)),
        Fact("Seeds", _seeds(results)),
        Fact("Compute", f"{duration(results['seconds'].sum())} of training in all"),
        Fact("Hardware", _pairs(study.get("hardware", {}))),
        Fact("Versions", _pairs(study.get("versions", {}))),
        Fact("Commit", study.get("commit") or UNKNOWN),
    ]
    if "engine" in results:
        lines.insert(6, Fact("Engine", listed(engine for engine in results["engine"] if engine) or UNKNOWN))
    return lines


def search_space(study: Mapping[str, Any]) -> list[Fact]:
    """The ranges that every cell was searched over."""
    space = study.get("definition", {}).get("tune", {}).get("space", {})
    return [Fact(name, _range(values)) for name, values in space.items()]


def sizes_shown(results: Table) -> str:
    """Which of several sizes the figures show; empty where there is one."""
    sizes = sorted(results["size"].dropna().unique()) if "size" in results else []
    if len(sizes) < 2:
        return ""
    others = listed(f"{size:,.0f}" for size in sizes[1:])
    return (
        f"Figures and tables show networks of the smallest size, {sizes[0]:,.0f}. Those of {others} count where a claim "
        "asks for them, and stand in the figure of cost beside success."
    )


def failures(results: Table, study: Mapping[str, Any], curves: Table | None = None) -> list[str]:
    """What diverged, what failed, and what the study defines that is not in the table."""
    lines = _strays(results, curves)
    for (phase,), own in parts(results[results["diverged"]], ["phase"]):
        by_cell = [f"{cell} {len(rows)}" for (cell,), rows in parts(own, ["cell"])]
        total = int((results["phase"] == phase).sum())
        lines.append(
            f"{len(own)} of {total} {PHASES[phase]} networks diverged ({', '.join(by_cell)}). They count as unsolved."
        )
    if not results["diverged"].any():
        lines.append("No network diverged.")
    failed = int((results["status"] == "failed").sum()) if "status" in results else 0
    if failed:
        lines.append(f"{count(failed, 'network')} failed for another reason than divergence.")
    arms = pd.DataFrame(study.get("arms", []))
    if arms.empty or not {*ARM, *PHASES} <= {*arms}:
        return [*lines, "Without the arms of a study.json it is not known which networks are missing."]
    missing = [text for phase in PHASES if (text := _missing(results, arms, phase))]
    return lines + (missing or ["Every network that the study defines is in these tables."])


def _strays(results: Table, curves: Table | None) -> list[str]:
    """What the tables hold that the report cannot place."""
    lines = []
    nowhere = sorted(set(results.loc[results["group"] == "", "task"]))
    if nowhere:
        are = "are of no known group" if len(nowhere) > 1 else "is of no known group"
        lines.append(f"{listed(nowhere)} {are}: no claim counts {'them' if len(nowhere) > 1 else 'it'}.")
    if curves is not None:
        strange = len(set(curves["hash"].unique()) - set(results["hash"]))
        if strange:
            lines.append(f"Curves of {count(strange, 'network')} that are not in results.csv are left out.")
    return lines


def _missing(results: Table, arms: Table, phase: str) -> str:
    """The arms with fewer networks than defined; empty where there are none."""
    by = [*ARM, "size"] if "size" in arms and "size" in results and results["size"].notna().all() else ARM
    present = results[results["phase"] == phase].groupby(by).size().to_dict()
    defined = arms.groupby(by, sort=False)[phase].sum().to_dict()
    short = {arm: present.get(arm, 0) for arm, n in defined.items() if present.get(arm, 0) < n}
    if not short:
        return ""
    several = "size" in by and len({*arms["size"]}) > 1
    told = [
        f"{cell} on {task} lag {lag:g}{f' at size {size[0]:g}' if several else ''} ({n:,} of {defined[cell, task, lag, *size]:,})"
        for (cell, task, lag, *size), n in list(short.items())[:ARMS_TOLD]
    ]
    if len(short) > ARMS_TOLD:
        told.append(f"{len(short) - ARMS_TOLD:,} more")
    lost = sum(defined[arm] - n for arm, n in short.items())
    return (
        f"{lost:,} of {sum(defined.values()):,} {PHASES[phase]} networks are missing, failed or not run, "
        f"in {len(short):,} of {count(len(defined), 'arm')}: {listed(told)}."
    )


def threats(results: Table, study: Mapping[str, Any], seeds: int) -> list[str]:
    """What may make the findings wrong, or true only here."""
    train = study.get("definition", {}).get("train", {})
    steps, batch, patience = train.get("steps"), train.get("batch"), train.get("patience")
    lines = [
        power.sentence(),
        f"“Unsolved” is a budget{f' of {steps:,} steps' if steps else ''}: with more, a network might have solved its task.",
        f"A network leaves as solved when {patience or 'some'} validations in a row and then the test set agree: one at the "
        "border may ask the test set more than once.",
        f"Batches{f' of {batch}' if batch else ''} with Adam are not the online gradient descent of the original papers. "
        "Published numbers stand beside these as a direction, not as a target.",
        "Small searches: a cell that needs a rare setting looks worse than it is. Every cell had the same ranges and the "
        "same number of trials.",
        "Each task is made to demand one thing. What separates cells here need not matter on natural sequences.",
        "Where nobody or everybody solves a task, equal rates say nothing about the cells.",
    ]
    if seeds < ENOUGH_SEEDS:
        lines.insert(
            0,
            f"{count(seeds, 'confirmation seed')} cannot separate cells that differ by less than about half of the runs.",
        )
    if "search" not in results or len(results["search"].dropna().unique()) < 2:
        lines.append("Only one search per cell: its luck cannot be told from the cell's merit.")
    if "size" in results and len(results["size"].dropna().unique()) == 1:
        lines.append("One size of network: larger ones may order differently.")
    return lines


def examples(confirm: Table) -> Table:
    """For each cell and task the confirmation network of median score at the longest lag: cell, task, lag, score, hash."""
    rows = []
    for _, own in parts(confirm, ["task", "cell"]):
        longest = own[own["lag"] == own["lag"].max()].sort_values(["score", "hash"])
        rows.append(longest.iloc[[(len(longest) - 1) // 2]])
    return pd.concat(rows)[["cell", "task", "lag", "score", "hash"]] if rows else confirm


def _budget(results: Table, train: Mapping[str, Any]) -> str:
    if not train:
        steps = results["steps"].dropna().unique() if "steps" in results else []
        return f"{listed(f'{step:,.0f}' for step in sorted(steps))} steps" if len(steps) else UNKNOWN
    words = {
        "steps": "{:,} gradient steps",
        "batch": "{:,} sequences a step",
        "eval_every": "validated every {:,} steps",
        "patience": "solved when {:,} validations in a row and then the test set agree",
        "test": "{:,} test sequences",
    }
    return ", ".join(text.format(train[key]) for key, text in words.items() if key in train)


def _search(results: Table, tune: Mapping[str, Any]) -> str:
    if not (results["phase"] == "tune").any():
        return "no tuning runs in these tables"
    if not tune:
        return UNKNOWN
    searches, trials, sampler = tune.get("searches", 1), tune.get("trials"), tune.get("sampler", "random")
    return (
        f"{searches} independent {sampler} searches of {trials} trials per cell, task and lag; the same for every cell"
    )


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
