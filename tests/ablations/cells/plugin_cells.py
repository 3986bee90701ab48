"""Cells that use what the contract offers beyond the catalogue's needs, as texts of plug-ins."""

HEAD = """import torch

from ablations.cells import Cell, Weight
"""

ECHO_STATE = (
    HEAD
    + '''
def spectral(shape, generator):
    U = torch.randn(shape, generator=generator)
    return 0.9 * U / torch.linalg.eigvals(U).abs().max()


class EchoState(Cell):
    """Echo state network: a random recurrent network that is not trained.

        h' = tanh(W x + U h + b)

    Jaeger (2001).
    """

    name = "echo_state"
    reference = "Jaeger 2001"

    def weights(self, inputs, hidden):
        return {
            "W": Weight(inputs, hidden, "uniform", trained=False),
            "U": Weight(hidden, hidden, spectral, trained=False),
            "b": Weight(1, hidden, "zeros"),
        }

    def drive(self, w, x):
        return {"h": x @ w["W"] + w["b"]}

    def step(self, w, drive, state, tap):
        return {"h": torch.tanh(drive["h"] + state["h"] @ w["U"])}
'''
)
"""Its bias is trained, so that the cell has trained and untrained weights."""

LEARNED_START = (
    HEAD
    + '''

class LearnedStart(Cell):
    """A leaky unit, whose memory starts at a learned value, beside a plain one, which starts at 0.

        c(0) = c_0
        h' = tanh(W x + U c + b)
        c' = c + (h' − c) / 4

    For tests.
    """

    name = "learned_start"
    reference = "for tests"
    state = ("h", "c")
    initial_state = {"c": "c_0"}

    def weights(self, inputs, hidden):
        return {
            "c_0": Weight(1, hidden, "uniform"),
            "W": Weight(inputs, hidden, "uniform"),
            "U": Weight(hidden, hidden, "recurrent_init"),
            "b": Weight(1, hidden, "zeros"),
        }

    def drive(self, w, x):
        return {"h": x @ w["W"] + w["b"]}

    def step(self, w, drive, state, tap):
        h = torch.tanh(drive["h"] + state["c"] @ w["U"])
        return {"h": h, "c": state["c"] + (h - state["c"]) / 4}
'''
)

NOISY = (
    HEAD
    + '''from ablations.cells.noise import Bernoulli, Gaussian


class Noisy(Cell):
    """Units that keep their value by chance (zoneout), with noise on a candidate some of whose units are dropped.

        n  = tanh(W x + U h + b + e)
        d  = n ⊙ k / 0.8
        h' = m ⊙ h + (1 − m) ⊙ d

    Krueger et al. (2017); Srivastava et al. (2014). The means of m, k and e are 0.15, 0.8 and 0.
    """

    name = "noisy"
    reference = "Krueger et al. 2017"
    gates = ("n",)

    def __init__(self, *, rate=0.15):
        self.rate = rate

    def weights(self, inputs, hidden):
        return {
            "W": Weight(inputs, hidden, "uniform"),
            "U": Weight(hidden, hidden, "recurrent_init"),
            "b": Weight(1, hidden, "zeros"),
        }

    def noise(self):
        return {"m": Bernoulli("h", self.rate), "e": Gaussian("h", 0.1), "k": Bernoulli("h", 0.8)}

    def drive(self, w, x):
        return {"n": x @ w["W"] + w["b"]}

    def step(self, w, drive, state, tap):
        h, m = state["h"], drive["m"]
        n = tap("n", torch.tanh(drive["n"] + h @ w["U"] + drive["e"]))
        return {"h": m * h + (1 - m) * n * drive["k"] / 0.8}
'''
)
