"""Running the probes of `ablations.probes` on the confirmed members of an arm.

Findings are stored by member and probe. Which members a probe runs on follows from the arm's results alone, and it runs on
all of them again if one finding is missing: an interruption changes no number.
"""

from collections.abc import Iterator
from typing import Any

from ablations.errors import first_line
from ablations.networks.model import Model
from ablations.probes import PROBES, Findings, Trained, measure
from ablations.studies.study import Arm
from ablations.sweeps.arm import Context, Interrupted, Logged, ProbeProgress, Warned, arm_lock, build_model, member_tags
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.store import Store, write
from ablations.training import torch_state
from ablations.training.initialisation import initial_weights
from ablations.training.result import Member
from ablations.training.snapshots import SavedWeights, read, stacked

ONE_PER_SEARCH = ("clamp", "distill")
"""Probes that train, and therefore run only on the first solved member of each search."""
TRACE = "trace"
"""Gates and states of one member per arm along one sequence: part of the probe `gates`, stored under a name of its own."""


def probe_arm(arm: Arm, members: list[MemberSpec], context: Context) -> None:
    """Run the probes whose findings are missing on the confirmed ones of an arm's members, and enqueue the findings for the
    tracker.

    :raises Interrupted: between two probes, when `context.stopping` becomes true.
    """
    confirmed = [spec for spec in members if spec.phase == "confirm"]
    with torch_state.standard(), arm_lock(arm, context):
        plan = list(_plan(arm, confirmed, context.store))
        for done, (probe, probed) in enumerate(plan):
            if any(probe not in context.store.findings(member) for member in probed):
                context.report(ProbeProgress(arm.hash, probe, done, len(plan)))
                _run_probe(arm, probe, probed, context.store)
            if context.stopping():
                raise Interrupted
        failures = list[str]()
        for spec in confirmed:
            member = spec.hash(arm)
            probes = frozenset(probe for probe, probed in plan if member in probed)
            logged = context.logged.get(member, Logged(arm.hash))
            if logged.probes is None or not probes <= logged.probes:
                failures += _draw_figure(arm, member, context.store)
                context.store.enqueue(arm.study, member, member_tags(arm, spec), probes)
        if failures:
            context.report(Warned(arm.hash, f"{arm}: {len(failures)} figures cannot be drawn: {failures[0]}"))


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


def _run_probe(arm: Arm, probe: str, members: list[str], store: Store) -> None:
    results = [store.get(member) or {} for member in members]
    weights = [read(store.weights_path(member))[0] for member in members]
    specs = [Member(result["seed"], result["settings"]) for result in results]
    trained = trained_members(arm, build_model(arm), specs, weights, [r["status"] == "solved" for r in results])
    findings = [_trace(trained)] if probe == TRACE else measure(trained, [probe])
    for member, found in zip(members, findings, strict=True):
        store.add_findings(member, probe, found._asdict())


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


def all_curves(result: dict[str, Any], findings: dict[str, dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """The curves of a member by metric: of its training, and of its probes."""
    return result["curves"] | {name: curve for found in findings.values() for name, curve in found["curves"].items()}


def _draw_figure(arm: Arm, member: str, store: Store) -> list[str]:
    """Draw a member's curves; returns the error if that fails. Its findings are logged all the same."""
    try:
        from reports.figures.member import member_svg  # matplotlib takes long to import, and most arms are drawn once

        svg = member_svg(all_curves(store.get(member) or {}, store.findings(member)), str(arm))
    except Exception as error:  # a matplotlib that is misconfigured or broken can raise anything
        return [f"{type(error).__name__}: {first_line(error)}"]
    write(store.figure_path(member), svg)
    return []
