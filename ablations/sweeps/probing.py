"""Asking the confirmed members of an arm what they do and why: by probes, which `ablations.probes` knows.

What a probe finds is kept in the store. The members that a probe asks are decided by the arm's results alone, and are all
asked again when one answer is missing: an interruption changes no number.
"""

from collections.abc import Iterator
from typing import Any

import torch

from ablations.networks.model import Model
from ablations.probes import PROBES, Findings, Trained, measure
from ablations.studies.study import Arm
from ablations.sweeps.arm import Context, Interrupted, Logged, ProbeProgress, build, locked, standing
from ablations.sweeps.search import MemberSpec
from ablations.sweeps.store import Store, write
from ablations.training.initialisation import start
from ablations.training.population import Member
from ablations.training.snapshots import SavedWeights, read, stacked

ONE_PER_SEARCH = ("clamp", "distill")
"""Probes that train on: they ask the first member of each search that solved its task."""
TRACE = "trace"
"""Not a probe of its own: one member per arm is watched step by step."""


def run(arm: Arm, confirmed: list[MemberSpec], context: Context) -> None:
    """See to it that confirmed members have been asked, and that the tracker hears of it. Raises Interrupted."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as in training, whether or not this process has trained
    with locked(arm, context):
        asked = list(_asked(arm, confirmed, context.store))
        for done, (probe, members) in enumerate(asked):
            if any(probe not in context.store.findings(member) for member in members):
                context.report(ProbeProgress(arm.hash, probe, done, len(asked)))
                _ask(arm, probe, members, context.store)
            if context.stopping():
                raise Interrupted
        for place in confirmed:
            member = place.hash(arm)
            wanted = frozenset(probe for probe, members in asked if member in members)
            told = context.told.get(member, Logged(arm.hash))
            if told.probes is None or not wanted <= told.probes:
                _draw(arm, member, context.store)
                context.store.tell(arm.study, member, standing(arm, place), wanted)


def _asked(arm: Arm, confirmed: list[MemberSpec], store: Store) -> Iterator[tuple[str, list[str]]]:
    """Each probe of the arm, with the members it asks; whoever diverged is not asked."""
    status = {place.hash(arm): (store.get(place.hash(arm)) or {})["status"] for place in confirmed}
    whole = [member for member, ended in status.items() if ended != "diverged"]
    solved = [place for place in confirmed if status[place.hash(arm)] == "solved"]
    first = {place.search: place.hash(arm) for place in reversed(solved)}
    for probe in PROBES:
        if probe in arm.confirm.probes and (
            members := [first[k] for k in sorted(first)] if probe in ONE_PER_SEARCH else whole
        ):
            yield probe, members
    if whole and arm.confirm.probes:
        yield TRACE, [first.get(0, whole[0])]


def _ask(arm: Arm, probe: str, members: list[str], store: Store) -> None:
    """Put a probe to members, and keep what it finds."""
    results = [store.get(member) or {} for member in members]
    kept = [read(store.weights_of(member))[0] for member in members]
    who = [Member(result["seed"], result["settings"]) for result in results]
    asked = trained(arm, build(arm), who, kept, [result["status"] == "solved" for result in results])
    found = [_trace(asked)] if probe == TRACE else measure(asked, [probe])
    for member, findings in zip(members, found, strict=True):
        store.add_findings(member, probe, findings._asdict())


def _trace(asked: Trained) -> Findings:
    """What one member does in one sequence, step by step."""
    (found,) = measure(asked, ["gates"], trace=[0])
    return Findings({}, {metric: curve for metric, curve in found.curves.items() if metric.startswith("trace/")})


def trained(arm: Arm, model: Model, members: list[Member], kept: list[SavedWeights], solved: list[bool]) -> Trained:
    """Members of an arm as probes want them: their initial weights are drawn again."""
    task, seeds, settings = arm.task.build(), [m.seed for m in members], [m.settings for m in members]
    return Trained(
        model,
        task,
        arm.lag,
        init=start(model, task, arm.lag, seeds, settings),
        half=stacked([k.half for k in kept]),
        end=stacked([k.end for k in kept]),
        seeds=seeds,
        solved=solved,
        settings=settings,
    )


def curves(result: dict[str, Any], findings: dict[str, dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """All curves of a member, by metric."""
    return result["curves"] | {name: curve for found in findings.values() for name, curve in found["curves"].items()}


def _draw(arm: Arm, member: str, store: Store) -> None:
    from reports.figures.member import member_svg  # here: what draws takes its time to import

    drawn = member_svg(curves(store.get(member) or {}, store.findings(member)), str(arm))
    write(store.portrait_of(member), drawn)
