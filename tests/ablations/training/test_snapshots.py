"""Saved weights: from which steps they are, and that a file gives them back bit for bit."""

import itertools
import math

import pytest
import torch

from ablations.errors import InputError
from ablations.training.population import Finished
from ablations.training.snapshots import SavedWeights, from_bytes, read, stacked, to_bytes
from tasks.adding import Adding
from tests.ablations.training.populations import (
    BUDGET,
    DIVERGING_RATE,
    MEMBERS,
    SOLVING_BUDGET,
    SOLVING_MEMBERS,
    FirstSign,
    member,
    population,
    saved_and_loaded,
)


def saved_weights(population, events=None):
    """The saved weights of each member that finishes, within the first few events or all."""
    occurred = itertools.islice(population.run(), events)
    return {event.member: event.weights for event in occurred if isinstance(event, Finished)}


def assert_equal_weights(a, b):
    assert a.half_step == b.half_step
    for named, expected in zip(a[1:], b[1:], strict=True):
        assert named.keys() == expected.keys()
        assert all(torch.equal(named[name], expected[name]) for name in named)


@pytest.mark.parametrize(
    ("steps", "half_step"),
    [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 4), (7, 4), (11, 4), (12, 8), (16, 8), (22, 8), (23, 16)],
)
def test_saved_weights_are_those_of_the_last_step_and_of_the_power_of_two_nearest_to_half(steps, half_step):
    saved = saved_weights(population(Adding(), 6, MEMBERS, BUDGET._replace(steps=steps), save_weights=True))
    reference = population(Adding(), 6, MEMBERS)
    for step in range(1, steps + 1):
        reference.train_step()
        if step == half_step:
            half = reference.weights.clone()
    for k in range(len(MEMBERS)):
        assert saved[k].half_step == half_step
        for named, flat in ((saved[k].half, half), (saved[k].end, reference.weights)):
            expected = reference.unpack(flat[k : k + 1])
            assert all(torch.equal(w, expected[name][0]) for name, w in named.items())


def test_half_step_is_relative_to_the_steps_of_each_member():
    trained = population(FirstSign(), 3, SOLVING_MEMBERS, SOLVING_BUDGET, save_weights=True)
    saved = saved_weights(trained)
    steps = [result.step for result in trained.results]
    assert len(set(steps)) > 2
    for k, step in enumerate(steps):
        assert 1 / math.sqrt(2) < 2 * saved[k].half_step / step <= math.sqrt(2)


def test_weights_are_saved_only_on_request_and_not_of_diverged_members():
    members = [member(5, DIVERGING_RATE), MEMBERS[0]]
    saved = saved_weights(population(Adding(), 6, members, save_weights=True))
    assert {k: weights is None for k, weights in saved.items()} == {0: True, 1: False}
    assert saved_weights(population(Adding(), 6, members)) == {0: None, 1: None}


@pytest.mark.parametrize("events", [0, 1, 2, 3, 5])
def test_resumed_population_saves_the_weights_of_an_uninterrupted_one(events):
    uninterrupted, interrupted, resumed = (
        population(FirstSign(), 3, SOLVING_MEMBERS, SOLVING_BUDGET, save_weights=True) for _ in range(3)
    )
    before = saved_weights(interrupted, events)
    resumed.load(saved_and_loaded(interrupted))
    after = {k: weights for k, weights in saved_weights(resumed).items() if weights is not None}
    expected = saved_weights(uninterrupted)
    assert before.keys() | after.keys() == expected.keys()
    for k, weights in (before | after).items():
        assert_equal_weights(weights, expected[k])


def test_file_gives_back_weights_and_metadata():
    odd = torch.tensor([[0.1, -0.0, 1e-45], [math.inf, -1e38, 1 / 3]])
    weights = SavedWeights(8, {"0.W": odd, "readout.b": -odd}, {"0.W": odd + 1, "readout.b": odd * 2})
    metadata = {"arm": {"lag": 3}, "z": [1]}
    data = to_bytes(weights, metadata)
    assert_equal_weights(from_bytes(data)[0], weights)
    assert from_bytes(data)[1] == metadata
    assert data == to_bytes(weights, metadata)


def test_missing_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    data = to_bytes(SavedWeights(8, {"0.W": torch.ones(2, 3)}, {"0.W": torch.zeros(2, 3)}), {})
    with pytest.raises(InputError, match=r"a\.safetensors: No such file.*trains this network again"):
        read(path)
    for damaged in (b"", data[:40], data[:-3], data.replace(b"half_step", b"half_stop"), b"\xff" * 200):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.safetensors: not a file of a network's weights, or damaged"):
            read(path)


def test_stacked_weights_have_a_leading_member_axis():
    weights = [{"0.W": torch.full((2, 3), float(k))} for k in range(4)]
    assert stacked(weights)["0.W"].shape == (4, 2, 3)
    assert stacked(weights)["0.W"][:, 0, 0].tolist() == [0, 1, 2, 3]
