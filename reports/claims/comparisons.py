"""What the claims compare, where, and which difference matters there: declared before any run, as the claims are."""

from __future__ import annotations

import math

from reports.statistics.comparison import DELTA, Compare, Limits, Term
from reports.statistics.quantities import DECAY, FLOPS, GROWTH, LARGEST, LOST, RECOVERED, SCORE
from reports.statistics.strata import Where

CAPABILITIES = ("short", "latch", "erase", "order", "capacity", "count")

TWICE = Limits(math.log(2), 0.0, -math.log(2), (-math.log(2), math.log(2)))
LATCH, ERASE = (Where(group="latch"),), (Where(group="erase"),)
RECALL = (Where(task="recall"),)


def _everywhere(a: str, b: str) -> tuple[Compare, ...]:
    """In every group by the solve rate, but where counting is asked for by how far each counts."""
    return tuple(
        Compare(group, a, b, (Where(group=group),), quantity=LARGEST, limits=TWICE)
        if group == "count"
        else Compare(group, a, b, (Where(group=group),))
        for group in CAPABILITIES
    )


ONE_NETWORK = (Compare("recall", "single_network", "lstm", RECALL),)

INITIALISED = tuple(
    Compare(f"{name}, {group}", cell, "lstm", (Where(group=group),))
    for name, cell in (("residual", "single_network_residual"), ("identity", "identity_rnn"))
    for group in ("latch", "erase")
)

ACCUMULATES = (
    Compare(
        "growth",
        "lstm_no_forget",
        "",
        ERASE,
        informative=False,
        quantity=GROWTH,
        limits=Limits(math.log(2), math.log(2), -math.inf, (-math.inf, math.log(1.25))),
    ),
    Compare(
        "reset",
        "lstm_no_forget",
        "lstm_no_forget",
        ERASE,
        informative=False,
        quantity=SCORE,
        limits=Limits(0.1, 0.1, -math.inf, (-0.1, 0.1)),
        terms=(Term(1, "lstm_no_forget", "+reset"), Term(-1, "lstm_no_forget")),
        phrase="{a} scores {effect} more with its state reset from outside than without on {place}",
    ),
)

FORGETTING = (
    Compare("erase", "lstm", "lstm_no_forget", ERASE),
    Compare("interaction", "lstm", "lstm_no_forget", ERASE, minus=LATCH),
    Compare("latch", "lstm_no_forget", "lstm", LATCH),
)

LEAK = tuple(Compare(group, "lstm_static_leak", "lstm", (Where(group=group),)) for group in ("latch", "erase"))
STATIC_GATES = tuple(
    Compare(f"static gates, {group}", "lstm_static_gates", "lstm", (Where(group=group),))
    for group in ("latch", "erase")
)

_GAP = (Term(1, "lstm"), Term(-1, "single_network"))
_GAP_MATCHED = (Term(-1, "lstm+matched"), Term(1, "single_network+matched"))

MATCHED_FLOW = (
    Compare("gap", "lstm", "single_network", RECALL, limits=Limits(lead=2 * DELTA)),
    Compare(
        "matched",
        "lstm+matched",
        "single_network+matched",
        RECALL,
        informative=False,
        quantity=DECAY,
        limits=Limits(tie=(math.log(0.99), math.log(1.01)), inferred=False),
    ),
    Compare(
        "explained",
        "lstm",
        "single_network",
        RECALL,
        limits=Limits(lead=0.0, trail=0.0, tie=None),
        terms=_GAP + _GAP_MATCHED,
        whole=_GAP,
        phrase="Starting both with the same gradient flow removes {effect} of the lead of {a} over {b} on {place}",
    ),
)

READOUT = _everywhere("lstm_sigmoid_cell", "lstm_network_readout")

COST = tuple(
    Compare(
        other,
        "lstm",
        other,
        tuple(Where(group=group, shortest=20) for group in ("latch", "erase", "order", "capacity")),
        quantity=FLOPS,
        limits=Limits(lead=math.log(1.5), trail=0.0, tie=None),
        rival="gru",
    )
    for other in ("rnn", "single_network")
)

GRU = _everywhere("gru", "lstm")

PARAMETERS = (
    Compare("same size", "lstm", "rnn", LATCH, terms=(Term(1, "lstm", times=1), Term(-1, "rnn", times=1))),
    *(
        Compare(cell, cell, "lstm", LATCH, terms=(Term(1, cell, times=8), Term(-1, "lstm", times=1)))
        for cell in ("rnn", "single_network")
    ),
)

_PROBED = (Where(task="recall"), Where(task="flip_flop"))
CLAMPING = (
    Compare(
        "lost",
        "lstm",
        "",
        _PROBED,
        informative=False,
        quantity=LOST,
        limits=Limits(trail=-math.inf),
    ),
    Compare(
        "recovered",
        "lstm",
        "",
        _PROBED,
        informative=False,
        quantity=RECOVERED,
        limits=Limits(lead=0.0, trail=0.0, tie=None),
    ),
)

COUPLED = _everywhere("lstm_coupled", "lstm")
FEWER_GATES = tuple(
    Compare(
        f"{cell}, everywhere", cell, "lstm", tuple(Where(group=group) for group in CAPABILITIES if group != "count")
    )
    for cell in ("janet", "gru")
)

SHORT = (Compare("short", "rnn", "lstm", (Where(group="short"), Where(task="recall", longest=10)), informative=False),)

_COUNT = (Where(group="count"),)
DISSOCIATION = (
    Compare("count", "lstm_no_forget", "lstm_coupled", _COUNT, quantity=LARGEST, limits=TWICE._replace(trail=0.0)),
    Compare("erase", "lstm_coupled", "lstm_no_forget", ERASE, limits=Limits(trail=0.0)),
)
BOTH = tuple(
    compare
    for cell in ("lstm", "single_network", "gru")
    for compare in (
        Compare(f"{cell} counts", cell, "lstm_coupled", _COUNT, quantity=LARGEST, limits=TWICE),
        Compare(f"{cell} lets go", cell, "lstm_no_forget", ERASE),
    )
)
