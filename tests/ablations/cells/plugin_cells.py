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
