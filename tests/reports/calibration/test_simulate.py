"""Verdicts on simulated studies with known truth."""

import numpy as np
import pytest

from ablations.studies.loading import load
from reports.calibration.simulate import LAGS, LIMITS, Setting, arms, is_false, studies, verdicts
from reports.claims import decide


def test_simulated_rates_are_those_of_the_world():
    table = next(studies("ungated", Setting(searches=40), 1, np.random.default_rng(0)))
    recall = table[(table["task"] == "recall") & (table["size"] == 1500)]
    rates = recall.groupby(["cell", "lag"], observed=True)["solved"].mean()
    assert rates["lstm", 20] > 0.95
    assert rates["lstm", 320] < 0.1
    assert rates["rnn", 5] > 0.9
    assert rates["rnn", 40] < 0.1


def test_every_task_of_a_claim_has_lags_and_a_limit_within_them():
    for task in {task.removesuffix("+reset") for _, task, _ in arms()}:
        if task not in ("n_back", "counting", "flip_flop"):  # they are judged by rates or by probes, not by reach
            assert LAGS[task][0] < LIMITS[task] < LAGS[task][-1]


def test_lags_are_those_of_why_gates():
    tasks = {task.label: tuple(task.lags) for task in load("why-gates").task if not task.options.get("reset")}
    assert tasks == LAGS


@pytest.mark.parametrize("world", ["alike", "literature", "rnn"])
def test_one_search_decides_nothing(world):
    decided = [
        one
        for study in verdicts(world, Setting(searches=1, seeds=20), 2)
        for one in study.values()
        if one.p is not None
    ]
    assert {one.verdict for one in decided} == {"inconclusive"}


def test_the_variance_between_searches_is_in_the_error_rate():
    """Networks taken for searches of their own give false verdicts; searches do not."""
    with_searches, without = 0, 0
    for table in studies("alike", Setting(searches=5, seeds=4, spread=1.5), 6, np.random.default_rng(0)):
        with_searches += any(is_false(one, "alike") for one in decide(table))
        nested = table.assign(search=table.groupby(["cell", "task", "lag", "size", "phase"], observed=True).cumcount())
        without += any(is_false(one, "alike") or _leads(one) for one in decide(nested))
    assert with_searches == 0
    assert without > 2


def _leads(verdict) -> bool:
    return any(contrast.outcome in ("better", "worse") for contrast in verdict.contrasts)


@pytest.mark.parametrize("world", ["ungated", "literature", "mixed"])
def test_not_training_beyond_an_unsolved_lag_changes_no_verdict(world):
    """Searches differ widely here, so that a network may solve a lag after none solved a shorter one."""
    tables = [
        list(studies(world, Setting(spread=1.0, until_unsolved=rule), 2, np.random.default_rng(10)))
        for rule in (True, False)
    ]
    assert [table["solved"].sum() for table in tables[0]] != [table["solved"].sum() for table in tables[1]]
    with_rule, without = ([[one.verdict for one in decide(table)] for table in found] for found in tables)
    assert with_rule == without
