"""`measure` over all tasks and over kinds of cells: finite results, and members that do not influence each other."""

import math

import pytest
import torch

from ablations.cells import catalogue
from ablations.probes import PROBES, Findings, clamp, measure
from tasks import catalogue as tasks
from tasks.continual_reber import ContinualReber
from tasks.recall import Recall
from tests.ablations.probes.analytic_networks import Latch, points, random_members, values
from tests.ablations.training.populations import ShortStream

LAGS = {name: max(4, task.minimum_lag) for name, task in tasks().items()}
WITHOUT_TRAINING = ["flow", "retention", "gates", "decode"]


@pytest.mark.parametrize("task", LAGS)
def test_every_task_can_be_probed_with_finite_results(task):
    members = random_members(catalogue()["lstm"](), tasks()[task](), LAGS[task], seeds=(1, 2))
    for findings in measure(members, WITHOUT_TRAINING, trace=[1]):
        assert findings.metrics
        assert all(math.isfinite(value) for value in values(findings))


@pytest.mark.parametrize("cell", ["lstm", "gru", "single_network", "lstm_full_recurrence", "lstm_static_gates", "rnn"])
def test_members_probed_together_equal_members_probed_alone(cell):
    members = random_members(catalogue()[cell](), ShortStream(reset=True), 6)
    for k, together in enumerate(measure(members, WITHOUT_TRAINING, trace=[2])):
        [alone] = measure(members.select([k]), WITHOUT_TRAINING, trace=[0] if k == 2 else [])
        assert alone.metrics == pytest.approx(together.metrics, rel=1e-4, abs=1e-6)
        assert alone.curves.keys() == together.curves.keys()
        for curve in alone.curves:
            assert points(alone, curve) == pytest.approx(points(together, curve), rel=1e-4, abs=1e-6), curve


def test_diverged_member_has_no_results_and_does_not_affect_others():
    members = random_members(catalogue()["lstm"](), Recall(), 5)
    healthy = measure(members, WITHOUT_TRAINING)
    members.end["0.U_f"][1, 0, 0] = torch.nan
    findings = measure(members, WITHOUT_TRAINING)
    assert findings[1] == Findings({}, {})
    for k in (0, 2):
        assert findings[k].metrics == pytest.approx(healthy[k].metrics, rel=1e-4, abs=1e-6)


def test_overflowing_member_has_finite_results_only():
    members = random_members(catalogue()["identity_rnn"](), Latch(), 40)
    members.end["0.U"][0] = 1e38
    overflowing, healthy, _ = measure(members, WITHOUT_TRAINING)
    assert all(math.isfinite(value) for value in values(overflowing))
    assert "decay_end" not in overflowing.metrics
    assert "decay_end" in healthy.metrics


def test_unknown_probe_raises_with_the_nearest_name():
    with pytest.raises(ValueError, match="retention"):
        measure(random_members(catalogue()["rnn"](), Latch(), 12), ["retentoin"])


def test_task_without_events_can_be_probed(monkeypatch):
    class WithoutEvents(Latch):
        def sample(self, generator, batch, lag):
            return super().sample(generator, batch, lag)._replace(events={})

    monkeypatch.setattr(clamp, "STEPS", 2)
    members = random_members(catalogue()["lstm"](), WithoutEvents(), 4, seeds=(1,))
    [findings] = measure(members, ["gates", "clamp"], trace=[0])
    assert {curve.split("/")[2] for curve in findings.curves if curve.startswith("gate/")} == {"other"}
    assert findings.metrics["clamp_mean"] == pytest.approx(findings.metrics["clamp_event"])


def test_window_without_a_query_gives_no_results():
    """At a lag of 200, no string of the grammar ends within the probed window."""
    members = random_members(catalogue()["lstm"](), ContinualReber(), 200, seeds=(1,))
    assert measure(members, PROBES) == [Findings({}, {})]
