"""The copying memory problem."""

import math

import torch
from jaxtyping import Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import (
    Batch,
    Classification,
    ClassTargets,
    Episodic,
    FlagPerMember,
    Outputs,
    Weight,
    geometric,
    one_of,
    whole,
)

ALPHABET, BLANK, CUE = 8, 8, 9
TAIL = 50  # the largest number of blanks beyond the lag, if it varies


class Copy(Episodic, Classification):
    """Recall of a list of symbols in order, after a delay of blanks and a cue.

    A sequence has `symbols` symbols, drawn uniformly from an alphabet of 8, then lag blanks, one cue, and `symbols`
    blanks, the recall steps, at which the symbols are due in order. T = 2 · symbols + lag + 1. Only the recall steps
    count. With `variable=True` there are lag + n blanks before the cue, P(n) ∝ 0.9ⁿ, n ≤ 50, so that the time of the cue
    cannot be predicted. Then T is larger by 50, and blanks fill the sequence.

    Inputs: one-hot symbol (8), blank, cue. Outputs: one logit per symbol. Targets: at a recall step the symbol due.
    Trivial predictor: any constant, accuracy 1/8, loss ln 8. score = (accuracy − 1/8) / (7/8), over recall steps.

        >>> batch = Copy(symbols=4).stream(Generator().manual_seed(1), batch=1, lag=6).next()
        >>> "".join("abcdefgh.!"[step.argmax()] for step in batch.inputs[:, 0])
        'fdea......!....'
        >>> "".join("abcdefgh"[due] if counts else " " for due, counts in zip(batch.targets, batch.weight, strict=True))
        '           fdea'

    Source: Arjovsky, Shah & Bengio (2016), the copying memory problem with T = lag. Differences: the paper has lag − 1
    blanks before the cue, and a ninth class, blank, which is due and counts before recall. That class is trivial to
    learn and lowers the mean loss.
    """

    name = "copy"
    group = "capacity"
    reference = "Arjovsky, Shah & Bengio, 2016"
    lag_means = "number of blanks before the cue"
    minimum_lag = 1
    criterion = "accuracy above 99 % over the recalled symbols of the test sequences"
    chance = 1 / ALPHABET
    codes = torch.eye(CUE + 1)

    def __init__(self, *, symbols: int = 10, variable: bool = False) -> None:
        """`symbols`: the number of symbols to copy, 1 to 100. `variable`: whether the number of blanks varies."""
        self.symbols = whole("symbols", symbols, 1, 100)
        self.tail = TAIL if one_of("variable", variable, (False, True)) else 0

    def sizes(self, lag: int) -> tuple[int, int]:
        return CUE + 1, ALPHABET

    def steps(self, lag: int) -> int:
        return 2 * self.symbols + self.checked(lag) + 1 + self.tail

    def places(self, generator: Generator, blanks: Int64[Tensor, " batch"]) -> Int64[Tensor, "symbols batch"]:
        """Return the steps at which the symbols are shown, in order, given the number of blanks before the cue."""
        return torch.arange(self.symbols).unsqueeze(1).expand(-1, len(blanks))

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T, n = self.steps(lag), self.symbols
        symbol = torch.randint(ALPHABET, (n, batch), generator=generator)
        blanks = torch.full((batch,), lag)
        if self.tail:
            blanks = blanks + geometric(generator, batch, mean=10, most=self.tail)
        code = torch.full((T, batch), BLANK).scatter_(0, self.places(generator, blanks), symbol)
        due = torch.arange(T).unsqueeze(1) - (n + blanks) - 1  # number of the symbol due at a step; -1 at the cue
        cue, query = due == -1, (due >= 0) & (due < n)
        return Batch(
            inputs=embedding(code.masked_fill(cue, CUE), self.codes),
            targets=symbol.gather(0, due.clamp(0, n - 1)),
            weight=query.float(),
            events={"write": code < BLANK, "cue": cue, "query": query},
        )

    def solved(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> FlagPerMember:
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(ALPHABET)
