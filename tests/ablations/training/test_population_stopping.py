"""When the members of a population finish, with which status, and with which numbers in their results."""

import math

import pytest
import torch

from ablations.networks.evaluation import (
    TEST_SEED,
    UNSEEN_SEED,
    VALIDATION_SEED,
    VALIDATION_SEQUENCES,
    evaluate,
    evaluation_set,
    run_extra_tests,
)
from ablations.training import population as population_module
from ablations.training.population import Evaluated, Finished
from ablations.training.result import Budget
from tasks.parity import Parity
from tests.ablations.training.populations import (
    MEMBERS,
    SOLVING_BUDGET,
    SOLVING_MEMBERS,
    SOLVING_RATES,
    FirstSign,
    ScriptedEvaluation,
    ScriptedExtraTest,
    ShortStream,
    all_numbers,
    member,
    population,
    run_to_end,
)


def test_result_has_the_evaluation_of_the_final_weights():
    task, lag = ShortStream(), 5
    trained = population(task, lag, MEMBERS)
    run_to_end(trained)
    assert trained.active == []
    reference = population(task, lag, MEMBERS)
    for _ in range(12):
        loss, norm = reference.train_step()
    w = reference.unpack(reference.weights)
    test = evaluate(reference.model, w, task, evaluation_set(task, lag, 50, TEST_SEED, final=True))
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


