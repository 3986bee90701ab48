"""Training a population: every member trains as it would alone, and a resumed population equals an uninterrupted one.

The rules by which members finish are tested in `test_population_stopping.py`.
"""

import itertools
import math

import pytest
import torch
from torch import Generator

from ablations.networks import evaluation
from ablations.training import population as population_module
from ablations.training.population import Evaluated, Finished, Population
from ablations.training.result import Budget
from tasks.adding import Adding
from tests.ablations.training.populations import (
    BUDGET,
    DIVERGING_RATE,
    EPISODIC_AND_CONTINUAL,
    MEMBERS,
    SOLVING_BUDGET,
    SOLVING_MEMBERS,
    WITH_RESET,
    FirstSign,
    ScriptedEvaluation,
    ShortStream,
    all_numbers,
    assert_close_results,
    episodic_and_continual,
    member,
    population,
    results_without_seconds,
    run_to_end,
    saved_and_loaded,
    train_by_torch,
)


@pytest.mark.parametrize(("task", "lag"), [*EPISODIC_AND_CONTINUAL, WITH_RESET])
def test_every_member_trains_as_with_torch(task, lag):
    trained = population(task, lag, MEMBERS)
    losses = torch.stack([trained.train_step()[0] for _ in range(20)], 1)
    for k, one in enumerate(MEMBERS):
        weights, stream, expected_losses = train_by_torch(task, lag, one, 20)
        torch.testing.assert_close(trained.weights[k], weights, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(losses[k], torch.tensor(expected_losses), rtol=1e-4, atol=1e-5)
        state, expected_state = trained.streams[k].state(), stream.state()
        assert state.keys() == expected_state.keys()
        assert all(torch.equal(state[name], expected_state[name]) for name in state)


@episodic_and_continual
def test_result_of_a_member_does_not_depend_on_the_others(task, lag):
    together = population(task, lag, MEMBERS)
    run_to_end(together)
    assert len({result.score for result in together.results}) == 3
    for k, one in enumerate(MEMBERS):
        alone = population(task, lag, [one])
        run_to_end(alone)
        assert_close_results(together.results[k], alone.results[0])


@episodic_and_continual
@pytest.mark.parametrize("cell", ["lstm", "single_network"])
def test_training_in_chunks_gives_the_same_weights(task, lag, cell, monkeypatch):
    whole, chunked = population(task, lag, MEMBERS, cell=cell), population(task, lag, MEMBERS, cell=cell)
    for _ in range(3):
        whole.train_step()
    sizes, gradient = [], Population._gradient

    def record_size(self, rows, batch, noise):
        sizes.append(len(batch.inputs))
        return gradient(self, rows, batch, noise)

    monkeypatch.setattr(Population, "_gradient", record_size)
    monkeypatch.setattr(evaluation, "MAX_FLOATS", 1)
    for _ in range(3):
        chunked.train_step()
    assert sizes == [1] * len(MEMBERS) * 3
    torch.testing.assert_close(chunked.weights, whole.weights, rtol=1e-5, atol=1e-6)
    for expected, state in zip(whole.state, chunked.state, strict=True):
        torch.testing.assert_close(state, expected, rtol=1e-5, atol=1e-6)


@episodic_and_continual
def test_only_continual_tasks_carry_the_state_to_the_next_step(task, lag):
    unchanged, changed = (population(task, lag, MEMBERS) for _ in range(2))
    unchanged.train_step()
    changed.train_step()
    for part in changed.state[0].values():
        part += 1
    assert torch.equal(unchanged.train_step()[0], changed.train_step()[0]) is not task.continual


@pytest.mark.parametrize(
    ("task", "lag", "members", "budget"),
    [
        pytest.param(Adding(), 6, MEMBERS, BUDGET, id="episodic"),
        pytest.param(ShortStream(), 5, MEMBERS, BUDGET, id="continual"),
        pytest.param(Adding(), 6, [*MEMBERS, member(5, DIVERGING_RATE)], BUDGET, id="episodic, one diverges"),
        pytest.param(ShortStream(), 5, [member(5, DIVERGING_RATE), *MEMBERS], BUDGET, id="continual, one diverges"),
        pytest.param(FirstSign(), 3, SOLVING_MEMBERS, SOLVING_BUDGET, id="some solve"),
    ],
)
@pytest.mark.parametrize("events", [0, 1, 2, 3, 5])
def test_resumed_population_equals_an_uninterrupted_one(task, lag, members, budget, events):
    """Bit for bit. Members that finished before the resume are reported again."""
    uninterrupted = population(task, lag, members, budget)
    finished, weights = run_to_end(uninterrupted)
    interrupted = population(task, lag, members, budget)
    assert len(list(itertools.islice(interrupted.run(), events))) == events
    finished_before = [k for k in range(len(members)) if k not in interrupted.active]
    resumed = population(task, lag, members, budget)
    resumed.load(saved_and_loaded(interrupted))
    assert (resumed.step, resumed.active) == (interrupted.step, interrupted.active)
    finished_resumed, weights_resumed = run_to_end(resumed)
    assert finished_resumed[: len(finished_before)] == finished_before
    assert sorted(finished_resumed) == sorted(finished) == list(range(len(members)))
    assert weights_resumed.keys() == {step for step in weights if step > interrupted.step}
    assert all(torch.equal(weights_resumed[step], weights[step]) for step in weights_resumed)
    assert results_without_seconds(resumed) == results_without_seconds(uninterrupted)


def test_resumed_finished_population_reports_its_results_again():
    trained = population(Adding(), 6, MEMBERS)
    run_to_end(trained)
    resumed = population(Adding(), 6, MEMBERS)
    resumed.load(saved_and_loaded(trained))
    assert list(resumed.run()) == [Finished(k, result) for k, result in enumerate(trained.results)]
    assert resumed.step == 12


def test_resumed_population_continues_the_count_of_consecutive_validations():
    budget = Budget(100, 2, 20, 2, test=3)
    trained = population(ScriptedEvaluation([0.5], [True]), 1, [member()], budget)
    next(trained.run())
    resumed = population(ScriptedEvaluation([0.5], [True], [True, True]), 1, [member()], budget)
    resumed.load(saved_and_loaded(trained))
    run_to_end(resumed)
    assert (resumed.results[0].status, resumed.results[0].step) == ("solved", 40)


@episodic_and_continual
@pytest.mark.parametrize("position", [0, 1, 3])
def test_diverged_member_has_a_result_and_does_not_affect_the_others(task, lag, position):
    members = [*MEMBERS[:position], member(5, DIVERGING_RATE), *MEMBERS[position:]]
    trained = population(task, lag, members)
    events = list(trained.run())
    assert [e.active for e in events if isinstance(e, Evaluated)] == [3, 3, 0]
    diverged = trained.results[position]
    assert events[0] == Finished(position, diverged)
    assert (diverged.status, diverged.step, diverged.score, diverged.loss) == ("diverged", 4, 0, None)
    without = population(task, lag, MEMBERS)
    run_to_end(without)
    others = trained.results[:position] + trained.results[position + 1 :]
    for result, expected in zip(others, without.results, strict=True):
        assert_close_results(result, expected)


@episodic_and_continual
@pytest.mark.parametrize("rate", [1e3, 1e10, 1e18, 1e19, DIVERGING_RATE, 1e38])
def test_all_numbers_of_results_are_finite(task, lag, rate):
    trained = population(task, lag, [member(1, rate, 1e30), member(2, rate)], cell="lstm_no_forget")
    for event in trained.run():
        assert isinstance(event, Finished) or math.isfinite(event.best)
    for result in trained.results:
        assert all(map(math.isfinite, all_numbers(result)))
        assert 0 <= result.objective <= 1


def test_seconds_of_an_interval_are_divided_among_its_active_members(monkeypatch):
    """With a clock that advances by one second per reading, each of three intervals takes one second."""
    clock = itertools.count()
    monkeypatch.setattr(population_module.time, "perf_counter", lambda: float(next(clock)))
    trained = population(Adding(), 6, [*MEMBERS, member(5, DIVERGING_RATE)])
    run_to_end(trained)
    assert trained.results[3].step == 4, "the fourth member finishes with the first interval"
    assert [r.seconds for r in trained.results] == pytest.approx([1 / 4 + 1 / 3 + 1 / 3] * 3 + [1 / 4])


def test_named_weights_are_views_of_the_flat_ones():
    trained = population(Adding(), 6, MEMBERS)
    w = trained.unpack(trained.weights)
    assert {name: tuple(v.shape[1:]) for name, v in w.items()} == {n: v[:2] for n, v in trained.model.shapes.items()}
    for k, one in enumerate(MEMBERS):
        alone = trained.model.initialise(one.settings, 6, Generator().manual_seed(one.seed))
        assert all(torch.equal(w[name][k], alone[name]) for name in alone)
    trained.weights.fill_(3)
    assert all((value == 3).all() for value in w.values())
