"""Training a population: all members of an arm at once, each with its own seed, data and hyperparameters.

The members of a population are fixed when it is created. It yields events and is saved and resumed as a whole, so that
an interrupted population ends with the numbers of an uninterrupted one. It imports neither MLflow nor Optuna.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from ablations.cells import State
from ablations.engines.device import CPU
from ablations.networks.evaluation import (
    TEST_SEED,
    UNSEEN_SEED,
    VALIDATION_SEED,
    VALIDATION_SEQUENCES,
    Evaluation,
    Stacked,
    evaluate,
    evaluation_set,
    gate_statistics,
    member_chunks,
    run_extra_tests,
    send,
    stack,
)
from ablations.networks.model import Model
from ablations.networks.optim import Adam
from ablations.training.initialisation import initial_weights
from ablations.training.replay import Replay
from ablations.training.result import Budget, Member, Result, objective
from ablations.training.snapshots import SavedWeights, Snapshots
from tasks import Task

SAVED_FLOATS_PER_UNIT = 12
"""Floats saved for backward, per unit and step, roughly: gates, state and intermediate values."""
MAX_NORM = 1e30
"""Largest state norm that is logged: float32 norms overflow, and MLflow does not accept infinite values."""


class Evaluated(NamedTuple):
    """Event: the members in training were evaluated on the validation set."""

    step: int
    active: int
    """Members that are still training."""
    best: float
    """The best of all members' latest validation scores."""


class Finished(NamedTuple):
    """Event: the training of a member ended."""

    member: int
    result: Result
    weights: SavedWeights | None = None
    """None unless the population saves weights, for diverged members, and for members that finished before a resume."""


