"""The colours of cells, in figures and in the MLflow UI.

They are those of Okabe & Ito (2008), which readers with colour vision deficiency can distinguish. Imports nothing, as the tracker
needs them too.
"""

from collections.abc import Sequence

COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#5c6670", "#CC79A7", "#56B4E9", "#7a5195")
CORE = ("lstm", "gru", "lstm_no_forget", "single_network", "rnn")
"""Cells with a fixed style, the same in every report."""


def slots(cells: Sequence[str]) -> dict[str, int]:
    """Return the number of each cell's style: fixed for the cells in `CORE`, the next unused one in order for any other."""
    numbers = {cell: k for k, cell in enumerate((*CORE, *(cell for cell in cells if cell not in CORE)))}
    return {cell: numbers[cell] for cell in cells}


def cell_colors(cells: Sequence[str]) -> dict[str, str]:
    """Return the colour of each cell of a study."""
    return {cell: COLORS[k % len(COLORS)] for cell, k in slots(cells).items()}
