"""The equations of cells, written from the papers: one step of one row, from weights, input and old state to the new state.

The functions are named after their cells. The first part of the state that they return is the output.
"""

import torch
from torch import relu, sigmoid, tanh


def identity_rnn(w, x, h):
    return {"h": relu(x @ w["W"] + h @ w["U"] + w["b"])}


def minimal_gated(w, x, h):
    f = sigmoid(x @ w["W_f"] + h @ w["U_f"] + w["b_f"])
    candidate = tanh(x @ w["W_n"] + (f * h) @ w["U_n"] + w["b_n"])
    return {"h": (1 - f) * h + f * candidate}


def janet(w, x, h):
    s = x @ w["W_s"] + h @ w["U_s"] + w["b_s"]
    candidate = tanh(x @ w["W_n"] + h @ w["U_n"] + w["b_n"])
    return {"h": sigmoid(s) * h + (1 - sigmoid(s - 1.0)) * candidate}


def min_gru(w, x, h):
    z = sigmoid(x @ w["W_z"] + w["b_z"])
    return {"h": (1 - z) * h + z * (x @ w["W_n"] + w["b_n"])}


def memory_gated(w, x, c):
    both = torch.cat([x, c])
    m_r, m_f, m_in = (torch.cat([w[f"W_{g}"], w[f"U_{g}"]]) for g in "rfz")
    write, keep = sigmoid(both @ m_r + w["b_r"]), sigmoid(both @ m_f + w["b_f"])
    return {"c": keep * c + write * (both @ m_in + w["b_z"])}


def block(w, g, x, h):
    """The net input of one gate of the LSTM."""
    return x @ w[f"W_{g}"] + h @ w[f"U_{g}"] + w[f"b_{g}"]


def lstm_no_forget(w, x, h, c):
    new = c + sigmoid(block(w, "i", x, h)) * tanh(block(w, "z", x, h))
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def lstm_no_input(w, x, h, c):
    new = sigmoid(block(w, "f", x, h)) * c + tanh(block(w, "z", x, h))
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def lstm_coupled(w, x, h, c):
    f = sigmoid(block(w, "f", x, h))
    new = f * c + (1 - f) * tanh(block(w, "z", x, h))
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def memory(w, x, h, c):
    """The LSTM's new memory."""
    return sigmoid(block(w, "f", x, h)) * c + sigmoid(block(w, "i", x, h)) * tanh(block(w, "z", x, h))


def lstm_no_output(w, x, h, c):
    new = memory(w, x, h, c)
    return {"h": tanh(new), "c": new}


def lstm_no_output_tanh(w, x, h, c):
    new = memory(w, x, h, c)
    return {"h": sigmoid(block(w, "o", x, h)) * new, "c": new}


def lstm_no_candidate_tanh(w, x, h, c):
    new = sigmoid(block(w, "f", x, h)) * c + sigmoid(block(w, "i", x, h)) * block(w, "z", x, h)
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def lstm_peephole(w, x, h, c):
    i = sigmoid(block(w, "i", x, h) + w["P_i"] * c)
    f = sigmoid(block(w, "f", x, h) + w["P_f"] * c)
    new = f * c + i * tanh(block(w, "z", x, h))
    o = sigmoid(block(w, "o", x, h) + w["P_o"] * new)
    return {"h": o * tanh(new), "c": new}


def lstm_full_recurrence(w, x, h, c, i, f, o):
    new_i = sigmoid(block(w, "i", x, h) + w["P_i"] * c + i @ w["R_ii"] + f @ w["R_fi"] + o @ w["R_oi"])
    new_f = sigmoid(block(w, "f", x, h) + w["P_f"] * c + i @ w["R_if"] + f @ w["R_ff"] + o @ w["R_of"])
    new_c = new_f * c + new_i * tanh(block(w, "z", x, h))
    new_o = sigmoid(block(w, "o", x, h) + w["P_o"] * new_c + i @ w["R_io"] + f @ w["R_fo"] + o @ w["R_oo"])
    return {"h": new_o * tanh(new_c), "c": new_c, "i": new_i, "f": new_f, "o": new_o}


