"""Tuning and confirming one arm. Each search's trials are trained; its best one is trained again on fresh seeds.

Every step can be repeated: what was asked is continued, what was told is not run again, and a population goes on from
its checkpoint. A killed sweep that is started again ends with the table of an undisturbed one.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock

from ablations.engines import Engine, choose
from ablations.networks.model import Model, hidden_size
from ablations.studies.study import Arm
from ablations.sweeps.search import MemberSpec, Search, storage
from ablations.sweeps.store import Store, appearing, write
from ablations.training.population import Budget, Evaluated, Finished, Population, Result
from ablations.training.snapshots import pack

CHECKPOINT_SECONDS = 20.0


class Interrupted(Exception):
    """The sweep was asked to stop; its population is saved."""


class TrainingProgress(NamedTuple):
    """How far an arm's population has come."""

    arm: str
    phase: str
    step: int
    active: int
    best: float


class ProbeProgress(NamedTuple):
    """Which probe an arm's confirmed members are asked, of how many."""

    arm: str
    probe: str
    done: int
    of: int


class Logged(NamedTuple):
    """What the tracker knows of a member: the arm, and the probes it knows the findings of; None before it is probed."""

    arm: str
    probes: frozenset[str] | None = None


class Context(NamedTuple):
    """What an arm needs from the process it runs in."""

    store: Store
    engine: str
    told: dict[str, Logged]
    """Members of the study that the tracker knows."""
    report: Callable[[TrainingProgress | ProbeProgress], None]
    stopping: Callable[[], bool]


def build(arm: Arm, engine: Engine | None = None) -> Model:
    """The network of an arm, with the hidden size that its study's matching asks for; by default on the eager engine."""
    task, cell = arm.task.build(), arm.cell.build()
    inputs, outputs = task.sizes(arm.lag)
    hidden = hidden_size(cell, inputs, outputs, arm.match, arm.size, arm.cell.layers)
    engine = engine or choose("eager", cell)
    return Model(cell, inputs, outputs, hidden, engine.scan, arm.cell.layers, engine.linear)


def run(arm: Arm, context: Context) -> list[MemberSpec]:
    """Tune, then confirm; the confirmed members. Raises Interrupted when asked to stop.

    Whatever else is raised, what was finished is safe.
    """
    with locked(arm, context):
        searches = [Search(arm, index, storage(context.store)) for index in range(arm.tune.searches)]
        for first in range(0, arm.tune.trials, arm.tune.round):
            _tune(arm, searches, range(first, min(first + arm.tune.round, arm.tune.trials)), context)
        confirmed = [place for search in searches for place in search.confirmation()]
        _train(arm, "confirm", confirmed, context)
        _checkpoint(arm, "confirm", context).unlink(missing_ok=True)
        return confirmed


def locked(arm: Arm, context: Context) -> FileLock:
    """An orphan of a killed sweep may be a moment behind its parent: never two writers of one arm."""
    return FileLock(context.store.checkpoints / f"{arm.hash}.lock")


def _tune(arm: Arm, searches: list[Search], numbers: range, context: Context) -> None:
    """One round: all searches ask before anything is trained, and are told after all of it is."""
    asked = [(search, number) for search in searches for number in numbers]
    for search, number in asked:
        search.ask(number)
    name = f"tune-{numbers.start}"
    _train(arm, name, [place for search, number in asked for place in search.places(number)], context)
    for search, number in asked:
        if not search.told(number):
            results = [context.store.get(place.hash(arm)) for place in search.places(number)]
            objectives = [result["metrics"]["objective"] for result in results if result]
            search.tell(number, sum(objectives) / len(objectives))
    _checkpoint(arm, name, context).unlink(missing_ok=True)


def _train(arm: Arm, name: str, places: list[MemberSpec], context: Context) -> None:
    """See to it that every place has a result, and that the tracker hears of it.

    Those that have none are a population, trained from its checkpoint if it has one. It is checkpointed when it is
    formed: whenever it is resumed it has the members it had, also those that have finished since.
    """
    store, by_hash = context.store, {place.hash(arm): place for place in places}
    path, saved = _checkpoint(arm, name, context), None
    if path.exists():
        try:
            saved = torch.load(path, weights_only=True)
        except Exception:  # a file that the disk has damaged can raise anything: begin again
            saved = None
    hashes = saved["members"] if saved and set(saved["members"]) <= by_hash.keys() else None
    if hashes is None:
        saved, hashes = None, [member for member, place in by_hash.items() if not _finished(member, place, store)]
    if hashes and not all(_finished(member, by_hash[member], store) for member in hashes):
        _run_population(arm, [by_hash[member] for member in hashes], saved and saved["population"], path, context)
    for member, place in by_hash.items():
        if member not in context.told or context.told[member].arm != arm.hash:
            store.tell(arm.study, member, standing(arm, place))


