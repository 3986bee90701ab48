"""The Python API: train a population in a notebook, and read the results of a study.

import ablations
run = ablations.train("lstm", "recall", lag=20, members=8, hidden=32, steps=1000)
run.results           # one row per member: score, solved, hyperparameters
run.curves            # member, step, metric, value
run.plot()            # learning curves
run.gates(member=0)   # gate values along one sequence
results = ablations.load_results("whygates-store", "smoke")
results.confirm       # one row per confirmed network
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from torch import Generator, Tensor
from tqdm import tqdm

import tasks
from ablations import cells
from ablations.cells import Cell
from ablations.contract import failure_message
from ablations.contract.cells import declares_weights, returns_declared_shapes
from ablations.contract.tasks import batches_have_the_declared_form
from ablations.engines import Sizes, choose
from ablations.engines.device import choose_device
from ablations.errors import InputError, lookup
from ablations.hyperparameters import DEFAULTS, HYPERPARAMETERS, Setting
from ablations.networks.evaluation import TEST_SEED
from ablations.networks.model import Model, hidden_size
from ablations.studies.hashing import derive_seed
from ablations.sweeps.store import Store
from ablations.training import torch_state
from ablations.training.population import Evaluated, Finished, Population
from ablations.training.result import Budget, Member, Result
from ablations.training.snapshots import stacked
from tasks import Task


class StudyResults(NamedTuple):
    """The networks of a study, one row each; the package `reports` documents the columns."""

    confirm: pd.DataFrame
    """Confirmed networks: each search's chosen trial, on fresh seeds."""
    tune: pd.DataFrame
    """Networks of tuning trials; `phase` is `rerank` where one of the best trials was trained again."""


def load_results(store: str | Path, study: str) -> StudyResults:
    """Read the finished networks of a study.

    :param store: the folder of a sweep's `--store`; with MLFLOW_TRACKING_URI set, the runs are read from that server, and
        the folder may be missing.
    :raises InputError: if there is no such store or study, or it has no finished network yet.
    """
    from ablations.tracking.runs import using  # importing mlflow takes seconds
    from ablations.tracking.tracked import TrackedStudy

    opened = Store.open(Path(store))
    with using(opened):
        tracker = TrackedStudy(opened, study)
        table = tracker.results(tracker.manifest())
    confirm, tune = (table.query(f"phase {relation} 'confirm'").reset_index(drop=True) for relation in ("==", "!="))
    return StudyResults(confirm, tune)


