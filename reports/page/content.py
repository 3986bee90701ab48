"""Collect what the templates show: sentences, exhibits and rows made from the tables of a study."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from reports.aggregates import lattice
from reports.aggregates.outcomes import (
    ARM,
    Table,
    arms,
    at_lags,
    group_rates,
    in_order,
    parts,
    pick,
    reference_lags,
    solve_rates,
)
from reports.aggregates.published import SETTINGS, beside
from reports.aggregates.reach import reaches
from reports.aggregates.tuning import hyperparameters
from reports.calibration import power
from reports.claims import CLAIMS, Verdict
from reports.claims.findings import shown
from reports.claims.verdicts import ENOUGH_SEEDS
from reports.exhibits import Exhibit, calibration, effects, mechanism, outcomes, profiles, tuning
from reports.figures import style
from reports.format import count, listed, span
from reports.page import explore, incomplete, methods, mlflow_links, robustness
from reports.statistics.arms import NOT_TRAINED
from reports.statistics.contrasts import MIN_LAGS, Evidence, evidence
from reports.statistics.strata import CONTROL, Stratum
from reports.tables import Tables
from reports.text import by_task, changes, sentences
from reports.text.conditions import conditions
from reports.untrained import trained

MARKS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not_tested": "–"}
AGREES = {"agrees": "= also {}", "differs": "≠ differs", "open": "○ open"}
"""What the literature says of a claim with a verdict."""


class Case(NamedTuple):
    """A claim with its verdict, as the report shows it."""

    verdict: Verdict
    mark: str
    word: str
    effect: str
    decisive: str
    """The comparison whose effect that is; empty if there is a single one."""
    agrees: str
    """Whether the verdict agrees with the literature, with a mark; empty if the literature is not known."""
    origin: str
    rules: list[tuple[str, str]]
    why: tuple[str, str]
    """The reasons of the verdict: those that are shown first, and the others."""
    comparisons: list[tuple[str, str, str]]
    """Each comparison with its effect and its outcome."""
    literature: str
    exhibit: Exhibit | None
    runs: list[mlflow_links.Runs]


class View(NamedTuple):
    """The results in the study's order of tasks and cells, at the smallest size, with diverged networks unsolved."""

    results: Table
    confirm: Table
    all_sizes: Table
    """Confirmation rows at all sizes, without controls."""
    cells: list[str]
    groups: dict[str, list[str]]
    """The tasks of each group, without controls."""
    evidence: Evidence
    styles: dict[str, style.CellStyle]


