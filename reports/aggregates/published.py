"""Published results of experiments that a study repeats, and what the study measured in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reports.aggregates.outcomes import Table, pick
from reports.format import number, percent
from reports.statistics.contrasts import LEVEL
from reports.statistics.estimators import kaplan_meier

Measure = Callable[[Table, int], str]
"""From the confirmed networks of one cell on one task at one lag, and the sequences per step, to what is shown."""


def solved(networks: Table, batch: int) -> str:
    """The share of networks that solved the task."""
    return f"{percent(networks['solved'].mean())} of {len(networks)} solve it"


def sequences(networks: Table, batch: int) -> str:
    """The median number of training sequences until a network solves the task."""
    found = kaplan_meier(networks["steps_to_solve"].to_numpy(), ~networks["solved"].to_numpy(), LEVEL)
    if found.median is None:
        return f"fewer than half of {len(networks)} solve it"
    return f"{number(found.median * batch)} sequences"


def perfect(networks: Table, batch: int) -> str:
    """The share of networks without an error in 100,000 steps, and of those that solved the task."""
    if "error_free_steps" not in networks:
        return solved(networks, batch)
    share = (networks["error_free_steps"] >= 1e5).mean()
    return f"{percent(share)} perfect, {percent(networks['solved'].mean())} perfect or good"


def score(networks: Table, batch: int) -> str:
    """The median score: 0 is the baseline of the paper."""
    return f"median score {number(networks['score'].median(), 2)}, {solved(networks, batch)}"


class Published(NamedTuple):
    """A published result: the experiment in the study's terms, what was found, the source, and how ours is measured."""

    cell: str
    task: str
    lag: float
    found: str
    source: str
    measure: Measure


_HS, _GERS = "Hochreiter & Schmidhuber 1997, experiment 4", "Gers, Schmidhuber & Cummins 2000, table 2"
_WEISS, _LE = "Weiss, Goldberg & Yahav 2018", "Le, Jaitly & Hinton 2015"
_ARJOVSKY, _TALLEC = "Arjovsky, Shah & Bengio 2016", "Tallec & Ollivier 2018"
PUBLISHED = (
    Published("lstm_no_forget", "adding+variant=hs97", 100, "74,000 sequences", _HS, sequences),
    Published("lstm_no_forget", "adding+variant=hs97", 500, "209,000 sequences", _HS, sequences),
    Published("lstm", "counting", 100, "counts beyond the trained lengths", _WEISS, solved),
    Published("identity_rnn", "counting", 100, "counts (rectified units)", _WEISS, solved),
    Published("gru", "counting", 100, "does not count", _WEISS, solved),
    Published("rnn", "counting", 100, "does not count", _WEISS, solved),
    *(
        Published(cell, "adding", lag, found, _LE, solved)
        for lag in (150, 400)
        for cell, found in (("lstm", "solves it"), ("identity_rnn", "solves it"), ("rnn", "does not"))
    ),
    Published("lstm_no_forget", "continual_reber", 5, "0 % perfect, 1 % perfect or good", _GERS, perfect),
    Published("lstm_no_forget", "continual_reber+reset", 5, "74 % perfect, 74 % perfect or good", _GERS, perfect),
    Published("lstm_static_leak+leak=0.9", "continual_reber", 5, "0 % perfect, 0 % perfect or good", _GERS, perfect),
    Published("lstm", "continual_reber", 5, "18 % perfect, 47 % perfect or good", _GERS, perfect),
    Published("rnn", "copy", 100, "stays at the baseline", _ARJOVSKY, score),
    Published("lstm+forget_bias=1.0+input_bias=0.0", "copy", 100, "stays at the baseline", _ARJOVSKY, score),
    Published("lstm+forget_bias=chrono+input_bias=chrono", "copy", 100, "leaves the baseline at 500 and 2,000", _TALLEC, score),
)  # fmt: skip
"""In the order of the studies hs97-adding, weiss-counting, irnn-adding, gers2000 and copy-baselines, whose files state how the
setting differs from that of the source."""


class Beside(NamedTuple):
    """A published result and the one of this study."""

    published: Published
    measured: str


def beside(confirm: Table, batch: int) -> list[Beside]:
    """Return the published results whose experiment is in the table, with what was measured.

    :param confirm: confirmation rows, with diverged networks unsolved.
    :param batch: training sequences per step.
    """
    found = []
    for entry in PUBLISHED:
        networks = pick(confirm, cell=entry.cell, task=entry.task, lag=entry.lag)
        if len(networks):
            found.append(Beside(entry, entry.measure(networks, batch)))
    return found
