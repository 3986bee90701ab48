"""What stands in a report: the tables of a study turned into sentences, exhibits and rows for the templates."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from reports.aggregates import lattice
from reports.aggregates import outcomes as summary
from reports.aggregates.outcomes import Table
from reports.calibration import power
from reports.claims import CLAIMS, Verdict
from reports.exhibits import Exhibit, calibration, effects, mechanism, outcomes, search
from reports.figures import style
from reports.page import methods
from reports.page import mlflow_links as links
from reports.statistics.contrasts import MIN_LAGS, Evidence, evidence
from reports.statistics.strata import CONTROL, Stratum
from reports.tables import Tables
from reports.text import sentences as prose

MARKS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not_tested": "–"}
AGREES = {"agrees": "= agrees", "differs": "≠ differs", "open": "○ open"}


class Case(NamedTuple):
    """A claim with its verdict, as the report tells it."""

    verdict: Verdict
    mark: str
    word: str
    effect: str
    agrees: str
    """Whether the literature does, with a mark; empty where nothing is known."""
    origin: str
    rules: list[tuple[str, str]]
    why: tuple[str, str]
    """What stands open, and what is folded away."""
    literature: str
    exhibit: Exhibit | None
    runs: list[links.Runs]


class View(NamedTuple):
    """The tables as the report looks at them: in the study's order, at one size, diverged networks unsolved."""

    results: Table
    confirm: Table
    everywhere: Table
    """Confirmation rows at all sizes."""
    cells: list[str]
    groups: dict[str, list[str]]
    """The tasks of each group; controls are left out."""
    evidence: Evidence
    looks: dict[str, style.Look]


