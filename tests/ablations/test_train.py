"""A population in training: every member fares as it would alone, and an interruption changes nothing."""

import io
import itertools
import math
import time

import pytest
import torch
from torch import Generator

from ablations import evaluate as evaluation
from ablations.cells import catalogue
from ablations.engines.eager import scan
from ablations.evaluate import TEST_SEED, VALIDATION_SEQUENCES, evaluate, evaluation_set, probe
from ablations.model import Model
from ablations.train import Budget, Evaluated, Left, Member, Population
from tasks.adding import Adding
from tasks.base import Batch, Classification, Episodic, Probe
from tasks.continual_adding import ContinualAdding
from tasks.parity import Parity


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

    def probes(self, generator, lag):
        longer = self.sample(generator, 7, 2 * lag)
        return {"further": Probe([longer], lambda outputs, *_: torch.full(outputs.shape[:1], next(self.found)), 3.0)}


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


def population(task, lag, members, budget=BUDGET, cell="lstm"):
    model = Model(catalogue()[cell](), *task.sizes(lag), 3, scan)
    return Population(model, task, lag, members, budget)


def finish(trained):
    """Run to the end: who left, in order, and the weights of those who stayed at every evaluation."""
    left, weights = [], {}
    for event in trained.run():
        if isinstance(event, Left):
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


@pytest.mark.parametrize(("task", "lag"), [*TASKS, CONTROL])
def test_every_member_trains_as_torch_would_train_it_alone(task, lag):
    together = population(task, lag, DIFFERENT)
    losses = torch.stack([together.train_step()[0] for _ in range(20)], 1)
    for k, one in enumerate(DIFFERENT):
        weights, stream, expected = by_torch(task, lag, one, 20)
        torch.testing.assert_close(together.weights[k], weights, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(losses[k], torch.tensor(expected), rtol=1e-4, atol=1e-5)
        ours, its = together.streams[k].state(), stream.state()
        assert all(torch.equal(ours[name], its[name]) for name in its)


@both_kinds
def test_a_member_fares_as_it_would_alone(task, lag):
    together = population(task, lag, DIFFERENT)
    finish(together)
    assert len({result.score for result in together.results}) == 3
    for k, one in enumerate(DIFFERENT):
        solo = population(task, lag, [one])
        finish(solo)
        alike(together.results[k], solo.results[0])


@both_kinds
@pytest.mark.parametrize("cell", ["lstm", "single_network"])
def test_members_that_do_not_fit_are_trained_in_groups(task, lag, cell, monkeypatch):
    whole, divided = population(task, lag, DIFFERENT, cell=cell), population(task, lag, DIFFERENT, cell=cell)
    for _ in range(3):
        whole.train_step()
    rows, gradient = [], Population._gradient

    def spy(self, group, batch):
        rows.append(len(batch.inputs))
        return gradient(self, group, batch)

    monkeypatch.setattr(Population, "_gradient", spy)
    monkeypatch.setattr(evaluation, "NUMBERS", 1)
    for _ in range(3):
        divided.train_step()
    assert rows == [1] * len(DIFFERENT) * 3
    torch.testing.assert_close(divided.weights, whole.weights, rtol=1e-5, atol=1e-6)
    for before, after in zip(whole.state, divided.state, strict=True):
        torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-6)


@both_kinds
def test_a_stream_carries_its_state_and_an_episode_does_not(task, lag):
    one, other = (population(task, lag, DIFFERENT) for _ in range(2))
    one.train_step()
    other.train_step()
    for part in other.state[0].values():
        part += 1
    assert torch.equal(one.train_step()[0], other.train_step()[0]) is not task.continual


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
    _, found = probe(fresh.model, fresh.unpack(fresh.weights), Parity(), 3)
    told = [result.curves.get("test/error_free_steps") for result in trained.results]
    assert told == [None, *([(12, steps)] for steps in found["error_free_steps"].tolist()), None]


@pytest.mark.parametrize(
    ("task", "lag", "members", "budget"),
    [
        pytest.param(Adding(), 6, DIFFERENT, BUDGET, id="episodic"),
        pytest.param(Stream(), 5, DIFFERENT, BUDGET, id="continual"),
        pytest.param(Adding(), 6, [*DIFFERENT, member(5, BROKEN)], BUDGET, id="one diverges"),
        pytest.param(Stream(), 5, [member(5, BROKEN), *DIFFERENT], BUDGET, id="one diverges in a stream"),
        pytest.param(Sign(), 3, [member(seed, rate) for seed, rate in enumerate(RATES)], QUICK, id="some solve"),
    ],
)
@pytest.mark.parametrize("events", [0, 1, 2, 3, 5])
def test_a_resumed_population_is_an_undisturbed_one_bit_for_bit(task, lag, members, budget, events):
    undisturbed = population(task, lag, members, budget)
    left, weights = finish(undisturbed)
    interrupted = population(task, lag, members, budget)
    assert len(list(itertools.islice(interrupted.run(), events))) == events
    gone = [k for k in range(len(members)) if k not in interrupted.active]
    resumed = population(task, lag, members, budget)
    resumed.load(stored(interrupted))
    assert (resumed.step, resumed.active) == (interrupted.step, interrupted.active)
    told, later = finish(resumed)
    assert told[: len(gone)] == gone  # again, for they may not have been heard
    assert sorted(told) == sorted(left) == list(range(len(members)))
    assert later.keys() == {step for step in weights if step > interrupted.step}
    assert all(torch.equal(later[step], weights[step]) for step in later)
    assert timeless(resumed) == timeless(undisturbed)


