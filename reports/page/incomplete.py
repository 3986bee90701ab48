"""What a study lacks: networks that are not finished, not trained, diverged, failed or unknown."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from reports.aggregates.outcomes import Table, parts
from reports.format import count, listed
from reports.statistics.arms import NOT_TRAINED
from reports.untrained import trained

ARM = ["cell", "task", "lag"]
"""Columns that identify an arm, apart from its size."""
PHASES = {"tune": "tuning", "rerank": "re-ranking", "confirm": "confirmation"}
ARMS_SHOWN = 8
"""Most arms with missing networks that are named; further ones are only counted."""


def failures(results: Table, study: Mapping[str, Any], curves: Table | None = None) -> list[str]:
    """Sentences on networks that diverged, failed or are missing, tasks of no known group, and curves without a network."""
    lines = _unmatched(results, curves)
    for (phase,), diverged in parts(results[results["diverged"]], ["phase"]):
        by_cell = [f"{cell} {len(rows)}" for (cell,), rows in parts(diverged, ["cell"])]
        total = int((results["phase"] == phase).sum())
        lines.append(
            f"{len(diverged):,} of {total:,} {PHASES[phase]} networks diverged ({', '.join(by_cell)}). They count as unsolved."
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
            f"{skipped:,} of the finished networks were not trained, as no network of the same cell solved the last shorter lag that was tried: they count as unsolved"
        )
    if queued:
        parts.append(f"{count(queued, 'result')} are trained, but not uploaded to MLflow yet")
    if failed:
        parts.append(f"{count(len(failed), 'arm')} failed: {some(failed)}")
    return f"{'. '.join(parts)}." if parts else ""


def some(names: list[str]) -> str:
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
        f"in {len(missing):,} of {count(len(defined), 'arm')}: {some(named)}."
    )