class TrainedPopulation:
    """The members of a trained population: results, learning curves, final weights and gate values."""

    def __init__(
        self, model: Model, task: Task, lag: int, members: Sequence[Member], ended: Mapping[int, Finished]
    ) -> None:
        self.model, self.task, self.lag, self.members = model, task, lag, members
        self._results = [ended[k].result for k in range(len(members))]
        self._weights = {k: one.weights.end for k, one in ended.items() if one.weights}

    def __repr__(self) -> str:
        solved = sum(result.status == "solved" for result in self._results)
        network = f"{self.model.cell.name}, {self.model.hidden} hidden units, {self.model.parameters:,} parameters"
        return f"<{network}: {solved} of {len(self.members)} members solved {self.task.name} at lag {self.lag}>"

    @property
    def results(self) -> pd.DataFrame:
        """One row per member: seed, status, solved, test score and loss, the step at which it finished, its share of the
        wall-clock seconds, and its hyperparameters."""
        return pd.DataFrame([self._row(k, result) for k, result in enumerate(self._results)])

    def _row(self, k: int, result: Result) -> dict[str, Any]:
        outcome = {name: getattr(result, name) for name in ("status", "score", "loss", "step", "seconds")}
        member = self.members[k]
        return {"member": k, "seed": member.seed, "solved": result.status == "solved"} | outcome | member.settings

    @property
    def curves(self) -> pd.DataFrame:
        """Every point of the learning curves: member, step, metric (`train/loss`, `eval/loss`, `eval/score`, `grad/norm`,
        …), value."""
        points = [
            (k, step, metric, value)
            for k, result in enumerate(self._results)
            for metric, curve in result.curves.items()
            for step, value in curve
        ]
        return pd.DataFrame(points, columns=["member", "step", "metric", "value"])

    @property
    def weights(self) -> dict[str, Tensor]:
        """The final weights by name, `[members, rows, columns]` each; diverged members are left out."""
        return stacked([self._weights[k] for k in sorted(self._weights)])

    def gates(self, member: int = 0, sequence: int = 0) -> pd.DataFrame:
        """Gate values of one member along one sequence of the test set: layer, gate, step, events, unit, value.

        :param sequence: index within the test set's first window.
        :raises InputError: if the member does not exist or diverged, or the sequence does not exist.
        """
        if member not in self._weights:
            raise InputError(f"member {member} has no weights; members with weights: {sorted(self._weights)}")
        generator = Generator().manual_seed(TEST_SEED)
        batch = self.task.split_stream("test", generator, self._sequences(), self.lag).next()
        if not 0 <= sequence < batch.inputs.shape[1]:
            raise InputError(f"sequence {sequence} does not exist; allowed: 0 to {batch.inputs.shape[1] - 1}")
        w = {name: weight.unsqueeze(0) for name, weight in self._weights[member].items()}
        x = batch.inputs[:, sequence : sequence + 1].unsqueeze(0)
        events = [
            "+".join(name for name, on in batch.events.items() if on[t, sequence]) for t in range(len(batch.inputs))
        ]
        tables = []
        with torch.no_grad():
            for layer, scan in enumerate(
                self.model.scans(w, x, self.model.initial_state(w, 1), None, self.model.cell.gates)
            ):
                for gate, values in scan.recorded.items():
                    steps = values[0, :, 0].expand(len(events), -1)  # a constant gate has one row for all steps
                    wide = pd.DataFrame(steps.numpy()).assign(
                        layer=layer, gate=gate, step=range(len(steps)), events=events
                    )
                    tables.append(wide.melt(["layer", "gate", "step", "events"], var_name="unit"))
        columns = ["layer", "gate", "step", "events", "unit", "value"]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)

    def _sequences(self) -> int:
        """Sequences of a window of the task's own test set; a hundred where the study decides their number."""
        return self.task.evaluation(100, final=True)[0]

    def plot(self, metric: str = "eval/score", ax: Axes | None = None) -> Axes:
        """Plot a learning curve, one line per member.

        :param metric: see `curves`.
        :raises InputError: for a metric that no member has.
        """
        curves = self.curves
        lookup("metric", metric, dict.fromkeys(curves["metric"].unique()))
        rows = curves.query("metric == @metric")
        ax = sns.lineplot(
            rows, x="step", y="value", units="member", estimator=None, hue="member", palette="crest", ax=ax
        )
        ax.set(ylabel=metric, title=f"{self.model.cell.name} on {self.task.name}, lag {self.lag}")
        return ax