def test_a_finished_population_tells_its_end_again():
    trained = population(Adding(), 6, DIFFERENT)
    finish(trained)
    again = population(Adding(), 6, DIFFERENT)
    again.load(stored(trained))
    assert list(again.run()) == [Left(k, result) for k, result in enumerate(trained.results)]
    assert again.step == 12


@both_kinds
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_diverged_member_is_a_result_and_disturbs_nobody(task, lag, place):
    members = [*DIFFERENT[:place], member(5, BROKEN), *DIFFERENT[place:]]
    trained = population(task, lag, members)
    events = list(trained.run())
    assert [e.active for e in events if isinstance(e, Evaluated)] == [3, 3, 0]
    broken = trained.results[place]
    assert events[0] == Left(place, broken)
    assert (broken.status, broken.step, broken.score, broken.loss) == ("diverged", 4, 0, None)
    without = population(task, lag, DIFFERENT)
    finish(without)
    for a, b in zip(trained.results[:place] + trained.results[place + 1 :], without.results, strict=True):
        alike(a, b)


@both_kinds
@pytest.mark.parametrize("rate", [1e3, 1e10, 1e18, 1e19, BROKEN, 1e38])
def test_no_number_in_a_result_is_infinite(task, lag, rate):
    trained = population(task, lag, [member(1, rate, 1e30), member(2, rate)], cell="lstm_no_forget")
    for event in trained.run():
        assert isinstance(event, Left) or math.isfinite(event.best)
    for result in trained.results:
        assert all(map(math.isfinite, numbers(result)))
        assert 0 <= result.objective <= 1


def test_a_test_that_overflows_is_a_divergence():
    class Overflow(Sign):
        def loss(self, outputs, targets, weight):
            lost = super().loss(outputs, targets, weight)
            return lost if outputs.shape[-2] != QUICK.test else lost + torch.inf

    trained = population(Overflow(), 2, [member(1, 0.1)], QUICK)
    finish(trained)
    assert (trained.results[0].status, trained.results[0].loss) == ("diverged", None)
    assert all(map(math.isfinite, numbers(trained.results[0])))


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
        assert [e.member for e in events if isinstance(e, Left)].count(k) == 1
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


SCRIPTS = {  # steps, eval_every, patience; scores, verdicts of validation and of test; the end
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


@pytest.mark.parametrize("name", SCRIPTS)
def test_patience_and_the_objective_by_hand(name):
    steps, every, patience, scores, solved, test, (status, step, objective) = SCRIPTS[name]
    task = Scripted(scores, solved, test)
    trained = population(task, 1, [member()], Budget(steps, 2, every, patience, test=3))
    finish(trained)
    (result,) = trained.results
    assert (result.status, result.step) == (status, step)
    assert result.objective == pytest.approx(objective)
    assert trained.step == step
    assert task.tests == (0 if status == "diverged" else max(len(test), 1))
    assert result.score == (0 if status == "diverged" else 0.75)


def test_a_streak_is_resumed():
    trained = population(Scripted([0.5], [True]), 1, [member()], Budget(100, 2, 20, 2, test=3))
    next(trained.run())
    resumed = population(Scripted([0.5], [True], [True]), 1, [member()], Budget(100, 2, 20, 2, test=3))
    resumed.load(stored(trained))
    finish(resumed)
    assert (resumed.results[0].status, resumed.results[0].step) == ("solved", 40)


def test_seconds_are_shared():
    trained = population(Adding(), 6, DIFFERENT)
    begun = time.perf_counter()
    finish(trained)
    spent = time.perf_counter() - begun
    shares = [result.seconds for result in trained.results]
    assert 0.5 * spent < sum(shares) <= spent
    assert max(shares) == pytest.approx(min(shares), rel=0.3)


def test_named_weights_are_views_of_the_flat_ones():
    trained = population(Adding(), 6, DIFFERENT)
    w = trained.unpack(trained.weights)
    assert {name: tuple(v.shape[1:]) for name, v in w.items()} == {n: v[:2] for n, v in trained.model.shapes.items()}
    for k, one in enumerate(DIFFERENT):
        alone = trained.model.initialise(one.settings, 6, Generator().manual_seed(one.seed))
        assert all(torch.equal(w[name][k], alone[name]) for name in alone)
    trained.weights.fill_(3)
    assert all((value == 3).all() for value in w.values())
