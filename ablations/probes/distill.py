"""Distillation: the test score of a single network trained to imitate the transition of a trained LSTM.

The student, a `single_network` with a state of the same size, learns the map (x, h, c) → (h', c') of the teacher, a trained
cell, one step at a time. Training states are those that the teacher visits, with noise, so that the student also learns to
correct deviations. Then the student runs by itself, with the teacher's readout. A high score shows that a single network can
express the solution: its failure to learn the task from data is then not a lack of expressiveness.

Two options of the cell make the student expressive enough: a linear last layer, since tanh would bound the memory by 1, which
an LSTM's memory exceeds; and WIDTH hidden units per memory unit. With a width of 1, the imitation of an LSTM that had solved
recall at lag 20 reached an error of a thousandth of the variance per step, but a score of 0.1 only (0.8 to 1 with a width
of 4).

Distillation: Hinton et al. 2015.
"""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ablations.cells import Cell, State, Weights
from ablations.cells.network import SingleNetwork
from ablations.engines.noise import step_input
from ablations.networks.evaluation import TEST_SEED, evaluate, evaluation_set
from ablations.networks.model import Model
from ablations.networks.optim import Adam
from ablations.probes.base import SEED, Findings, Trained, initial_state, run, sequences

STEPS, ROWS = 6000, 256  # of training, and transitions per step
WIDTH = 4
RATE = 0.005  # initial learning rate, decayed linearly to 0
NOISE = 0.3  # largest standard deviation of the noise, relative to that of each unit
SEQUENCES = 64
TEST_SEQUENCES = 1000


def measure(trained: Trained) -> list[Findings]:
    """Measure `distilled`: the student's test score, 0 if it diverges. None for other networks than of one layer with state (h, c)."""
    results = [Findings({}, {}) for _ in trained.seeds]
    if set(trained.model.cell.state) != {"h", "c"} or trained.model.layers > 1:
        return results
    student, w = _students(trained)
    data = evaluation_set(trained.task, trained.lag, TEST_SEQUENCES, TEST_SEED, final=True)
    evaluation = evaluate(student, w, trained.task, data)
    for member, score, loss in zip(results, evaluation.score.tolist(), evaluation.loss.tolist(), strict=True):
        member.add_metric("distilled", score if math.isfinite(score) and math.isfinite(loss) else 0.0)
    return results


def _students(trained: Trained) -> tuple[Model, Weights]:
    """Train one student per member, on its transitions and with its readout."""
    teacher, student = trained.model, single_network(trained.model)
    inputs, states = visited_states(trained)
    spread = {name: part.std(1, keepdim=True) for name, part in states.items()}
    variance = {name: part.square().mean((1, 2), keepdim=True).clamp(min=1e-12) for name, part in spread.items()}
    initial = [student.initialise({}, trained.lag, Generator().manual_seed(seed)) for seed in trained.seeds]
    readout = {name: trained.end[name] for name in ("readout.V", "readout.b")}
    flat = student.pack({name: torch.stack([w[name] for w in initial]) for name in student.shapes} | readout)
    unclipped = {"learning_rate": RATE, "clip_norm": math.inf}
    adam, generator = Adam(flat, [unclipped] * len(flat), STEPS), Generator().manual_seed(SEED)
    for step in range(STEPS):
        rows = torch.randint(len(inputs), (ROWS,), generator=generator)
        x = inputs[rows].expand(len(flat), -1, -1)
        noise = NOISE * torch.rand(ROWS, 1, generator=generator)
        state = {
            name: part[:, rows] + noise * spread[name] * torch.randn(ROWS, part.shape[2], generator=generator)
            for name, part in states.items()
        }
        with torch.no_grad():
            target = transition(teacher, trained.end, x, state)
        flat.requires_grad_()
        predicted = transition(student, student.unpack(flat), x, state)
        errors = {name: (predicted[name] - target[name]).square() / variance[name] for name in target}
        loss = torch.stack([error.mean((1, 2)).sum() for error in errors.values()]).sum()
        (gradient,) = torch.autograd.grad(loss, flat)
        flat = flat.detach()
        adam.learning_rate.fill_(RATE * (1 - step / STEPS))
        adam.step(flat, gradient, student.trained)
    return student, student.unpack(flat)


def single_network(model: Model) -> Model:
    """Return the student of a network: a single network with the same inputs, outputs and state."""
    cell: Cell = SingleNetwork(activation="linear", width=WIDTH)
    return Model(cell, model.inputs, model.outputs, model.hidden)


def transition(
    model: Model, w: Weights, x: Float[Tensor, "members rows inputs"], state: State
) -> dict[str, Float[Tensor, "members rows hidden"]]:
    """Return the state one step after `state`."""
    cell, layer = model.cell, model.layer_weights(w, 0)
    return cell.step(layer, step_input(cell, layer, x, state), state, lambda _, value: value)


@torch.no_grad()
def visited_states(
    trained: Trained,
) -> tuple[Float[Tensor, "rows inputs"], dict[str, Float[Tensor, "members rows hidden"]]]:
    """Return the inputs of all steps up to the final queries, and the members' states before those steps."""
    model, data = trained.model, sequences(trained.task, trained.lag, SEQUENCES)
    start = initial_state(model, trained.end, data)
    before = [start[0]]

    def record(_layer: int, _t: int, state: State) -> State:
        before.append(state)
        return state

    run(model, trained.end, data.window, start, hook=record)
    reset = None if data.window.reset is None else data.window.reset[0].unsqueeze(-1)
    steps = data.until_query()
    states = {}
    for name in model.cell.state:
        part = torch.stack([state[name] for state in before[:-1]], 1)
        part = part if reset is None else part.masked_fill(reset, 0)
        states[name] = part[:, steps]
    return data.window.inputs[0][steps], states