def contents(tables: Tables, verdicts: Sequence[Verdict], others: Mapping[str, Tables] = {}) -> dict[str, Any]:
    """The variables of the templates, by name.

    :param others: the tables of robustness studies.
    """
    view, study, curves = _view(tables), tables.study, tables.curves
    confirm, tune, styles = view.confirm, trained(pick(view.results, phase="tune")), view.styles
    rates = solve_rates(confirm)
    by_arm = arms(confirm).merge(rates[[*ARM, "rate", "low", "high"]], on=ARM, how="left")
    counted = confirm[confirm["group"] != CONTROL]
    grouped = group_rates(counted)
    seeds = int(rates["seeds"].min()) if len(rates) else 0
    nodes = lattice.nodes(view.cells, study)
    estimates = lattice.effects(nodes, list(view.groups), view.evidence)
    informative = at_lags(confirm, reference_lags(confirm))
    scales = hyperparameters(study, tune)
    appendix = calibration.exhibits(power.FILE)
    name = study.get("study") or str(view.results["study"].iloc[0])
    found = by_task.findings(counted, view.cells)
    cases = [_case(verdict, styles, study) for verdict in verdicts]
    measured = {
        "gradient_flow": mechanism.gradient_flow(curves, informative, styles),
        "retention": mechanism.retention(curves, informative, styles),
        "decodability": mechanism.decodability(curves, informative, styles),
        "gates": mechanism.saturation(curves, informative, styles),
        "traces": mechanism.traces(curves, confirm, styles),
        "state_norms": mechanism.state_norms(curves, confirm, styles),
    }
    return {
        "name": name,
        "scope": _scope(view, tables.results),
        "unfinished": incomplete.unfinished(tables.results, study),
        "command": study.get("command", ""),
        "tally": sentences.tally([verdict.verdict for verdict in verdicts]),
        "preliminary": seeds < ENOUGH_SEEDS and any(case.verdict.verdict != "not_tested" for case in cases),
        "needed": sentences.needed(seeds, MIN_LAGS),
        "sizes": methods.sizes_shown(tables.results, study),
        "title": robustness.question(study) or f"Why gates? Study {name}",
        "findings": found,
        "findings_by_cell": by_task.rows(found, view.cells),
        "how_sure": sentences.how_sure(verdicts, seeds, _searches(confirm)),
        "changes": changes.changes(nodes, estimates, grouped),
        "exhibits": {
            "lattice": effects.lattice_with_effects(nodes, grouped, estimates, styles),
            "solve_rates": outcomes.solve_rates(rates, reaches(rates, view.evidence), styles),
            "profile": profiles.profile(counted, styles),
            "improvement": profiles.improvement(counted, styles),
            "solving": outcomes.solving(confirm, styles),
            "speed": profiles.speed(confirm, tune, reference_lags(confirm), styles),
            "scores": outcomes.scores(trained(confirm), styles),
            "learning_curves": outcomes.learning_curves(curves, confirm, styles),
            **measured,
            "costs": outcomes.costs(view.all_sizes, styles),
            "tuning": tuning.trials(tune, styles, scales),
            "importance": tuning.importance(tune, styles, scales),
            "best_of": tuning.best_of(tune, styles, study),
            **appendix,
        },
        "mechanism": [(key, title) for key, title in mechanism.TITLES.items() if measured[key].shown],
        "not_measured": _not_measured([title for key, title in mechanism.TITLES.items() if not measured[key].shown]),
        "calibration": [(key, calibration.TITLES[key]) for key in appendix],
        "cases": [case for case in cases if case.verdict.verdict != "not_tested"],
        "untested": [case for case in cases if case.verdict.verdict == "not_tested"],
        "cells": _cells(view, nodes, study),
        "tasks": _tasks(view, study),
        "arms": by_arm.to_dict("records"),
        "explore": explore.data(by_arm, styles),
        "costs": at_lags(by_arm, reference_lags(confirm)).to_dict("records"),
        "merged": robustness.merged_verdicts(tables.results, verdicts),
        "robustness": robustness.compared(tables, others),
        "published": (repeated := beside(confirm, study.get("definition", {}).get("train", {}).get("batch", 1))),
        "beside": sentences.repeated(repeated),
        "settings": {row.published.source: SETTINGS[row.published.source] for row in repeated},
        "facts": methods.facts(tables.results, study),
        "space": methods.search_space(study),
        "failures": incomplete.failures(tables.results, study, curves),
        "threats": methods.threats(tables.results, study, seeds),
        "examples": mlflow_links.with_urls(methods.examples(trained(confirm)).to_dict("records"), study),
    }


def _not_measured(titles: Sequence[str]) -> str:
    """One sentence for all figures that tables without probes or curves cannot show; empty if there are none."""
    what = listed([title.lower() for title in titles], " or ")
    return f"There is no figure of {what}: {mechanism.NOT_MEASURED}" if titles else ""


def _view(tables: Tables) -> View:
    """Order and select the results for the report."""
    study: Mapping[str, Any] = tables.study
    results: Table = tables.results
    all_sizes = results.assign(solved=results["solved"] & ~results["diverged"])
    all_sizes = all_sizes[(all_sizes["phase"] == "confirm") & (all_sizes["group"] != CONTROL)]
    if "size" in results and results["size"].notna().any():
        results = results[results["size"] == results["size"].min()]
    # A task at a lag at which no cell was trained, as none solved a shorter one, says nothing.
    if "status" in results:
        was_trained = (results["status"] != NOT_TRAINED).groupby([results["task"], results["lag"]]).transform("any")
        results = results[was_trained]
    counts = evidence(results)
    cells = in_order(results["cell"].tolist(), list(study.get("cells", {})))
    tasks = in_order(results["task"].tolist(), list(study.get("tasks", {})))
    sizes = results["size"] if "size" in results else pd.Series(float("nan"), index=results.index)
    strata = [
        Stratum(task, lag, None if pd.isna(size) else size)
        for task, lag, size in zip(results["task"], results["lag"], sizes, strict=True)
    ]
    results = results.assign(
        group=[counts.groups[stratum] for stratum in strata],
        solved=results["solved"] & ~results["diverged"],
        cell_order=results["cell"].map(cells.index),
        task_order=results["task"].map(tasks.index),
    ).sort_values(["task_order", "lag", "cell_order"], kind="stable")
    groups: dict[str, list[str]] = {}
    for task, group in zip(results["task"], results["group"], strict=True):
        if group != CONTROL and task not in groups.setdefault(group, []):
            groups[group].append(task)
    all_sizes = all_sizes[all_sizes["cell"].isin(cells)]
    styles = style.cell_styles(cells)
    return View(results, pick(results, phase="confirm"), all_sizes, cells, groups, counts, styles)


