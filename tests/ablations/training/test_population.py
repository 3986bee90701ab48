"""A population in training: every member fares as it would alone, and an interruption changes nothing."""

import itertools
import math
import time

import pytest
import torch
from torch import Generator

from ablations.networks import evaluation
from ablations.training.population import Evaluated, Finished, Population
from ablations.training.result import Budget
from tasks.adding import Adding
from tests.ablations.training.populations import (
    BROKEN,
    BUDGET,
    CONTROL,
    DIFFERENT,
    QUICK,
    RATES,
    TASKS,
    Scripted,
    Sign,
    Stream,
    alike,
    both_kinds,
    by_torch,
    finish,
    member,
    numbers,
    population,
    stored,
    timeless,
)


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
    monkeypatch.setattr(evaluation, "MAX_FLOATS", 1)
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
def test_a_resumed_population_is_an_uninterrupted_one_bit_for_bit(task, lag, members, budget, events):
    uninterrupted = population(task, lag, members, budget)
    left, weights = finish(uninterrupted)
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
    assert timeless(resumed) == timeless(uninterrupted)


def test_a_finished_population_tells_its_end_again():
    trained = population(Adding(), 6, DIFFERENT)
    finish(trained)
    again = population(Adding(), 6, DIFFERENT)
    again.load(stored(trained))
    assert list(again.run()) == [Finished(k, result) for k, result in enumerate(trained.results)]
    assert again.step == 12


@both_kinds
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_diverged_member_is_a_result_and_disturbs_nobody(task, lag, place):
    members = [*DIFFERENT[:place], member(5, BROKEN), *DIFFERENT[place:]]
    trained = population(task, lag, members)
    events = list(trained.run())
    assert [e.active for e in events if isinstance(e, Evaluated)] == [3, 3, 0]
    broken = trained.results[place]
    assert events[0] == Finished(place, broken)
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
        assert isinstance(event, Finished) or math.isfinite(event.best)
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
