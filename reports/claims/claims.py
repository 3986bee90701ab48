"""The claims, declared before any run.

A claim consists of comparisons, which are declared in `comparisons`, and of two rules over their outcomes: when it is
supported and when it is refuted. `verdicts` applies the rules to a table of results. A new claim is one more entry of
`CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.claims import comparisons, verdicts
from reports.claims.rules import Claim, Every, Some, better, equivalent, not_worse, worse
from reports.claims.verdicts import Verdict
from reports.statistics.contrasts import Contrast

__all__ = ["CLAIMS", "WORLDS", "Claim", "Contrast", "Verdict", "decide"]

WORLDS = {
    "alike": "all cells are equal in every quantity",
    "latch": "rnn and single_network fail at latch tasks, at every size and initialisation, and cost twice the FLOPs",
    "closed": "rnn and single_network fail at latch tasks unless they are larger or start with a matched gradient flow",
    "erase": "lstm_no_forget fails at erase tasks unless its state is reset externally; its state grows, and its largest n "
    "is four times as large; clamping gates halves the score, and clamping them per kind of event restores it",
    "forget": "lstm_no_forget fails at erase and latch tasks, a reset has no effect, and its largest n is a quarter",
    "gru": "gru fails at order tasks, the largest n of lstm_coupled is a quarter, and gated cells cost three times the FLOPs",
    "rnn": "rnn is worse at every task",
    "static": "cells with a constant leak or a memory-preserving initialisation fail at erase tasks; the gated readout fails "
    "at capacity tasks; clamping gates halves the score, also with a mean per kind of event",
}
"""Simulated worlds, for each of which every claim declares the correct verdict (`calibration.simulate` samples them)."""


def _truth(verdict: str, **exceptions: str) -> Mapping[str, str]:
    """Return the same correct verdict for every world except those named."""
    return dict.fromkeys(WORLDS, verdict) | exceptions


CLAIMS = (
    Claim(
        id=1,
        statement="A single network can learn to keep its state as well as gates do",
        origin="Why not let one network take the input, the hidden state and the old memory and compute the new one?",
        comparisons=comparisons.ONE_NETWORK,
        supported=not_worse("recall"),
        refuted=worse("recall"),
        decisive="recall",
        literature="Suggests refuted. Hochreiter & Schmidhuber 1997 [R]: on their lag task at 100 steps, backpropagation "
        "through time solved 0 %, the LSTM 100 % within 5,040 sequences.",
        expects="refuted",
        truth=_truth("supported", latch="refuted", closed="refuted"),
    ),
    Claim(
        id=2,
        statement="A memory-preserving initialisation can replace the gates",
        origin="Keeping a state would be hard to learn from scratch; an identity recurrent matrix keeps everything from the start.",
        comparisons=comparisons.INITIALISED,
        supported=Some(
            (
                Every((not_worse("residual, latch"), not_worse("residual, erase"))),
                Every((not_worse("identity, latch"), not_worse("identity, erase"))),
            )
        ),
        refuted=Every(
            (
                Some((worse("residual, latch"), worse("residual, erase"))),
                Some((worse("identity, latch"), worse("identity, erase"))),
            )
        ),
        preset="controls",
        literature="Suggests that it is true for latch and false for erase, so refuted. Le 2015 [M]: with the identity as its "
        "recurrent matrix, a network of rectified units solves adding over hundreds of steps.",
        expects="refuted",
        truth=_truth("supported", static="refuted"),
    ),
    Claim(
        id=3,
        statement="Without forgetting, inputs accumulate and saturate",
        origin="An identity recurrent matrix keeps everything at all times, so inputs accumulate and saturate.",
        comparisons=comparisons.ACCUMULATES,
        supported=Every((better("growth"), better("reset"))),
        refuted=Some((equivalent("growth"), equivalent("reset"))),
        decisive="growth",
        preset="erase",
        literature="Suggests supported. A later reproduction of continual embedded Reber [R]: norm of the memory 294.8 "
        "without a forget gate, 28.5 with it. Gers 2000 [R]: external resets raise perfect networks without forget gates "
        "from 0 to 74 of 100.",
        expects="supported",
        truth=_truth("refuted", erase="supported"),
    ),
    Claim(
        id=4,
        statement="The forget gate is needed only where memory must be erased",
        origin="An identity recurrent matrix already keeps everything, but at all times: inputs accumulate and "
        "saturate.",
        comparisons=comparisons.FORGETTING,
        premise=better("erase"),
        premise_in_words="a lead of lstm over lstm_no_forget on erase tasks",
        supported=Every((better("interaction"), not_worse("latch"))),
        refuted=worse("latch"),
        decisive="interaction",
        literature="Suggests supported. Gers 2000 [R], continual embedded Reber, 100 networks, % perfect/good/bad: "
        "without forget gates 0/1/99 (74/0/26 with external resets), with them 18/29/53. "
        "A later reproduction [R]: 99.7 % with, 55 % without.",
        expects="supported",
        truth=_truth("inconclusive", erase="supported", forget="refuted"),
    ),
    Claim(
        id=5,
        statement="A constant leak is enough",
        origin="Gates open and close with input and state. Would a learned leak that is constant over time be enough?",
        comparisons=comparisons.LEAK,
        descriptive=comparisons.STATIC_GATES,
        supported=Every((not_worse("latch"), not_worse("erase"))),
        refuted=Some((worse("latch"), worse("erase"))),
        preset="controls",
        literature="Suggests refuted. Gers 2000 [R], continual embedded Reber: with a fixed decay of 0.9 in place of the "
        "forget gate, 0 of 100 networks were perfect or good.",
        expects="refuted",
        truth=_truth("supported", static="refuted"),
    ),
    Claim(
        id=6,
        statement="Gates work because the error flow is constant",
        origin="The additive path keeps the error flow constant; without it gradients vanish or explode.",
        comparisons=comparisons.MATCHED_FLOW,
        premise=Every((equivalent("matched"), better("gap"))),
        premise_in_words="a lead of lstm over single_network on recall of at least 40 points, and the same initial "
        "decay of the gradient within 1 % in the matched arms",
        supported=better("explained"),
        refuted=worse("explained"),
        decisive="explained",
        preset="matched-flow",
        literature="Suggests partial support, so open. Hochreiter & Schmidhuber 1997 [R] built the LSTM around a constant error "
        "flow; Levy 2018 [R]: gates matter even without the inner recurrent network.",
        truth=_truth("inconclusive", latch="refuted", closed="supported"),
    ),
    Claim(
        id=7,
        statement="Multiplying by the memory is as good as feeding it to a network",
        origin="The memory only scales the new hidden state. Why not feed it into a network that computes that state?",
        comparisons=comparisons.READOUT,
        supported=Every(tuple(not_worse(comparison.name) for comparison in comparisons.READOUT)),
        refuted=Some(tuple(worse(comparison.name) for comparison in comparisons.READOUT)),
        preset="readout",
        literature="Suggests small differences, so supported. Greff 2017 [R]: the output activation is critical, most other "
        "parts of the LSTM are not; it did not test these two forms.",
        expects="supported",
        truth=_truth("supported", static="refuted"),
    ),
    Claim(
        id=8,
        statement="Gates are worth their cost",
        origin="LSTM training is slow and costly.",
        comparisons=comparisons.COST,
        supported=Every((better("rnn"), better("single_network"))),
        refuted=Every((worse("rnn"), worse("single_network"))),
        literature="Suggests supported from a lag of about 20. Hochreiter & Schmidhuber 1997 [R]: embedded Reber solved by 97 "
        "to 100 % of LSTMs and 0 % of Elman's networks; adding over 100 steps learned in 74,000 sequences with 93 weights.",
        expects="supported",
        truth=_truth("inconclusive", latch="supported", closed="supported", gru="refuted"),
    ),
    Claim(
        id=9,
        statement="The GRU performs as well as the LSTM without a separate cell state",
        origin="The GRU has no learned weights on the path of its state.",
        comparisons=comparisons.GRU,
        supported=Every(tuple(equivalent(comparison.name) for comparison in comparisons.GRU)),
        refuted=Some(tuple(worse(comparison.name) for comparison in comparisons.GRU)),
        preset="equals",
        literature="Suggests equality except in counting, so refuted. Chung 2014 [R]: both better than tanh units, GRU versus "
        "LSTM undecided. Weiss 2018 [R]: the LSTM counts, the GRU does not.",
        expects="refuted",
        truth=_truth("supported", gru="refuted"),
    ),
    Claim(
        id=10,
        statement="The advantage of gates is only their extra parameters",
        origin="An LSTM has four times the weights of a plain network of its width. Does that explain its advantage?",
        comparisons=comparisons.PARAMETERS,
        premise=better("same size"),
        premise_in_words="a lead of lstm over rnn of the same size on latch tasks",
        supported=Some((not_worse("rnn"), not_worse("single_network"))),
        refuted=Every((worse("rnn"), worse("single_network"))),
        preset="parameters",
        literature="Suggests refuted. Collins 2017 [R]: cells have equal capacity per parameter but differ in how well "
        "they can be trained.",
        expects="refuted",
        truth=_truth("inconclusive", latch="refuted", closed="supported", rnn="supported"),
    ),
    Claim(
        id=11,
        statement="Gates act as weights that change during the sequence",
        origin="Gates open and close with input and state; they act like weights that change while a sequence is read.",
        comparisons=comparisons.CLAMPING,
        supported=Every((better("lost"), better("recovered"))),
        refuted=equivalent("lost"),
        decisive="lost",
        preset="clamping",
        literature="Suggests supported, on flip_flop at least. Levy 2018 [R]: gates matter even without the inner recurrent "
        "network.",
        expects="supported",
        truth=_truth("refuted", erase="supported", static="inconclusive"),
    ),
    Claim(
        id=12,
        statement="Complementary gates suffice",
        origin="Ideal gates are complementary: the share that is forgotten is the share that is written.",
        comparisons=comparisons.COUPLED,
        descriptive=comparisons.FEWER_GATES,
        supported=Every(tuple(equivalent(comparison.name) for comparison in comparisons.COUPLED)),
        refuted=Some(tuple(worse(comparison.name) for comparison in comparisons.COUPLED)),
        preset="equals",
        literature="Suggests equality except in counting, so refuted. Greff 2017 [R]: coupling input and forget gate is "
        "harmless. Weiss 2018 [R]: the GRU, whose gates are complementary, does not count.",
        expects="refuted",
        truth=_truth("supported", gru="refuted"),
    ),
    Claim(
        id=13,
        statement="A plain RNN is enough at short lag",
        origin="A single network for memory and output is a plain RNN that outputs part of its state. Where is that enough?",
        comparisons=comparisons.SHORT,
        supported=not_worse("short"),
        refuted=worse("short"),
        decisive="short",
        literature="Suggests supported. Pascanu 2013 [R]: with clipping and a regulariser, a plain RNN solves temporal "
        "order up to 200 steps.",
        expects="supported",
        truth=_truth("supported", rnn="refuted"),
    ),
    Claim(
        id=14,
        statement="Counting and erasing need opposite gates",
        origin="A cell that adds without a limit can count but not erase; with complementary gates a cell can erase "
        "but not count: a double dissociation.",
        comparisons=comparisons.DISSOCIATION,
        descriptive=comparisons.DISSOCIATION_OTHERS,
        supported=Every((better("count"), better("erase"))),
        refuted=Some((worse("count"), worse("erase"))),
        preset="dissociation",
        literature="Open; each half is known from other cells. Gers 2000 [R]: without forget gates 1 of 100 networks is good "
        "at continual embedded Reber. Weiss 2018 [R]: the LSTM counts, the GRU, whose gates are complementary, does not.",
        truth=_truth("inconclusive", erase="supported", forget="refuted"),
    ),
)


def decide(results: pd.DataFrame, claims: tuple[Claim, ...] = CLAIMS) -> list[Verdict]:
    """Return one verdict per claim, in their order, from the table as `tables.read` returns it."""
    return verdicts.decide(results, claims)
