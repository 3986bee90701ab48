"""Published results of experiments that a study repeats, and what the study measured in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from scipy import stats as distributions

from reports.aggregates.outcomes import Table, pick
from reports.format import number, percent
from reports.statistics.contrasts import LEVEL
from reports.statistics.estimators import kaplan_meier

Measure = Callable[[Table, int], str]
"""From the confirmed networks of one cell on one task at one lag, and the sequences per step, to what is shown."""
DIFFERENT = 0.05
"""The level at which a measured share differs from a published one."""
LEFT_BASELINE = 0.5
"""The score from which a network has left the baseline of copying, which is 0."""


def solved(networks: Table, batch: int) -> str:
    """The share of networks that solved the task."""
    return f"{percent(networks['solved'].mean())} of {len(networks)} solve it"


def sequences(networks: Table, batch: int) -> str:
    """The median number of training sequences until a network solves the task."""
    found = kaplan_meier(networks["steps_to_solve"].to_numpy(), ~networks["solved"].to_numpy(), LEVEL)
    if found.median is None:
        return f"fewer than half of {len(networks)} solve it"
    return f"{number(found.median * batch)} sequences"


def score(networks: Table, batch: int) -> str:
    """The share of networks that left the baseline of copying, and the median score."""
    left = (networks["score"] >= LEFT_BASELINE).mean()
    return (
        f"{percent(left)} of {len(networks)} leave the baseline, median score {number(networks['score'].median(), 2)}"
    )


class Published(NamedTuple):
    """A published result: the experiment in the study's terms, what was found, the source, and how ours is measured."""

    cell: str
    task: str
    lag: float
    found: str
    solved: bool | tuple[int, int]
    """Whether networks solve the task; or how many do, of how many, where that was published."""
    source: str
    measure: Measure
    from_score: float | None = None
    """The score from which a network counts as one that does what was published; None for the task's criterion."""


_HS, _GERS = "Hochreiter & Schmidhuber 1997, experiment 4", "Gers, Schmidhuber & Cummins 2000, table 2"
_WEISS, _LE = "Weiss, Goldberg & Yahav 2018", "Le, Jaitly & Hinton 2015"
_ARJOVSKY, _TALLEC = "Arjovsky, Shah & Bengio 2016", "Tallec & Ollivier 2018"
PUBLISHED = (
    Published("lstm_no_forget", "adding+variant=hs97", 100, "74,000 sequences", True, _HS, sequences),
    Published("lstm_no_forget", "adding+variant=hs97", 500, "209,000 sequences", True, _HS, sequences),
    Published("lstm", "counting", 100, "counts beyond the trained lengths", True, _WEISS, solved),
    Published("identity_rnn", "counting", 100, "counts (rectified units)", True, _WEISS, solved),
    Published("gru", "counting", 100, "does not count", False, _WEISS, solved),
    Published("rnn", "counting", 100, "does not count", False, _WEISS, solved),
    *(
        Published(cell, "adding", lag, "solves it" if solves else "does not", solves, _LE, solved)
        for lag in (150, 400)
        for cell, solves in (("lstm", True), ("identity_rnn", True), ("rnn", False))
    ),
    Published("lstm_no_forget", "continual_reber", 5, "1 % of 100 are good or perfect", (1, 100), _GERS, solved),
    Published("lstm_no_forget", "continual_reber+reset", 5, "74 % of 100 are good or perfect", (74, 100), _GERS, solved),
    Published("lstm_static_leak+leak=0.9", "continual_reber", 5, "0 % of 100 are good or perfect", (0, 100), _GERS, solved),
    Published("lstm", "continual_reber", 5, "47 % of 100 are good or perfect", (47, 100), _GERS, solved),
    Published("rnn", "copy", 100, "stays at the baseline", False, _ARJOVSKY, score, LEFT_BASELINE),
    Published("lstm+forget_bias=1.0+input_bias=0.0", "copy", 100, "stays at the baseline", False, _ARJOVSKY, score, LEFT_BASELINE),
    Published("lstm+forget_bias=chrono+input_bias=chrono", "copy", 100, "leaves the baseline at 500 and 2,000", True, _TALLEC, score, LEFT_BASELINE),
)  # fmt: skip
"""In the order of the studies hs97-adding, weiss-counting, irnn-adding, gers2000 and copy-baselines, whose files state how the
setting differs from that of the source."""
SETTINGS = {
    _HS: "93 weights; trained online, one sequence at a time, with truncated gradients and one learning rate. Here: Adam, exact "
    "gradients, batches of 16 and a tuned learning rate.",
    _GERS: "trained online on one stream, with one learning rate. Here: Adam, windows of 60 steps of 16 streams and a tuned learning "
    "rate; training ends where a network is “good”: at least 1,000 steps without an error on average.",
    _WEISS: "10 units, trained until the training lengths were learned. Here: the same units and 5,000 steps of Adam; a network "
    "solves the task if it also counts beyond the trained lengths.",
    _LE: "100 units, gradient descent with clipping. Here: the same units, 5,000 steps of Adam.",
    _ARJOVSKY: "one layer of about 6,500 parameters, RMSprop. Here: the same size, 25,000 steps of Adam.",
    _TALLEC: "128 units, RMSprop, tens of thousands of steps. Here: 6,500 parameters, 25,000 steps of Adam, and a lag of 100; a network "
    f"has left the baseline, a score of 0, where its score is at least {LEFT_BASELINE}.",
}
"""What each source did, and how the repetition differs."""


class Beside(NamedTuple):
    """A published result and the one of this study."""

    published: Published
    measured: str
    agrees: bool
    """Where shares were published: whether Fisher's exact test finds no difference (p at least 5 %). Else: whether more than half
    of the networks solve the task (or leave the baseline), or do not, as published."""


def beside(confirm: Table, batch: int) -> list[Beside]:
    """Return the published results whose experiment is in the table, with what was measured.

    :param confirm: confirmation rows, with diverged networks unsolved.
    :param batch: training sequences per step.
    """
    found = []
    for entry in PUBLISHED:
        networks = pick(confirm, cell=entry.cell, task=entry.task, lag=entry.lag)
        if len(networks):
            found.append(Beside(entry, entry.measure(networks, batch), _agrees(entry, networks)))
    return found


def _agrees(entry: Published, networks: Table) -> bool:
    success = networks["solved"] if entry.from_score is None else networks["score"] >= entry.from_score
    solved, of = int(success.sum()), len(networks)
    if isinstance(entry.solved, bool):
        return (2 * solved > of) == entry.solved
    published, of_published = entry.solved
    table = [[solved, of - solved], [published, of_published - published]]
    p_value: Any = distributions.fisher_exact(table)[1]
    return p_value >= DIFFERENT
