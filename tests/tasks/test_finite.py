"""Tasks on a finite data set: what is drawn, and that training, validation and test do not mix."""

import pytest
import torch
from torch import Generator

from ablations.cells import catalogue
from ablations.contract.tasks import splits_share_no_sequence
from ablations.networks.evaluation import evaluation_set
from ablations.networks.model import Model
from ablations.probes.base import sequences
from ablations.training.population import Population
from tasks.base import Batch, Classification
from tasks.finite import Finite
from tests.ablations.cli_process import TINY
from tests.ablations.cli_runner import whygates
from tests.ablations.training.populations import BUDGET, member, saved_and_loaded

SIZES = {"train": 40, "validation": 10, "test": 30}
FIRST = {"train": 0, "validation": 100, "test": 200}
"""The number of a split's first sequence; the input of sequence n is n at every step."""


class Numbered(Finite, Classification):
    """Whether the number of a sequence is even. It has no name and is therefore not in the catalogue."""

    minimum_lag = 1
    chance = 0.5
    criterion = "accuracy above 0.9"

    def sizes(self, lag):
        return 1, 2

    def steps(self, lag):
        return self.checked(lag) + 1

    def data(self, split, lag):
        number = torch.arange(FIRST[split], FIRST[split] + SIZES[split]).expand(lag + 1, -1)
        weight = torch.zeros(number.shape)
        weight[-1] = 1
        return Batch(number.unsqueeze(-1).float(), (number + 1) % 2, weight, {"query": weight.bool()})

    def solved(self, outputs, targets, weight):
        return self.accuracy(outputs, targets, weight) > 0.9

    def trivial_loss(self, lag):
        return 0.6931


def numbers(batch: Batch | torch.Tensor) -> list[int]:
    inputs = batch.inputs if isinstance(batch, Batch) else batch
    assert (inputs == inputs[..., :1, :, :]).all()
    return inputs[..., 0, :, 0].flatten().long().tolist()


@pytest.mark.parametrize("split", SIZES)
def test_batches_are_drawn_without_replacement_from_their_split(split):
    source = Numbered().split_stream(split, Generator().manual_seed(3), 8, 2)
    every = range(FIRST[split], FIRST[split] + SIZES[split])
    drawn = [numbers(source.next()) for _ in range(50)]
    assert all(len(set(batch)) == 8 for batch in drawn)
    assert {number for batch in drawn for number in batch} == set(every)
    batch = source.next()
    assert torch.equal(batch.targets[0], (batch.inputs[0, :, 0].long() + 1) % 2)
    assert torch.equal(batch.events["query"], batch.weight.bool())


def test_a_batch_larger_than_its_split_has_every_sequence_about_equally_often():
    drawn = numbers(Numbered().split_stream("validation", Generator().manual_seed(3), 25, 2).next())
    counts = torch.bincount(torch.tensor(drawn) - FIRST["validation"])
    assert counts.sort().values.tolist() == [2] * 5 + [3] * 5


def test_networks_train_on_one_split_are_watched_on_another_and_judged_and_probed_on_the_third():
    task = Numbered()
    model = Model(catalogue()["rnn"](), 1, 2, 3)
    population = Population(model, task, 2, [member(1), member(2)], BUDGET)
    used = {
        "train": [number for stream in population.streams for _ in range(9) for number in numbers(stream.next())],
        "validation": numbers(population.validation.windows[0].inputs),
        "test": numbers(evaluation_set(task, 2, 50, 2, final=True).windows[0].inputs)
        + numbers(sequences(task, 2, 20).window.inputs),
    }
    for split, found in used.items():
        every = range(FIRST[split], FIRST[split] + SIZES[split])
        assert set(found) <= set(every), split
        assert len(set(found)) > 8, split


def test_a_resumed_population_draws_the_same_sequences():
    task = Numbered()
    model = Model(catalogue()["rnn"](), 1, 2, 3)
    running, resumed = (Population(model, task, 2, [member(1)], BUDGET) for _ in range(2))
    running.train_step()
    resumed.load(saved_and_loaded(running))
    assert numbers(resumed.streams[0].next()) == numbers(running.streams[0].next())


def test_the_splits_of_the_example_share_no_sequence():
    splits_share_no_sequence(Numbered)


PLUGIN = '''
import torch
from torch import Generator
from torch.nn.functional import one_hot

from tasks.base import Batch, Classification
from tasks.finite import Finite


class FirstOf(Finite, Classification):
    """The first symbol of a stored sequence.

    Inputs: one-hot symbols. Outputs: a symbol. Targets: the first one. Trivial predictor: accuracy 1/4. score = (4 a - 1) / 3
    Differences from the source: it is finite.

        >>> FirstOf().data("test", 1).inputs.shape
        torch.Size([11, 64, 4])
    """

    name, group, reference = "first_of", "latch", "a test"
    lag_means, minimum_lag = "steps from symbol to query", 1
    criterion, chance = "accuracy above 99 %", 1 / 4

    def sizes(self, lag): return 4, 4
    def steps(self, lag): return self.checked(lag) + 10

    def data(self, split, lag):
        generator = Generator().manual_seed(["train", "validation", "test"].index(split))
        symbol = torch.randint(4, (lag + 10, {"train": 512}.get(split, 64)), generator=generator)
        symbol[0] = torch.arange(symbol.shape[1]) % 4
        query = torch.zeros(symbol.shape, dtype=torch.bool)
        query[-1] = True
        return Batch(one_hot(symbol, 4).float(), symbol[:1].repeat(lag + 10, 1), query.float(), {"query": query})

    def solved(self, outputs, targets, weight): return self.accuracy(outputs, targets, weight) > 0.99
    def trivial_loss(self, lag): return 1.3863
'''


def test_a_plugin_with_a_data_set_is_checked_and_swept(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "tiny.toml").write_text(
        TINY.partition("[[task]]")[0]
        + '[[task]]\nname = "first_of"\nlags = [9]\n[train]'
        + TINY.partition("[train]")[2]
    )
    changes = ('cells=["rnn"]', "tune.trials=1", "confirm.probes=[]")
    sets = [word for change in changes for word in ("--set", change)]
    outcome = whygates("sweep", "tiny.toml", "--plugin", "mine.py", *sets, "--engine", "eager", cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert "1 of 1 arms done" in outcome.stdout
    shared = PLUGIN.replace('["train", "validation", "test"].index(split)', "1").replace(
        '{"train": 512}.get(split, 64)', "64"
    )
    (tmp_path / "mine.py").write_text(shared)
    outcome = whygates("check", "mine.py", cwd=tmp_path)
    assert outcome.code == 1
    assert "the splits 'train' and 'validation' share sequences" in outcome.stdout
