"""Tuning and confirming one arm: the trials of its searches are trained, the best of them again, and then each search's chosen
trial on fresh seeds.

Every step can be repeated: running trials are continued, completed ones are not run again, and a population is resumed from
its checkpoint. A sweep that is killed and restarted ends with the results of an uninterrupted one.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock

from ablations.engines import Engine, Sizes, choose
from ablations.engines.device import CPU
from ablations.networks.evaluation import VALIDATION_SEQUENCES
from ablations.networks.model import Model, hidden_size
from ablations.studies.study import Arm
from ablations.sweeps.search import PHASES, MemberSpec, Search, storage
from ablations.sweeps.store import Store, atomic_file, write
from ablations.training import torch_state
from ablations.training.population import Evaluated, Finished, Population
from ablations.training.result import Budget, Result
from ablations.training.snapshots import to_bytes

CHECKPOINT_SECONDS = 20.0


class Interrupted(Exception):
    """Raised when the sweep is to stop, after the population in training was saved."""


class TrainingProgress(NamedTuple):
    """Progress of an arm's population."""

    arm: str
    phase: str
    step: int
    active: int
    """Members that are still training."""
    best: float
    """The best latest validation score."""


class ProbeProgress(NamedTuple):
    """The probe that starts on an arm's confirmed members."""

    arm: str
    probe: str
    done: int
    of: int


class Warned(NamedTuple):
    """Something that an arm goes on without."""

    arm: str
    message: str


Event = TrainingProgress | ProbeProgress | Warned
"""What an arm reports while it runs."""


class Logged(NamedTuple):
    """What the tracker has of a member."""

    arm: str
    """Hash of the arm that its run belongs to."""
    probes: frozenset[str] | None = None
    """The probes whose findings its run has; None before it was probed."""


class Context(NamedTuple):
    """What an arm needs from the process it runs in."""

    store: Store
    engine: str
    logged: dict[str, Logged]
    """Members of the study that the tracker has, by hash."""
    report: Callable[[Event], None]
    stopping: Callable[[], bool]
    device: torch.device = CPU


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
    """Floating-point operations of a training step of one member: a forward pass, and a backward pass of twice its cost."""
    return 3 * model.flops * arm.task.build().steps(arm.lag) * arm.train.batch


def phase_sizes(arm: Arm) -> dict[str, int]:
    """The number of members that each phase of an arm trains."""
    tune = arm.tune
    again = tune.searches * tune.reranked * tune.rerank_seeds
    return dict(zip(PHASES, (tune.searches * tune.trials * tune.seeds, again, arm.confirm.seeds), strict=True))


def run_arm(arm: Arm, context: Context) -> list[MemberSpec]:
    """Tune, train the best trials again, then confirm; returns the members of all phases.

    :raises Interrupted: when `context.stopping` becomes true. After this or any other error, finished members are stored.
    """
    with torch_state.standard(), arm_lock(arm, context):
        searches = [Search(arm, index, storage(context.store)) for index in range(arm.tune.searches)]
        members = []
        for first in range(0, arm.tune.trials, arm.tune.trials_per_round):
            numbers = range(first, min(first + arm.tune.trials_per_round, arm.tune.trials))
            members += _tune(arm, searches, numbers, context)
        result = context.store.get
        for phase, members_of in (("rerank", Search.rerank_members), ("confirm", Search.confirmation_members)):
            chosen = [member for search in searches for member in members_of(search, result)]
            _train(arm, phase, chosen, context)
            members += chosen
        return members


def arm_lock(arm: Arm, context: Context) -> FileLock:
    """A lock against two writers of one arm: a worker of a killed sweep may outlive its parent by a moment."""
    return FileLock(context.store.checkpoints / f"{arm.hash}.lock")


def _tune(arm: Arm, searches: list[Search], numbers: range, context: Context) -> list[MemberSpec]:
    """One round: ask all searches for these trials, train all of them as one population, then tell the objectives."""
    trials = [(search, number) for search in searches for number in numbers]
    for search, number in trials:
        search.ask(number)
    members = [member for search, number in trials for member in search.trial_members(number)]
    _train(arm, f"tune-{numbers.start}", members, context)
    for search, number in trials:
        if not search.is_complete(number):
            results = [context.store.get(member.hash(arm)) for member in search.trial_members(number)]
            objectives = [result["metrics"]["objective"] for result in results if result]
            search.tell(number, sum(objectives) / len(objectives))
    return members


