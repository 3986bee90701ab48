"""The claims, declared before any run.

A claim consists of comparisons, which are declared in `comparisons`, and of two rules over their outcomes: when it is
supported and when it is refuted. `verdicts` applies the rules to a table of results. A new claim is one more entry of
`CLAIMS`.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from reports.claims import comparisons, verdicts
from reports.claims.comparisons import ERASE, LATCH, ORDER, PLAIN, STATE, named, sensitive, sensitivity
from reports.claims.rules import Claim, better, equivalent, every, not_worse, some, worse
from reports.claims.shared_rules import COUNTS, equal_everywhere, everywhere, keeps_up, worse_on_some
from reports.claims.verdicts import Verdict
from reports.statistics.contrasts import Contrast

__all__ = ["CLAIMS", "Claim", "Contrast", "Verdict", "decide"]


_HOLDING = (*LATCH, *ORDER)
_GRU_TIES, _GRU_WORSE = equal_everywhere("gru")
_COUPLED_TIES, _COUPLED_WORSE = equal_everywhere("lstm_coupled")

CLAIMS = (
    Claim(
        id=1,
        statement="One network can learn to keep its state as well as gates do",
        origin="Why not let one network take the input, the hidden state and the old memory and compute the new one?",
        comparisons=(
            *comparisons.versus(comparisons.UNGATED, "lstm", (*_HOLDING, PLAIN)),
            *sensitivity((*_HOLDING, PLAIN)),
        ),
        supported=some(*(keeps_up(cell, (*_HOLDING, PLAIN)) for cell in comparisons.UNGATED)),
        refuted=some(*(every(*(worse(named(cell, task)) for cell in comparisons.UNGATED)) for task in _HOLDING)),
        preset="one-network",
        literature="Suggests refuted. Hochreiter & Schmidhuber 1997 [R]: on their lag task at 100 steps, backpropagation "
        "through time solved 0 %, the LSTM 100 % within 5,040 sequences.",
        expects="refuted",
    ),
    Claim(
        id=2,
        statement="An initialisation that keeps the state can replace the gates",
        origin="Keeping a state would be hard to learn from scratch; an identity recurrent matrix keeps everything from the start.",
        comparisons=(
            *comparisons.versus(comparisons.KEEPING, "lstm", (*LATCH, *ERASE)),
            *sensitivity((*LATCH, *ERASE)),
        ),
        supported=some(*(keeps_up(cell, (*LATCH, *ERASE)) for cell in comparisons.KEEPING)),
        refuted=every(*(worse_on_some(cell, (*LATCH, *ERASE)) for cell in comparisons.KEEPING)),
        preset="initialisation",
        literature="Suggests refuted: true where a value is held, false where memory has to be erased, and the claim is about both. Le 2015 [M]: with the identity as its "
        "recurrent matrix, a network of rectified units solves adding over hundreds of steps.",
        expects="refuted",
    ),
    Claim(
        id=3,
        statement="Without forgetting, inputs accumulate and saturate",
        origin="An identity recurrent matrix keeps everything at all times, so inputs accumulate and saturate.",
        comparisons=(*comparisons.ACCUMULATES, *sensitivity(ERASE)),
        supported=every(better("growth"), better("reset")),
        refuted=some(equivalent("growth"), every(equivalent("reset"), better(sensitive("continual_adding")))),
        preset="forgetting",
        literature="Suggests supported. A later reproduction of continual embedded Reber [R]: norm of the memory 294.8 "
        "without a forget gate, 28.5 with it. Gers 2000 [R]: external resets raise perfect networks without forget gates "
        "from 0 to 74 of 100.",
        expects="supported",
    ),
    Claim(
        id=4,
        statement="The forget gate is needed only where memory must be erased",
        origin="Without a forget gate the memory only accumulates. Does that matter where nothing has to be erased?",
        comparisons=(*comparisons.FORGETTING, *sensitivity(LATCH)),
        premise=better("erase"),
        premise_in_words="a lead of lstm over lstm_no_forget on continual_adding",
        supported=every(
            *(
                rule
                for task in LATCH
                for rule in (better(f"erase more than {task}"), keeps_up("lstm_no_forget", [task]))
            )
        ),
        refuted=worse_on_some("lstm_no_forget", LATCH),
        preset="forgetting",
        literature="Suggests supported. Gers 2000 [R], continual embedded Reber, 100 networks, % perfect/good/bad: "
        "without forget gates 0/1/99 (74/0/26 with external resets), with them 18/29/53. "
        "A later reproduction [R]: 99.7 % with, 55 % without.",
        expects="supported",
    ),
    Claim(
        id=5,
        statement="A constant leak is enough",
        origin="Gates open and close with input and state. Would a learned leak that is constant over time be enough?",
        comparisons=(*comparisons.LEAK, comparisons.LEAK_CONTROL, *sensitivity((*LATCH, *ERASE))),
        descriptive=comparisons.STATIC_GATES,
        supported=keeps_up("lstm_static_leak", (*LATCH, *ERASE)),
        refuted=every(worse_on_some("lstm_static_leak", (*LATCH, *ERASE)), not_worse("control")),
        preset="constant-leak",
        literature="Suggests refuted. Gers 2000 [R], continual embedded Reber: with a fixed decay of 0.9, not a learned one, in place of the "
        "forget gate, 0 of 100 networks were perfect or good.",
        expects="refuted",
    ),
    Claim(
        id=6,
        statement="Gates work because the initial error flow is constant",
        origin="The additive path keeps the error flow constant; without it gradients vanish or explode.",
        comparisons=comparisons.MATCHED_FLOW,
        premise=every(equivalent("matched"), better("gap")),
        premise_in_words="a reach of lstm at least four times that of single_network on recall, and the same initial "
        "decay of the gradient within 1 % in the matched arms",
        supported=better("explained"),
        refuted=worse("explained"),
        preset="matched-flow",
        literature="Suggests partial support, so open. Hochreiter & Schmidhuber 1997 [R] built the LSTM around a constant error "
        "flow; Levy 2018 [R]: gating alone does as well as an LSTM in most settings.",
    ),
    Claim(
        id=7,
        statement="Multiplying by the memory is as good as feeding it to a network",
        origin="The memory only scales the new hidden state. Why not feed it into a network that computes that state?",
        comparisons=(
            *comparisons.versus(["lstm_sigmoid_cell"], "lstm_network_readout", comparisons.EVERYWHERE),
            *comparisons.counting("lstm_sigmoid_cell", "lstm_network_readout"),
            *sensitivity(comparisons.EVERYWHERE),
            comparisons.COUNTING_SENSITIVITY,
        ),
        supported=every(
            keeps_up("lstm_sigmoid_cell", comparisons.EVERYWHERE),
            *(not_worse(name) for name in COUNTS),
            better(sensitive("counting")),
        ),
        refuted=some(
            *(worse(named("lstm_sigmoid_cell", task)) for task in comparisons.EVERYWHERE),
            *(worse(name) for name in COUNTS),
        ),
        preset="readout",
        literature="Suggests small differences, so supported. Greff 2017 [R]: the output activation is critical, most other "
        "parts of the LSTM are not; it did not test these two forms.",
        expects="supported",
    ),
    Claim(
        id=8,
        statement="Gates are worth their cost",
        origin="LSTM training is slow and costly.",
        comparisons=comparisons.COST,
        supported=every(*(better(one.name) for one in comparisons.COST)),
        refuted=every(*(worse(one.name) for one in comparisons.COST)),
        preset="why-gates",
        literature="Suggests supported from a lag of about 20. Hochreiter & Schmidhuber 1997 [R]: embedded Reber solved by 97 "
        "to 100 % of LSTMs and 0 % of Elman's networks; adding over 100 steps learned in 74,000 sequences with 93 weights.",
        expects="supported",
    ),
    Claim(
        id=9,
        statement="The GRU, which has no separate cell state, performs as well as the LSTM",
        origin="The GRU has no learned weights on the path of its state.",
        comparisons=everywhere("gru"),
        supported=_GRU_TIES,
        refuted=_GRU_WORSE,
        preset="simpler-gates",
        literature="Suggests equality except in counting, so refuted. Chung 2014 [R]: the GRU is comparable to the LSTM, both "
        "better than tanh units. Weiss 2018 [R]: the LSTM counts, the GRU does not.",
        expects="refuted",
    ),
    Claim(
        id=10,
        statement="The advantage of gates is only their extra parameters",
        origin="An LSTM has four times the weights of a plain network of its width. Does that explain its advantage?",
        comparisons=(*comparisons.SAME_SIZE, *comparisons.PARAMETERS),
        premise=every(*(better(one.name) for one in comparisons.SAME_SIZE)),
        premise_in_words="a lead of lstm over rnn of the same size on recall and adding",
        supported=some(*(every(*(not_worse(named(cell, task)) for task in LATCH)) for cell in comparisons.LARGER)),
        refuted=every(*(worse_on_some(cell, LATCH) for cell in comparisons.LARGER)),
        preset="more-parameters",
        literature="Suggests refuted. Collins 2017 [R]: cells have equal capacity per parameter but differ in how well "
        "they can be trained.",
        expects="refuted",
    ),
    Claim(
        id=11,
        statement="Gates act as weights that change during the sequence",
        origin="Gates open and close with input and state; they act like weights that change while a sequence is read.",
        comparisons=comparisons.CLAMPING,
        supported=every(
            *(better(f"lost on {task}") for task in comparisons.CLAMPED_TASKS),
            *(better(f"recovered on {task}") for task in comparisons.CLAMPED_TASKS),
            equivalent(f"lost on {PLAIN}"),
        ),
        refuted=every(*(equivalent(f"lost on {task}") for task in comparisons.CLAMPED_TASKS)),
        preset="clamping",
        literature="Suggests supported, on flip_flop at least. Levy 2018 [R]: gates matter even without the inner recurrent "
        "network.",
        expects="supported",
    ),
    Claim(
        id=12,
        statement="Complementary gates suffice",
        origin="Ideal gates are complementary: the share that is forgotten is the share that is written.",
        comparisons=everywhere("lstm_coupled"),
        descriptive=comparisons.FEWER_GATES,
        supported=_COUPLED_TIES,
        refuted=_COUPLED_WORSE,
        preset="simpler-gates",
        literature="Suggests equality except in counting, so refuted. Greff 2017 [R]: coupling input and forget gate is "
        "harmless. Weiss 2018 [R]: the GRU, whose gates are complementary, does not count.",
        expects="refuted",
    ),
    Claim(
        id=13,
        statement="A plain RNN is enough at short lag",
        origin="A single network for memory and output is a plain RNN that outputs part of its state. Where is that enough?",
        comparisons=(*comparisons.SHORT_LAGS, *sensitivity(("recall", "adding"))),
        supported=every(
            *(not_worse(named("rnn", task)) for task in comparisons.SHORT),
            *(better(sensitive(task)) for task in ("recall", "adding")),
        ),
        refuted=some(*(worse(named("rnn", task)) for task in comparisons.SHORT)),
        preset="why-gates",
        literature="Suggests supported. Pascanu 2013 [R]: with clipping and a regulariser, a plain RNN solves temporal "
        "order over many steps.",
        expects="supported",
    ),
    Claim(
        id=14,
        statement="Counting and erasing need opposite gates",
        origin="A cell that adds without a limit can count but not erase; with complementary gates a cell can erase "
        "but not count: a double dissociation.",
        comparisons=comparisons.DISSOCIATION,
        descriptive=comparisons.DISSOCIATION_OTHERS,
        supported=every(better("count"), better("erase")),
        refuted=some(worse("count"), worse("erase")),
        preset="dissociation",
        literature="Open; each half is known from other cells. Gers 2000 [R]: without forget gates 1 of 100 networks is good "
        "at continual embedded Reber. Weiss 2018 [R]: the LSTM counts, the GRU, whose gates are complementary, does not.",
    ),
    Claim(
        id=15,
        statement="Gates that depend on the state are not needed",
        origin="Linear recurrences, and gates of the input alone, are trained in parallel. Are nonlinear gates needed at all today?",
        comparisons=(
            *comparisons.versus(comparisons.LINEAR, "lstm", (*LATCH[:1], *ERASE, *STATE)),
            *sensitivity((*LATCH[:1], *ERASE, *STATE)),
            comparisons.COUNTING_SENSITIVITY,
            *(
                replace(one, name=f"{cell}, {one.name}")
                for cell in comparisons.LINEAR
                for one in comparisons.counting(cell, "lstm")[:1]
            ),
        ),
        supported=some(
            *(
                every(
                    keeps_up(cell, (*LATCH[:1], *ERASE, *STATE)),
                    not_worse(f"{cell}, twice the length"),
                    better(sensitive("counting")),
                )
                for cell in comparisons.LINEAR
            )
        ),
        refuted=every(
            *(
                some(
                    *(worse(named(cell, task)) for task in (*LATCH[:1], *ERASE, *STATE)),
                    worse(f"{cell}, twice the length"),
                )
                for cell in comparisons.LINEAR
            )
        ),
        preset="linear-recurrence",
        literature="Suggests refuted: gates of the input alone cannot depend on what is stored. Merrill 2024 [M]: linear "
        "recurrences do not track states. Feng 2024 [R], De 2024 [R]: they do well on language and copying.",
        expects="refuted",
    ),
    Claim(
        id=16,
        statement="Layer normalisation replaces the gates",
        origin="Do gates do more than keep values in range? Layer normalisation does that without gates.",
        comparisons=(*comparisons.versus(comparisons.NORMALISED, "lstm", LATCH), *sensitivity(LATCH)),
        supported=some(*(keeps_up(cell, LATCH) for cell in comparisons.NORMALISED)),
        refuted=every(*(worse_on_some(cell, LATCH) for cell in comparisons.NORMALISED)),
        preset="normalisation",
        literature="Open. Ba 2016 [R]: layer normalisation stabilises recurrent networks; it was not compared with gates.",
    ),
)


def decide(results: pd.DataFrame, claims: tuple[Claim, ...] = CLAIMS) -> list[Verdict]:
    """Return one verdict per claim, in their order, from the table as `tables.read` returns it."""
    return verdicts.decide(results, claims)
