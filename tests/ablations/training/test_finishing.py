"""When members leave a population, as what, and with which numbers."""

import math

import pytest
import torch

from ablations.networks.evaluation import TEST_SEED, VALIDATION_SEQUENCES, evaluate, evaluation_set, run_extra_tests
from ablations.training.population import Evaluated, Finished
from ablations.training.result import Budget
from tasks.parity import Parity
from tests.ablations.training.populations import (
    DIFFERENT,
    QUICK,
    RATES,
    Asking,
    Scripted,
    Sign,
    Stream,
    finish,
    member,
    population,
)


def test_what_a_result_says_of_the_end():
    task, lag = Stream(), 5
    trained = population(task, lag, DIFFERENT)
    finish(trained)
    assert trained.active == []
    fresh = population(task, lag, DIFFERENT)
    for _ in range(12):
        loss, norm = fresh.train_step()
    w = fresh.unpack(fresh.weights)
    test = evaluate(fresh.model, w, task, evaluation_set(task, lag, 50, TEST_SEED, final=True))
    for k, result in enumerate(trained.results):
        assert (result.status, result.step) == ("unsolved", 12)
        assert result.score == pytest.approx(test.score[k].item(), rel=1e-3, abs=1e-5)
        assert result.loss == pytest.approx(test.loss[k].item(), rel=1e-3)
        assert [step for step, _ in result.curves["eval/score"]] == [4, 8, 12]
        assert result.curves["train/loss"][-1] == (12, pytest.approx(loss[k].item(), rel=1e-3))
        assert result.curves["grad/norm"][-1] == (12, pytest.approx(norm[k].item(), rel=1e-3))
        windows, norms = zip(*result.curves["test/state_norm"], strict=True)
        assert windows == (1, 2, 3)
        assert norms == pytest.approx(test.state_norm[k].tolist(), rel=1e-3)


@pytest.mark.parametrize(
    ("test", "found", "status", "step", "last"),
    [
        ([True] * 3, [1.0, 2.9, 3.0], "solved", 60, 3.0),  # the probe agrees at the third time
        ([False, False, True], [4.0], "solved", 60, 4.0),  # who fails the test is not asked more
        ([True] * 8, [2.0] * 8, "unsolved", 160, 2.0),
        ([False] * 8, [5.0], "unsolved", 160, 5.0),  # at the end everybody is
    ],
)
def test_a_task_is_solved_when_its_probes_agree(test, found, status, step, last):
    task = Asking(found, scores=[1.0] * 8, solved=[True] * 8, test=test)
    trained = population(task, 2, [member(1)], QUICK)
    finish(trained)
    (result,) = trained.results
    assert (result.status, result.step, result.curves["test/further"]) == (status, step, [(step, last)])
    assert next(task.found, None) is None


def test_every_member_has_what_its_own_probes_found():
    members = [member(5, math.nan), *DIFFERENT, member(6, math.nan)]
    trained = population(Parity(), 3, members)
    finish(trained)
    fresh = population(Parity(), 3, DIFFERENT)
    for _ in range(12):
        fresh.train_step()
    _, found = run_extra_tests(fresh.model, fresh.unpack(fresh.weights), Parity(), 3)
    told = [result.curves.get("test/error_free_steps") for result in trained.results]
    assert told == [None, *([(12, steps)] for steps in found["error_free_steps"].tolist()), None]


def test_solved_members_leave_and_the_others_stay():
    trained = population(Sign(), 3, [member(seed, rate) for seed, rate in enumerate(RATES)], QUICK)
    events = list(trained.run())
    status = [result.status for result in trained.results]
    assert status == ["unsolved" if rate < 1e-3 else "solved" for rate in RATES]
    for k, result in enumerate(trained.results):
        if result.status == "solved":
            assert result.step < 160
            assert result.score > 0.8
            assert result.curves["eval/score"][-1][0] == result.step
        else:
            assert result.step == 160
            assert result.score <= 0.8
        assert [e.member for e in events if isinstance(e, Finished)].count(k) == 1
    for event in events:
        if isinstance(event, Evaluated):
            assert event.active == sum(r.step > event.step for r in trained.results)
    assert len({result.step for result in trained.results}) > 2  # they did not all leave at once


