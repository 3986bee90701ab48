"""Distillation: can a single network do what a trained LSTM does, if it is told at every step what that is?

A `single_network` with a state of the same size learns the transition (x, h, c) to (h', c') of a trained cell: one step at
a time, on the states which that visits and on states near them, so that it also learns the way back. Then it runs by itself,
with the trained readout. If it does well and still is not learned from the task, then what a single network can express is
not at fault.

So it is given what it may need (both are options of the cell): a linear last layer, as a tanh would keep the memory below 1,
where an LSTM's goes further; and WIDTH units in its network for each of the memory. With one for each, an lstm that had
solved recall at lag 20 was imitated to a thousandth of the variance per step, and yet forgot: score 0.1 (with four: 0.8 to 1).
"""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ablations.cells import Cell, State, Weights
from ablations.cells.network import SingleNetwork
from ablations.networks.evaluation import TEST_SEED, evaluate, evaluation_set
from ablations.networks.model import Model
from ablations.networks.optim import Adam
from ablations.probes.base import SEED, Findings, Trained, run, sequences, warmed

STEPS, ROWS = 6000, 256
WIDTH = 4
RATE = 0.005  # to begin with; it falls to 0
NOISE = 0.3  # up to this share of each unit's spread
SEQUENCES = 64
TEST = 1000


def measure(trained: Trained) -> list[Findings]:
    """`distilled`: the score on test sequences, 0 where the network runs away. For cells of one layer that hand on h and c."""
    found = [Findings({}, {}) for _ in trained.seeds]
    if set(trained.model.cell.state) != {"h", "c"} or trained.model.layers > 1:
        return found
    student, w = _student(trained)
    data = evaluation_set(trained.task, trained.lag, TEST, TEST_SEED, final=True)
    seen = evaluate(student, w, trained.task, data)
    for member, score, loss in zip(found, seen.score.tolist(), seen.loss.tolist(), strict=True):
        member.put("distilled", score if math.isfinite(score) and math.isfinite(loss) else 0.0)
    return found


def _student(trained: Trained) -> tuple[Model, Weights]:
    """Single networks that have learned the members' transitions, with the members' readouts."""
    teacher, student = trained.model, single_network(trained.model)
    inputs, states = visited(trained)
    spread = {name: part.std(1, keepdim=True) for name, part in states.items()}
    scale = {name: part.square().mean((1, 2), keepdim=True).clamp(min=1e-12) for name, part in spread.items()}
    fresh = [student.initialise({}, trained.lag, Generator().manual_seed(seed)) for seed in trained.seeds]
    readout = {name: trained.end[name] for name in ("readout.V", "readout.b")}
    flat = student.pack({name: torch.stack([w[name] for w in fresh]) for name in student.shapes} | readout)
    unclipped = {"learning_rate": RATE, "clip_norm": math.inf}
    adam, generator = Adam(flat, [unclipped] * len(flat), STEPS), Generator().manual_seed(SEED)
    for step in range(STEPS):
        rows = torch.randint(len(inputs), (ROWS,), generator=generator)
        x = inputs[rows].expand(len(flat), -1, -1)
        far = NOISE * torch.rand(ROWS, 1, generator=generator)
        state = {
            name: part[:, rows] + far * spread[name] * torch.randn(ROWS, part.shape[2], generator=generator)
            for name, part in states.items()
        }
        with torch.no_grad():
            aim = transition(teacher, trained.end, x, state)
        flat.requires_grad_()
        got = transition(student, student.unpack(flat), x, state)
        loss = torch.stack([((got[name] - aim[name]).square() / scale[name]).mean((1, 2)).sum() for name in aim]).sum()
        (gradient,) = torch.autograd.grad(loss, flat)
        flat = flat.detach()
        adam.learning_rate.fill_(RATE * (1 - step / STEPS))
        adam.step(flat, gradient)
    return student, student.unpack(flat)


def single_network(model: Model) -> Model:
    """A network with the same inputs, outputs and state whose cell is a single network."""
    cell: Cell = SingleNetwork(activation="linear", width=WIDTH)
    return Model(cell, model.inputs, model.outputs, model.hidden)


def transition(
    model: Model, w: Weights, x: Float[Tensor, "members rows inputs"], state: State
) -> dict[str, Float[Tensor, "members rows hidden"]]:
    """One step of the recurrence, from any state."""
    cell, own = model.cell, model.layer_weights(w, 0)
    return cell.step(own, cell.drive(own, x), state, lambda _, value: value)


@torch.no_grad()
def visited(trained: Trained) -> tuple[Float[Tensor, "rows inputs"], dict[str, Float[Tensor, "members rows hidden"]]]:
    """The inputs of all steps of some sequences, up to their ends, and the states that members are in before them."""
    model, data = trained.model, sequences(trained.task, trained.lag, SEQUENCES)
    start = warmed(model, trained.end, data)
    before = [start[0]]

    def watch(_layer: int, _t: int, state: State) -> State:
        before.append(state)
        return state

    run(model, trained.end, data.window, start, after=watch)
    reset = None if data.window.reset is None else data.window.reset[0].unsqueeze(-1)
    counts = torch.arange(data.window.inputs.shape[1]).unsqueeze(1) <= data.end
    states = {}
    for name in model.cell.state:
        part = torch.stack([state[name] for state in before[:-1]], 1)
        part = part if reset is None else part.masked_fill(reset, 0)
        states[name] = part[:, counts]
    return data.window.inputs[0][counts], states
