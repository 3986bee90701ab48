"""Training a population: all members of an arm at once, each with its own seed, data, learning rate and fate.

A population's members are fixed when it is formed. It yields events, knows no tracker and no tuner, and is saved and
resumed whole, so that an interrupted population ends with the numbers of an undisturbed one.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Generator, Tensor

from ablations.cells import State, Weights
from ablations.cells.initial import Setting
from ablations.networks.evaluation import (
    TEST_SEED,
    VALIDATION_SEED,
    VALIDATION_SEQUENCES,
    Evaluation,
    Stacked,
    evaluate,
    evaluation_set,
    gate_statistics,
    member_chunks,
    run_extra_tests,
    stack,
)
from ablations.networks.model import Model
from ablations.networks.optim import Adam, clip
from ablations.training.initialisation import start
from ablations.training.snapshots import SavedWeights, Snapshots
from tasks import Task


class Member(NamedTuple):
    """One network to train: its seed and its hyperparameters (`learning_rate`, `clip_norm`, initialisers)."""

    seed: int
    settings: dict[str, Setting]


class Budget(NamedTuple):
    """What every member gets."""

    steps: int
    batch: int
    eval_every: int
    patience: int
    """Evaluations in a row that must meet the task's criterion before the test set is asked."""
    test: int
    """Sequences in the test set (a continual task defines its own stream)."""


Status = Literal["solved", "unsolved", "diverged"]


@dataclass
class Result:
    """How one member ended. No number in it is ever NaN or infinite: a diverged member scores 0."""

    status: Status = "unsolved"
    step: int = 0
    """The step it left at: where it was found solved, where it diverged, or the budget."""
    score: float = 0.0
    """On the test set."""
    loss: float | None = None
    """On the test set; None for a diverged member."""
    objective: float = 0.0
    """What a search maximises, in [0, 1]: see `_objective`."""
    seconds: float = 0.0
    """Its share of the population's time."""
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """(step, value) pairs by metric."""

    def log(self, metric: str, step: int, value: float) -> None:
        self.curves.setdefault(metric, []).append((step, value))


class Evaluated(NamedTuple):
    """An event: the members still training were evaluated; `best` is the best of all members' latest scores."""

    step: int
    active: int
    best: float


class Finished(NamedTuple):
    """An event: a member has ended."""

    member: int
    result: Result
    kept: SavedWeights | None = None
    """Its weights, if they are to be kept; a diverged member has none, and they are given once."""


