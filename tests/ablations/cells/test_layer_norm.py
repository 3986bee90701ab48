"""Cells with layer normalisation."""

import torch

from ablations.cells import catalogue


def test_a_shift_of_the_sums_does_not_change_a_cell_with_layer_normalisation(draw):
    for name, weights in (
        ("layer_norm_rnn", ("W", "U")),
        ("layer_norm_lstm", ("W_i", "U_f")),
        ("layer_norm_single_network", ("V_m", "U_c")),
    ):
        problem = draw(catalogue()[name])
        before = problem.scan().outputs
        with torch.no_grad():
            for weight in weights:
                # the same amount is added to the sum of every unit
                problem.w[weight] += problem.w[weight][:, :, :1].clone()
        torch.testing.assert_close(problem.scan().outputs, before, rtol=1e-12, atol=1e-12)


def test_the_layer_norm_lstm_with_sums_that_are_normalised_already_equals_the_lstm(draw):
    """With gains that undo the normalisation of a single row, every gate has the LSTM's value."""
    problem = draw(catalogue()["layer_norm_lstm"], K=1, T=1, B=1, H=6)
    plain = draw(catalogue()["lstm"], K=1, T=1, B=1, H=6)
    plain.x, plain.state = problem.x, problem.state
    x, h = problem.x[:, 0], problem.state["h"]
    for g in "ifzo":
        for source, rows, matrix in (("x", x, f"W_{g}"), ("h", h, f"U_{g}")):
            sums = rows @ problem.w[matrix]
            spread = (sums.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
            problem.w[f"G_{source}{g}"] = spread.expand(1, 1, 6)
            problem.w[f"b_{g}"] = problem.w[f"b_{g}"] + sums.mean(-1, keepdim=True)
    plain.w = plain.w | {n: problem.w[n] for n in plain.w if not n.startswith("b_")}
    plain.w |= {f"b_{g}": draw(catalogue()["layer_norm_lstm"], K=1, T=1, B=1, H=6).w[f"b_{g}"] for g in "ifzo"}
    c = plain.scan().state["c"]
    torch.testing.assert_close(problem.scan().state["c"], c, rtol=1e-12, atol=1e-12)
    problem.w["G_h"] = (c.var(-1, correction=0, keepdim=True) + 1e-5).sqrt().expand(1, 1, 6)
    problem.w["b_h"] = c.mean(-1, keepdim=True).expand(1, 1, 6)
    torch.testing.assert_close(problem.scan().outputs, plain.scan().outputs, rtol=1e-12, atol=1e-12)
