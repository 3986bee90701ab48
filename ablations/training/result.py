"""Data types of a population: a member, its training budget and its result; the objective of a search."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ablations.hyperparameters import Setting


class Member(NamedTuple):
    """One network to train."""

    seed: int
    settings: dict[str, Setting]
    """Hyperparameters by name; those that are missing take their defaults (`ablations.hyperparameters`)."""


class Budget(NamedTuple):
    """The training of every member, as in the `[train]` table of a study."""

    steps: int
    """Gradient steps."""
    batch: int
    """Sequences per step."""
    eval_every: int
    """Steps between evaluations on the validation set."""
    patience: int
    """Consecutive evaluations that must meet the task's criterion before the test set is evaluated."""
    test: int
    """Sequences in the test set (a continual task sets the length of its own test stream)."""


Status = Literal["solved", "unsolved", "diverged"]


@dataclass
class Result:
    """How the training of one member ended. All numbers are finite: a diverged member has score 0."""

    status: Status = "unsolved"
    step: int = 0
    """The training step at which the member solved the task or diverged; otherwise the budget."""
    score: float = 0.0
    """Score on the test set."""
    loss: float | None = None
    """Loss on the test set; None for a diverged member."""
    objective: float = 0.0
    """The objective of a search, in [0, 1]: see `objective`."""
    seconds: float = 0.0
    """The member's share of the population's wall-clock time."""
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """(step, value) pairs by metric."""

    def log(self, metric: str, step: int, value: float) -> None:
        """Append a point to a curve."""
        self.curves.setdefault(metric, []).append((step, value))


def objective(result: Result, budget: Budget) -> float:
    """The objective of a search, in [0, 1]: the mean of `solved` (0 or 1) and the area under the validation score.

    The area is over the whole budget, with scores clipped to [0, 1], 1 after solving and 0 after divergence. The area alone
    would prefer networks that reach high validation scores early to networks that solve the task, and solved networks are
    what a confirmation counts.
    """
    area, previous = 0.0, 0
    for step, score in result.curves.get("eval/score", []):
        area += (step - previous) * min(max(score, 0.0), 1.0)
        previous = step
    solved = result.status == "solved"
    if solved:
        area += budget.steps - result.step
    return (solved + area / budget.steps) / 2