def _train(arm: Arm, name: str, members: list[MemberSpec], context: Context) -> None:
    """Train those members that have no result yet, as one population, and enqueue all of them for the tracker.

    The population is checkpointed when it is formed: whenever it is resumed it has the same members, including those
    that have finished since.
    """
    store, by_hash = context.store, {member.hash(arm): member for member in members}
    path, saved = _checkpoint(arm, name, context), None
    if path.exists():
        try:
            saved = torch.load(path, weights_only=True, map_location="cpu")  # a GPU may be gone
        except Exception:  # a damaged file can raise anything: the population starts again
            saved = None
    hashes = saved["members"] if saved and set(saved["members"]) <= by_hash.keys() else None
    if hashes is None:
        saved, hashes = None, [key for key, member in by_hash.items() if not _is_finished(key, member, store)]
    if hashes and not all(_is_finished(key, by_hash[key], store) for key in hashes):
        _run_population(arm, [by_hash[key] for key in hashes], saved and saved["population"], path, context)
    for key, member in by_hash.items():
        if key not in context.logged or context.logged[key].arm != arm.hash:
            store.enqueue(arm.study, key, member_tags(arm, member))
    path.unlink(missing_ok=True)


def _is_finished(key: str, member: MemberSpec, store: Store) -> bool:
    """Whether a member has its result and, if it was confirmed and did not diverge, its weights."""
    result = store.get(key)
    if result is None or member.phase != "confirm" or result["status"] == "diverged":
        return result is not None
    return store.weights_path(key).exists()


def _run_population(
    arm: Arm, members: list[MemberSpec], saved: dict[str, Any] | None, path: Path, context: Context
) -> None:
    engine = choose(context.engine, arm.cell.build(), scan_sizes(arm), context.device)
    model, confirming = build_model(arm, engine), members[0].phase == "confirm"
    population = Population(
        model,
        arm.task.build(),
        arm.lag,
        [spec.member for spec in members],
        Budget(**arm.train.model_dump()),
        save_weights=confirming,
        device=context.device,
    )
    hashes = [spec.hash(arm) for spec in members]

    def save() -> None:
        with atomic_file(path) as scratch:
            torch.save({"members": hashes, "population": population.save()}, scratch)

    if saved:
        population.load(saved)
    else:
        save()
    saved_at = time.monotonic()
    for event in population.run():
        match event:
            case Finished(k, result, weights):
                if weights:
                    metadata = {"arm": arm.model_dump(mode="json"), "member": members[k].member._asdict()}
                    write(context.store.weights_path(hashes[k]), to_bytes(weights, metadata))
                context.store.put(hashes[k], _record(arm, members[k], model, result, engine.name, context.device))
                context.store.enqueue(arm.study, hashes[k], member_tags(arm, members[k]))
            case Evaluated(step, active, best):
                context.report(TrainingProgress(arm.hash, members[0].phase, step, active, best))
                if time.monotonic() - saved_at > CHECKPOINT_SECONDS or context.stopping():
                    save()
                    saved_at = time.monotonic()
                if context.stopping():
                    raise Interrupted


def _checkpoint(arm: Arm, name: str, context: Context) -> Path:
    return context.store.checkpoints / f"{arm.hash}-{name}.pt"


def member_tags(arm: Arm, member: MemberSpec) -> dict[str, Any]:
    """A member's position in a study, as the tracker's tags and params have it."""
    return {
        "arm": arm.hash,
        "phase": member.phase,
        "cell": arm.cell.label,
        "task": arm.task.label,
        "lag": arm.lag,
        "size": arm.size,
        "search": member.search,
        "trial": member.trial,
        "network": member.position,
    }


_NORMS = ("state_norm_first", "state_norm_10", "state_norm_last")


def _record(
    arm: Arm, spec: MemberSpec, model: Model, result: Result, engine: str, device: torch.device
) -> dict[str, Any]:
    """Everything about a finished member that does not depend on its position in a study, as JSON-like data."""
    norms = [value for _, value in result.curves.get("test/state_norm", [])]
    extra_tests = {
        metric.removeprefix("test/"): points[-1][1]
        for metric, points in result.curves.items()
        if metric.startswith("test/") and metric != "test/state_norm"
    }
    return {
        "seed": spec.member.seed,
        "engine": engine,
        "device": device.type,
        "status": result.status,
        "settings": spec.member.settings,
        "hidden_size": model.hidden,
        "parameters": model.parameters,
        "metrics": {
            **extra_tests,
            "score": result.score,
            "solved": int(result.status == "solved"),
            "diverged": int(result.status == "diverged"),
            "steps_to_solve": result.step if result.status == "solved" else arm.train.steps,
            "censored": int(result.status != "solved"),
            "steps": arm.train.steps,
            "finished_at": result.step,
            "objective": result.objective,
            "seconds": result.seconds,
            "flops_per_step": flops_per_step(arm, model),
            **({} if result.loss is None else {"loss": result.loss}),
            **(dict(zip(_NORMS, (norms[0], norms[:10][-1], norms[-1]), strict=True)) if norms else {}),
        },
        "curves": result.curves,
    }
