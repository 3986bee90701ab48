"""The objective of a search, computed by hand."""

import pytest

from ablations.training.result import Budget, Result, objective

BUDGET = Budget(steps=100, batch=2, eval_every=25, patience=2, test=3)


def result(status, step, scores):
    """A result with these validation scores, one every 25 steps."""
    return Result(status, step, curves={"eval/score": [(25 * n, score) for n, score in enumerate(scores, 1)]})


@pytest.mark.parametrize(
    ("status", "step", "scores", "expected"),
    [
        ("unsolved", 100, [0.2, 0.4, 0.6, 0.8], 0.5 / 2),
        ("unsolved", 100, [-3, 0, 1, 1.7], 0.5 / 2),
        ("solved", 50, [0.6, 0.8], (1 + (0.6 + 0.8 + 1 + 1) / 4) / 2),
        ("solved", 100, [0, 0, 0, 0.8], (1 + 0.2) / 2),
        ("diverged", 75, [0.5, 0.9], (0.5 + 0.9) / 4 / 2),
        ("diverged", 25, [], 0),
    ],
)
def test_objective_is_the_mean_of_solved_and_the_area_under_the_validation_score(status, step, scores, expected):
    assert objective(result(status, step, scores), BUDGET) == pytest.approx(expected)


def test_solving_at_the_last_step_is_preferred_to_a_perfect_validation_score_without_solving():
    solved, unsolved = result("solved", 100, [0, 0, 0, 0.9]), result("unsolved", 100, [1, 1, 1, 1])
    assert objective(solved, BUDGET) > objective(unsolved, BUDGET)


def test_points_are_logged_in_order():
    logged = Result()
    logged.log("train/loss", 25, 0.5)
    logged.log("train/loss", 50, 0.25)
    assert logged.curves == {"train/loss": [(25, 0.5), (50, 0.25)]}
