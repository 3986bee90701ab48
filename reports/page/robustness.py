"""Whether findings survive: with searches of twice as many trials, and in studies that differ from this one in one thing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reports.aggregates.outcomes import Table
from reports.claims import Verdict, decide
from reports.claims.comparisons import named, on
from reports.claims.merged import merged_pairs
from reports.format import amount, confidence_limits, count
from reports.statistics.comparison import Comparison
from reports.statistics.contrasts import Evidence, evidence, measure, outcome
from reports.tables import Tables

ALPHA = 0.05
REFERENCE = "lstm"


class Robustness(NamedTuple):
    """The comparisons of this study and of others beside each other."""

    studies: list[tuple[str, str]]
    """Name and question of each study; the first is this one."""
    summaries: list[str]
    """For each other study, how many comparisons that are worse here are worse there, and which have another outcome."""
    rows: list[tuple[str, list[str]]]
    """What is compared, and the finding of each study."""


def merged_verdicts(results: Table, verdicts: Sequence[Verdict]) -> dict[int, str]:
    """Return the verdict of each tested claim with searches merged in pairs; empty if the table has no searches to merge."""
    merged = merged_pairs(results)
    if merged is None or merged["search"].nunique() < 2:
        return {}
    tested = {verdict.id for verdict in verdicts if verdict.verdict != "not_tested"}
    return {verdict.id: verdict.verdict.replace("_", " ") for verdict in decide(merged) if verdict.id in tested}


def compared(tables: Tables, others: Mapping[str, Tables]) -> Robustness | None:
    """Compare the reach of every cell with that of the LSTM, in this study and in others; None if there are no others.

    At a level of 5 % each, with no correction: this decides nothing.
    """
    if not others:
        return None
    name = str(tables.study.get("study", "this study"))
    every = {name: tables} | dict(others)
    found = {study: evidence(one.results) for study, one in every.items()}
    pairs = [{(cell, stratum.task) for cell, stratum in one.confirmed} for one in found.values()]
    known = sorted({pair for one in pairs[1:] for pair in one if pair[0] != REFERENCE}, key=lambda pair: pair[::-1])
    findings = {
        f"{cell} / {REFERENCE} on {task}": [_finding(cell, task, one) for one in found.values()] for cell, task in known
    }
    outcomes = {study: {label: row[i].outcome for label, row in findings.items()} for i, study in enumerate(every)}
    return Robustness(
        [(study, question(one.study)) for study, one in every.items()],
        [_summary(study, outcomes[name], outcomes[study]) for study in others],
        [(label, [finding.text for finding in row]) for label, row in findings.items()],
    )


class Finding(NamedTuple):
    """A comparison in one study; without an outcome if the study does not have it."""

    text: str
    outcome: str | None


def _summary(study: str, here: Mapping[str, str | None], there: Mapping[str, str | None]) -> str:
    """How outcomes differ between this study and another, of the comparisons that both have."""
    both = [label for label in here if here[label] and there[label]]
    worse = [label for label in both if here[label] == "worse"]
    kept = sum(there[label] == "worse" for label in worse)
    changed = [
        f"{label} ({here[label]} here, {there[label]} there)"
        for label in both
        if here[label] != there[label] and {here[label], there[label]} & {"worse", "better"}
    ]
    text = f"{study}: of {count(len(worse), 'comparison')} in which a cell is worse here, it is worse there in {kept}."
    return f"{text} Other outcomes: {'; '.join(changed)}." if changed else text


def question(study: Mapping[str, Any]) -> str:
    """The question of a study, without the backquotes of its file; empty if it has none."""
    return str(study.get("definition", {}).get("description", "")).replace("`", "")


def _finding(cell: str, task: str, evidence: Evidence) -> Finding:
    """The factor of the reach with its interval, and the outcome; a dash if the study does not have it."""
    measurement = measure(Comparison(named(cell, task), cell, REFERENCE, on(task)), evidence)
    estimate = measurement.estimate
    if estimate is None or estimate.natural is None:
        return Finding("–", None)
    effect, limits = math.exp(estimate.effect), confidence_limits(estimate.natural.low, estimate.natural.high, "×")
    found = outcome(measurement, ALPHA)
    return Finding(f"{amount(effect, '×')} ({limits}), {found}", found)