def contents(tables: Tables, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything that the templates show, by name."""
    view, study, curves = _view(tables), tables.study, tables.curves
    confirm, tune, looks = view.confirm, summary.pick(view.results, phase="tune"), view.looks
    rates = summary.solve_rates(confirm)
    grouped = summary.group_rates(confirm[confirm["group"] != CONTROL])
    seeds = int(rates["seeds"].min()) if len(rates) else 0
    placed = lattice.nodes(view.cells, study)
    moved = lattice.effects(placed, list(view.groups), view.evidence)
    telling = summary.at(confirm, summary.telling_lags(confirm))
    appendix = calibration.exhibits(power.FILE)
    cases = [_case(verdict, looks, study) for verdict in verdicts]
    return {
        "name": study.get("study") or str(view.results["study"].iloc[0]),
        "scope": _scope(view, seeds),
        "tally": prose.tally(verdicts),
        "preliminary": seeds < prose.ENOUGH_SEEDS,
        "needed": prose.needed(seeds, MIN_LAGS),
        "sizes": methods.sizes_shown(tables.results),
        "answer": [
            ("What matters", prose.what_matters(placed, moved)),
            ("Where", prose.where(placed, moved, _kept(confirm, placed))),
            ("How sure", prose.how_sure(verdicts, seeds, _searches(confirm))),
        ],
        "exhibits": {
            "lattice": effects.lattice_of(placed, grouped, moved, looks),
            "solve_rates": outcomes.solve_rates(rates, looks),
            "solving": outcomes.solving(confirm, looks),
            "scores": outcomes.scores(confirm, looks),
            "learning_curves": outcomes.learning_curves(curves, confirm, looks),
            "state_norms": mechanism.state_norms(curves, confirm, looks),
            "gradient_flow": mechanism.gradient_flow(curves, telling, looks),
            "retention": mechanism.retention(curves, telling, looks),
            "decodability": mechanism.decodability(curves, telling, looks),
            "gates": mechanism.saturation(curves, telling, looks),
            "traces": mechanism.traces(curves, confirm, looks),
            "costs": outcomes.costs(view.everywhere, looks),
            "tuning": search.tuning(tune, looks),
            "importance": search.importance(tune, looks),
            "best_of": search.best_of(tune, looks, study),
            **appendix,
        },
        "calibration": [(key, calibration.TITLES[key]) for key in appendix],
        "cases": [case for case in cases if case.verdict.verdict != "not_tested"],
        "untested": [case for case in cases if case.verdict.verdict == "not_tested"],
        "cells": _cells(view, placed, study),
        "tasks": _tasks(view, study),
        "costs": summary.costs(confirm).to_dict("records"),
        "facts": methods.facts(tables.results, study),
        "space": methods.search_space(study),
        "failures": methods.failures(tables.results, study, curves),
        "threats": methods.threats(tables.results, study, seeds),
        "examples": links.examples(methods.examples(confirm).to_dict("records"), study),
        "has_curves": curves is not None,
        "has_study": bool(study),
    }


def _view(tables: Tables) -> View:
    study: Mapping[str, Any] = tables.study
    results: Table = tables.results
    everywhere = results.assign(solved=results["solved"] & ~results["diverged"])
    everywhere = everywhere[(everywhere["phase"] == "confirm") & (everywhere["group"] != CONTROL)]
    if "size" in results and results["size"].notna().any():
        results = results[results["size"] == results["size"].min()]
    counted = evidence(results)
    cells = summary.in_order(results["cell"].tolist(), list(study.get("cells", {})))
    tasks = summary.in_order(results["task"].tolist(), list(study.get("tasks", {})))
    sizes = results["size"] if "size" in results else pd.Series(float("nan"), index=results.index)
    strata = [
        Stratum(task, lag, None if pd.isna(size) else size)
        for task, lag, size in zip(results["task"], results["lag"], sizes, strict=True)
    ]
    results = results.assign(
        group=[counted.groups[stratum] for stratum in strata],
        solved=results["solved"] & ~results["diverged"],
        cell_order=results["cell"].map(cells.index),
        task_order=results["task"].map(tasks.index),
    ).sort_values(["task_order", "lag", "cell_order"], kind="stable")
    groups: dict[str, list[str]] = {}
    for task, group in zip(results["task"], results["group"], strict=True):
        if group != CONTROL and task not in groups.setdefault(group, []):
            groups[group].append(task)
    everywhere = everywhere[everywhere["cell"].isin(cells)]
    looks = style.palette(cells)
    return View(results, summary.pick(results, phase="confirm"), everywhere, cells, groups, counted, looks)


def _scope(view: View, seeds: int) -> str:
    strata = len(view.results[["task", "lag"]].drop_duplicates())
    return " · ".join(
        [
            prose.count(len(view.cells), "cell"),
            f"{prose.count(view.results['task'].nunique(), 'task')}, {prose.count(strata, 'lag')} in all",
            f"{prose.count(seeds, 'confirmation seed')} each",
            prose.count(len(view.results), "network"),
        ]
    )


def _searches(confirm: Table) -> int:
    """The fewest searches behind a cell, task and lag; 0 where it is not known."""
    if "search" not in confirm or confirm.empty or confirm["search"].isna().any():
        return 0
    return int(confirm.groupby(summary.STRATUM)["search"].nunique().min())


def _kept(confirm: Table, placed: Sequence[lattice.Node]) -> dict[str, str]:
    """By cell, what a probe says of its state beside its parent's, over the lags where both were probed: on tasks where
    something must be held, as elsewhere a state that lets go does what it should."""
    if "retained" not in confirm:
        return {}
    wide = (
        summary.pick(confirm, group="latch")
        .dropna(subset=["retained"])
        .pivot_table(index=["task", "lag"], columns="cell", values="retained", aggfunc="median")
    )
    found = {}
    for node in placed:
        if node.parent in wide and node.cell in wide:
            both = wide[[node.cell, node.parent]].dropna()
            if len(both):
                own, other = both.median()
                found[node.cell] = (
                    f"on latch tasks {node.cell} keeps {_share(own)} of a perturbation of its state over the lag, "
                    f"{node.parent} {_share(other)}"
                )
    return found


def _share(left: float) -> str:
    return "less than 0.001" if left < 0.001 else prose.number(left, 2)


def _case(verdict: Verdict, looks: dict[str, style.Look], study: Mapping[str, Any]) -> Case:
    claim = next((claim for claim in CLAIMS if claim.id == verdict.id), None)
    tested = [contrast for contrast in verdict.contrasts if contrast.effect is not None]
    return Case(
        verdict,
        MARKS[verdict.verdict],
        verdict.verdict.replace("_", " "),
        prose.effect(verdict),
        AGREES.get(verdict.literature, ""),
        claim.origin if claim else "",
        prose.rules(claim) if claim else [],
        prose.opening(verdict.why),
        claim.literature if claim else "",
        effects.contrasts(tested, looks) if tested else None,
        links.of_claim(tested, study),
    )


def _cells(view: View, placed: Sequence[lattice.Node], study: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per cell: what it is, where it comes from, how large it was."""
    rows = []
    for node in placed:
        known, own = study.get("cells", {}).get(node.cell, {}), summary.pick(view.results, cell=node.cell)
        rows.append(
            {
                "cell": node.cell,
                "parent": node.parent or "",
                "change": node.change,
                "reference": known.get("reference", ""),
                "gates": ", ".join(known.get("gates", [])),
                "equations": known.get("equations", ""),
                "hidden_size": prose.span(own["hidden_size"]),
                "parameters": prose.span(own["parameters"]),
            }
        )
    return rows


def _tasks(view: View, study: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per task: what it demands, what its lag counts, when it is solved."""
    rows = []
    for (task, group), own in summary.parts(view.results, ["task", "group"]):
        known = study.get("tasks", {}).get(task, {})
        means = own["lag_means"].iloc[0] if "lag_means" in own else ""
        rows.append(
            {
                "task": task,
                "group": prose.group_name(group),
                "demand": prose.DEMANDS.get(group, ""),
                "lags": ", ".join(f"{lag:g}" for lag in sorted(own["lag"].unique())),
                "lag_means": known.get("lag_means", means),
                "criterion": known.get("criterion", ""),
                "reference": known.get("reference", ""),
            }
        )
    return rows
