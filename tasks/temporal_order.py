"""The temporal order problem."""

import math

import torch
from torch import Generator
from torch.nn.functional import embedding

from tasks.base import (
    Batch,
    Classification,
    ClassTargets,
    Episodic,
    FlagPerMember,
    Outputs,
    PerMember,
    Weight,
    mean,
    one_of,
    share_below,
)

FILLERS, X, START, END, BLANK = 4, 4, 6, 7, 8
PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}
"""The ranges of steps of the relevant symbols, in per cent of the lag, both ends included, by the number of symbols."""


class TemporalOrder(Episodic, Classification):
    """Classification of a sequence by the order of two symbols X or Y among fillers.

    A sequence starts with E and ends with B, the trigger. The steps between are fillers a, b, c, d, drawn uniformly,
    except two relevant symbols, each X or Y with equal probability: the first at 10–20 % of the lag, the second at
    50–60 %. The classes are XX, XY, YX, YY. With `symbols=3` there are three relevant symbols, at 10–20, 33–43 and
    66–76 %, and eight classes, XXX to YYY. The length of a sequence is drawn uniformly from lag to lag + lag//10 steps.
    T = lag + lag//10, and the steps after the trigger are blank. Only the trigger counts.

    Inputs: one-hot a, b, c, d, X, Y, E, B. Outputs: one logit per class. Targets: the class.

    The loss of the best constant is ln 4 (ln 8). The score has another trivial predictor, the counts of X and Y without
    their order. It is correct if only one of X and Y occurs. If both occur, n classes have the same counts (n = 2; 3 with
    three symbols), and it is correct with probability 1/n; in all, in 3 of 4 sequences (4 of 8).

        score = (a − 1/n) / (1 − 1/n),  a = min(accuracy where both occur, accuracy where only one occurs)

    Without the second accuracy, a memory for the last symbol alone could score 1 with two symbols, by outputs that are
    never XX or YY.

        >>> batch = TemporalOrder().stream(Generator().manual_seed(1), batch=1, lag=30).next()
        >>> "".join("abcdXYEB"[step.argmax()] if step.any() else "." for step in batch.inputs[:, 0])
        'EdbdbdYabadbacbcaXbcadacabccadB..'
        >>> ["XX", "XY", "YX", "YY"][batch.targets[batch.weight > 0].item()]
        'YX'

    Source: experiments 6a and 6b of Hochreiter & Schmidhuber (1997). Differences: softmax and cross-entropy in place of
    sigmoids and squared error, so that "error" means |probability − target|; the ranges of the symbols scale with the lag
    (the paper has sequences of 100 to 110 steps: lag 100); the criterion is applied to the test set, and 1 % of the sequences
    may miss it: the largest of thousands of errors would depend on the size of the test set.
    """

    name = "temporal_order"
    group = "order"
    reference = "experiments 6a and 6b of Hochreiter & Schmidhuber, 1997"
    lag_means = "smallest sequence length"
    minimum_lag = 10
    criterion = "every error below 0.3 in more than 99 % of the test sequences, and a mean error below 0.1"

    def __init__(self, *, symbols: int = 2) -> None:
        """`symbols`: the number of relevant symbols, 2 (four classes) or 3 (eight)."""
        self.symbols = one_of("symbols", symbols, tuple(PLACES))
        self.chance = 1 / symbols  # there are `symbols` classes with one Y, and as many with two of three
        self.codes = torch.eye(BLANK + 1)[:, :BLANK].contiguous()

    def sizes(self, lag: int) -> tuple[int, int]:
        return BLANK, 2**self.symbols

    def steps(self, lag: int) -> int:
        return self.checked(lag) + lag // 10

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T = self.steps(lag)
        step = torch.arange(T).unsqueeze(1)
        end = lag - 1 + torch.randint(T - lag + 1, (batch,), generator=generator)
        is_y = torch.randint(2, (self.symbols, batch), generator=generator)
        code = torch.randint(FILLERS, (T, batch), generator=generator)
        code[0] = START
        query, blank = step == end, step > end
        code.masked_fill_(query, END).masked_fill_(blank, BLANK)
        cue = torch.zeros(T, batch, dtype=torch.bool)
        target = torch.zeros(batch, dtype=torch.int64)
        for (low, high), y in zip(PLACES[self.symbols], is_y, strict=True):
            place = torch.randint(low * lag // 100, high * lag // 100 + 1, (1, batch), generator=generator)
            code.scatter_(0, place, X + y.unsqueeze(0))
            cue.scatter_(0, place, True)
            target = 2 * target + y
        return Batch(
            inputs=embedding(code, self.codes),
            targets=target.repeat(T, 1),
            weight=query.float(),
            events={"cue": cue, "distractor": code < FILLERS, "query": query},
        )

    def score(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> PerMember:
        one_kind = (targets == 0) | (targets == 2**self.symbols - 1)
        wrong = (outputs.argmax(-1) != targets).to(weight.dtype)
        return 1 - torch.maximum(mean(wrong, weight * ~one_kind), mean(wrong, weight * one_kind)) / (1 - self.chance)

    def solved(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> FlagPerMember:
        errors = self.errors(outputs, targets)
        return (share_below(0.3, errors, weight) > 0.99) & (mean(errors.mean(-1), weight) < 0.1)

    def trivial_loss(self, lag: int) -> float:
        return self.symbols * math.log(2)
