"""Cells, a task and trained members whose probe results are known analytically, and random members."""

import torch
from torch import Generator

from ablations.cells import Cell, Weight, catalogue
from ablations.networks.model import Model
from ablations.probes import Trained
from tasks.base import Batch, Classification, Episodic


class Linear(Cell):
    """h' = x W + h U: ∂h'/∂h is U."""

    def weights(self, inputs, hidden):
        return {"W": Weight(inputs, hidden, "uniform"), "U": Weight(hidden, hidden, "recurrent_init")}

    def drive(self, w, x):
        return {"h": x @ w["W"]}

    def step(self, w, drive, state, tap):
        return {"h": drive["h"] + state["h"] @ w["U"]}


Linear.name = "linear"  # set after the definition, so that the class is not registered


class Leaky(Linear):
    """h' = (1 − a) g + a h with g = x W + h U and a = 0.25: with both gates held, ∂h'/∂h is a."""

    gates = ("g", "a")

    def step(self, w, drive, state, tap):
        g = tap("g", drive["h"] + state["h"] @ w["U"])
        a = tap("a", torch.full_like(state["h"], 0.25))
        return {"h": (1 - a) * g + a * state["h"]}


class Latch(Episodic, Classification):
    """Classify the first symbol, one of four, at the last step; the inputs in between are noise. There are `lag` + 1 steps."""

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


def latch_lstm(hidden=4):
    """An LSTM with weights set by hand to solve Latch: f is 1, i is 1 at the cue only, and unit n stores symbol n."""
    model = Model(catalogue()["lstm"](), 6, 4, hidden)
    w = {name: torch.zeros(1, weight.rows, weight.columns) for name, weight in model.shapes.items()}
    w["0.b_f"] += 30
    w["0.b_i"] -= 30
    w["0.W_i"][:, 4] = 60
    w["0.W_z"][:, :4, :4] = 3 * torch.eye(4)
    w["readout.V"][:, :4] = 10 * torch.eye(4)
    return model, w


def rotating(cell, scales, lag):
    """Members whose recurrent matrix is a rotation times a scale, one member per scale; training changes no weight."""
    members = random_members(cell, Latch(), lag, 5, seeds=range(len(scales)))
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=Generator().manual_seed(0))).Q
    members.init["0.U"] = torch.stack([scale * rotation for scale in scales])
    return trained(members.model, members.task, lag, members.init)


def random_members(cell, task, lag, hidden=4, seeds=(1, 2, 3), layers=1):
    """Members of an arm whose initial, half-way and final weights are three independent initialisations."""
    model = Model(cell, *task.sizes(lag), hidden, layers=layers)
    stages = [
        [model.initialise({}, lag, Generator().manual_seed(100 * stage + seed)) for seed in seeds] for stage in range(3)
    ]
    return trained(
        model, task, lag, *({n: torch.stack([w[n] for w in stage]) for n in model.shapes} for stage in stages)
    )


def trained(model, task, lag, init, half=None, end=None):
    """Members of an arm with these weights; later weights default to the initial ones."""
    count = len(next(iter(init.values())))
    settings = [{"learning_rate": 0.01, "clip_norm": 1.0} for _ in range(count)]
    return Trained(
        model, task, lag, init, half or init, end or init, list(range(10, 10 + count)), [True] * count, settings
    )


def points(findings, curve):
    """The values of a curve by step."""
    return dict(findings.curves[curve])


def values(findings):
    """All numbers in the results of one member."""
    return [*findings.metrics.values(), *(value for curve in findings.curves.values() for _, value in curve)]
