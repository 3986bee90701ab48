"""Gates of a trained network: how open they are at each kind of step, and one sequence step by step.

Steps after the one at which a sequence's memory is asked for at last are left out.
"""

from collections.abc import Collection

import torch
from torch import Tensor

from ablations.cells import State
from ablations.probes.base import Findings, Trained, code_of, run, sequences, warmed

SEQUENCES = 32


@torch.no_grad()
def measure(trained: Trained, trace: Collection[int] = ()) -> list[Findings]:
    """`gate/<name>/<event>/mean`, `low`, `high` as in `evaluate.gate_statistics`; `other`: steps without any event.

    Of the members `trace`, also `trace/gate/<name>` and `trace/state/<part>`, the mean over units (of a state's sizes),
    and `trace/event/<name>` of the first sequence. What belongs to layers above the first carries their number.
    """
    model, data = trained.model, sequences(trained.task, trained.lag, SEQUENCES)
    found = [Findings({}, {}) for _ in trained.seeds]
    sizes: dict[str, list[Tensor]] = {}

    def watch(layer: int, _t: int, state: State) -> State:
        for name, part in state.items():
            sizes.setdefault(_named(layer, name), []).append(part[:, 0].abs().mean(-1))
        return state

    gates = run(model, trained.end, data.window, warmed(model, trained.end, data), model.cell.gates, after=watch).gates
    counts = torch.arange(data.window.inputs.shape[1]).unsqueeze(1) <= data.end
    kinds = {**data.events, "other": code_of(counts, data.events) == 0}
    traces = {f"trace/state/{name}": torch.stack(values, 1) for name, values in sizes.items()}
    for layer, recorded in enumerate(gates):
        for gate, values in recorded.items():
            name = _named(layer, gate)
            values = values.expand(-1, -1, counts.shape[1], -1)  # a gate that is a constant has one row for all
            traces[f"trace/gate/{name}"] = values[:, :, 0].mean(-1)
            for event, on in kinds.items():
                at = values[:, on & counts].flatten(1)
                size = at.abs()
                for what, share in (("mean", at), ("low", size < 0.1), ("high", size > 0.9)):
                    for member, value in zip(found, share.float().mean(1).tolist(), strict=True):
                        member.log(f"gate/{name}/{event}/{what}", 0, value)
    for k in trace:
        for name, values in traces.items():
            for t, value in enumerate(values[k, : data.end[0] + 1].tolist()):
                found[k].log(name, t, value)
        for event, on in data.events.items():
            for t, value in enumerate(on[: data.end[0] + 1, 0].tolist()):
                found[k].log(f"trace/event/{event}", t, float(value))
    return found


def _named(layer: int, name: str) -> str:
    return f"{layer}.{name}" if layer else name
