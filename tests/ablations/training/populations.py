"""Small populations, tasks whose evaluation is scripted, and training by torch's own optimiser, for tests of training."""

import io
import math

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.engines.eager import scan
from ablations.networks.evaluation import VALIDATION_SEQUENCES
from ablations.networks.model import Model
from ablations.training.population import Finished, Population
from ablations.training.result import Budget, Member
from tasks.adding import Adding
from tasks.base import Batch, Classification, Episodic, ExtraTest
from tasks.continual_adding import ContinualAdding


class FirstSign(Episodic, Classification):
    """Whether the first input is positive. It has no name and is therefore not in the catalogue."""

    minimum_lag = 1
    chance = 0.5
    criterion = "accuracy above 0.9"

    def sizes(self, lag):
        return 1, 2

    def steps(self, lag):
        return lag

    def sample(self, generator, batch, lag):
        inputs = 2 * torch.rand(lag, batch, 1, generator=generator) - 1
        weight = torch.zeros(lag, batch)
        weight[-1] = 1
        return Batch(inputs, (inputs[0, :, 0] > 0).long().repeat(lag, 1), weight, {"query": weight.bool()})

    def solved(self, outputs, targets, weight):
        return self.accuracy(outputs, targets, weight) > 0.9

    def trivial_loss(self, lag):
        return math.log(2)


class ScriptedEvaluation(FirstSign):
    """A task for one member whose evaluations return given values, in order, whatever the outputs.

    `scores` and `solved` are those of validations, `test_solved` those of evaluations on the two test sets (score 0.75). Once
    the values run out, nothing is solved. `tests` counts the evaluations on test sets.
    """

    def __init__(self, scores=(), solved=(), test_solved=()):
        self.scores, self.solved_values, self.test_solved_values = iter(scores), iter(solved), iter(test_solved)
        self.tests = 0

    def score(self, outputs, targets, weight):
        is_test = outputs.shape[-2] != VALIDATION_SEQUENCES
        self.tests += is_test
        return torch.tensor([0.75 if is_test else float(next(self.scores))])

    def solved(self, outputs, targets, weight):
        is_test = outputs.shape[-2] != VALIDATION_SEQUENCES
        return torch.tensor([next(self.test_solved_values if is_test else self.solved_values, False)])


class ScriptedExtraTest(ScriptedEvaluation):
    """The same with an extra test `longer`, which measures the given values, in order, and requires 3."""

    def __init__(self, extra_values, **script):
        super().__init__(**script)
        self.extra_values = iter(extra_values)

    def extra_tests(self, generator, lag):
        batch = self.sample(generator, 7, 2 * lag)
        return {
            "longer": ExtraTest(
                [batch], lambda outputs, *_: torch.full(outputs.shape[:1], next(self.extra_values)), 3.0
            )
        }


class ShortStream(ContinualAdding):
    """`continual_adding`, evaluated on fewer windows."""

    def evaluation(self, sequences, final):
        return (6, 1, 2) if final else (5, 1, 1)


def member(seed=0, learning_rate=0.01, clip_norm=1.0, **settings):
    return Member(seed, {"learning_rate": learning_rate, "clip_norm": clip_norm, **settings})


DIVERGING_RATE = 1e30
MEMBERS = [
    member(11, 0.003, 10.0, forget_bias="chrono", recurrent_init="uniform"),
    member(22, 0.03, 0.3, forget_bias=3.0),
    member(33, 0.01, 0.05, recurrent_init="identity", input_bias=-1.0),
]
"""Members with different hyperparameters, none of which solves a task or diverges within BUDGET."""
BUDGET = Budget(steps=12, batch=4, eval_every=4, patience=2, test=50)

SOLVING_BUDGET = Budget(steps=160, batch=16, eval_every=20, patience=1, test=100)
"""Enough to solve FirstSign, with a learning rate that is not too small."""
SOLVING_RATES = [1e-6, 0.3, 0.02, 1e-6]
"""The second and third solve FirstSign within SOLVING_BUDGET, at different steps."""
SOLVING_MEMBERS = [member(seed, rate) for seed, rate in enumerate(SOLVING_RATES)]

EPISODIC_AND_CONTINUAL = [pytest.param(Adding(), 6, id="episodic"), pytest.param(ShortStream(), 5, id="continual")]
WITH_RESET = pytest.param(ShortStream(reset=True), 5, id="continual with reset")
episodic_and_continual = pytest.mark.parametrize(("task", "lag"), EPISODIC_AND_CONTINUAL)


def population(task, lag, members, budget=BUDGET, cell="lstm", save_weights=False):
    model = Model(catalogue()[cell](), *task.sizes(lag), 3, scan)
    return Population(model, task, lag, members, budget, save_weights)


def run_to_end(trained):
    """Run a population; returns the members in the order in which they finish, and the weights after each evaluation."""
    finished, weights = [], {}
    for event in trained.run():
        if isinstance(event, Finished):
            assert event.result is trained.results[event.member]
            finished.append(event.member)
        else:
            assert (event.step, event.active) == (trained.step, len(trained.active))
            weights[event.step] = trained.weights.clone()
    return finished, weights


def saved_and_loaded(trained):
    """The state of a population after writing it to a file and reading it."""
    file = io.BytesIO()
    torch.save(trained.save(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def results_without_seconds(trained):
    return [{name: value for name, value in vars(r).items() if name != "seconds"} for r in trained.results]


def all_numbers(result):
    """Every number in a result and its curves."""
    curves = [value for points in result.curves.values() for point in points for value in point]
    scalars = [value for value in vars(result).values() if isinstance(value, int | float)]
    return scalars + curves


def assert_close_results(a, b, rtol=1e-3, atol=1e-5):
    """Two results are equal up to rounding."""
    assert (a.status, a.step, a.curves.keys()) == (b.status, b.step, b.curves.keys())
    for name in a.curves:
        torch.testing.assert_close(torch.tensor(a.curves[name]), torch.tensor(b.curves[name]), rtol=rtol, atol=atol)
    assert a.score == pytest.approx(b.score, rel=rtol, abs=atol)
    assert a.objective == pytest.approx(b.objective, rel=rtol, abs=atol)
    assert a.loss == pytest.approx(b.loss, rel=rtol, abs=atol)


def train_by_torch(task, lag, member, steps):
    """Train one member with torch's own optimiser and clipping; returns its flat weights, stream and losses."""
    generator = Generator().manual_seed(member.seed)
    model = Model(catalogue()["lstm"](), *task.sizes(lag), 3, scan)
    w = {
        name: weight.unsqueeze(0).requires_grad_()
        for name, weight in model.initialise(member.settings, lag, generator).items()
    }
    optimiser = torch.optim.Adam(w.values(), lr=member.settings["learning_rate"])
    data = Generator().manual_seed(member.seed + 2**48)
    stream = task.stream(data, BUDGET.batch, lag)
    state, losses = [], []
    for _ in range(steps):
        batch = stream.next()
        reset = task.reset(batch.events)
        reset = reset if reset is None else reset.unsqueeze(0)
        start = state if state and task.continual else model.initial_state(w, BUDGET.batch)
        outputs, state = model(w, batch.inputs.unsqueeze(0), start, reset)
        loss = task.loss(outputs[0], batch.targets, batch.weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(w.values(), member.settings["clip_norm"])
        optimiser.step()
        losses.append(loss.item())
    return torch.cat([weight.detach().flatten() for weight in w.values()]), stream, losses
