"""What stands in a report: the tables of a study turned into sentences, exhibits and rows for the templates."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from reports import exhibits, lattice, methods, prose, style, summary
from reports.claims import CLAIMS, Verdict
from reports.contrasts import STRATA, Estimate, Evidence, evidence
from reports.strata import CONTROL, Stratum
from reports.summary import Table
from reports.tables import Tables

MARKS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not_tested": "–"}


class Case(NamedTuple):
    """A claim with its verdict, as the report tells it."""

    verdict: Verdict
    mark: str
    word: str
    effect: str
    origin: str
    rules: list[tuple[str, str]]
    literature: str
    exhibit: exhibits.Exhibit | None


class View(NamedTuple):
    """The tables as the report looks at them: in the study's order, at one size, diverged networks unsolved."""

    results: Table
    confirm: Table
    cells: list[str]
    groups: dict[str, list[str]]
    """The tasks of each group; controls are left out."""
    evidence: Evidence
    looks: dict[str, style.Look]


def contents(tables: Tables, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything that the templates show, by name."""
    view, study = _view(tables), tables.study
    rates = summary.solve_rates(view.confirm)
    grouped = summary.group_rates(view.confirm[view.confirm["group"] != CONTROL])
    seeds = int(rates["seeds"].min()) if len(rates) else 0
    placed = lattice.nodes(view.cells, study)
    effects = lattice.effects(placed, list(view.groups), view.evidence)
    return {
        "name": study.get("study") or str(view.results["study"].iloc[0]),
        "scope": _scope(view, seeds),
        "tally": prose.tally(verdicts),
        "preliminary": seeds < prose.ENOUGH_SEEDS,
        "needed": prose.needed(seeds, STRATA),
        "answer": _answer(grouped, view.groups, placed, effects, verdicts, seeds),
        "exhibits": {
            "lattice": exhibits.lattice_of(placed, grouped, effects, view.looks),
            "solve_rates": exhibits.solve_rates(rates, view.looks),
            "scores": exhibits.scores(view.confirm, view.looks),
            "learning_curves": exhibits.learning_curves(tables.curves, view.confirm, view.looks),
            "state_norms": exhibits.state_norms(tables.curves, view.confirm, view.looks),
            "tuning": exhibits.tuning(summary.pick(view.results, phase="tune"), view.looks),
        },
        "cases": [_case(verdict, view.looks) for verdict in verdicts],
        "cells": _cells(view, placed, study),
        "tasks": _tasks(view, study),
        "costs": summary.costs(view.confirm).to_dict("records"),
        "facts": methods.facts(tables.results, study),
        "space": methods.search_space(study),
        "failures": methods.failures(tables.results, study),
        "threats": methods.threats(tables.results, study, seeds),
        "examples": methods.examples(view.confirm).to_dict("records"),
        "has_curves": tables.curves is not None,
        "has_study": bool(study),
    }


def _view(tables: Tables) -> View:
    study: Mapping[str, Any] = tables.study
    results: Table = tables.results
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
    return View(results, summary.pick(results, phase="confirm"), cells, groups, counted, style.palette(cells))


def _scope(view: View, seeds: int) -> str:
    strata = len(view.results[["task", "lag"]].drop_duplicates())
    return " · ".join(
        [
            prose.count(len(view.cells), "cell"),
            f"{prose.count(view.results['task'].nunique(), 'task')} at {prose.count(strata, 'lag')}",
            f"{prose.count(seeds, 'confirmation seed')} each",
            prose.count(len(view.results), "network"),
        ]
    )


def _answer(
    rates: Table,
    groups: Mapping[str, Sequence[str]],
    placed: Sequence[lattice.Node],
    effects: Mapping[tuple[str, str], Estimate],
    verdicts: Sequence[Verdict],
    seeds: int,
) -> list[tuple[str, str]]:
    """The sentences a report opens with, each under a heading of its own."""
    changes = {node.cell: prose.change(node, effects) for node in placed}
    told = [
        ("Who solves what", prose.who_solves(rates, groups)),
        ("What the forget gate is for", changes.pop("lstm_no_forget", "")),
        ("One network instead of gates", changes.pop("single_network", "")),
    ]
    if not told[1][1] and not told[2][1]:
        told.append(("What one change did", " ".join([text for text in changes.values() if text][:2])))
    contrasts = [contrast for verdict in verdicts for contrast in verdict.contrasts]
    told.append(("Not separated", prose.not_separated(contrasts, seeds)))
    return [(lead, text) for lead, text in told if text]


def _case(verdict: Verdict, looks: dict[str, style.Look]) -> Case:
    claim = next((claim for claim in CLAIMS if claim.id == verdict.id), None)
    tested = [contrast for contrast in verdict.contrasts if contrast.effect is not None]
    return Case(
        verdict,
        MARKS[verdict.verdict],
        verdict.verdict.replace("_", " "),
        prose.effect(verdict),
        claim.origin if claim else "",
        prose.rules(claim) if claim else [],
        claim.literature if claim else "",
        exhibits.contrasts(tested, claim.delta if claim else 0.2, looks) if tested else None,
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
