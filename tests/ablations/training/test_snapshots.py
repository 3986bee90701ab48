"""The weights that are kept of a network: which they are, and that they come back bit for bit."""

import itertools
import math

import pytest
import torch

from ablations.errors import InputError
from ablations.training.population import Finished
from ablations.training.snapshots import SavedWeights, from_bytes, read, to_bytes
from tasks.adding import Adding
from tests.ablations.training.populations import (
    BROKEN,
    BUDGET,
    DIFFERENT,
    QUICK,
    RATES,
    Sign,
    member,
    population,
    stored,
)


def kept(population, events=None):
    """What is kept of each member that leaves, in the first few events or all."""
    seen = itertools.islice(population.run(), events)
    return {event.member: event.weights for event in seen if isinstance(event, Finished)}


def same(one, other):
    assert one.half_step == other.half_step
    for ours, theirs in zip(one[1:], other[1:], strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("steps", "half"),
    [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 4), (7, 4), (11, 4), (12, 8), (16, 8), (22, 8), (23, 16)],
)
def test_half_way_is_the_nearest_power_of_two_and_the_weights_are_those_of_that_step(steps, half):
    trained = population(Adding(), 6, DIFFERENT, BUDGET._replace(steps=steps), save_weights=True)
    ended = kept(trained)
    again = population(Adding(), 6, DIFFERENT)
    for step in range(1, steps + 1):
        again.train_step()
        if step == half:
            halfway = again.weights.clone()
    for k in range(len(DIFFERENT)):
        assert ended[k].half_step == half
        for ours, flat in ((ended[k].half, halfway), (ended[k].end, again.weights)):
            named = again.unpack(flat[k : k + 1])
            assert all(torch.equal(w, named[name][0]) for name, w in ours.items())


def test_members_that_leave_early_have_half_ways_of_their_own():
    trained = population(Sign(), 3, [member(seed, rate) for seed, rate in enumerate(RATES)], QUICK, save_weights=True)
    ended = kept(trained)
    steps = [result.step for result in trained.results]
    assert len(set(steps)) > 2
    for k, step in enumerate(steps):
        assert 1 / math.sqrt(2) < 2 * ended[k].half_step / step <= math.sqrt(2)


def test_nothing_is_kept_of_who_diverged_or_is_only_tried():
    members = [member(5, BROKEN), DIFFERENT[0]]
    assert [k is None for k in kept(population(Adding(), 6, members, save_weights=True)).values()] == [True, False]
    assert set(kept(population(Adding(), 6, members)).values()) == {None}


@pytest.mark.parametrize("events", [0, 1, 2, 3, 5])
def test_a_resumed_population_keeps_what_an_uninterrupted_one_keeps(events):
    members = [member(seed, rate) for seed, rate in enumerate(RATES)]
    uninterrupted, interrupted, resumed = (population(Sign(), 3, members, QUICK, save_weights=True) for _ in range(3))
    before = kept(interrupted, events)
    resumed.load(stored(interrupted))
    after = {k: one for k, one in kept(resumed).items() if one is not None}
    ended = kept(uninterrupted)
    assert {k for k, one in before.items() if one} | after.keys() == ended.keys()
    for k, one in (before | after).items():
        same(one, ended[k])


def test_a_file_gives_back_every_bit_and_says_what_it_is(tmp_path):
    odd = torch.tensor([[0.1, -0.0, 1e-45], [math.inf, -1e38, 1 / 3]])
    one, about = (
        SavedWeights(8, {"0.W": odd, "readout.b": -odd}, {"0.W": odd + 1, "readout.b": odd * 2}),
        {"arm": {"lag": 3}, "z": [1]},
    )
    data = to_bytes(one, about)
    same(from_bytes(data)[0], one)
    assert from_bytes(data)[1] == about
    assert data == to_bytes(one, about)
    with pytest.raises(InputError, match=r"a\.safetensors: No such file.*trains this network again"):
        read(tmp_path / "a.safetensors")
    for broken in (b"", data[:40], data[:-3], data.replace(b"half_step", b"half_stop"), b"\xff" * 200):
        (tmp_path / "a.safetensors").write_bytes(broken)
        with pytest.raises(InputError, match=r"a\.safetensors: not a file of a network's weights, or damaged"):
            read(tmp_path / "a.safetensors")
