"""Gate statistics of a trained network by kind of step, and a trace of one sequence.

Steps after a sequence's final query are left out. Shares of saturated gates: Karpathy et al. 2015.
"""

from collections.abc import Collection

import torch
from torch import Tensor

from ablations.cells import State
from ablations.probes.base import Findings, Trained, event_codes, initial_state, run, sequences

SEQUENCES = 32


@torch.no_grad()
def measure(trained: Trained, trace: Collection[int] = ()) -> list[Findings]:
    """Measure `gate/<name>/<event>/mean`, `low` and `high`; the event `other` stands for steps without any event.

    `low` and `high` are the shares of values below 0.1 and above 0.9 in magnitude, as in
    `ablations.networks.evaluation.gate_statistics`. Names of gates and state parts in layers above the first are prefixed
    with the layer's number, as in `1.f`.

    For the member indices in `trace`, also record the first sequence step by step: `trace/gate/<name>`, the mean over units,
    `trace/state/<part>`, the mean magnitude over units, and `trace/event/<name>`, 0 or 1.
    """
    model, data = trained.model, sequences(trained.task, trained.lag, SEQUENCES)
    results = [Findings({}, {}) for _ in trained.seeds]
    magnitudes: dict[str, list[Tensor]] = {}

    def record_state(layer: int, _t: int, state: State) -> State:
        for name, part in state.items():
            magnitudes.setdefault(_layer_name(layer, name), []).append(part[:, 0].abs().mean(-1))
        return state

    start = initial_state(model, trained.end, data)
    gates = run(model, trained.end, data.window, start, model.cell.gates, hook=record_state).gates
    steps = data.until_query()
    events = {**data.events, "other": event_codes(steps, data.events) == 0}
    traces = {f"trace/state/{name}": torch.stack(values, 1) for name, values in magnitudes.items()}
    for layer, recorded in enumerate(gates):
        for gate, values in recorded.items():
            name = _layer_name(layer, gate)
            values = values.expand(-1, -1, steps.shape[1], -1)  # a constant gate has a batch axis of size 1
            traces[f"trace/gate/{name}"] = values[:, :, 0].mean(-1)
            for event, on in events.items():
                at_event = values[:, on & steps].flatten(1)
                magnitude = at_event.abs()
                for statistic, x in (("mean", at_event), ("low", magnitude < 0.1), ("high", magnitude > 0.9)):
                    for member, value in zip(results, x.float().mean(1).tolist(), strict=True):
                        member.add_point(f"gate/{name}/{event}/{statistic}", 0, value)
    for k in trace:
        for name, values in traces.items():
            for t, value in enumerate(values[k, : data.last_query[0] + 1].tolist()):
                results[k].add_point(name, t, value)
        for event, on in data.events.items():
            for t, value in enumerate(on[: data.last_query[0] + 1, 0].tolist()):
                results[k].add_point(f"trace/event/{event}", t, float(value))
    return results


def _layer_name(layer: int, name: str) -> str:
    return f"{layer}.{name}" if layer else name
