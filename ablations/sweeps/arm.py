"""Tuning and confirming one arm: the trials of its searches are trained, the best of them again, and then each search's chosen
trial on fresh seeds.

Every step can be repeated: running trials are continued, completed ones are not run again, and a population is resumed from
its checkpoint. A sweep that is killed and restarted ends with the results of an uninterrupted one.
"""

import io
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

import torch
from filelock import FileLock

from ablations.engines import choose
from ablations.engines.device import CPU
from ablations.networks.model import Model
from ablations.studies.study import Arm
from ablations.sweeps.jobs import (
    Context,
    Event,
    Interrupted,
    Job,
    Output,
    Saved,
    Trained,
    TrainingProgress,
    checkpoint_path,
    member_tags,
    read_checkpoint,
    run_jobs,
)
from ablations.sweeps.search import MemberSpec, Search, retried, storage
from ablations.sweeps.sizes import build_model, flops_per_step, scan_sizes
from ablations.sweeps.store import Store
from ablations.training import torch_state
from ablations.training.population import Evaluated, Finished, Population
from ablations.training.result import Budget, Result
from ablations.training.snapshots import to_bytes

CHECKPOINT_SECONDS = 20.0


class Training(NamedTuple):
    """Trains those members of a phase that have no result yet, as one population.

    The population is saved when it is formed: whenever it is resumed it has the same members, including those that have
    finished since.
    """

    arm: Arm
    name: str
    members: dict[str, MemberSpec]
    """All members of the phase, by hash."""
    unfinished: list[str]
    engine: str
    saved: bytes | None
    """The checkpoint to continue from. A damaged one, or that of other members, is not used."""
    device: torch.device = CPU

    def run(self, stopping: Callable[[], bool]) -> Iterator[Event | Output]:
        """Train; yields progress, checkpoints and finished members. Raises Interrupted after a checkpoint."""
        saved = self._resumed()
        hashes: list[str] = saved["members"] if saved else self.unfinished
        arm, members = self.arm, [self.members[key] for key in hashes]
        engine = choose(self.engine, arm.cell.build(), scan_sizes(arm), self.device)
        model, phase = build_model(arm, engine), members[0].phase
        population = Population(
            model,
            arm.task.build(),
            arm.lag,
            [spec.member for spec in members],
            Budget(**arm.train.model_dump()),
            save_weights=phase == "confirm",
            device=self.device,
        )

        def checkpoint() -> Saved:
            torch.save({"members": hashes, "population": population.save()}, content := io.BytesIO())
            return Saved(content.getvalue())

        if saved:
            population.load(saved["population"])
        else:
            yield checkpoint()
        saved_at = time.monotonic()
        for event in population.run():
            match event:
                case Finished(k, result, weights):
                    metadata = {"arm": arm.model_dump(mode="json"), "member": members[k].member._asdict()}
                    content = to_bytes(weights, metadata) if weights else None
                    found = _result_data(arm, members[k], model, result, engine.name, self.device)
                    yield Trained(hashes[k], found, content, member_tags(arm, members[k]))
                case Evaluated(step, active, best):
                    yield TrainingProgress(arm.hash, phase, step, active, best)
                    if time.monotonic() - saved_at > CHECKPOINT_SECONDS or stopping():
                        yield checkpoint()
                        saved_at = time.monotonic()
                    if stopping():
                        raise Interrupted

    def _resumed(self) -> dict[str, Any] | None:
        """The checkpoint, if it is one of members of this phase, with all that have no result yet."""
        try:
            saved = torch.load(
                io.BytesIO(self.saved or b""), weights_only=True, map_location="cpu"
            )  # a GPU may be gone
            fits = {*self.unfinished} <= {*saved["members"]} <= self.members.keys()
        except Exception:  # a damaged file can raise anything
            return None
        return saved if fits else None


def run_arm(arm: Arm, context: Context) -> list[MemberSpec]:
    """Tune, train the best trials again, then confirm; returns the members of all phases.

    :raises Interrupted: when `context.stopping` becomes true. After this or any other error, finished members are stored.
    """
    with torch_state.standard(), arm_lock(arm, context):
        return run_jobs(training_jobs(arm, context), context)


def training_jobs(arm: Arm, context: Context) -> Generator[Job, None, list[MemberSpec]]:
    """The populations of an arm, phase by phase: the trials of its searches in rounds, their repetitions, the confirmation.

    Each has to be trained before the next one is requested, because the next depends on its results.

    :returns: the members of all phases.
    """
    searches = retried(lambda: [Search(arm, k, storage(context.store)) for k in range(arm.tune.searches)])
    members = []
    for first in range(0, arm.tune.trials, arm.tune.trials_per_round):
        numbers = range(first, min(first + arm.tune.trials_per_round, arm.tune.trials))
        members += yield from _tune(arm, searches, numbers, context)
    result = context.store.get
    for phase, members_of in (("rerank", Search.rerank_members), ("confirm", Search.confirmation_members)):
        phase_members = [member for search in searches for member in members_of(search, result)]
        yield from _train(arm, phase, phase_members, context)
        members += phase_members
    return members


def arm_lock(arm: Arm, context: Context) -> FileLock:
    """A lock against two writers of one arm: a worker of a killed sweep may outlive its parent by a moment."""
    return FileLock(context.store.checkpoints / f"{arm.hash}.lock")


def _tune(arm: Arm, searches: list[Search], numbers: range, context: Context) -> Generator[Job, None, list[MemberSpec]]:
    """One round: ask all searches for these trials, train all of them as one population, then tell the objectives."""
    trials = [(search, number) for search in searches for number in numbers]
    for search, number in trials:
        search.ask(number)
    members = [member for search, number in trials for member in search.trial_members(number)]
    yield from _train(arm, f"tune-{numbers.start}", members, context)
    for search, number in trials:
        results = [context.store.get(member.hash(arm)) for member in search.trial_members(number)]
        objectives = [result["metrics"]["objective"] for result in results if result]
        search.tell(number, sum(objectives) / len(objectives))
    return members


def _train(arm: Arm, name: str, members: list[MemberSpec], context: Context) -> Generator[Job]:
    """Train those members that have no result yet, and enqueue all of them for the tracker."""
    store, by_hash = context.store, {member.hash(arm): member for member in members}
    unfinished = [key for key, member in by_hash.items() if not _is_finished(key, member, store)]
    if unfinished:
        saved = read_checkpoint(store, arm, name)
        yield Training(arm, name, by_hash, unfinished, context.engine, saved, context.device)
    for key, member in by_hash.items():
        if key not in context.logged or context.logged[key].arm != arm.hash:
            store.enqueue(arm.study, key, member_tags(arm, member))
    checkpoint_path(store, arm, name).unlink(missing_ok=True)


def _is_finished(key: str, member: MemberSpec, store: Store) -> bool:
    """Whether a member has its result and, if it was confirmed and did not diverge, its weights."""
    result = store.get(key)
    if result is None or member.phase != "confirm" or result["status"] == "diverged":
        return result is not None
    return store.weights_path(key).exists()


_NORMS = ("state_norm_first", "state_norm_10", "state_norm_last")


def _result_data(
    arm: Arm, spec: MemberSpec, model: Model, result: Result, engine: str, device: torch.device
) -> dict[str, Any]:
    """The result of a finished member as JSON data. Its search and trial are not part of it: other studies may use the same member."""
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
