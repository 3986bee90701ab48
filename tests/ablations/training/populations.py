"""Small populations, tasks that are judged by a script, and training by torch itself: what tests of training share."""

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


class Sign(Episodic, Classification):
    """Was the first number positive? It has no name, and so no place in the catalogue."""

    minimum_lag = 1
    chance = 0.5
    criterion = "all right"

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


class Scripted(Sign):
    """Judged by a script: the scores and verdicts of one evaluation after the other, whatever the outputs."""

    def __init__(self, scores=(), solved=(), test=()):
        self.scores, self.verdicts, self.test, self.tests = iter(scores), iter(solved), iter(test), 0

    def score(self, outputs, targets, weight):
        is_test = outputs.shape[-2] != VALIDATION_SEQUENCES
        self.tests += is_test
        return torch.tensor([0.75 if is_test else float(next(self.scores))])

    def solved(self, outputs, targets, weight):
        is_test = outputs.shape[-2] != VALIDATION_SEQUENCES
        return torch.tensor([next(self.test if is_test else self.verdicts, False)])


class Asking(Scripted):
    """Scripted, with a probe: what it finds, every time that it is asked."""

    def __init__(self, found, **script):
        super().__init__(**script)
        self.found = iter(found)

    def extra_tests(self, generator, lag):
        longer = self.sample(generator, 7, 2 * lag)
        return {
            "further": ExtraTest([longer], lambda outputs, *_: torch.full(outputs.shape[:1], next(self.found)), 3.0)
        }


class Stream(ContinualAdding):
    """Judged on fewer windows."""

    def evaluation(self, sequences, final):
        return (6, 1, 2) if final else (5, 1, 1)


def member(seed=0, learning_rate=0.01, clip_norm=1.0, **settings):
    return Member(seed, {"learning_rate": learning_rate, "clip_norm": clip_norm, **settings})


DIFFERENT = [
    member(11, 0.003, 10.0, forget_bias="chrono", recurrent_init="uniform"),
    member(22, 0.03, 0.3, forget_bias=3.0),
    member(33, 0.01, 0.05, recurrent_init="identity", input_bias=-1.0),
]
BUDGET = Budget(steps=12, batch=4, eval_every=4, patience=2, test=50)
QUICK = Budget(steps=160, batch=16, eval_every=20, patience=1, test=100)
BROKEN = 1e30  # a learning rate
RATES = [1e-6, 0.3, 0.02, 1e-6]

TASKS = [pytest.param(Adding(), 6, id="episodic"), pytest.param(Stream(), 5, id="continual")]
CONTROL = pytest.param(Stream(reset=True), 5, id="reset from outside")
both_kinds = pytest.mark.parametrize(("task", "lag"), TASKS)


def population(task, lag, members, budget=BUDGET, cell="lstm", save_weights=False):
    model = Model(catalogue()[cell](), *task.sizes(lag), 3, scan)
    return Population(model, task, lag, members, budget, save_weights)


def finish(trained):
    """Run to the end: who left, in order, and the weights of those who stayed at every evaluation."""
    left, weights = [], {}
    for event in trained.run():
        if isinstance(event, Finished):
            assert event.result is trained.results[event.member]
            left.append(event.member)
        else:
            assert (event.step, event.active) == (trained.step, len(trained.active))
            weights[event.step] = trained.weights.clone()
    return left, weights


def timeless(trained):
    """The results, without what depends on the clock."""
    return [{name: value for name, value in vars(r).items() if name != "seconds"} for r in trained.results]


def numbers(result):
    """Every number in a result."""
    curves = [value for points in result.curves.values() for point in points for value in point]
    scalars = [value for value in vars(result).values() if isinstance(value, int | float)]
    return scalars + curves


def alike(a, b, rtol=1e-3, atol=1e-5):
    """Two results to rounding."""
    assert (a.status, a.step, a.curves.keys()) == (b.status, b.step, b.curves.keys())
    for name in a.curves:
        torch.testing.assert_close(torch.tensor(a.curves[name]), torch.tensor(b.curves[name]), rtol=rtol, atol=atol)
    assert a.score == pytest.approx(b.score, rel=rtol, abs=atol)
    assert a.objective == pytest.approx(b.objective, rel=rtol, abs=atol)
    assert a.loss == pytest.approx(b.loss, rel=rtol, abs=atol)


def stored(trained):
    """What a file gives back of a population."""
    file = io.BytesIO()
    torch.save(trained.save(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def by_torch(task, lag, member, steps):
    """One member trained with torch's own optimiser and clipping, and its stream afterwards."""
    generator = Generator().manual_seed(member.seed)
    model = Model(catalogue()["lstm"](), *task.sizes(lag), 3, scan)
    w = {
        name: weight.unsqueeze(0).requires_grad_()
        for name, weight in model.initialise(member.settings, lag, generator).items()
    }
    optimiser = torch.optim.Adam(w.values(), lr=member.settings["learning_rate"])
    data = Generator().manual_seed(member.seed + 2**48)
    stream, zero = task.stream(data, BUDGET.batch, lag), model.zero_state(1, BUDGET.batch)
    state, losses = zero, []
    for _ in range(steps):
        batch = stream.next()
        reset = task.reset(batch.events)
        reset = reset if reset is None else reset.unsqueeze(0)
        outputs, state = model(w, batch.inputs.unsqueeze(0), state if task.continual else zero, reset)
        loss = task.loss(outputs[0], batch.targets, batch.weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(w.values(), member.settings["clip_norm"])
        optimiser.step()
        losses.append(loss.item())
    return torch.cat([weight.detach().flatten() for weight in w.values()]), stream, losses