def lstm_static_leak(w, x, h, c):
    new = sigmoid(w["b_f"]) * c + sigmoid(block(w, "i", x, h)) * tanh(block(w, "z", x, h))
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def lstm_static_gates(w, x, h, c):
    new = sigmoid(w["b_f"]) * c + sigmoid(w["b_i"]) * tanh(block(w, "z", x, h))
    return {"h": sigmoid(w["b_o"]) * tanh(new), "c": new}


def network(w, y, x, h, c):
    m = tanh(x @ w["W_m"] + h @ w["U_m"] + c @ w["V_m"] + w["b_m"])
    return m @ w[f"U_{y}"] + w[f"b_{y}"]


def single_network(w, x, h, c):
    new = tanh(network(w, "c", x, h, c))
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def single_network_sigmoid(w, x, h, c):
    new = sigmoid(network(w, "c", x, h, c))
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def single_network_residual(w, x, h, c):
    new = c + network(w, "c", x, h, c)
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def lstm_sigmoid_cell(w, x, h, c):
    new = memory(w, x, h, c)
    return {"h": tanh(block(w, "n", x, h)) * sigmoid(new), "c": new}


def lstm_network_readout(w, x, h, c):
    new = memory(w, x, h, c)
    return {"h": tanh(network(w, "h", x, h, new)), "c": new}


def min_lstm(w, x, h):
    f, i = sigmoid(x @ w["W_f"] + w["b_f"]), sigmoid(x @ w["W_i"] + w["b_i"])
    return {"h": f / (f + i) * h + i / (f + i) * (x @ w["W_n"] + w["b_n"])}


def ran(w, x, h, c):
    new = sigmoid(block(w, "i", x, h)) * (x @ w["W_z"]) + sigmoid(block(w, "f", x, h)) * c
    return {"h": tanh(new), "c": new}


def slstm(w, x, h, c, n, m):
    """The equations before stabilisation, on the memory and the normaliser that the stabilised ones stand for."""
    i, f = torch.exp(block(w, "i", x, h)), sigmoid(block(w, "f", x, h))
    return slstm_step(w, x, h, c, n, m, i, f)


def slstm_step(w, x, h, c, n, m, i, f):
    new_c = f * c * torch.exp(m) + i * tanh(block(w, "z", x, h))
    new_n = f * n * torch.exp(m) + i
    new_m = torch.log(torch.maximum(f * torch.exp(m), i))
    h = sigmoid(block(w, "o", x, h)) * new_c / new_n
    return {"h": h, "c": new_c / torch.exp(new_m), "n": new_n / torch.exp(new_m), "m": new_m}


def lru(w, x, h, p, q):
    eigenvalue = torch.polar(torch.exp(-torch.exp(w["N"])), torch.exp(w["P"]))
    gamma = torch.sqrt(1 - eigenvalue.abs() ** 2)
    s = eigenvalue * torch.complex(p, q) + gamma * (x.to(torch.complex128) @ torch.complex(w["B_r"], w["B_i"]))
    return {"h": (s @ torch.complex(w["C_r"], w["C_i"])).real + x @ w["D"], "p": s.real, "q": s.imag}


def rg_lru(w, x, h):
    r, i = sigmoid(x @ w["W_r"] + w["b_r"]), sigmoid(x @ w["W_i"] + w["b_i"])
    a = (1 / (1 + torch.exp(w["L"]))) ** (8 * r)  # exp(−softplus(L)) = σ(−L)
    return {"h": a * h + torch.sqrt(1 - a**2) * (i * (x @ w["W_n"] + w["b_n"]))}


def normalised(a):
    centred = a - a.sum() / len(a)
    return centred / torch.sqrt((centred**2).sum() / len(a) + 1e-5)


def layer_norm_rnn(w, x, h):
    return {"h": tanh(w["G"] * normalised(x @ w["W"] + h @ w["U"]) + w["b"])}


def normalised_block(w, g, x, h):
    return w[f"G_x{g}"] * normalised(x @ w[f"W_{g}"]) + w[f"G_h{g}"] * normalised(h @ w[f"U_{g}"]) + w[f"b_{g}"]


def layer_norm_lstm(w, x, h, c):
    i, f, o = (sigmoid(normalised_block(w, g, x, h)) for g in "ifo")
    new = f * c + i * tanh(normalised_block(w, "z", x, h))
    return {"h": o * tanh(w["G_h"] * normalised(new) + w["b_h"]), "c": new}


