"""N-back: say the symbol of n steps ago, at every step."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Classification, Episodic, whole

ASKED = 50  # steps that count in every sequence


class NBack(Episodic, Classification):
    """Every step shows a symbol; the one of n = lag steps ago is due.

    Symbols are drawn uniformly from `alphabet`. T = lag + 50; the first lag steps do not count. The distance is fixed:
    this is a shift register, for which nothing needs to be told apart. It is the control at n ≤ 2, where every cell
    should do equally well.

    Inputs: one-hot symbol. Outputs: one per symbol. Targets: the symbol of lag steps ago (at the first lag steps, that of
    the first step). Trivial predictor: any constant, accuracy 1/alphabet, loss ln(alphabet).
    score = (accuracy − 1/alphabet) / (1 − 1/alphabet).

        >>> batch = NBack().stream(Generator().manual_seed(0), batch=1, lag=2).next()
        >>> "".join("abcd"[step.argmax()] for step in batch.inputs[:12, 0])
        'adbaddddbdbc'
        >>> "".join("abcd"[due] if counts else " " for due, counts in zip(batch.targets[:12], batch.weight, strict=False))
        '  adbaddddbd'

    Source: the n-back task of Kirchner (1958). Differences: there people say which light was on n steps before, here a
    class is put out; the form with "same or not" that psychology uses today asks less.
    """

    name = "n_back"
    group = "short"
    reference = "Kirchner, 1958"
    lag_means = "steps back"
    minimum_lag = 1
    criterion = "accuracy above 99 % on the test sequences"

    def __init__(self, *, alphabet: int = 4) -> None:
        """`alphabet`: how many symbols there are, 2 to 1000."""
        self.alphabet = whole("alphabet", alphabet, 2, 1000)
        self.chance = 1 / alphabet
        self.codes = torch.eye(alphabet)

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.alphabet, self.alphabet

    def steps(self, lag: int) -> int:
        return self.checked(lag) + ASKED

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T = self.steps(lag)
        symbol = torch.randint(self.alphabet, (T, batch), generator=generator)
        weight = torch.ones(T, batch)
        weight[:lag] = 0
        return Batch(
            inputs=embedding(symbol, self.codes),
            targets=torch.cat([symbol[:1].expand(lag, -1), symbol[:-lag]]),
            weight=weight,
            events={"query": weight > 0},
        )

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Tensor:
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(self.alphabet)
