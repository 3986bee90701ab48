"""The sLSTM: its stabiliser and its normaliser."""

import math

import torch

from ablations.cells import catalogue


def test_the_outputs_of_the_slstm_do_not_depend_on_the_stabiliser(draw):
    problem = draw(catalogue()["slstm"])
    before = problem.scan().outputs
    with torch.no_grad():
        problem.state["m"] += 1.7
        problem.state["c"] /= math.exp(1.7)
        problem.state["n"] /= math.exp(1.7)
    torch.testing.assert_close(problem.scan().outputs, before, rtol=1e-10, atol=1e-10)


def test_the_slstm_is_finite_where_its_input_gate_is_not(draw):
    problem = draw(catalogue()["slstm"])
    with torch.no_grad():
        problem.w["b_i"] += 2000.0
    outputs = problem.scan().outputs
    assert outputs.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in problem.gradients(outputs))


def test_a_new_slstm_shows_its_first_candidate(draw):
    """Where the normaliser starts at 0, c' / n' is the candidate at the first step, whatever the input gate is."""
    problem = draw(catalogue()["slstm"], T=1)
    problem.state = {name: torch.zeros_like(part) for name, part in problem.state.items()}
    scanned = problem.scan(record=["z", "o"])
    torch.testing.assert_close(scanned.outputs, scanned.recorded["o"] * scanned.recorded["z"], rtol=1e-12, atol=1e-12)
