"""Rules and comparisons that several claims share."""

from __future__ import annotations

from collections.abc import Iterable

from reports.claims import comparisons
from reports.claims.comparisons import named, sensitive, sensitivity
from reports.claims.rules import Rule, better, equivalent, every, not_worse, some, worse
from reports.statistics.comparison import Comparison


def keeps_up(cell: str, tasks: Iterable[str]) -> Rule:
    """The rule that a cell is not worse on any of the tasks, all of which tell cells apart."""
    return every(*(rule for task in tasks for rule in (not_worse(named(cell, task)), better(sensitive(task)))))


def worse_on_some(cell: str, tasks: Iterable[str]) -> Rule:
    return some(*(worse(named(cell, task)) for task in tasks))


COUNTS = ("twice the length", "four times the length")


def equal_everywhere(cell: str) -> tuple[Rule, Rule]:
    """The rules that a cell ties with the lstm on every task, counting included, and that it is worse on one."""
    tasks = comparisons.EVERYWHERE
    ties = [rule for task in tasks for rule in (equivalent(named(cell, task)), better(sensitive(task)))]
    counts = [equivalent(name) for name in COUNTS]
    alternatives = [*(worse(named(cell, task)) for task in tasks), *(worse(name) for name in COUNTS)]
    return every(*ties, *counts, better(sensitive("counting"))), some(*(alternatives))


def everywhere(cell: str) -> tuple[Comparison, ...]:
    return (
        *comparisons.versus([cell], "lstm", comparisons.EVERYWHERE),
        *comparisons.counting(cell, "lstm"),
        *sensitivity(comparisons.EVERYWHERE),
        comparisons.COUNTING_SENSITIVITY,
    )
