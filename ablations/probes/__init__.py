"""Probes: mechanistic analyses of trained networks. All members of an arm are analysed together; none is changed.

    findings = measure(trained, ["flow", "retention"])     # one `Findings` per member

- `flow`: the norm of the gradient with respect to earlier states
- `retention`: the decay of a small perturbation of the state
- `gates`: gate statistics by kind of step
- `decode`: linear decodability of the stored value from the state
- `clamp`: the score after fine-tuning with clamped gates
- `distill`: the score of a single network trained to imitate the cell's transition

Sequences are sampled with the probes' own seed, the same for all members of an arm, and a member's results do not depend
on which other members are analysed. A member whose weights are not finite has no results.
"""

from collections.abc import Callable, Collection

from ablations.errors import lookup
from ablations.networks.evaluation import member_chunks
from ablations.probes import clamp, decode, distill, flow, gates, retention
from ablations.probes.base import Findings, Trained, sequences

__all__ = ["PROBES", "SAVED_FLOATS_PER_UNIT", "Findings", "Trained", "measure"]

SAVED_FLOATS_PER_UNIT = 24
"""Floats saved for backward per unit and step, roughly, in double precision."""
_MEASURES: dict[str, Callable[..., list[Findings]]] = {
    "flow": flow.measure,
    "retention": retention.measure,
    "gates": gates.measure,
    "decode": decode.measure,
    "clamp": clamp.measure,
    "distill": distill.measure,
}
PROBES = tuple(_MEASURES)


def measure(trained: Trained, probes: Collection[str], trace: Collection[int] = ()) -> list[Findings]:
    """Return the results of the named probes for each member, empty if no sequence has a query in the probed window.

    For the member indices in `trace`, the `gates` probe also records one sequence step by step. ValueError for an unknown
    probe.
    """
    for probe in probes:
        lookup("probe", probe, dict.fromkeys(PROBES))
    results = [Findings({}, {}) for _ in trained.seeds]
    if not len(sequences(trained.task, trained.lag, flow.SEQUENCES).last_query):
        return results
    model, steps = trained.model, trained.task.steps(trained.lag)
    stages = (trained.init, trained.half, trained.end)
    finite = [k for k in range(len(results)) if all(x[k].isfinite().all() for w in stages for x in w.values())]
    each = steps * flow.SEQUENCES * (model.inputs + SAVED_FLOATS_PER_UNIT * model.hidden * model.layers)
    for rows in member_chunks(len(finite), each):
        members = finite[rows]
        chunk, traced = trained.select(members), [row for row, k in enumerate(members) if k in trace]
        for probe in probes:
            findings = gates.measure(chunk, traced) if probe == "gates" else _MEASURES[probe](chunk)
            for k, member in zip(members, findings, strict=True):
                results[k].metrics.update(member.metrics)
                results[k].curves.update(member.curves)
    return results
