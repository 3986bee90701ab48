"""The comparisons that the claims consist of, declared before any run: cells, tasks and margins.

Tasks are compared one by one. These lists say which tasks decide; other tasks of a report are shown, and decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from reports.statistics.comparison import OCTAVE, RATE_MARGINS, Comparison, Margins, Term
from reports.statistics.quantities import (
    COUNTS_FOUR_TIMES,
    COUNTS_TWICE,
    DECAY,
    FLOPS,
    GROWTH,
    LOST,
    RECOVERED,
    SCORE,
    SOLVED,
)
from reports.statistics.strata import Where

LATCH = ("recall", "adding")
"""Tasks in which something has to be remembered among distractors."""
ERASE = ("continual_adding",)
"""Tasks in which something has to be erased, without an external sign of when."""
ORDER, STATE = ("temporal_order",), ("parity",)
"""Tasks of order, and of a state that every symbol may change. Copying decides nothing: in a pilot, on tuning seeds of another
study, the plain RNN copied as far as the LSTM, so that the task cannot show that others keep up."""
PLAIN = "recall+variant=plain"
"""A task of remembering in which nothing has to be protected: the first symbol is kept, and no other like it comes."""

UNGATED = (
    "rnn",
    "identity_rnn",
    "single_network",
    "single_network+depth=2",
    "single_network+width=2",
    "single_network+activation=relu",
    "single_network+keep",
    "single_network_sigmoid",
    "single_network_residual",
)
"""Networks without gates on the path of their state: claim 1 is about all of them."""
KEEPING = ("identity_rnn", "single_network_residual", "single_network+keep")
"""Networks without gates that keep their state before training."""
LINEAR = ("lru", "rg_lru", "min_lstm", "min_gru")
"""A linear recurrence without gates, and cells whose gates depend on the input alone."""
NORMALISED = ("layer_norm_rnn", "layer_norm_single_network")


def on(task: str) -> tuple[Where, ...]:
    """The strata of one task."""
    return (Where(task=task),)


def versus(cells: Iterable[str], other: str, tasks: Iterable[str]) -> tuple[Comparison, ...]:
    """Compare the reach of each cell with another's on each task."""
    return tuple(Comparison(named(cell, task), cell, other, on(task)) for task in tasks for cell in cells)


def named(cell: str, task: str) -> str:
    """The name of the comparison of a cell with another on a task."""
    return f"{cell} on {task}"


def counting(a: str, b: str) -> tuple[Comparison, ...]:
    """Compare two cells by how many of their networks count to twice and to four times the trained length."""
    return tuple(
        Comparison(
            f"{word} the length",
            a,
            b,
            on("counting"),
            informative_only=False,
            quantity=quantity,
            margins=RATE_MARGINS,
        )
        for word, quantity in (("twice", COUNTS_TWICE), ("four times", COUNTS_FOUR_TIMES))
    )


SENSITIVE: dict[str, tuple[str, str]] = {
    **dict.fromkeys((*LATCH, *ORDER, PLAIN), ("lstm", "rnn")),
    **dict.fromkeys(STATE, ("lstm", "lru")),  # a linear recurrence cannot track parity (Merrill et al. 2024)
    **dict.fromkeys(ERASE, ("lstm", "lstm_no_forget")),
}
"""Task -> two cells of which the first is known to lead: a task on which it does not cannot show that others keep up."""


def sensitivity(tasks: Iterable[str]) -> tuple[Comparison, ...]:
    """Check that each task tells cells apart (assay sensitivity)."""
    return tuple(Comparison(sensitive(task), *SENSITIVE[task], on(task)) for task in tasks)


def sensitive(task: str) -> str:
    """The name of the comparison that checks whether a task tells cells apart."""
    return f"sensitivity of {task}"


COUNTING_SENSITIVITY = Comparison(
    sensitive("counting"),
    "lstm",
    "rnn",
    on("counting"),
    informative_only=False,
    quantity=COUNTS_TWICE,
    margins=RATE_MARGINS,
)

ACCUMULATES = (
    Comparison(
        "growth",
        "lstm_no_forget",
        "",
        on("continual_adding"),
        informative_only=False,
        quantity=GROWTH,
        margins=Margins(math.log(2), math.log(2), -math.inf, (-math.inf, math.log(1.25))),
    ),
    Comparison(
        "reset",
        "lstm_no_forget",
        "lstm",
        on("continual_adding"),
        informative_only=False,
        quantity=SCORE,
        margins=Margins(0.1, 0.0, -math.inf, (-0.1, 0.1)),
        terms=(
            Term(1, "lstm_no_forget", "+reset"),
            Term(-1, "lstm_no_forget"),
            Term(-1, "lstm", "+reset"),
            Term(1, "lstm"),
        ),
        phrase="The score of {a} gains {effect} more than that of {b} by external resets of the state on {place}",
    ),
)

