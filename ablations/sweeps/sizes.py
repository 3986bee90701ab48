"""The networks of an arm: their model, the sizes at which it is scanned, their number and cost."""

from ablations.engines import Engine, Sizes, choose
from ablations.networks.evaluation import VALIDATION_SEQUENCES
from ablations.networks.model import Model, hidden_size
from ablations.studies.study import Arm
from ablations.sweeps.search import PHASES


def build_model(arm: Arm, engine: Engine | None = None) -> Model:
    """The network of an arm, with the hidden size that its study's matching gives; on the eager engine by default."""
    task, cell = arm.task.build(), arm.cell.build()
    inputs, outputs = task.sizes(arm.lag)
    hidden = hidden_size(cell, inputs, outputs, arm.match, arm.size, arm.cell.layers)
    engine = engine or choose("eager", cell)
    return Model(cell, inputs, outputs, hidden, engine.scan, arm.cell.layers, engine.linear)


def scan_sizes(arm: Arm) -> list[Sizes]:
    """The sizes at which an arm's cell is scanned: in training, by the populations of all phases, and in evaluations."""
    model, task = build_model(arm), arm.task.build()
    test = task.evaluation(arm.train.test, final=True)[0]
    validation = task.evaluation(VALIDATION_SEQUENCES, final=False)[0]
    scans = [(members, arm.train.batch) for members in phase_sizes(arm).values() if members] + [
        (1, test),
        (1, validation),
    ]
    features = {model.inputs, *([model.hidden] if arm.cell.layers > 1 else [])}
    return [Sizes(K, B, inputs, model.hidden) for K, B in dict.fromkeys(scans) for inputs in sorted(features)]


def flops_per_step(arm: Arm, model: Model) -> int:
    """Floating-point operations of the matrix products in a training step of one member: a forward pass, and a backward pass of twice its cost."""
    return 3 * model.flops * arm.task.build().steps(arm.lag) * arm.train.batch


def phase_sizes(arm: Arm) -> dict[str, int]:
    """The number of members that each phase of an arm trains."""
    tune = arm.tune
    again = tune.searches * tune.reranked * tune.rerank_seeds
    return dict(zip(PHASES, (tune.searches * tune.trials * tune.seeds, again, arm.confirm.seeds), strict=True))