SCRIPTS = {  # steps, eval_every, patience; scores and solved of validations, solved of tests; status, step and area
    "never solved": (90, 40, 2, [0.5, 0.25, 1], [], [], ("unsolved", 90, (0.5 * 40 + 0.25 * 40 + 1 * 10) / 90)),
    "scores outside [0, 1]": (100, 25, 2, [0.5, -3, 1.7, 0.4], [], [], ("unsolved", 100, (0.5 + 0 + 1 + 0.4) / 4)),
    "solved": (100, 25, 2, [0.6, 0.8], [True, True], [True, True], ("solved", 50, (0.6 + 0.8 + 2) / 4)),
    "solved at once": (100, 25, 1, [0.6], [True], [True, True], ("solved", 25, (0.6 + 3) / 4)),
    "criterion missed once": (100, 20, 2, [0.5] * 5, [True, False, True, True], [True, True], ("solved", 80, 0.6)),
    "first test failed": (100, 20, 2, [0.5] * 5, [True] * 5, [False, True, True], ("solved", 80, 0.6)),
    "second test set failed": (100, 20, 2, [0.5] * 5, [True] * 5, [True, False, True, True], ("solved", 80, 0.6)),
    "every test failed": (100, 25, 2, [0.5] * 4, [True] * 4, [False, False], ("unsolved", 100, 0.5)),
    "solved at the last step": (100, 50, 3, [0.5] * 2, [False, True], [True, True], ("solved", 100, 0.5)),
    "diverged": (100, 25, 2, [0.5, 0.9, math.nan], [], [], ("diverged", 75, (0.5 + 0.9) / 4)),
    "diverged at once": (100, 25, 2, [math.inf], [], [], ("diverged", 25, 0)),
    "budget below eval_every": (10, 25, 2, [0.5], [], [], ("unsolved", 10, 0.5)),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_status_step_and_objective_follow_from_the_evaluations(name):
    steps, every, patience, scores, solved, test_solved, (status, step, area) = SCRIPTS[name]
    task = ScriptedEvaluation(scores, solved, test_solved)
    trained = population(task, 1, [member()], Budget(steps, 2, every, patience, test=3))
    run_to_end(trained)
    (result,) = trained.results
    assert (result.status, result.step) == (status, step)
    assert result.objective == pytest.approx(((status == "solved") + area) / 2)
    assert trained.step == step
    assert task.tests == (0 if status == "diverged" else max(len(test_solved), 1))
    assert result.score == (0 if status == "diverged" else 0.75)


@pytest.mark.parametrize(
    ("test_solved", "extra_values", "status", "step", "last_value"),
    [
        pytest.param([True] * 6, [1.0, 2.9, 3.0], "solved", 60, 3.0, id="extra test passed at the third attempt"),
        pytest.param(
            [False, False, True, True], [4.0], "solved", 60, 4.0, id="extra test runs only if the test is solved"
        ),
        pytest.param([True] * 16, [2.0] * 8, "unsolved", 160, 2.0, id="extra test never passed"),
        pytest.param([False] * 8, [5.0], "unsolved", 160, 5.0, id="extra test runs at the end in any case"),
    ],
)
def test_member_solves_a_task_only_if_it_passes_its_extra_tests(test_solved, extra_values, status, step, last_value):
    task = ScriptedExtraTest(extra_values, scores=[1.0] * 8, solved=[True] * 8, test_solved=test_solved)
    trained = population(task, 2, [member(1)], SOLVING_BUDGET)
    run_to_end(trained)
    (result,) = trained.results
    assert (result.status, result.step, result.curves["test/longer"]) == (status, step, [(step, last_value)])
    assert next(task.extra_values, None) is None


def test_values_of_extra_tests_are_logged_for_the_right_members():
    diverging = [member(5, math.nan), member(6, math.nan)]
    trained = population(Parity(), 3, [diverging[0], *MEMBERS, diverging[1]])
    run_to_end(trained)
    reference = population(Parity(), 3, MEMBERS)
    for _ in range(12):
        reference.train_step()
    _, values = run_extra_tests(reference.model, reference.unpack(reference.weights), Parity(), 3)
    curves = [result.curves.get("test/error_free_steps") for result in trained.results]
    assert curves == [None, *([(12, steps)] for steps in values["error_free_steps"].tolist()), None]


def test_solved_members_finish_and_the_others_continue():
    trained = population(FirstSign(), 3, SOLVING_MEMBERS, SOLVING_BUDGET)
    events = list(trained.run())
    statuses = [result.status for result in trained.results]
    assert statuses == ["unsolved" if rate < 1e-3 else "solved" for rate in SOLVING_RATES]
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
    assert len({result.step for result in trained.results}) > 2, "members must finish at different steps"


def test_member_that_meets_the_criterion_only_on_validation_is_unsolved():
    class SolvedOnValidationOnly(FirstSign):
        def solved(self, outputs, targets, weight):
            return super().solved(outputs, targets, weight) & (outputs.shape[-2] == VALIDATION_SEQUENCES)

    trained = population(SolvedOnValidationOnly(), 3, [member(1, 0.1)], SOLVING_BUDGET)
    run_to_end(trained)
    (result,) = trained.results
    assert (result.status, result.step) == ("unsolved", 160)
    assert result.curves["eval/score"][-1][1] > 0.9
    assert result.score > 0.9


@pytest.mark.parametrize(("patience", "solved_at"), [(1, 4), (9, 12)])
def test_members_that_are_tested_together_finish_separately(patience, solved_at):
    class SecondMemberPasses(FirstSign):
        passed = False  # whether the second test set is next

        def solved(self, outputs, targets, weight):
            is_validation, is_second_test = outputs.shape[-2] == VALIDATION_SEQUENCES, self.passed
            passed = (torch.arange(len(outputs)) % 2 == 1) | is_validation | is_second_test
            self.passed = bool(passed.any()) and not is_validation and not is_second_test
            return passed

    trained = population(SecondMemberPasses(), 2, MEMBERS[:2], Budget(12, 4, 4, patience, 50))
    run_to_end(trained)
    assert [(r.status, r.step) for r in trained.results] == [("unsolved", 12), ("solved", solved_at)]


def test_member_whose_test_loss_overflows_is_diverged():
    class InfiniteTestLoss(FirstSign):
        def loss(self, outputs, targets, weight):
            loss = super().loss(outputs, targets, weight)
            return loss if outputs.shape[-2] != SOLVING_BUDGET.test else loss + torch.inf

    trained = population(InfiniteTestLoss(), 2, [member(1, 0.1)], SOLVING_BUDGET)
    run_to_end(trained)
    assert (trained.results[0].status, trained.results[0].loss) == ("diverged", None)
    assert all(map(math.isfinite, all_numbers(trained.results[0])))


def test_the_second_test_set_is_new_at_every_step(monkeypatch):
    seeds = []
    original = population_module.evaluation_set

    def recorded(task, lag, sequences, seed, final, device):
        seeds.append(seed)
        return original(task, lag, sequences, seed, final, device)

    monkeypatch.setattr(population_module, "evaluation_set", recorded)
    script = {"scores": [1.0] * 8, "solved": [True] * 8, "test_solved": [True, False, True, False, True, True]}
    run_to_end(population(ScriptedEvaluation(**script), 2, [member(1)], SOLVING_BUDGET))
    assert seeds[0] == VALIDATION_SEED
    assert seeds[1::2] == [TEST_SEED] * 3
    assert seeds[2::2] == [UNSEEN_SEED + step for step in (20, 40, 60)]


def test_a_task_that_does_not_stop_when_solved_is_judged_at_the_end():
    class ToTheEnd(FirstSign):
        stops_when_solved = False

    trained = population(ToTheEnd(), 3, SOLVING_MEMBERS, SOLVING_BUDGET)
    run_to_end(trained)
    assert {result.step for result in trained.results} == {160}
    assert {result.status for result in trained.results} == {"solved", "unsolved"}