FORGETTING = (
    Comparison("erase", "lstm", "lstm_no_forget", on("continual_adding")),
    *(
        Comparison(
            f"erase more than {task}",
            "lstm",
            "lstm_no_forget",
            on("continual_adding"),
            minus=on(task),
            phrase="The ratio of the reaches of {a} and {b} is {effect} as large on {place} as on " + task,
        )
        for task in LATCH
    ),
    *versus(["lstm_no_forget"], "lstm", LATCH),
)

LEAK = versus(["lstm_static_leak"], "lstm", (*LATCH, *ERASE))
LEAK_CONTROL = Comparison("control", "lstm_static_leak", "lstm", on(PLAIN), bounded=True)
STATIC_GATES = versus(["lstm_static_gates"], "lstm", (*LATCH, *ERASE))

_GAP = (Term(1, "lstm"), Term(-1, "single_network"))
_GAP_MATCHED = (Term(-1, "lstm+matched"), Term(1, "single_network+matched"))

MATCHED_FLOW = (
    Comparison("gap", "lstm", "single_network", on("recall"), margins=Margins(superiority=2 * OCTAVE)),
    Comparison(
        "matched",
        "lstm+matched",
        "single_network+matched",
        on("recall"),
        informative_only=False,
        quantity=DECAY,
        margins=Margins(equivalence=(math.log(0.99), math.log(1.01)), inferential=False),
    ),
    Comparison(
        "explained",
        "lstm",
        "single_network",
        on("recall"),
        margins=Margins(superiority=0.0, inferiority=0.0, equivalence=None),
        terms=_GAP + _GAP_MATCHED,
        denominator=_GAP,
        phrase="Matching the initial gradient flow removes {effect} of the lead of {a} over {b} in log reach on {place}",
    ),
)

EVERYWHERE = (*LATCH, *ERASE, *ORDER)

COST_TASKS = (*LATCH, *ORDER)
COST = tuple(
    Comparison(
        named(other, task),
        "lstm",
        other,
        (Where(task=task, min_lag=20),),
        quantity=FLOPS,
        margins=Margins(superiority=math.log(1.5), inferiority=0.0, equivalence=None),
        rival="gru",
    )
    for task in COST_TASKS
    for other in ("rnn", "single_network")
)

SAME_SIZE = tuple(
    Comparison(
        f"same size on {task}",
        "lstm",
        "rnn",
        on(task),
        terms=(Term(1, "lstm", size_factor=1), Term(-1, "rnn", size_factor=1)),
    )
    for task in LATCH
)
LARGER = ("rnn", "single_network")
PARAMETERS = tuple(
    Comparison(
        named(cell, task),
        cell,
        "lstm",
        on(task),
        terms=(Term(1, cell, size_factor=8), Term(-1, "lstm", size_factor=1)),
    )
    for task in LATCH
    for cell in LARGER
)

CLAMPED_TASKS = ("recall", "flip_flop")
CLAMPING = (
    *(
        Comparison(
            f"lost on {task}",
            "lstm",
            "",
            on(task),
            informative_only=False,
            quantity=LOST,
            margins=RATE_MARGINS._replace(inferiority=-math.inf),
        )
        for task in (*CLAMPED_TASKS, PLAIN)
    ),
    *(
        Comparison(
            f"recovered on {task}",
            "lstm",
            "",
            on(task),
            informative_only=False,
            quantity=RECOVERED,
            margins=Margins(superiority=0.0, inferiority=0.0, equivalence=None),
        )
        for task in CLAMPED_TASKS
    ),
)

FEWER_GATES = versus(["janet", "gru", "memory_gated"], "lstm", (*LATCH, *ERASE))

SHORT = {"n_back": 4, "adding": 10, "recall": 5}
"""Task -> the largest lag at which no more than about ten steps have to be bridged; the query of recall comes one to two lags
after the symbol."""
SHORT_LAGS = tuple(
    Comparison(
        named("rnn", task),
        "rnn",
        "lstm",
        (Where(task=task, max_lag=lag),),
        informative_only=False,
        quantity=SOLVED,
        margins=RATE_MARGINS,
    )
    for task, lag in SHORT.items()
)

DISSOCIATION = (
    Comparison(
        "count",
        "lstm_no_forget",
        "lstm_coupled",
        on("counting"),
        informative_only=False,
        quantity=COUNTS_FOUR_TIMES,
        margins=RATE_MARGINS._replace(inferiority=0.0),
    ),
    Comparison("erase", "lstm_coupled", "lstm_no_forget", on("continual_adding"), margins=Margins(inferiority=0.0)),
)
DISSOCIATION_OTHERS = (
    *(
        comparison
        for cell in ("lstm", "gru")
        for comparison in (counting(cell, "lstm_coupled")[1], *versus([cell], "lstm_no_forget", ERASE))
    ),
)
