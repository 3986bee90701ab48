"""Members start as they are drawn, or matched in how fast their gradients decay."""

import pytest
import torch
from pydantic import ValidationError
from torch import Generator

from ablations.cells import catalogue
from ablations.networks.model import Model
from ablations.probes import measure
from ablations.studies.schema import CellChoice
from ablations.training.initialisation import initial_weights
from ablations.training.population import Population
from tasks.adding import Adding
from tests.ablations.probes.analytic_networks import trained
from tests.ablations.training.populations import BUDGET, member

TASK, LAG = Adding(), 16
SEEDS, SETTINGS = [1, 2, 3], [{"decay": 0.98}, {"decay": 0.9}, {}]


def model(cell, **options):
    return Model(catalogue()[cell](**options), *TASK.sizes(LAG), 8)


def drawn(network, k):
    return network.initialise(SETTINGS[k], LAG, Generator().manual_seed(SEEDS[k]))


@pytest.mark.parametrize("cell", ["lstm", "lstm_coupled", "single_network"])
def test_gradients_decay_as_fast_as_was_asked(cell):
    network = model(cell)
    w = initial_weights(network, TASK, LAG, SEEDS, SETTINGS)
    found = [f.metrics["decay_init"] for f in measure(trained(network, TASK, LAG, w), ["flow"])]
    assert found[:2] == [pytest.approx(0.98, rel=0.01), pytest.approx(0.9, rel=0.01)]
    assert abs(found[2] - 0.98) > 0.02


@pytest.mark.parametrize(("cell", "moved"), [("lstm", {"0.b_f"}), ("single_network", {"0.V_m", "0.U_c"})])
def test_one_number_is_moved_and_all_else_is_as_it_was_drawn(cell, moved):
    network = model(cell)
    w = initial_weights(network, TASK, LAG, SEEDS, SETTINGS)
    for k, expected in enumerate([moved, moved, set()]):
        plain = drawn(network, k)
        assert {name for name in plain if not torch.equal(w[name][k], plain[name])} == expected
        for name in expected:
            number = w[name][k] - plain[name] if cell == "lstm" else w[name][k] / plain[name]
            torch.testing.assert_close(number, number[:1, :1].expand_as(number), rtol=1e-4, atol=1e-6)


def test_members_start_as_each_would_alone():
    network = model("single_network")
    together = initial_weights(network, TASK, LAG, SEEDS, SETTINGS)
    for k in range(3):
        alone = initial_weights(network, TASK, LAG, SEEDS[k : k + 1], SETTINGS[k : k + 1])
        for name, weight in alone.items():
            torch.testing.assert_close(weight[0], together[name][k])


def test_a_population_starts_matched():
    network = model("lstm")
    members = [member(7, decay=0.95, recurrent_init="orthogonal")]
    population = Population(network, TASK, LAG, members, BUDGET)
    [found] = measure(trained(network, TASK, LAG, population.unpack(population.weights)), ["flow"])
    assert found.metrics["decay_init"] == pytest.approx(0.95, rel=0.01)


@pytest.mark.parametrize(("lag", "decay"), [(LAG, 1e5), (2, 0.9)])  # of two steps, none is a quarter of the lag before
def test_what_cannot_be_had_is_said(lag, decay):
    with pytest.raises(ValueError, match=f"single_network cannot start with decay = {decay:g} at lag {lag}"):
        initial_weights(model("single_network"), TASK, lag, [1], [{"decay": decay}])


def test_a_study_may_fix_the_decay_of_cells_that_can_be_matched():
    for cell in ("lstm", "lstm_peephole", "single_network"):
        assert CellChoice(cell=cell, init={"decay": 0.98}).label == f"{cell}+decay=0.98"
    for cell in ("rnn", "gru", "lstm_no_forget"):
        with pytest.raises(ValidationError, match=f"unknown initialiser of {cell} 'decay'"):
            CellChoice(cell=cell, init={"decay": 0.98})
    with pytest.raises(ValidationError, match="unknown initialiser of lstm_static_leak 'decay'"):
        CellChoice(cell="lstm_static_leak", options={"leak": 0.9}, init={"decay": 0.98})
    with pytest.raises(ValidationError, match=r"decay = 0\.0 must be above 0"):
        CellChoice(cell="lstm", init={"decay": 0.0})
