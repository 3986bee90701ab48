"""Running the probes of `ablations.probes` on the confirmed members of an arm.

Findings are stored by member and probe. Which members a probe runs on follows from the arm's results alone, and it runs on
all of them again if one finding is missing: an interruption changes no number.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from ablations.errors import first_line
from ablations.networks.model import Model
from ablations.probes import PROBES, Findings, Trained, measure
from ablations.studies.study import Arm
from ablations.sweeps.arm import arm_lock
from ablations.sweeps.jobs import (
    Context,
    Drawn,
    Event,
    Found,
    Interrupted,
    Job,
    Logged,
    Output,
    ProbeProgress,
    Warned,
    member_tags,
    run_jobs,
)
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.sizes import build_model
from ablations.sweeps.store import Store
from ablations.training import torch_state
from ablations.training.initialisation import initial_weights
from ablations.training.result import Member
from ablations.training.snapshots import SavedWeights, read, stacked

ONE_PER_SEARCH = ("clamp", "distill")
"""Probes that train, and therefore run only on the first solved member of each search."""
Curves = dict[str, list[tuple[int, float]]]
"""Points (step, value) by metric."""
TRACE = "trace"
"""Gates and states of one member per arm along one sequence: part of the probe `gates`, stored under a name of its own."""


class Probing(NamedTuple):
    """Runs a probe on members of an arm."""

    arm: Arm
    name: str
    """The probe, or `trace`."""
    results: dict[str, dict[str, Any]]
    """By hash."""
    weights: list[SavedWeights]
    done: int
    """Probes of the arm that ran before, of so many."""
    of: int

    def run(self, stopping: Callable[[], bool]) -> Iterator[Event | Output]:
        """Measure; yields the findings about each member."""
        yield ProbeProgress(self.arm.hash, self.name, self.done, self.of)
        specs = [Member(result["seed"], result["settings"]) for result in self.results.values()]
        solved = [result["status"] == "solved" for result in self.results.values()]
        trained = trained_members(self.arm, build_model(self.arm), specs, self.weights, solved)
        findings = [_trace(trained)] if self.name == TRACE else measure(trained, [self.name])
        for member, found in zip(self.results, findings, strict=True):
            yield Found(member, self.name, found)


class Drawing(NamedTuple):
    """Draws the curves of members of an arm."""

    arm: Arm
    curves: dict[str, Curves]
    """By hash."""
    name: str = "figures"

    def run(self, stopping: Callable[[], bool]) -> Iterator[Event | Output]:
        """Draw; yields figures, and a warning if any cannot be drawn. Findings are logged all the same."""
        failures = list[str]()
        for member, curves in self.curves.items():
            try:
                figure = _figure(curves, str(self.arm))
            except Exception as error:  # a matplotlib that is misconfigured or broken can raise anything
                failures.append(f"{type(error).__name__}: {first_line(error)}")
            else:
                yield Drawn(member, figure)
        if failures:
            yield Warned(self.arm.hash, f"{self.arm}: {len(failures)} figures cannot be drawn: {failures[0]}")


def probe_arm(arm: Arm, members: list[MemberSpec], context: Context) -> None:
    """Run the probes whose findings are missing on the confirmed ones of an arm's members, and enqueue the findings for the
    tracker.

    :raises Interrupted: between two probes, when `context.stopping` becomes true.
    """
    with torch_state.standard(), arm_lock(arm, context):
        run_jobs(probing_jobs(arm, members, context), context)


def probing_jobs(arm: Arm, members: list[MemberSpec], context: Context) -> Generator[Job]:
    """The probes of an arm whose findings are missing, then the figures of members that are not logged with them."""
    store, confirmed = context.store, [spec for spec in members if spec.phase == "confirm"]
    plan = list(_plan(arm, confirmed, store))
    for done, (probe, probed) in enumerate(plan):
        if any(probe not in store.findings(member) for member in probed):
            weights = [read(store.weights_path(member))[0] for member in probed]
            yield Probing(arm, probe, {member: store.get(member) or {} for member in probed}, weights, done, len(plan))
        if context.stopping():
            raise Interrupted
    probes = {spec.hash(arm): frozenset(p for p, probed in plan if spec.hash(arm) in probed) for spec in confirmed}
    logged = {member: context.logged.get(member, Logged(arm.hash)).probes for member in probes}
    missing = [member for member, found in logged.items() if found is None or not probes[member] <= found]
    if missing:
        yield Drawing(arm, {m: all_curves(store.get(m) or {}, store.findings(m)) for m in missing})
    for spec in confirmed:
        if (member := spec.hash(arm)) in missing:
            store.enqueue(arm.study, member, member_tags(arm, spec), probes[member])


def _plan(arm: Arm, confirmed: list[MemberSpec], store: Store) -> Iterator[tuple[str, list[str]]]:
    """Each probe of the arm, with the hashes of the members it runs on; diverged members have no weights to probe."""
    status = {spec.hash(arm): (store.get(spec.hash(arm)) or {})["status"] for spec in confirmed}
    finite = [member for member, ended in status.items() if ended != "diverged"]
    solved = [spec for spec in confirmed if status[spec.hash(arm)] == "solved"]
    first_solved = {spec.search: spec.hash(arm) for spec in reversed(solved)}
    for probe in PROBES:
        members = [first_solved[k] for k in sorted(first_solved)] if probe in ONE_PER_SEARCH else finite
        if probe in arm.confirm.probes and members:
            yield probe, members
    if finite and arm.confirm.probes:
        yield TRACE, [first_solved.get(0, finite[0])]


def _trace(trained: Trained) -> Findings:
    """The curves of one member along one sequence."""
    (found,) = measure(trained, ["gates"], trace=[0])
    return Findings({}, {metric: curve for metric, curve in found.curves.items() if metric.startswith("trace/")})


def trained_members(
    arm: Arm, model: Model, members: list[Member], weights: list[SavedWeights], solved: list[bool]
) -> Trained:
    """Members of an arm as probes take them; their initial weights are drawn again from their seeds."""
    task, seeds, settings = arm.task.build(), [m.seed for m in members], [m.settings for m in members]
    return Trained(
        model,
        task,
        arm.lag,
        init=initial_weights(model, task, arm.lag, seeds, settings),
        half=stacked([saved.half for saved in weights]),
        end=stacked([saved.end for saved in weights]),
        seeds=seeds,
        solved=solved,
        settings=settings,
    )


def all_curves(result: dict[str, Any], findings: dict[str, dict[str, Any]]) -> Curves:
    """The curves of a member by metric: of its training, and of its probes."""
    return result["curves"] | {name: curve for found in findings.values() for name, curve in found["curves"].items()}


def _figure(curves: Curves, title: str) -> str:
    """A member's curves as SVG."""
    from reports.figures.member import member_svg  # matplotlib takes long to import, and most arms are drawn once

    return member_svg(curves, title)
