"""The claims, declared before any run: data that `rules` gives a meaning and `decision` applies to a table.

A claim names comparisons and two rules over their outcomes: when it is supported and when it is refuted. A new claim
is one more entry of `CLAIMS`.
"""

from __future__ import annotations

import pandas as pd

from reports import decision
from reports.contrasts import LEVEL, Compare, Contrast
from reports.decision import Verdict
from reports.rules import Claim, Every, Some, keeps_up, leads, ties, trails
from reports.strata import GROUPS, Stratum, Where

__all__ = ["CLAIMS", "GROUPS", "LEVEL", "Claim", "Contrast", "Stratum", "Verdict", "decide"]

UNMEASURED = {"count": "no task of this version measures counting yet"}
"""Groups that a claim asks for and no task of this version belongs to."""


def _everywhere(a: str, b: str, groups: tuple[str, ...]) -> tuple[Compare, ...]:
    return tuple(Compare(group, a, b, (Where(group=group),)) for group in groups)


CAPABILITIES = ("short", "latch", "erase", "order", "capacity", "count")

CLAIMS = (
    Claim(
        id=1,
        statement="One network could learn to keep its state as well as gates do",
        origin="Why not let one network take the input, the hidden state and the old memory and compute the new one?",
        compares=(Compare("recall", "single_network", "lstm", (Where(task="recall"),)),),
        supported=keeps_up("recall"),
        refuted=trails("recall"),
        decisive="recall",
        literature="Suggests refuted. Hochreiter & Schmidhuber 1997 [R]: on their lag task at 100 steps, backpropagation "
        "through time solved 0 %, the LSTM 100 % within 5,040 sequences.",
        truth={
            "alike": "supported",
            "latch": "refuted",
            "erase": "supported",
            "forget": "supported",
            "gru": "supported",
            "rnn": "supported",
        },
    ),
    Claim(
        id=4,
        statement="The forget gate is needed only where memory must be erased",
        origin="An identity recurrent matrix already keeps everything, but keeps it always: inputs accumulate and "
        "saturate.",
        compares=(
            Compare("erase", "lstm", "lstm_no_forget", (Where(group="erase"),)),
            Compare("interaction", "lstm", "lstm_no_forget", (Where(group="erase"),), minus=(Where(group="latch"),)),
            Compare("latch", "lstm_no_forget", "lstm", (Where(group="latch"),)),
        ),
        premise=leads("erase"),
        premise_in_words="a lead of lstm over lstm_no_forget where memory must be erased",
        supported=Every((leads("interaction"), keeps_up("latch"))),
        refuted=trails("latch"),
        decisive="interaction",
        literature="Suggests supported. Gers 2000 [R], continual embedded Reber, 100 networks, % perfect/good/bad: "
        "without forget gates 0/1/99 (74/0/26 with external resets), with them 18/29/53. "
        "A later reproduction [R]: 99.7 % with, 55 % without.",
        truth={
            "alike": "inconclusive",
            "latch": "inconclusive",
            "erase": "supported",
            "forget": "refuted",
            "gru": "inconclusive",
            "rnn": "inconclusive",
        },
    ),
    Claim(
        id=9,
        statement="GRU does as well without a separate cell",
        origin="GRU does without learned weights on the state path.",
        compares=_everywhere("gru", "lstm", CAPABILITIES),
        supported=Every(tuple(ties(group) for group in CAPABILITIES)),
        refuted=Some(tuple(trails(group) for group in CAPABILITIES)),
        literature="Suggests equal but for counting. Chung 2014 [R]: both better than tanh units, GRU against LSTM open. "
        "Weiss 2018 [R]: the LSTM counts, the GRU does not.",
        truth={
            "alike": "supported",
            "latch": "supported",
            "erase": "supported",
            "forget": "supported",
            "gru": "refuted",
            "rnn": "supported",
        },
    ),
    Claim(
        id=13,
        statement="A plain RNN is enough at short lag",
        origin="One network over everything is a regular RNN that outputs part of its state. Where is that enough?",
        compares=(
            Compare(
                "short", "rnn", "lstm", (Where(group="short"), Where(task="recall", longest=10)), informative=False
            ),
        ),
        supported=keeps_up("short"),
        refuted=trails("short"),
        decisive="short",
        literature="Suggests supported. Pascanu 2013 [R]: with clipping and a regulariser, a plain RNN solves temporal "
        "order up to 200 steps.",
        truth={
            "alike": "supported",
            "latch": "supported",
            "erase": "supported",
            "forget": "supported",
            "gru": "supported",
            "rnn": "refuted",
        },
    ),
)


def decide(results: pd.DataFrame, claims: tuple[Claim, ...] = CLAIMS) -> list[Verdict]:
    """One verdict per claim, in their order, from the table as `tables.read` returns it."""
    return decision.decide(results, claims, UNMEASURED)
