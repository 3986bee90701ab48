"""The comparisons that the claims consist of, declared before any run: cells, strata and margins."""

from __future__ import annotations

import math

from reports.statistics.comparison import DELTA, Comparison, Margins, Term
from reports.statistics.quantities import DECAY, FLOPS, GROWTH, LARGEST, LOST, RECOVERED, SCORE
from reports.statistics.strata import Where

CAPABILITIES = ("short", "latch", "erase", "order", "capacity", "count")

FACTOR_OF_TWO = Margins(math.log(2), 0.0, -math.log(2), (-math.log(2), math.log(2)))
LATCH, ERASE = (Where(group="latch"),), (Where(group="erase"),)
RECALL = (Where(task="recall"),)


def _everywhere(a: str, b: str) -> tuple[Comparison, ...]:
    """Compare two cells in every group: by the largest n in the group `count`, else by the solve rate."""
    return tuple(
        Comparison(group, a, b, (Where(group=group),), quantity=LARGEST, margins=FACTOR_OF_TWO)
        if group == "count"
        else Comparison(group, a, b, (Where(group=group),))
        for group in CAPABILITIES
    )


ONE_NETWORK = (Comparison("recall", "single_network", "lstm", RECALL),)

INITIALISED = tuple(
    Comparison(f"{name}, {group}", cell, "lstm", (Where(group=group),))
    for name, cell in (("residual", "single_network_residual"), ("identity", "identity_rnn"))
    for group in ("latch", "erase")
)

ACCUMULATES = (
    Comparison(
        "growth",
        "lstm_no_forget",
        "",
        ERASE,
        informative_only=False,
        quantity=GROWTH,
        margins=Margins(math.log(2), math.log(2), -math.inf, (-math.inf, math.log(1.25))),
    ),
    Comparison(
        "reset",
        "lstm_no_forget",
        "lstm_no_forget",
        ERASE,
        informative_only=False,
        quantity=SCORE,
        margins=Margins(0.1, 0.1, -math.inf, (-0.1, 0.1)),
        terms=(Term(1, "lstm_no_forget", "+reset"), Term(-1, "lstm_no_forget")),
        phrase="The score of {a} is {effect} higher with external resets of its state than without on {place}",
    ),
)

FORGETTING = (
    Comparison("erase", "lstm", "lstm_no_forget", ERASE),
    Comparison("interaction", "lstm", "lstm_no_forget", ERASE, minus=LATCH),
    Comparison("latch", "lstm_no_forget", "lstm", LATCH),
)

LEAK = tuple(Comparison(group, "lstm_static_leak", "lstm", (Where(group=group),)) for group in ("latch", "erase"))
STATIC_GATES = tuple(
    Comparison(f"static gates, {group}", "lstm_static_gates", "lstm", (Where(group=group),))
    for group in ("latch", "erase")
)

_GAP = (Term(1, "lstm"), Term(-1, "single_network"))
_GAP_MATCHED = (Term(-1, "lstm+matched"), Term(1, "single_network+matched"))

MATCHED_FLOW = (
    Comparison("gap", "lstm", "single_network", RECALL, margins=Margins(superiority=2 * DELTA)),
    Comparison(
        "matched",
        "lstm+matched",
        "single_network+matched",
        RECALL,
        informative_only=False,
        quantity=DECAY,
        margins=Margins(equivalence=(math.log(0.99), math.log(1.01)), inferential=False),
    ),
    Comparison(
        "explained",
        "lstm",
        "single_network",
        RECALL,
        margins=Margins(superiority=0.0, inferiority=0.0, equivalence=None),
        terms=_GAP + _GAP_MATCHED,
        denominator=_GAP,
        phrase="Matching the initial gradient flow removes {effect} of the lead of {a} over {b} on {place}",
    ),
)

READOUT = _everywhere("lstm_sigmoid_cell", "lstm_network_readout")

COST = tuple(
    Comparison(
        other,
        "lstm",
        other,
        tuple(Where(group=group, min_lag=20) for group in ("latch", "erase", "order", "capacity")),
        quantity=FLOPS,
        margins=Margins(superiority=math.log(1.5), inferiority=0.0, equivalence=None),
        rival="gru",
    )
    for other in ("rnn", "single_network")
)

GRU = _everywhere("gru", "lstm")

PARAMETERS = (
    Comparison(
        "same size", "lstm", "rnn", LATCH, terms=(Term(1, "lstm", size_factor=1), Term(-1, "rnn", size_factor=1))
    ),
    *(
        Comparison(cell, cell, "lstm", LATCH, terms=(Term(1, cell, size_factor=8), Term(-1, "lstm", size_factor=1)))
        for cell in ("rnn", "single_network")
    ),
)

_PROBED = (Where(task="recall"), Where(task="flip_flop"))
CLAMPING = (
    Comparison(
        "lost",
        "lstm",
        "",
        _PROBED,
        informative_only=False,
        quantity=LOST,
        margins=Margins(inferiority=-math.inf),
    ),
    Comparison(
        "recovered",
        "lstm",
        "",
        _PROBED,
        informative_only=False,
        quantity=RECOVERED,
        margins=Margins(superiority=0.0, inferiority=0.0, equivalence=None),
    ),
)

COUPLED = _everywhere("lstm_coupled", "lstm")
FEWER_GATES = tuple(
    Comparison(
        f"{cell}, everywhere", cell, "lstm", tuple(Where(group=group) for group in CAPABILITIES if group != "count")
    )
    for cell in ("janet", "gru")
)

SHORT = (
    Comparison(
        "short", "rnn", "lstm", (Where(group="short"), Where(task="recall", max_lag=10)), informative_only=False
    ),
)

_COUNT = (Where(group="count"),)
DISSOCIATION = (
    Comparison(
        "count",
        "lstm_no_forget",
        "lstm_coupled",
        _COUNT,
        quantity=LARGEST,
        margins=FACTOR_OF_TWO._replace(inferiority=0.0),
    ),
    Comparison("erase", "lstm_coupled", "lstm_no_forget", ERASE, margins=Margins(inferiority=0.0)),
)
DISSOCIATION_OTHERS = tuple(
    comparison
    for cell in ("lstm", "single_network", "gru")
    for comparison in (
        Comparison(f"{cell}, count", cell, "lstm_coupled", _COUNT, quantity=LARGEST, margins=FACTOR_OF_TWO),
        Comparison(f"{cell}, erase", cell, "lstm_no_forget", ERASE),
    )
)