def test_only_the_test_set_lets_a_member_leave():
    class EasyToValidate(Sign):
        def solved(self, outputs, targets, weight):
            return super().solved(outputs, targets, weight) & (outputs.shape[-2] == VALIDATION_SEQUENCES)

    trained = population(EasyToValidate(), 3, [member(1, 0.1)], QUICK)
    finish(trained)
    (result,) = trained.results
    assert (result.status, result.step) == ("unsolved", 160)
    assert result.curves["eval/score"][-1][1] > 0.9
    assert result.score > 0.9


@pytest.mark.parametrize(("patience", "at"), [(1, 4), (9, 12)])
def test_members_that_ask_together_are_answered_one_by_one(patience, at):
    class Odd(Sign):
        def solved(self, outputs, targets, weight):
            is_test = outputs.shape[-2] != VALIDATION_SEQUENCES
            return (torch.arange(len(outputs)) % 2 == 1) | (not is_test)

    trained = population(Odd(), 2, DIFFERENT[:2], Budget(12, 4, 4, patience, 50))
    finish(trained)
    assert [(r.status, r.step) for r in trained.results] == [("unsolved", 12), ("solved", at)]


SCRIPTS = {  # steps, eval_every, patience; scores, verdicts of validation and of test; the end, and the area
    "never": (90, 40, 2, [0.5, 0.25, 1], [], [], ("unsolved", 90, (0.5 * 40 + 0.25 * 40 + 1 * 10) / 90)),
    "clipped": (100, 25, 2, [0.5, -3, 1.7, 0.4], [], [], ("unsolved", 100, (0.5 + 0 + 1 + 0.4) / 4)),
    "solved": (100, 25, 2, [0.6, 0.8], [True, True], [True], ("solved", 50, (0.6 + 0.8 + 2) / 4)),
    "at once": (100, 25, 1, [0.6], [True], [True], ("solved", 25, (0.6 + 3) / 4)),
    "interrupted": (100, 20, 2, [0.5] * 5, [True, False, True, True], [True], ("solved", 80, 0.6)),
    "the test refuses once": (100, 20, 2, [0.5] * 5, [True] * 5, [False, True], ("solved", 80, 0.6)),
    "the test refuses": (100, 25, 2, [0.5] * 4, [True] * 4, [False, False], ("unsolved", 100, 0.5)),
    "at the end": (100, 50, 3, [0.5] * 2, [False, True], [True], ("solved", 100, 0.5)),
    "diverged": (100, 25, 2, [0.5, 0.9, math.nan], [], [], ("diverged", 75, (0.5 + 0.9) / 4)),
    "diverged at once": (100, 25, 2, [math.inf], [], [], ("diverged", 25, 0)),
    "shorter than an interval": (10, 25, 2, [0.5], [], [], ("unsolved", 10, 0.5)),
}


def test_who_solves_is_preferred_to_who_only_validates_sooner():
    """A perfect validation score from the first step on is worth less than solving at the last."""
    ends = []
    for scores, test in (([1.0] * 4, [False] * 4), ([0.0] * 3 + [0.9], [True])):
        trained = population(Scripted(scores, [True] * 4, test), 1, [member()], Budget(100, 2, 25, 4, test=3))
        finish(trained)
        ends.append(trained.results[0])
    assert [result.status for result in ends] == ["unsolved", "solved"]
    assert ends[0].objective < ends[1].objective


@pytest.mark.parametrize("name", SCRIPTS)
def test_patience_and_the_objective_by_hand(name):
    steps, every, patience, scores, solved, test, (status, step, area) = SCRIPTS[name]
    task = Scripted(scores, solved, test)
    trained = population(task, 1, [member()], Budget(steps, 2, every, patience, test=3))
    finish(trained)
    (result,) = trained.results
    assert (result.status, result.step) == (status, step)
    assert result.objective == pytest.approx(((status == "solved") + area) / 2)
    assert trained.step == step
    assert task.tests == (0 if status == "diverged" else max(len(test), 1))
    assert result.score == (0 if status == "diverged" else 0.75)
