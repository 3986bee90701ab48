"""The claims, declared before any run: data that `rules` gives a meaning and `decision` applies to a table.

A claim names comparisons and two rules over their outcomes: when it is supported and when it is refuted. The questions
themselves, what is compared and where, are in `questions`. A new claim is one more entry of `CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.claims import comparisons as ask
from reports.claims import verdicts as decision
from reports.claims.rules import Claim, Every, Some, keeps_up, leads, ties, trails
from reports.claims.verdicts import Verdict
from reports.statistics.contrasts import LEVEL, Contrast
from reports.statistics.strata import GROUPS, Stratum

__all__ = ["CLAIMS", "GROUPS", "LEVEL", "Claim", "Contrast", "Stratum", "Verdict", "decide"]

WORLDS = {
    "alike": "no cell differs from another in anything",
    "latch": "rnn and single_network cannot hold, at any size and however they start; they cost twice the operations",
    "closed": "they cannot hold, but where they are larger or start with a matched gradient flow",
    "erase": "lstm_no_forget cannot let go unless reset from outside: its state grows, but it counts four times as far; "
    "clamped gates lose half of the score, and gates that follow the kind of event win it all back",
    "forget": "lstm_no_forget can neither let go nor hold, a reset does not help, and it counts a quarter as far",
    "gru": "gru fails at order, lstm_coupled counts a quarter as far, and gated cells cost three times the operations",
    "rnn": "rnn is worse at everything",
    "static": "what leaks by a constant or is only initialised to keep cannot let go; the gated readout holds less at once; "
    "clamped gates lose half of the score and nothing brings it back",
}
"""Simulated worlds, for which every claim declares what is right. `worlds` makes studies in them."""


def _right(verdict: str, **elsewhere: str) -> Mapping[str, str]:
    """The same verdict in every world, but in those named."""
    return dict.fromkeys(WORLDS, verdict) | elsewhere


CLAIMS = (
    Claim(
        id=1,
        statement="One network could learn to keep its state as well as gates do",
        origin="Why not let one network take the input, the hidden state and the old memory and compute the new one?",
        compares=ask.ONE_NETWORK,
        supported=keeps_up("recall"),
        refuted=trails("recall"),
        decisive="recall",
        literature="Suggests refuted. Hochreiter & Schmidhuber 1997 [R]: on their lag task at 100 steps, backpropagation "
        "through time solved 0 %, the LSTM 100 % within 5,040 sequences.",
        expects="refuted",
        truth=_right("supported", latch="refuted", closed="refuted"),
    ),
    Claim(
        id=2,
        statement="Initialisation does it, not the gate",
        origin="Keeping state would be hard to learn from scratch; an identity recurrent matrix already keeps everything.",
        compares=ask.INITIALISED,
        supported=Some(
            (
                Every((keeps_up("residual, latch"), keeps_up("residual, erase"))),
                Every((keeps_up("identity, latch"), keeps_up("identity, erase"))),
            )
        ),
        refuted=Every(
            (
                Some((trails("residual, latch"), trails("residual, erase"))),
                Some((trails("identity, latch"), trails("identity, erase"))),
            )
        ),
        preset="controls",
        literature="Suggests true for latch and false for erase, so refuted. Le 2015 [M]: with the identity as its "
        "recurrent matrix, a network of rectified units solves adding over hundreds of steps.",
        expects="refuted",
        truth=_right("supported", static="refuted"),
    ),
    Claim(
        id=3,
        statement="Without forgetting, inputs accumulate and saturate",
        origin="An identity recurrent matrix keeps everything always, so inputs accumulate and saturate.",
        compares=ask.ACCUMULATES,
        supported=Every((leads("growth"), leads("reset"))),
        refuted=Some((ties("growth"), ties("reset"))),
        decisive="growth",
        preset="erase",
        literature="Suggests supported. A later reproduction of continual embedded Reber [R]: norm of the memory 294.8 "
        "without a forget gate, 28.5 with it. Gers 2000 [R]: external resets raise perfect networks without forget gates "
        "from 0 to 74 of 100.",
        expects="supported",
        truth=_right("refuted", erase="supported"),
    ),
    Claim(
        id=4,
        statement="The forget gate is needed only where memory must be erased",
        origin="An identity recurrent matrix already keeps everything, but keeps it always: inputs accumulate and "
        "saturate.",
        compares=ask.FORGETTING,
        premise=leads("erase"),
        premise_in_words="a lead of lstm over lstm_no_forget where memory must be erased",
        supported=Every((leads("interaction"), keeps_up("latch"))),
        refuted=trails("latch"),
        decisive="interaction",
        literature="Suggests supported. Gers 2000 [R], continual embedded Reber, 100 networks, % perfect/good/bad: "
        "without forget gates 0/1/99 (74/0/26 with external resets), with them 18/29/53. "
        "A later reproduction [R]: 99.7 % with, 55 % without.",
        expects="supported",
        truth=_right("inconclusive", erase="supported", forget="refuted"),
    ),
    Claim(
        id=5,
        statement="A constant leak would do",
        origin="Gates open and close with input and state. Would a leak that is learned and then constant not do?",
        compares=ask.LEAK,
        described=ask.STATIC_GATES,
        supported=Every((keeps_up("latch"), keeps_up("erase"))),
        refuted=Some((trails("latch"), trails("erase"))),
        preset="controls",
        literature="Suggests refuted. Gers 2000 [R], continual embedded Reber: with a fixed decay of 0.9 in place of the "
        "forget gate, 0 of 100 networks were perfect or good.",
        expects="refuted",
        truth=_right("supported", static="refuted"),
    ),
    Claim(
        id=6,
        statement="Gates work because the error flow is constant",
        origin="The additive path keeps the error flow constant; without it gradients vanish or explode.",
        compares=ask.MATCHED_FLOW,
        premise=Every((ties("matched"), leads("gap"))),
        premise_in_words="a lead of lstm over single_network on recall of at least 40 points, and the same initial "
        "decay of the gradient within 1 % where they are matched",
        supported=leads("explained"),
        refuted=trails("explained"),
        decisive="explained",
        preset="matched-flow",
        literature="Suggests partly, so open. Hochreiter & Schmidhuber 1997 [R] built the LSTM around a constant error "
        "flow; Levy 2018 [R]: gates matter even without the inner recurrent network.",
        truth=_right("inconclusive", latch="refuted", closed="supported"),
    ),
    Claim(
        id=7,
        statement="Multiplying by the memory is as good as feeding it to a network",
        origin="The memory only scales the new hidden state. Why not feed it into a network that computes that state?",
        compares=ask.READOUT,
        supported=Every(tuple(keeps_up(compare.name) for compare in ask.READOUT)),
        refuted=Some(tuple(trails(compare.name) for compare in ask.READOUT)),
        preset="readout",
        literature="Suggests small differences, so supported. Greff 2017 [R]: the output activation is critical, most other "
        "parts of the LSTM are not; neither of these two forms is among them.",
        expects="supported",
        truth=_right("supported", static="refuted"),
    ),
    Claim(
        id=8,
        statement="Gates pay for their cost",
        origin="LSTM training is slow and costly.",
        compares=ask.COST,
        supported=Every((leads("rnn"), leads("single_network"))),
        refuted=Every((trails("rnn"), trails("single_network"))),
        literature="Suggests supported from a lag of about 20. Hochreiter & Schmidhuber 1997 [R]: embedded Reber solved by 97 "
        "to 100 % of LSTMs and 0 % of Elman's networks; adding over 100 steps learned in 74,000 sequences with 93 weights.",
        expects="supported",
        truth=_right("inconclusive", latch="supported", closed="supported", gru="refuted"),
    ),
    Claim(
        id=9,
        statement="GRU does as well without a separate cell",
        origin="GRU does without learned weights on the state path.",
        compares=ask.GRU,
        supported=Every(tuple(ties(compare.name) for compare in ask.GRU)),
        refuted=Some(tuple(trails(compare.name) for compare in ask.GRU)),
        preset="equals",
        literature="Suggests equal but for counting, so refuted. Chung 2014 [R]: both better than tanh units, GRU against "
        "LSTM open. Weiss 2018 [R]: the LSTM counts, the GRU does not.",
        expects="refuted",
        truth=_right("supported", gru="refuted"),
    ),
    Claim(
        id=10,
        statement="It is only the extra parameters",
        origin="An LSTM has four times the weights of a plain network of its width. Is that all?",
        compares=ask.PARAMETERS,
        premise=leads("same size"),
        premise_in_words="a lead of lstm over rnn of the same size where something must be held",
        supported=Some((keeps_up("rnn"), keeps_up("single_network"))),
        refuted=Every((trails("rnn"), trails("single_network"))),
        preset="parameters",
        literature="Suggests refuted. Collins 2017 [R]: the capacity of cells per parameter is equal, how well they can "
        "be trained differs.",
        expects="refuted",
        truth=_right("inconclusive", latch="refuted", closed="supported", rnn="supported"),
    ),
    Claim(
        id=11,
        statement="Gates act as weights that change during the sequence",
        origin="Gates open and close with input and state; they act like weights that change while a sequence is read.",
        compares=ask.CLAMPING,
        supported=Every((leads("lost"), leads("recovered"))),
        refuted=ties("lost"),
        decisive="lost",
        preset="clamping",
        literature="Suggests supported, on flip_flop at least. Levy 2018 [R]: gates matter even without the inner recurrent "
        "network.",
        expects="supported",
        truth=_right("refuted", erase="supported", static="inconclusive"),
    ),
    Claim(
        id=12,
        statement="Complementary gates suffice",
        origin="Ideal gates are complementary: what is forgotten is what is written.",
        compares=ask.COUPLED,
        described=ask.FEWER_GATES,
        supported=Every(tuple(ties(compare.name) for compare in ask.COUPLED)),
        refuted=Some(tuple(trails(compare.name) for compare in ask.COUPLED)),
        preset="equals",
        literature="Suggests equal but for counting, so refuted. Greff 2017 [R]: coupling input and forget gate is "
        "harmless. Weiss 2018 [R]: the GRU, whose gates are complementary, does not count.",
        expects="refuted",
        truth=_right("supported", gru="refuted"),
    ),
    Claim(
        id=13,
        statement="A plain RNN is enough at short lag",
        origin="One network over everything is a regular RNN that outputs part of its state. Where is that enough?",
        compares=ask.SHORT,
        supported=keeps_up("short"),
        refuted=trails("short"),
        decisive="short",
        literature="Suggests supported. Pascanu 2013 [R]: with clipping and a regulariser, a plain RNN solves temporal "
        "order up to 200 steps.",
        expects="supported",
        truth=_right("supported", rnn="refuted"),
    ),
    Claim(
        id=14,
        statement="Counting and letting go take opposite gates",
        origin="Who adds without a limit can count but not let go; complementary gates the reverse: a double dissociation.",
        compares=ask.DISSOCIATION,
        described=ask.BOTH,
        supported=Every((leads("count"), leads("erase"))),
        refuted=Some((trails("count"), trails("erase"))),
        preset="dissociation",
        literature="Open; each half is known of other cells. Gers 2000 [R]: without forget gates 1 of 100 networks is good "
        "at continual embedded Reber. Weiss 2018 [R]: the LSTM counts, the GRU, whose gates are complementary, does not.",
        truth=_right("inconclusive", erase="supported", forget="refuted"),
    ),
)


def decide(results: pd.DataFrame, claims: tuple[Claim, ...] = CLAIMS) -> list[Verdict]:
    """One verdict per claim, in their order, from the table as `tables.read` returns it."""
    return decision.decide(results, claims)