class Population:
    """The members of one arm in training. Rows of its tensors are the `active` members, in their order."""

    def __init__(
        self, model: Model, task: Task, lag: int, members: Sequence[Member], budget: Budget, save_weights: bool = False
    ) -> None:
        """`keep`: members leave with their weights."""
        self.model, self.task, self.lag, self.members, self.budget = model, task, lag, members, budget
        drawn = start(model, task, lag, [m.seed for m in members], [m.settings for m in members])
        self.weights = model.pack(drawn)
        self.adam = Adam(self.weights, torch.tensor([float(m.settings["learning_rate"]) for m in members]))
        self.clip_norm = torch.tensor([float(m.settings["clip_norm"]) for m in members])
        # From a generator of their own: a member's data do not depend on how its weights were drawn.
        self.streams = [task.stream(Generator().manual_seed(m.seed + 2**48), budget.batch, lag) for m in members]
        self.state = model.zero_state(len(members), budget.batch)
        self.active = list(range(len(members)))
        self.streak = [0] * len(members)
        self.results = [Result() for _ in members]
        self.step = 0
        self.snapshots = Snapshots() if save_weights else None
        self.validation = evaluation_set(task, lag, VALIDATION_SEQUENCES, VALIDATION_SEED, final=False)

    def run(self) -> Iterator[Evaluated | Finished]:
        """Train until every member has left. Between two events a population may be saved, and dropped."""
        torch.set_flush_denormal(True)  # vanished gradients would take the processor's slow path
        yield from [Finished(k, result) for k, result in enumerate(self.results) if k not in self.active]
        while self.active:
            begun = time.perf_counter()
            loss = norm = torch.empty(0)
            for _ in range(min(self.budget.eval_every, self.budget.steps - self.step)):
                loss, norm = self.train_step()
                if self.snapshots:
                    self.snapshots.take(self.step, self.weights)
            left = self._watch(loss, norm)
            kept = {k: self._kept(row) for row, k in enumerate(self.active) if k in left}
            for k in self.active:
                self.results[k].seconds += (time.perf_counter() - begun) / len(self.active)
            self._select([row for row, k in enumerate(self.active) if k not in left])
            best = max((r.curves["eval/score"][-1][1] for r in self.results if r.curves), default=0.0)
            yield from [Finished(k, self.results[k], kept[k]) for k in left]
            yield Evaluated(self.step, len(self.active), best)

    def train_step(self) -> tuple[Tensor, Tensor]:
        """One gradient step of every active member: their losses, and the norms of their gradients before clipping."""
        batch = stack(self.task, [stream.next() for stream in self.streams])
        if not self.task.continual:
            self.state = self.model.zero_state(len(self.active), self.budget.batch)
        _, steps, sequences, features = batch.inputs.shape
        each = steps * sequences * (features + SAVED_FLOATS_PER_UNIT * self.model.hidden * self.model.layers)
        groups = [self._gradient(rows, batch.of(rows)) for rows in member_chunks(len(self.active), each)]
        loss, gradient = (torch.cat(values) for values in list(zip(*groups, strict=True))[:2])
        self.state = [
            {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
            for parts in zip(*(state for _, _, state in groups), strict=True)
        ]
        gradient, norm = clip(gradient, self.clip_norm)
        self.adam.step(self.weights, gradient)
        self.step += 1
        return loss, norm

    def _gradient(self, rows: slice, batch: Stacked) -> tuple[Tensor, Tensor, list[State]]:
        """The losses of some members, their gradients, and their state after the batch."""
        flat = self.weights[rows].requires_grad_()
        state = [{name: part[rows] for name, part in layer.items()} for layer in self.state]
        outputs, state = self.model(self.unpack(flat), batch.inputs, state, batch.reset)
        loss = self.task.loss(outputs, batch.targets, batch.weight)
        (gradient,) = torch.autograd.grad(loss.sum(), flat)
        return loss.detach(), gradient, state

    def unpack(self, flat: Tensor) -> Weights:
        """Named weights, as views of the flat ones."""
        return self.model.unpack(flat)

    def validate(self) -> Evaluation:
        """The active members on the validation set."""
        return evaluate(self.model, self.unpack(self.weights), self.task, self.validation)

    def _watch(self, train_loss: Tensor, norm: Tensor) -> list[int]:
        """Look how the active members do; those that leave, with their results complete."""
        seen = self.validate()
        finite = torch.stack([train_loss, norm, seen.loss, seen.score]).isfinite().all(0)
        over = self.step >= self.budget.steps
        left, asking = [], []
        for row, k in enumerate(self.active):
            result = self.results[k]
            if not finite[row]:
                result.status, result.step = "diverged", self.step
                left.append(k)
                continue
            result.log("train/loss", self.step, train_loss[row].item())
            result.log("grad/norm", self.step, norm[row].item())
            result.log("eval/loss", self.step, seen.loss[row].item())
            result.log("eval/score", self.step, seen.score[row].item())
            self.streak[k] = self.streak[k] + 1 if seen.solved[row] else 0
            if over or (self.streak[k] > 0 and self.streak[k] % self.budget.patience == 0):
                asking.append(row)
        left += self._test(asking, over)
        for k in left:
            self.results[k].objective = _objective(self.results[k], self.budget)
        return left

    def _test(self, rows: list[int], over: bool) -> list[int]:
        """Apply the task's criterion on the test set; those that leave.

        A member leaves as solved only when the test set agrees, and the task's probes: a validation set that is a little
        too easy must not cost it the rest of its budget.
        """
        if not rows:
            return []
        data = evaluation_set(self.task, self.lag, self.budget.test, TEST_SEED, final=True)
        weights = self.unpack(self.weights[rows])
        seen = evaluate(self.model, weights, self.task, data)
        gates = gate_statistics(self.model, weights, self.validation)
        finite = torch.stack([seen.loss, seen.score]).isfinite().all(0)
        asked = (finite & (seen.solved | over)).nonzero().flatten().tolist()
        passed, found = run_extra_tests(
            self.model, self.unpack(self.weights[[rows[at] for at in asked]]), self.task, self.lag
        )
        solved = {at for at, also in zip(asked, passed.tolist(), strict=True) if seen.solved[at] and also}
        left = []
        for at, row in enumerate(rows):
            result = self.results[self.active[row]]
            if not finite[at]:
                result.status, result.step = "diverged", self.step
            elif at in solved or over:
                result.status = "solved" if at in solved else "unsolved"
                result.step, result.score, result.loss = self.step, seen.score[at].item(), seen.loss[at].item()
                for metric, values in gates.items():
                    result.log(metric, self.step, values[at].item())
                for name, values in found.items():
                    result.log(f"test/{name}", self.step, values[asked.index(at)].item())
                for window, value in enumerate(seen.state_norm[at].tolist() if self.task.continual else [], 1):
                    result.log("test/state_norm", window, min(value, _LARGEST))
            else:
                continue
            left.append(self.active[row])
        return left

    def _kept(self, row: int) -> SavedWeights | None:
        """What is kept of an active member that leaves now."""
        if self.snapshots is None or self.results[self.active[row]].status == "diverged":
            return None
        return self.snapshots.of(row, self.step, self.weights, self.unpack)

    def _select(self, rows: list[int]) -> None:
        """Go on with some of the active members."""
        if len(rows) == len(self.active):
            return
        kept = torch.tensor(rows, dtype=torch.int64)
        self.weights, self.clip_norm = self.weights[kept], self.clip_norm[kept]
        if self.snapshots:
            self.snapshots.rows(kept)
        self.adam.select(kept)
        self.state = [{name: part[kept] for name, part in layer.items()} for layer in self.state]
        self.streams = [self.streams[row] for row in rows]
        self.active = [self.active[row] for row in rows]

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs to go on as if nothing had happened: tensors, numbers and strings only.

        The tensors are the live ones: write them down before the next step.
        """
        return {
            "step": self.step,
            "active": self.active,
            "streak": self.streak,
            "weights": self.weights,
            "snapshots": self.snapshots.flat if self.snapshots else {},
            "adam": self.adam.save(),
            "state": self.state,
            "streams": [stream.state() for stream in self.streams],
            "results": [asdict(result) for result in self.results],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from where a population of the same members was saved."""
        self._select(saved["active"])
        self.step, self.streak, self.weights, self.state = (
            saved["step"],
            saved["streak"],
            saved["weights"],
            saved["state"],
        )
        if self.snapshots:
            self.snapshots.flat = saved["snapshots"]
        self.adam.load(saved["adam"])
        for stream, state in zip(self.streams, saved["streams"], strict=True):
            stream.load(state)
        self.results = [Result(**result) for result in saved["results"]]


SAVED_FLOATS_PER_UNIT = (
    12  # numbers that a step keeps for the way back, roughly, per unit: gates, state, what is computed on the way
)
_LARGEST = 1e30  # float32 norms overflow; a tracker cannot show infinity


def _objective(result: Result, budget: Budget) -> float:
    """The mean of two shares: whether it solved its task (0 or 1), and the area under its validation score over the whole
    budget, clipped to [0, 1], 1 after solving and 0 after divergence.

    The area alone would not prefer who also passes the test set and the task's probes, say on longer strings, to who
    merely learned sooner what the validation set asks: yet solving is what a confirmation counts.
    """
    area, before = 0.0, 0
    for step, score in result.curves.get("eval/score", []):
        area += (step - before) * min(max(score, 0.0), 1.0)
        before = step
    solved = result.status == "solved"
    if solved:
        area += budget.steps - result.step
    return (solved + area / budget.steps) / 2