class Population:
    """The members of one arm in training. Row r of every tensor belongs to member `active[r]`."""

    def __init__(
        self,
        model: Model,
        task: Task,
        lag: int,
        members: Sequence[Member],
        budget: Budget,
        save_weights: bool = False,
        device: torch.device = CPU,
    ) -> None:
        """
        :param save_weights: whether `Finished` events carry weights.
        :param device: where members train. Random numbers are drawn on the CPU, so that they are the same on every device.
        :raises ValueError: if initial weights cannot be matched in gradient decay (see `initial_weights`).
        """
        self.model, self.task, self.lag, self.members = model, task, lag, members
        self.budget, self.device, self.unpack = budget, device, model.unpack
        settings, seeds = [member.settings for member in members], [member.seed for member in members]
        self.weights = model.pack(initial_weights(model, task, lag, seeds, settings)).to(device)
        self.trained = model.trained.to(device)
        self.optimiser = Adam(self.weights, settings, budget.steps)
        # The data have a generator of their own, so that they do not depend on how the weights are drawn.
        generators = [Generator().manual_seed(seed + 2**48) for seed in seeds]
        self.streams = [task.split_stream("train", generator, budget.batch, lag) for generator in generators]
        generators = [Generator().manual_seed(seed + 2**51) for seed in seeds]  # tests' seeds are 2**50 and more
        self.noise = generators if model.cell.noise() else []
        """The generator of each active member's noise, for cells that have any."""
        state = model.initial_state(self.unpack(self.weights), budget.batch)
        self.state = [{name: part.clone() for name, part in layer.items()} for layer in state]
        """Changed in place."""
        self.active = list(range(len(members)))
        self.streak = [0] * len(members)
        """Consecutive validations that met the criterion, by member."""
        self.results = [Result() for _ in members]
        self.step = 0
        self.snapshots = Snapshots() if save_weights else None
        self.validation = evaluation_set(task, lag, VALIDATION_SEQUENCES, VALIDATION_SEED, False, device)
        self.update = Replay(self._update, device)

    def run(self) -> Iterator[Evaluated | Finished]:
        """Train until every member has finished. The population may be saved between two events.

        Events of members that finished before a resume are repeated, as they may not have been processed.
        """
        yield from [Finished(k, result) for k, result in enumerate(self.results) if k not in self.active]
        while self.active:
            started = time.perf_counter()
            loss = norm = torch.empty(0)
            for _ in range(min(self.budget.eval_every, self.budget.steps - self.step)):
                loss, norm = self.train_step()
                if self.snapshots:
                    self.snapshots.take(self.step, self.weights)
            finished = self._evaluate(loss, norm)
            weights = {k: self._weights_to_save(row) for row, k in enumerate(self.active) if k in finished}
            seconds = (time.perf_counter() - started) / len(self.active)
            for k in self.active:
                self.results[k].seconds += seconds
            self._select([row for row, k in enumerate(self.active) if k not in finished])
            best = max((r.curves["eval/score"][-1][1] for r in self.results if r.curves), default=0.0)
            yield from [Finished(k, self.results[k], weights[k]) for k in finished]
            yield Evaluated(self.step, len(self.active), best)

    def train_step(self) -> tuple[Float[Tensor, " members"], Float[Tensor, " members"]]:
        """One gradient step of every active member; returns their losses, and gradient norms before clipping."""
        batch = stack(self.task, [stream.next() for stream in self.streams])
        noise = self.model.draw_noise(self.noise, batch.inputs.shape[1], self.budget.batch)
        factors, *noise = (send(tensor, self.device) for tensor in (self.optimiser.next_factors(), *noise))
        loss, norm = self.update(*batch.to(self.device), factors, *noise)
        self.step += 1
        return loss, norm

    def _update(
        self, inputs: Tensor, targets: Tensor, weight: Tensor, reset: Tensor | None, factors: Tensor, *noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The part of `train_step` on the device, which a CUDA graph can record (`replay`): from tensors to losses and gradient norms.

        Weights, optimiser and state change in place. Members are differentiated in chunks whose memory is bounded.
        """
        batch = Stacked(inputs, targets, weight, reset)
        _, steps, sequences, features = inputs.shape
        floats = steps * sequences * (features + SAVED_FLOATS_PER_UNIT * self.model.hidden * self.model.layers)
        chunks = [
            self._gradient(rows, batch.select(rows), [layer[rows] for layer in noise])
            for rows in member_chunks(len(self.active), floats, self.device)
        ]
        loss, gradient = (torch.cat(values) for values in list(zip(*chunks, strict=True))[:2])
        for layer, parts in zip(self.state, zip(*(state for _, _, state in chunks), strict=True), strict=True):
            for name, part in layer.items():
                part.copy_(torch.cat([chunk[name] for chunk in parts]))
        return loss, self.optimiser.step(self.weights, gradient, self.trained, factors)

    def _gradient(self, rows: slice, batch: Stacked, noise: list[Tensor]) -> tuple[Tensor, Tensor, list[State]]:
        """The losses of a chunk of members, their gradients, and their state after the batch."""
        flat = self.weights[rows].requires_grad_()
        w = self.unpack(flat)
        if self.task.continual and self.step > 0:
            state = [{name: part[rows] for name, part in layer.items()} for layer in self.state]
        else:
            state = self.model.initial_state(w, self.budget.batch)
        outputs, state = self.model(w, batch.inputs, state, batch.reset, noise)
        loss = self.task.loss(outputs, batch.targets, batch.weight)
        (gradient,) = torch.autograd.grad(loss.sum(), flat)
        return loss.detach(), gradient, state

    def validate(self) -> Evaluation:
        """Evaluate the active members on the validation set."""
        return evaluate(self.model, self.unpack(self.weights), self.task, self.validation)

    def _evaluate(self, train_loss: Tensor, norm: Tensor) -> list[int]:
        """Validate, log the curves and apply the stopping rules; returns the members that finish, results complete."""
        validation, train_loss, norm = self.validate(), train_loss.cpu(), norm.cpu()
        finite = torch.stack([train_loss, norm, validation.loss, validation.score]).isfinite().all(0)
        last = self.step >= self.budget.steps
        finished, to_test = [], []
        for row, k in enumerate(self.active):
            result = self.results[k]
            if not finite[row]:
                result.status, result.step = "diverged", self.step
                finished.append(k)
                continue
            result.log("train/loss", self.step, train_loss[row].item())
            result.log("grad/norm", self.step, norm[row].item())
            result.log("eval/loss", self.step, validation.loss[row].item())
            result.log("eval/score", self.step, validation.score[row].item())
            self.streak[k] = self.streak[k] + 1 if validation.solved[row] else 0
            streak = self.streak[k] if self.task.stops_when_solved else 0
            if last or (streak > 0 and streak % self.budget.patience == 0):
                to_test.append(row)
        finished += self._test(to_test, last)
        for k in finished:
            self.results[k].objective = objective(self.results[k], self.budget)
        return finished

    def _test(self, rows: list[int], last: bool) -> list[int]:
        """Apply the task's criterion to the test set, then to a second one, and run its extra tests; returns the members that
        finish.

        Before the end of the budget a member finishes only if it passes all of them. Otherwise it continues to train, so that a
        criterion met on the small validation set by chance does not end its training. The second set is new at every step:
        a network that is tested again and again would pass the same one in the end.
        """
        if not rows:
            return []
        data = evaluation_set(self.task, self.lag, self.budget.test, TEST_SEED, True, self.device)
        weights = self.unpack(self.weights[rows])
        test = evaluate(self.model, weights, self.task, data)
        gates = gate_statistics(self.model, weights, self.validation)
        finite = torch.stack([test.loss, test.score]).isfinite().all(0)
        passed = self._passes_unseen(rows, finite & test.solved)
        tested = (finite & (passed | last)).nonzero().flatten().tolist()
        extra = run_extra_tests(self.model, self.unpack(self.weights[[rows[i] for i in tested]]), self.task, self.lag)
        solved = {i for i, all_passed in zip(tested, extra.passed.tolist(), strict=True) if passed[i] and all_passed}
        finished = []
        for i, row in enumerate(rows):
            result = self.results[self.active[row]]
            if not finite[i]:
                result.status, result.step = "diverged", self.step
            elif i in solved or last:
                result.status = "solved" if i in solved else "unsolved"
                result.step, result.score, result.loss = self.step, test.score[i].item(), test.loss[i].item()
                for metric, values in gates.items():
                    result.log(metric, self.step, values[i].item())
                for name, values in extra.values.items():
                    result.log(f"test/{name}", self.step, values[tested.index(i)].item())
                for window, value in enumerate(test.state_norm[i].tolist() if self.task.continual else [], 1):
                    result.log("test/state_norm", window, min(value, MAX_NORM))
            else:
                continue
            finished.append(self.active[row])
        return finished

    def _passes_unseen(self, rows: list[int], candidates: Bool[Tensor, " rows"]) -> Bool[Tensor, " rows"]:
        """Which of the candidates meet the task's criterion on a second test set, which was not used before."""
        passing = candidates.nonzero().flatten()
        if not len(passing):
            return candidates
        data = evaluation_set(self.task, self.lag, self.budget.test, UNSEEN_SEED + self.step, True, self.device)
        weights = self.unpack(self.weights[torch.tensor(rows)[passing]])
        return candidates.index_put((passing,), evaluate(self.model, weights, self.task, data).solved)

    def _weights_to_save(self, row: int) -> SavedWeights | None:
        if self.snapshots is None or self.results[self.active[row]].status == "diverged":
            return None
        return self.snapshots.saved_weights(row, self.step, self.weights, self.unpack)

    def _select(self, rows: list[int]) -> None:
        """Keep only these rows of the active members in training."""
        if len(rows) == len(self.active):
            return
        index = torch.tensor(rows, dtype=torch.int64, device=self.device)
        self.weights = self.weights[index]
        if self.snapshots:
            self.snapshots.select(index)
        self.optimiser.select(index)
        self.state = [{name: part[index] for name, part in layer.items()} for layer in self.state]
        self.streams = [self.streams[row] for row in rows]
        self.noise = [self.noise[row] for row in rows] if self.noise else []
        self.active = [self.active[row] for row in rows]
        self.update = Replay(self._update, self.device)

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs to continue bit for bit: tensors, numbers and strings only.

        The tensors are not copied: write them to a file before the next step.
        """
        return {
            "step": self.step,
            "active": self.active,
            "streak": self.streak,
            "weights": self.weights,
            "snapshots": self.snapshots.flat if self.snapshots else {},
            "optimiser": self.optimiser.save(),
            "state": self.state,
            "streams": [stream.state() for stream in self.streams],
            "noise": [generator.get_state() for generator in self.noise],
            "results": [asdict(result) for result in self.results],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Restore the state that `save` returned for a population of the same members."""
        self._select(saved["active"])
        self.step, self.streak, self.weights = saved["step"], saved["streak"], saved["weights"].to(self.device)
        self.state = [{name: part.to(self.device) for name, part in layer.items()} for layer in saved["state"]]
        self.update = Replay(self._update, self.device)
        if self.snapshots:
            self.snapshots.flat = {step: flat.to(self.device) for step, flat in saved["snapshots"].items()}
        self.optimiser.load(saved["optimiser"])
        for stream, state in zip(self.streams, saved["streams"], strict=True):
            stream.load(state)
        for generator, state in zip(self.noise, saved.get("noise", []), strict=True):
            generator.set_state(state)
        self.results = [Result(**result) for result in saved["results"]]
