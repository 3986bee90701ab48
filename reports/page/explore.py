"""The data of the chart whose task and cells the reader chooses; `templates/explore.js` draws it."""

from collections.abc import Mapping
from typing import Any

from reports.aggregates.outcomes import ARM, Table
from reports.figures.colors import CORE
from reports.figures.style import DARK, CellStyle

CHOSEN = 6
"""Most cells that are drawn at first, where none of CORE is among them."""


def data(by_arm: Table, styles: Mapping[str, CellStyle]) -> dict[str, Any]:
    """Return `cells` (their colours by mode), `order` (the cells in the order of the study), `rows` (one per arm) and `chosen` (the cells that are drawn at first).

    :param by_arm: as `reports.aggregates.outcomes.arms` returns it, with the interval of the solve rate: low, high.
    """
    rows = by_arm.rename(columns={"median_score": "score"})
    rows["trained"] = rows["seconds"].notna()
    cells = list(dict.fromkeys(by_arm["cell"]))
    colors = {cell: styles[cell].color for cell in cells}
    return {
        "cells": {cell: {"light": color, "dark": DARK.get(color.lower(), color)} for cell, color in colors.items()},
        "order": cells,
        "rows": rows[[*ARM, "solved", "seeds", "low", "high", "score", "trained"]].round(4).to_dict("records"),
        "chosen": [cell for cell in cells if cell in CORE] or cells[:CHOSEN],
    }
