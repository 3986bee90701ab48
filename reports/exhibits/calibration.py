"""How well the rules are calibrated, from simulated studies in which the truth is known: the appendix of every report."""

from pathlib import Path

from reports.exhibits import Exhibit

TITLES: dict[str, str] = {}


def exhibits(file: Path) -> dict[str, Exhibit]:
    """The figures of the appendix; none where the simulations have not been run."""
    return {}
