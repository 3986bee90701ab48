"""An example of a user-defined task. The command that trains on it is in `ugrnn.py`."""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Classification, Episodic, geometric, whole

TAIL = 50  # the largest number of additional blanks before the probe


class DelayedMatch(Episodic, Classification):
    """Delayed matching to sample: is the probe symbol, at least `lag` blanks after the sample symbol, the same?

    The sample is the first step. Then follow lag + n blanks, P(n) ∝ 0.9ⁿ, n ≤ 50, and the probe: the sample in half of
    the sequences, one of the other symbols in the rest. Blanks follow until T = lag + 52. Only the probe's step counts.

    Inputs: one-hot symbol, blank. Outputs: different, the same. Targets: 1 where the probe is the sample.
    Trivial predictor: any constant, accuracy 1/2, loss ln 2. score = 2 · accuracy − 1.

        >>> batch = DelayedMatch(symbols=3).stream(Generator().manual_seed(1), batch=2, lag=3).next()
        >>> for row in (0, 1):
        ...     shown = "".join("abc."[step.argmax()] for step in batch.inputs[:, row]).rstrip(".")
        ...     print(shown, batch.targets[batch.weight[:, row] > 0, row].tolist())
        b.......b [1]
        c................a [0]

    Source: delayed matching to sample, an experiment on the memory of animals. Differences: symbols instead of stimuli,
    and a delay of random length.
    """

    name = "delayed_match"
    group = "latch"
    reference = "this project, after delayed matching to sample"
    lag_means = "smallest number of blanks between sample and probe"
    minimum_lag = 1
    criterion = "accuracy above 99 % over the test sequences"
    chance = 1 / 2

    def __init__(self, *, symbols: int = 4) -> None:
        """`symbols`: the number of different symbols, 2 to 100."""
        self.symbols = whole("symbols", symbols, 2, 100)
        self.codes = torch.eye(symbols + 1)

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.symbols + 1, 2

    def steps(self, lag: int) -> int:
        return self.checked(lag) + TAIL + 2

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T = self.steps(lag)
        sample = torch.randint(self.symbols, (batch,), generator=generator)
        other = torch.randint(1, self.symbols, (batch,), generator=generator)
        match = torch.rand(batch, generator=generator) < 0.5
        step = torch.arange(T).unsqueeze(1)
        query = step == 1 + lag + geometric(generator, batch, mean=10, most=TAIL)
        code = torch.full((T, batch), self.symbols)
        code[0] = sample
        probe = (sample + other * ~match) % self.symbols
        return Batch(
            inputs=embedding(torch.where(query, probe, code), self.codes),
            targets=match.long().expand(T, batch).contiguous(),
            weight=query.float(),
            events={"sample": (step == 0).expand(T, batch), "query": query},
        )

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Bool[Tensor, "*members"]:
        return self.accuracy(outputs, targets, weight) > 0.99

    def trivial_loss(self, lag: int) -> float:
        return math.log(2)
