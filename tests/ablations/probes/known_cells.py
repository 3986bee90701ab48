"""Cells, tasks and populations with known answers for the probes' tests."""

import torch
from torch import Generator

from ablations.cells import Cell, Weight, catalogue
from ablations.networks.model import Model
from ablations.probes import Trained
from tasks.base import Batch, Classification, Episodic


class Linear(Cell):
    """h' = x W + h U: what it keeps of h is in the eigenvalues of U."""

    def weights(self, inputs, hidden):
        return {"W": Weight(inputs, hidden, "uniform"), "U": Weight(hidden, hidden, "recurrent_init")}

    def drive(self, w, x):
        return {"h": x @ w["W"]}

    def step(self, w, drive, state, tap):
        return {"h": drive["h"] + state["h"] @ w["U"]}


Linear.name = "linear"  # after the class is made: it stays out of the catalogue


class Leaky(Linear):
    """h' = x W + (1 − a) h U + a h: the second path is additive, with a gate that is the same at all times."""

    gates = ("g", "a")

    def step(self, w, drive, state, tap):
        g = tap("g", drive["h"] + state["h"] @ w["U"])
        a = tap("a", torch.full_like(state["h"], 0.25))
        return {"h": (1 - a) * g + a * state["h"]}


class Latch(Episodic, Classification):
    """Which of four symbols came first? It is asked for at the last step; in between there is noise."""

    minimum_lag = 1
    chance = 0.25
    criterion = "all right"

    def sizes(self, lag):
        return 6, 4

    def steps(self, lag):
        return lag + 1

    def sample(self, generator, batch, lag):
        inputs = torch.zeros(lag + 1, batch, 6)
        symbol = torch.randint(4, (batch,), generator=generator)
        inputs[0, torch.arange(batch), symbol] = 1
        inputs[0, :, 4] = 1  # the cue
        inputs[1:, :, 5] = torch.rand(lag, batch, generator=generator)
        cue, query = torch.zeros(2, lag + 1, batch, dtype=torch.bool).unbind()
        cue[0], query[-1] = True, True
        return Batch(inputs, symbol.repeat(lag + 1, 1), query.float(), {"cue": cue, "query": query})

    def solved(self, outputs, targets, weight):
        return self.accuracy(outputs, targets, weight) == 1

    def trivial_loss(self, lag):
        return 0.0


def latching(hidden=4):
    """An LSTM that is set by hand to latch: its forget gate is open, its input gate opens at the cue, unit n is symbol n."""
    model = Model(catalogue()["lstm"](), 6, 4, hidden)
    w = {name: torch.zeros(1, weight.rows, weight.columns) for name, weight in model.shapes.items()}
    w["0.b_f"] += 30
    w["0.b_i"] -= 30
    w["0.W_i"][:, 4] = 60
    w["0.W_z"][:, :4, :4] = 3 * torch.eye(4)
    w["readout.V"][:, :4] = 10 * torch.eye(4)
    return model, w


def drawn(cell, task, lag, hidden=4, seeds=(1, 2, 3), layers=1):
    """Members of an arm, with other weights before, half way through and after an imagined training."""
    model = Model(cell, *task.sizes(lag), hidden, layers=layers)
    draws = [
        [model.initialise({}, lag, Generator().manual_seed(100 * when + seed)) for seed in seeds] for when in range(3)
    ]
    return trained(model, task, lag, *({n: torch.stack([m[n] for m in ms]) for n in model.shapes} for ms in draws))


def trained(model, task, lag, init, half=None, end=None):
    """Members with these weights; where none are given for later, training has changed nothing."""
    count = len(next(iter(init.values())))
    settings = [{"learning_rate": 0.01, "clip_norm": 1.0} for _ in range(count)]
    return Trained(
        model, task, lag, init, half or init, end or init, list(range(10, 10 + count)), [True] * count, settings
    )