def _scope(view: View, results: Table) -> str:
    """The extent of the study: cells, tasks, lags, seeds, and networks of all sizes."""
    confirmed = view.results["phase"] == "confirm"
    seeds = confirmed.groupby([view.results[column] for column in ARM]).sum()  # 0 for arms that are only tuned
    strata = len(trained(view.results)[["task", "lag"]].drop_duplicates())
    return " · ".join(
        [
            count(len(view.cells), "cell"),
            f"{count(view.results['task'].nunique(), 'task')}, {count(strata, 'pair')} of task and lag",
            f"{span(seeds.min(), seeds.max())} confirmation seed{'s' if seeds.max() != 1 else ''} each",
            f"{count(len(trained(results)), 'network')} trained",
        ]
    )


def _searches(confirm: Table) -> int:
    """The fewest searches of any cell, task and lag; 0 if unknown."""
    if "search" not in confirm or confirm.empty or confirm["search"].isna().any():
        return 0
    return int(confirm.groupby(ARM)["search"].nunique().min())


def _case(verdict: Verdict, styles: dict[str, style.CellStyle], study: Mapping[str, Any]) -> Case:
    claim = next((claim for claim in CLAIMS if claim.id == verdict.id), None)
    tested = [contrast for contrast in verdict.contrasts if contrast.effect is not None]
    return Case(
        verdict,
        MARKS[verdict.verdict],
        verdict.verdict.replace("_", " "),
        sentences.effect(verdict),
        verdict.decisive if len(verdict.contrasts) > 1 else "",
        AGREES.get(verdict.literature, "").format(verdict.verdict),
        claim.origin if claim else "",
        conditions(claim) if claim else [],
        sentences.opening(verdict.why),
        [(contrast.question, shown(contrast), contrast.outcome) for contrast in verdict.contrasts],
        claim.literature if claim else "",
        effects.contrasts(tested, styles) if tested else None,
        mlflow_links.of_claim(tested, study),
    )


def _cells(view: View, nodes: Sequence[lattice.Node], study: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per cell: its place in the lattice, source, gates, equations and size."""
    rows = []
    for node in nodes:
        entry, networks = study.get("cells", {}).get(node.cell, {}), pick(view.results, cell=node.cell)
        rows.append(
            {
                "cell": node.cell,
                "parent": node.parent or "",
                "change": node.change,
                "reference": entry.get("reference", ""),
                "gates": ", ".join(entry.get("gates", [])),
                "equations": entry.get("equations", ""),
                "hidden_size": span(networks["hidden_size"].min(), networks["hidden_size"].max()),
                "parameters": span(networks["parameters"].min(), networks["parameters"].max()),
            }
        )
    return rows


def _tasks(view: View, study: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per task: its group and demand, its lags and what they count, its criterion and source."""
    rows = []
    for (task, group), networks in parts(view.results, ["task", "group"]):
        entry = study.get("tasks", {}).get(task, {})
        lag_means = networks["lag_means"].iloc[0] if "lag_means" in networks else ""
        rows.append(
            {
                "task": task,
                "group": sentences.group_name(group),
                "demand": sentences.DEMANDS.get(group, ""),
                "lags": ", ".join(f"{lag:g}" for lag in sorted(networks["lag"].unique())),
                "lag_means": entry.get("lag_means", lag_means),
                "criterion": entry.get("criterion", ""),
                "reference": entry.get("reference", ""),
            }
        )
    return rows
