"""Training on a device other than the CPU, without one: torch's `meta` device has shapes but no numbers.

An operator that mixes meta tensors with tensors of the CPU raises, as it would with those of a GPU, and so does one whose
result has a shape that depends on numbers, for which a GPU has to be waited for. A constant that is created on the CPU is
refused by a mode, because one number on the CPU may be mixed with any device.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import tasks as registered
from ablations.cells import catalogue
from ablations.networks.model import Model
from ablations.training.population import Population
from ablations.training.replay import Replay
from ablations.training.result import Budget, Member
from tasks.adding import Adding
from tests.ablations.training.populations import MEMBERS, episodic_and_continual, population

META = torch.device("meta")


class NoTensorsOfTheCPU(TorchDispatchMode):
    """Refuse every operator with a tensor on the CPU among its arguments or results."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, torch.Tensor):
                assert tensor.device.type == "meta", f"{func} has a tensor on {tensor.device}"
        return result


def assert_steps_stay_on_the_device(cell, task, lag, layers=1):
    """Take two training steps on the meta device; what runs on a GPU may have no tensor of the CPU."""
    inputs, outputs = task.sizes(lag)
    model = Model(cell, inputs, outputs, 8, layers=layers)
    members = [Member(1, {}), Member(2, {"weight_decay": 0.1, "lr_schedule": "cosine"})]
    trained = Population(model, task, lag, members, Budget(10, 4, 5, 1, 8), device=META)
    update = trained.update

    def watched(*given):
        with NoTensorsOfTheCPU():
            return update(*given)

    trained.update = watched
    for _ in range(2):
        loss, norm = trained.train_step()
        assert loss.device == norm.device == META
        assert loss.shape == norm.shape == (2,)


@pytest.mark.parametrize("cell", [pytest.param(cls, id=name) for name, cls in catalogue().items()])
def test_a_training_step_of_every_cell_stays_on_the_device(cell):
    assert_steps_stay_on_the_device(cell(), registered.catalogue()["adding"](), 10)


@pytest.mark.parametrize("task", [pytest.param(cls, id=name) for name, cls in registered.catalogue().items()])
def test_a_training_step_on_every_task_stays_on_the_device(task):
    assert_steps_stay_on_the_device(catalogue()["gru"](), task(), max(task().minimum_lag, 10), layers=2)


@pytest.mark.parametrize("task", [pytest.param(cls, id=name) for name, cls in registered.catalogue().items()])
def test_every_task_judges_outputs_on_the_device(task):
    built, lag = task(), max(task().minimum_lag, 10)
    batch = built.split_stream("validation", torch.Generator().manual_seed(0), 8, lag).next()
    targets, weight = batch.targets.unsqueeze(0).to(META), batch.weight.unsqueeze(0).to(META)
    outputs = torch.empty(2, *batch.weight.shape, built.sizes(lag)[1], device=META)
    with NoTensorsOfTheCPU():
        for judge in (built.loss, built.score, built.solved):
            assert judge(outputs, targets, weight).shape == (2,)


class Recorder:
    """In place of CUDA graphs: a recorded function is called again on its own inputs, and its results are overwritten."""

    def __init__(self, monkeypatch):
        self.replays = 0
        monkeypatch.setattr("ablations.training.replay.record", self.record)

    def record(self, function):
        results = tuple(torch.full((len(MEMBERS),), torch.nan) for _ in range(2))

        def replay():
            self.replays += 1
            for old, new in zip(results, function(), strict=True):
                old.copy_(new)

        return replay, results


@episodic_and_continual
def test_replayed_steps_are_those_of_the_function(task, lag, monkeypatch):
    direct, replayed, recorder = population(task, lag, MEMBERS), population(task, lag, MEMBERS), Recorder(monkeypatch)
    replayed.update.records = True
    for step in range(6):
        for result, expected in zip(replayed.train_step(), direct.train_step(), strict=True):
            assert torch.equal(result, expected), step
        assert torch.equal(replayed.weights, direct.weights)
    assert recorder.replays == 5


def test_a_graph_is_recorded_again_when_members_finish(monkeypatch):
    trained, recorder = population(Adding(), 6, MEMBERS), Recorder(monkeypatch)
    trained.update.records = True
    for _ in range(2):
        trained.train_step()
    before = trained.update
    trained._select([0, 1, 2])
    assert trained.update is before
    trained._select([0, 2])
    assert trained.update is not before
    assert trained.update.recorded is None
    assert recorder.replays == 1


def test_a_function_that_cannot_be_recorded_is_run(monkeypatch):
    def refuse(function):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr("ablations.training.replay.record", refuse)
    calls = []
    step = Replay(lambda x, none: calls.append(x.item()) or (x,), torch.device("cpu"))
    step.records = True
    for value in range(4):
        step(torch.tensor(float(value)), None)
    assert calls == [0, 1, 2, 3]
    assert not step.records