def train(
    cell: str | Cell | type[Cell],
    task: str | Task | type[Task],
    *,
    lag: int,
    members: int = 8,
    hidden: int = 32,
    parameters: int | None = None,
    layers: int = 1,
    steps: int = 1000,
    batch: int = 32,
    eval_every: int = 25,
    patience: int = 3,
    test: int = 2000,
    engine: str = "auto",
    device: str = "auto",
    seed: int = 0,
    progress: bool = True,
    **hyperparameters: Setting | Sequence[Setting],
) -> TrainedPopulation:
    """Train a population of networks on a task, as a sweep trains the members of an arm.

    :param cell: a cell's name in the catalogue, a class of your own, or an instance with options.
    :param task: likewise.
    :param lag: the task's lag.
    :param members: networks, each with its own initial weights and data.
    :param hidden: hidden units per layer; `parameters`, if given, chooses the nearest number of units instead.
    :param steps, batch, eval_every, patience, test: as in the `[train]` table of a study.
    :param engine: `auto`, `fused`, `triton` or `eager`.
    :param device: `auto` (the GPU if there is one, else the CPU), `cpu` or `cuda`.
    :param hyperparameters: a value for all members, or a list with one for each; see `ablations.hyperparameters`.
    :raises InputError: for a name, value or combination that is not allowed.
    """
    where = choose_device(device)
    built_cell = _build(cell, "cell", cells.catalogue(), Cell, (declares_weights, returns_declared_shapes))
    built_task = _build(task, "task", tasks.catalogue(), Task, (batches_have_the_declared_form,))
    sizes = {"members": members, "hidden": hidden, "parameters": parameters, "layers": layers, "steps": steps}
    sizes |= {"batch": batch, "eval_every": eval_every, "patience": patience, "test": test}
    for name, value in sizes.items():
        if value is not None and (type(value) is not int or value < 1):
            raise InputError(f"{name} = {value!r}: allowed: whole numbers above 0")
    try:
        inputs, outputs = built_task.sizes(built_task.checked(lag))
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from None
    if parameters is not None:
        hidden = hidden_size(built_cell, inputs, outputs, "parameters", parameters, layers)
    settings = _settings(hyperparameters, members)
    specs = [Member(derive_seed("api", seed, k), own) for k, own in enumerate(settings)]
    budget = Budget(steps, batch, eval_every, patience, test)
    with torch_state.standard(torch.get_num_threads()):
        features = {inputs, *([hidden] if layers > 1 else [])}
        chosen_engine = choose(
            engine, built_cell, [Sizes(members, batch, one, hidden) for one in sorted(features)], where
        )
        model = Model(built_cell, inputs, outputs, hidden, chosen_engine.scan, layers, chosen_engine.linear)
        population = Population(model, built_task, lag, specs, budget, save_weights=True, device=where)
        ended = dict(_finished(population, progress))
    return TrainedPopulation(model, built_task, lag, specs, ended)


def _build(given: Any, what: str, catalogue: Mapping[str, Any], base: type, checks: Sequence[Any]) -> Any:
    """A cell or task from its name, class or instance; one of the user's own must have valid shapes."""
    if isinstance(given, str):
        return lookup(what, given, catalogue)()
    kind = given if isinstance(given, type) else type(given)
    if not issubclass(kind, base):
        raise InputError(
            f"{what} = {given!r}: allowed: a name, or a class or instance of {base.__module__}.{base.__name__}"
        )
    if kind.__module__.partition(".")[0] not in ("ablations", "tasks"):
        for check in checks:
            try:
                check(kind)
            except Exception as error:  # code of the user may raise anything
                raise InputError(_failure(kind, error)) from error
    return given() if isinstance(given, type) else given


def _failure(kind: Any, error: Exception) -> str:
    try:
        return failure_message(kind, error)
    except OSError:  # a class of an interactive session has no file
        return f"{kind.__qualname__}: {error}"


def _settings(hyperparameters: Mapping[str, Setting | Sequence[Setting]], members: int) -> list[dict[str, Setting]]:
    """Each member's settings. Raises InputError."""
    columns: dict[str, list[Setting]] = {}
    for name, value in hyperparameters.items():
        hyperparameter = lookup("hyperparameter", name, HYPERPARAMETERS)
        values: list[Setting] = [value] * members if isinstance(value, str | int | float) else [*value]
        if len(values) != members:
            raise InputError(f"{name} has {len(values)} values for {members} members")
        for one in values:
            try:
                hyperparameter.check(one)
            except ValueError as error:
                raise InputError(str(error)) from None
        columns[name] = values
    return [{**DEFAULTS, **{name: values[k] for name, values in columns.items()}} for k in range(members)]


def _finished(population: Population, progress: bool) -> Iterator[tuple[int, Finished]]:
    with tqdm(total=population.budget.steps, unit="step", disable=not progress) as bar:
        for event in population.run():
            if isinstance(event, Finished):
                yield event.member, event
            elif isinstance(event, Evaluated):
                bar.set_postfix(training=event.active, best_score=f"{event.best:.2f}")
                bar.update(event.step - bar.n)
