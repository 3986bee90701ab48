"""Decodability, where the best accuracy is known."""

import math

import pytest
import torch
from torch import Generator

from ablations.probes import base, decode, measure
from tasks.adding import Adding
from tasks.continual_adding import ContinualAdding
from tasks.copy import Copy
from tasks.recall import Recall
from tests.ablations.probes.analytic_networks import Latch, latch_lstm, points, trained

LAG = 12


def test_symbol_in_a_latch_is_decodable_from_cue_to_query():
    model, w = latch_lstm()
    [findings] = measure(trained(model, Latch(), LAG, w), ["decode"])
    steps = [0, *base.distances(LAG, decode.POINTS - 1)]
    assert points(findings, "decode/true") == dict.fromkeys(steps, 1)
    assert points(findings, "decode/shuffled") == pytest.approx(dict.fromkeys(steps, 0.25), abs=0.1)
    assert findings.metrics["decodability"] == pytest.approx(0.75, abs=0.1)


def test_forgotten_symbol_is_decoded_at_chance():
    model, w = latch_lstm()
    w["0.b_f"] -= 60
    [findings] = measure(trained(model, Latch(), LAG, w), ["decode"])
    assert points(findings, "decode/true")[0] == 1
    assert points(findings, "decode/true")[LAG] == pytest.approx(0.25, abs=0.1)
    assert findings.metrics["decodability"] == pytest.approx(0, abs=0.1)


def gaussian_states(centres, sequences, sd, units=3):
    """States of two members, Gaussian around class centres on the first axis, with labels and the mask of training rows."""
    generator = Generator().manual_seed(0)
    labels = torch.arange(sequences) % len(centres)
    x = sd * torch.randn(2, sequences, units, generator=generator)
    x[..., 0] += torch.tensor(centres)[labels]
    return x, labels, torch.arange(sequences) < sequences // 2


def test_accuracy_on_two_gaussians_is_that_of_the_bayes_classifier():
    x, labels, train = gaussian_states([-1.0, 1.0], 40_000, 1.0)
    bayes = (1 + math.erf(1 / math.sqrt(2))) / 2  # the means are two standard deviations apart
    assert decode.balanced_accuracy(x, labels, train).tolist() == pytest.approx([bayes, bayes], abs=0.01)


def test_collinear_classes_are_separated_at_any_scale_and_offset():
    x, labels, train = gaussian_states([0.0, 1.0, 2.0, 3.0], 200, 0.05)
    assert decode.balanced_accuracy(1e-4 * x + 7, labels, train).tolist() == [1, 1]


def test_accuracy_is_the_mean_over_classes():
    x, labels = torch.zeros(1, 200, 2), (torch.arange(200) % 10 == 0).long()
    assert decode.balanced_accuracy(x, labels, torch.arange(200) < 100).tolist() == [0.5]  # not 0.9


def test_accuracy_is_nan_for_one_class_or_states_that_are_not_finite():
    x, labels, train = torch.zeros(1, 200, 2), (torch.arange(200) % 10 == 0).long(), torch.arange(200) < 100
    assert decode.balanced_accuracy(x, 0 * labels, train).isnan().all()
    x[0, 3, 1] = torch.inf
    assert decode.balanced_accuracy(x, labels, train).isnan().all()


@pytest.mark.parametrize(
    ("task", "lag", "classes"),
    [(Recall(), 8, 4), (Adding(), 12, 2), (Copy(symbols=2), 5, 8), (ContinualAdding(), 9, 2)],
)
def test_classes_are_all_present_and_presented_before_the_query(task, lag, classes):
    data = base.sequences(task, lag, 200)
    assert decode.target_classes(data).unique().tolist() == list(range(classes))
    assert (decode.write_step(data, lag) <= data.last_query).all()


def write_steps_and_classes(task, lag):
    data = base.sequences(task, lag, 200)
    return data, decode.write_step(data, lag), decode.target_classes(data), torch.arange(200)


def test_recall_presents_the_class_at_the_cue():
    data, written, classes, rows = write_steps_and_classes(Recall(), 8)
    assert torch.equal(data.window.inputs[0, written, rows, :4].argmax(-1), classes)
    assert data.events["cue"][written, rows].all()


def test_copy_presents_the_class_as_the_last_symbol():
    data, written, classes, rows = write_steps_and_classes(Copy(symbols=2), 5)
    assert set(written.tolist()) == {1}  # the second of two symbols is the last to be recalled
    assert torch.equal(data.window.inputs[0, written, rows, :8].argmax(-1), classes)


def test_adding_presents_the_value_at_a_mark_and_splits_it_at_the_median():
    data, written, classes, rows = write_steps_and_classes(Adding(), 12)
    assert data.events["mark"][written, rows].all()
    assert classes.sum() == 100


def test_continual_adding_presents_the_value_at_the_last_change_of_its_sum():
    data, written, _, rows = write_steps_and_classes(ContinualAdding(), 9)
    inside = written >= 0
    assert inside.any()
    target = data.window.targets[0, :, :, 0]
    assert torch.equal(target[written, rows][inside], target[data.last_query, rows][inside])