def _finished(member: str, place: MemberSpec, store: Store) -> bool:
    """Whether a member has its result, and its weights if they are to be kept."""
    result = store.get(member)
    if result is None or place.phase == "tune" or result["status"] == "diverged":
        return result is not None
    return store.weights_of(member).exists()


def _run_population(
    arm: Arm, places: list[MemberSpec], saved: dict[str, Any] | None, path: Path, context: Context
) -> None:
    # A process per core with an arm each, as two processes train more members than two threads over (member, tile) of
    # one do (`nox -s bench` measures both): between arms nobody waits for anybody.
    torch.set_num_threads(1)
    engine = choose(context.engine, arm.cell.build())
    model, members = build(arm, engine), [place.member for place in places]
    budget, confirming = Budget(**arm.train.model_dump()), places[0].phase == "confirm"
    population = Population(model, arm.task.build(), arm.lag, members, budget, save_weights=confirming)
    hashes = [place.hash(arm) for place in places]

    def save() -> None:
        with appearing(path) as scratch:
            torch.save({"members": hashes, "population": population.save()}, scratch)

    if saved:
        population.load(saved)
    else:
        save()
    saved_at = time.monotonic()
    for event in population.run():
        match event:
            case Finished(k, result, kept):
                if kept:
                    about = {"arm": arm.model_dump(mode="json"), "member": members[k]._asdict()}
                    write(context.store.weights_of(hashes[k]), pack(kept, about))
                context.store.put(hashes[k], _result(arm, places[k], model, result, engine.name))
                context.store.tell(arm.study, hashes[k], standing(arm, places[k]))
            case Evaluated(step, active, best):
                context.report(TrainingProgress(arm.hash, places[0].phase, step, active, best))
                if time.monotonic() - saved_at > CHECKPOINT_SECONDS or context.stopping():
                    save()
                    saved_at = time.monotonic()
                if context.stopping():
                    raise Interrupted


def _checkpoint(arm: Arm, name: str, context: Context) -> Path:
    return context.store.checkpoints / f"{arm.hash}-{name}.pt"


def standing(arm: Arm, place: MemberSpec) -> dict[str, Any]:
    """Where a member stands in a study."""
    return {
        "arm": arm.hash,
        "phase": place.phase,
        "cell": arm.cell.label,
        "task": arm.task.label,
        "lag": arm.lag,
        "size": arm.size,
        "search": place.search,
        "trial": place.trial,
    }


_NORMS = ("state_norm_first", "state_norm_10", "state_norm_last")


def _result(arm: Arm, place: MemberSpec, model: Model, result: Result, engine: str) -> dict[str, Any]:
    """All there is to know of a finished member wherever it stands, as JSON-like data."""
    horizon = arm.task.build().steps(arm.lag)
    norms = [value for _, value in result.curves.get("test/state_norm", [])]
    asked = {
        metric.removeprefix("test/"): points[-1][1]
        for metric, points in result.curves.items()
        if metric.startswith("test/") and metric != "test/state_norm"
    }
    return {
        "seed": place.member.seed,
        "engine": engine,
        "status": result.status,
        "settings": place.member.settings,
        "hidden_size": model.hidden,
        "parameters": model.parameters,
        "metrics": {
            **asked,
            "score": result.score,
            "solved": int(result.status == "solved"),
            "diverged": int(result.status == "diverged"),
            "steps_to_solve": result.step if result.status == "solved" else arm.train.steps,
            "censored": int(result.status != "solved"),
            "steps": arm.train.steps,
            "finished_at": result.step,
            "objective": result.objective,
            "seconds": result.seconds,
            # forward, and twice that backward
            "flops_per_step": 3 * model.flops * horizon * arm.train.batch,
            **({} if result.loss is None else {"loss": result.loss}),
            **(dict(zip(_NORMS, (norms[0], norms[:10][-1], norms[-1]), strict=True)) if norms else {}),
        },
        "curves": result.curves,
    }


def phases(arm: Arm) -> Iterator[tuple[str, int]]:
    """The members that each phase of an arm trains."""
    yield "tune", arm.tune.searches * arm.tune.trials * arm.tune.seeds
    yield "confirm", arm.confirm.seeds
