"""Probes: why a trained network does what it does. They ask the members of an arm together, and change nothing.

    found = measure(trained, ["flow", "retention"])     # one `Findings` per member, in the words of `reports`

Sequences come from a seed of their own, the same for every member of an arm; no finding depends on who else is asked. A
member with weights that are not finite has nothing to say.
"""

from collections.abc import Callable, Collection

from ablations.errors import known
from ablations.networks.evaluation import member_chunks
from ablations.probes import clamp, decode, distill, flow, gates, retention
from ablations.probes.base import Findings, Trained, sequences

__all__ = ["PROBES", "SAVED_FLOATS_PER_UNIT", "Findings", "Trained", "measure"]

_MEASURES: dict[str, Callable[..., list[Findings]]] = {
    "flow": flow.measure,
    "retention": retention.measure,
    "gates": gates.measure,
    "decode": decode.measure,
    "clamp": clamp.measure,
    "distill": distill.measure,
}
PROBES = tuple(_MEASURES)


def measure(trained: Trained, which: Collection[str], trace: Collection[int] = ()) -> list[Findings]:
    """What the probes `which` find out about each member. `trace`: members of whom one sequence is kept step by step."""
    for probe in which:
        known("probe", probe, dict.fromkeys(PROBES))
    found = [Findings({}, {}) for _ in trained.seeds]
    if not len(sequences(trained.task, trained.lag, flow.SEQUENCES).end):
        return found  # a window in which nothing is asked
    model, steps = trained.model, trained.task.steps(trained.lag)
    finite = [k for k in range(len(found)) if all(w[k].isfinite().all() for ws in trained[3:6] for w in ws.values())]
    each = steps * flow.SEQUENCES * (model.inputs + SAVED_FLOATS_PER_UNIT * model.hidden * model.layers)
    for rows in member_chunks(len(finite), each):
        members = finite[rows]
        asked, traced = trained.of(members), [row for row, k in enumerate(members) if k in trace]
        for probe in which:
            now = gates.measure(asked, traced) if probe == "gates" else _MEASURES[probe](asked)
            for k, findings in zip(members, now, strict=True):
                found[k].metrics.update(findings.metrics)
                found[k].curves.update(findings.curves)
    return found


SAVED_FLOATS_PER_UNIT = 24  # numbers that a step keeps for the way back, roughly, per unit, in double precision
