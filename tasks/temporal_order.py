"""Temporal order: in which order did the two (or three) symbols come?"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Classification, Episodic, mean, one_of, worst

FILLERS, X, START, END, BLANK = 4, 4, 6, 7, 8
PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}
"""Where the symbols that matter fall, in per cent of the lag, both ends included."""


class TemporalOrder(Episodic, Classification):
    """Experiments 6a and 6b of Hochreiter & Schmidhuber (1997): classify a sequence by the order of X and Y in it.

    A sequence starts with E and ends with B, the trigger. In between are fillers a, b, c, d, drawn uniformly, but for
    two symbols, each X or Y: the first at 10–20 % of the lag, the second at 50–60 %. The classes are XX, XY, YX, YY.
    With `symbols=3` there are three, at 10–20, 33–43 and 66–76 %, and eight classes, XXX to YYY. A sequence has between
    lag and lag + lag//10 steps, any number alike; T = lag + lag//10 and the steps after the trigger are blank. Only the
    trigger counts.

    Inputs: one-hot a, b, c, d, X, Y, E, B. Outputs: one per class. Targets: the class. The best constant has a loss of
    ln 4 (ln 8). But a network that counts and knows no order is right in 3 of 4 sequences (4 of 8), so it is the
    trivial predictor, and what is scored are the classes that differ by order only: with n classes of the same count,
    it is right in 1/n of them (n = 2; 3 with three symbols).

        score = (a − 1/n) / (1 − 1/n),  a = min(accuracy where X and Y both occur, accuracy where only one does)

    The second accuracy is 1 for whoever counts. It is there because a network that remembers only the last symbol could
    otherwise score 1 with two symbols: it need only never answer XX or YY.

        >>> batch = TemporalOrder().stream(Generator().manual_seed(1), batch=1, lag=30).next()
        >>> "".join("abcdXYEB"[step.argmax()] if step.any() else "." for step in batch.inputs[:, 0])
        'EdbdbdYabadbacbcaXbcadacabccadB..'
        >>> ["XX", "XY", "YX", "YY"][batch.targets[batch.weight > 0].item()]
        'YX'

    Differences from the paper: softmax and cross-entropy in place of sigmoids and squared error, so that "error" means
    |probability − target|; places scale with the lag (the paper's sequences have 100 to 110 steps: lag 100); the
    criterion is applied to the test set.
    """

    name = "temporal_order"
    group = "order"
    reference = "experiments 6a and 6b of Hochreiter & Schmidhuber, 1997"
    lag_means = "smallest sequence length"
    minimum_lag = 10
    criterion = "every error below 0.3 and their mean below 0.1 on the test sequences"

    def __init__(self, *, symbols: int = 2) -> None:
        """`symbols`: how many symbols matter, 2 (four classes) or 3 (eight)."""
        self.symbols = one_of("symbols", symbols, tuple(PLACES))
        self.chance = 1 / symbols  # the classes with one Y are `symbols`, and so are those with two of three
        self.codes = torch.eye(BLANK + 1)[:, :BLANK].contiguous()

    def sizes(self, lag: int) -> tuple[int, int]:
        return BLANK, 2**self.symbols

    def steps(self, lag: int) -> int:
        return self.checked(lag) + lag // 10

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T = self.steps(lag)
        step = torch.arange(T).unsqueeze(1)
        end = lag - 1 + torch.randint(T - lag + 1, (batch,), generator=generator)
        drawn = torch.randint(2, (self.symbols, batch), generator=generator)
        code = torch.randint(FILLERS, (T, batch), generator=generator)
        code[0] = START
        query, over = step == end, step > end
        code.masked_fill_(query, END).masked_fill_(over, BLANK)
        cue = torch.zeros(T, batch, dtype=torch.bool)
        target = torch.zeros(batch, dtype=torch.int64)
        for (low, high), y in zip(PLACES[self.symbols], drawn, strict=True):
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

    def score(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        alike = (targets == 0) | (targets == 2**self.symbols - 1)
        wrong = (outputs.argmax(-1) != targets).to(weight.dtype)
        return 1 - torch.maximum(mean(wrong, weight * ~alike), mean(wrong, weight * alike)) / (1 - self.chance)

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Tensor:
        errors = self.errors(outputs, targets)
        return (worst(errors, weight) < 0.3) & (mean(errors.mean(-1), weight) < 0.1)

    def trivial_loss(self, lag: int) -> float:
        return self.symbols * math.log(2)