def layer_norm_single_network(w, x, h, c):
    m = tanh(w["G_m"] * normalised(x @ w["W_m"] + h @ w["U_m"] + c @ w["V_m"]) + w["b_m"])
    new = tanh(w["G_c"] * normalised(m @ w["U_c"]) + w["b_c"])
    o = sigmoid(normalised_block(w, "o", x, h))
    return {"h": o * tanh(w["G_h"] * normalised(new) + w["b_h"]), "c": new}


# -- the same with options --


def leak_of_nine_tenths(w, x, h, c):
    new = 0.9 * c + sigmoid(block(w, "i", x, h)) * tanh(block(w, "z", x, h))
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def static_gates_with_a_leak_of_one_half(w, x, h, c):
    new = 0.5 * c + sigmoid(w["b_i"]) * tanh(block(w, "z", x, h))
    return {"h": sigmoid(w["b_o"]) * tanh(new), "c": new}


def static_leak_with_peepholes(w, x, h, c):
    i = sigmoid(block(w, "i", x, h) + w["P_i"] * c)
    new = sigmoid(w["b_f"]) * c + i * tanh(block(w, "z", x, h))
    return {"h": sigmoid(block(w, "o", x, h) + w["P_o"] * new) * tanh(new), "c": new}


def coupled_with_peepholes(w, x, h, c):
    f = sigmoid(block(w, "f", x, h) + w["P_f"] * c)
    new = f * c + (1 - f) * tanh(block(w, "z", x, h))
    return {"h": sigmoid(block(w, "o", x, h) + w["P_o"] * new) * tanh(new), "c": new}


def three_wide_layers(w, x, h, c):
    assert w["U_m"].shape == w["V_m"].shape == (5, 10)
    m = tanh(x @ w["W_m"] + h @ w["U_m"] + c @ w["V_m"] + w["b_m"])
    m = tanh(m @ w["U_m2"] + w["b_m2"])
    m = tanh(m @ w["U_m3"] + w["b_m3"])
    new = relu(m @ w["U_c"] + w["b_c"])
    return {"h": sigmoid(block(w, "o", x, h) + w["P_o"] * new) * tanh(new), "c": new}


def linear_memory(w, x, h, c):
    new = network(w, "c", x, h, c)
    return {"h": sigmoid(block(w, "o", x, h)) * tanh(new), "c": new}


def additive_with_linear_output(w, x, h, c):
    new = sigmoid(block(w, "i", x, h)) * (x @ w["W_z"]) + sigmoid(block(w, "f", x, h)) * c
    return {"h": new, "c": new}


def exponential_forget_gate(w, x, h, c, n, m):
    return slstm_step(w, x, h, c, n, m, torch.exp(block(w, "i", x, h)), torch.exp(block(w, "f", x, h)))


WITH_DEFAULTS = [
    identity_rnn, minimal_gated, janet, min_gru, memory_gated, lstm_no_forget, lstm_no_input, lstm_coupled, lstm_no_output,
    lstm_no_output_tanh, lstm_no_candidate_tanh, lstm_peephole, lstm_full_recurrence, lstm_static_leak, lstm_static_gates,
    single_network, single_network_sigmoid, single_network_residual, lstm_sigmoid_cell, lstm_network_readout,
    min_lstm, ran, slstm, lru, rg_lru, layer_norm_rnn, layer_norm_lstm, layer_norm_single_network,
]  # fmt: skip
WITH_OPTIONS = [
    ("lstm", {"peephole": True}, lstm_peephole),
    ("lstm_coupled", {"peephole": True}, coupled_with_peepholes),
    ("lstm_static_leak", {"peephole": True}, static_leak_with_peepholes),
    ("lstm_static_leak", {"leak": 0.9}, leak_of_nine_tenths),
    ("lstm_static_gates", {"leak": 0.5}, static_gates_with_a_leak_of_one_half),
    ("single_network", {"depth": 3, "width": 2, "activation": "relu", "peephole": True}, three_wide_layers),
    ("single_network", {"activation": "linear"}, linear_memory),
    ("single_network", {"activation": "sigmoid"}, single_network_sigmoid),
    ("ran", {"activation": "linear"}, additive_with_linear_output),
    ("slstm", {"forget": "exp"}, exponential_forget_gate),
]
