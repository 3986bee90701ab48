"""Distances, fixed sequences, event codes and the container of results."""

import torch
from torch import Generator

from ablations.probes import Findings, base
from tasks.continual_adding import ContinualAdding
from tasks.embedded_reber import EmbeddedReber


def test_distances_range_from_one_step_to_the_maximum():
    assert base.distances(0) == []
    assert base.distances(1) == [1]
    assert base.distances(12) == list(range(1, 13))
    far = base.distances(1000)
    assert (far[0], far[-1], len(far)) == (1, 1000, base.POINTS)


def test_last_query_is_the_due_step_or_the_last_step_with_weight():
    reber = base.sequences(EmbeddedReber(), 5, 20)
    assert reber.events["due"][reber.last_query, torch.arange(20)].all()
    stream = base.sequences(ContinualAdding(), 20, 20)
    weight = stream.window.weight[0]
    assert (weight[stream.last_query, torch.arange(20)] == 1).all()
    assert not weight[~stream.until_query()].any()
    assert torch.equal(stream.until_query().sum(0), stream.last_query + 1)


def test_continual_tasks_have_warmup_windows():
    assert len(base.sequences(ContinualAdding(), 20, 20).warmup) == 5
    assert base.sequences(EmbeddedReber(), 5, 20).warmup == []


def test_event_code_is_the_bit_mask_of_a_steps_events():
    batch = ContinualAdding().stream(Generator().manual_seed(0), 30, 4).next()
    codes = base.event_codes(batch.weight, batch.events)
    assert codes.unique().tolist() == list(range(8))
    mark, reset, query = batch.events.values()
    assert torch.equal(codes == 5, mark & ~reset & query)


def test_results_are_clipped_and_undefined_ones_left_out():
    findings = Findings({}, {})
    findings.add_metric("decay_end", 1e200)
    findings.add_metric("retained", float("nan"))
    findings.add_point("flow/end/whole", 3, -1e200)
    findings.add_point("flow/end/whole", 4, float("inf"))
    assert findings == Findings({"decay_end": 1e30}, {"flow/end/whole": [(3, -1e30)]})
