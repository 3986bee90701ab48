"""Which arms a sweep skips because no network solves the next shorter lag, and in which order it trains the others."""

from typing import Any

import pytest

from ablations.studies.study import Arm, Study
from ablations.sweeps.schedule import Schedule
from tests.ablations.sweeps.small_arms import SMALL_STUDY

RECALL = {"name": "recall", "lags": [2, 4, 8], "until_unsolved": True}


def arms(*tasks: dict[str, Any]) -> list[Arm]:
    return Study.model_validate(SMALL_STUDY | {"task": list(tasks)}).arms()


def order(schedule: Schedule, solves: dict[tuple[str, int], bool]) -> list[str]:
    """Train the arms one after another; returns what happens. Arms that `solves` does not name are solved."""
    events = []
    while schedule.waiting:
        events += [f"skipped {arm.cell.label} {arm.lag}" for arm in schedule.skipped()]
        if arm := schedule.next():
            events.append(f"{arm.cell.label} {arm.lag}")
            schedule.ended(arm, solves.get((arm.cell.label, arm.lag), True))
    return events


def test_a_cell_is_not_trained_beyond_a_lag_that_none_of_its_networks_solves() -> None:
    found = order(Schedule(arms(RECALL), arms(RECALL)), {("rnn", 2): False, ("gru", 4): False})
    assert found == ["rnn 2", "skipped rnn 4", "skipped rnn 8", "gru 2", "gru 4", "skipped gru 8"]


def test_without_the_rule_every_arm_is_trained() -> None:
    plain = arms(RECALL | {"until_unsolved": False})
    assert order(Schedule(plain, plain), {("rnn", 2): False}) == ["rnn 2", "gru 2", "rnn 4", "gru 4", "rnn 8", "gru 8"]


def test_an_arm_waits_for_the_shorter_lag_and_others_overtake_it() -> None:
    schedule = Schedule(arms(RECALL), arms(RECALL))
    first, second = schedule.next(), schedule.next()
    assert [(arm.cell.label, arm.lag) for arm in (first, second) if arm] == [("rnn", 2), ("gru", 2)]
    assert schedule.next() is None, "both longer lags wait"
    assert second
    schedule.ended(second, solved=True)
    third = schedule.next()
    assert third
    assert (third.cell.label, third.lag) == ("gru", 4)


@pytest.mark.parametrize("swept", [[2, 8], [4, 8]])
def test_only_the_next_shorter_lag_of_the_study_decides(swept: list[int]) -> None:
    """Lag 8 depends on lag 4: where a sweep leaves that out, lag 8 is trained whatever happens at lag 2."""
    everything = arms(RECALL)
    some = [arm for arm in everything if arm.lag in swept and arm.cell.label == "rnn"]
    found = order(Schedule(some, everything), {("rnn", swept[0]): False})
    assert found == (["rnn 2", "rnn 8"] if swept[0] == 2 else ["rnn 4", "skipped rnn 8"])


def test_sizes_and_tasks_do_not_decide_about_each_other() -> None:
    study = SMALL_STUDY | {
        "cells": ["rnn"],
        "sizes": [60, 120],
        "task": [RECALL | {"lags": [2, 4]}, {"name": "adding", "lags": [4], "until_unsolved": True}],
    }
    both = Study.model_validate(study).arms()
    schedule = Schedule(both, both)
    small = schedule.next()
    assert small
    assert small.size == 60
    schedule.ended(small, solved=False)
    assert [(arm.task.name, arm.lag, arm.size) for arm in schedule.skipped()] == [("recall", 4, 60)]
    assert [(arm.task.name, arm.lag, arm.size) for arm in schedule.waiting] == [
        ("recall", 2, 120), ("recall", 4, 120), ("adding", 4, 60), ("adding", 4, 120),
    ]  # fmt: skip
