"""Two marked values among many: what the adding and the multiplication problem share."""

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from tasks.base import Batch, Episodic, Regression, one_of

VARIANTS = ("halves", "hs97")
FIRST = 10  # hs97 marks one of the first ten pairs


class Marked(Episodic, Regression):
    """Every step shows a value and a mark; what is asked for at the end depends on the two marked values.

    By default the mark is 1 at two steps, any step of the first half (steps 0 to T//2 − 1) and any of the second (T//2
    to T − 1), and 0 elsewhere. T = lag. Only the last step counts.

    Variant `hs97` is as Hochreiter & Schmidhuber (1997) have it. A sequence has between lag and lag + lag//10 pairs, any
    number alike; T = lag + lag//10 and the steps after a sequence's end are 0. First one of the first 10 pairs is
    marked, then one of the first lag//2 − 1 pairs that are still unmarked: the second mark may precede the first. Marked
    pairs carry 1, the others 0, but for the first and the last pair, which carry −1 where unmarked. If the first pair is
    marked, its value is set to one that leaves the answer to the other. The target is read at the sequence's last pair.
    """

    lag_means = "sequence length (hs97: the smallest)"
    minimum_lag = 2
    criteria: ClassVar[dict[str, str]]
    """The criterion by variant."""
    neutral: ClassVar[float]
    """The value of a marked first pair in `hs97`."""

    def __init__(self, *, variant: Literal["halves", "hs97"] = "halves") -> None:
        """`variant`: "halves", one mark in each half of the sequence, or "hs97", as in the paper."""
        self.hs97 = one_of("variant", variant, VARIANTS) == "hs97"
        self.criterion = self.criteria[variant]
        if self.hs97:
            self.minimum_lag = 2 * (FIRST + 1)  # both marks' ranges hold the first ten pairs

    @abstractmethod
    def value(self, uniform: Float[Tensor, "time batch"]) -> Float[Tensor, "time batch"]:
        """Values from numbers of U[0, 1]."""

    @abstractmethod
    def answer(self, first: Float[Tensor, " batch"], second: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The target, from the two values that are marked."""

    def sizes(self, lag: int) -> tuple[int, int]:
        return 2, 1

    def steps(self, lag: int) -> int:
        return self.checked(lag) + (lag // 10 if self.hs97 else 0)

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        T = self.steps(lag)
        step = torch.arange(T).unsqueeze(1)
        value = self.value(torch.rand(T, batch, generator=generator))
        if self.hs97:
            end = lag - 1 + torch.randint(T - lag + 1, (batch,), generator=generator)
            first = torch.randint(FIRST, (batch,), generator=generator)
            second = torch.randint(lag // 2 - 1, (batch,), generator=generator)
            second = second + (second >= first)
        else:
            end = torch.full((batch,), T - 1)
            first = torch.randint(T // 2, (batch,), generator=generator)
            second = torch.randint(T // 2, T, (batch,), generator=generator)
        marked, query = (step == first) | (step == second), step == end
        signal = marked.float()
        if self.hs97:
            value = value.masked_fill(marked & (step == 0), self.neutral).masked_fill(step > end, 0)
            signal = signal - (((step == 0) | query) & ~marked).float()
        answer = self.answer(*value.gather(0, torch.stack([first, second])))
        return Batch(
            inputs=torch.stack([value, signal], -1),
            targets=answer.repeat(T, 1).unsqueeze(-1),
            weight=query.float(),
            events={"mark": marked, "query": query},
        )

    def first_marked(self, lag: int) -> float:
        """The probability that the first pair is marked, in `hs97`: as the first of the two, or else as the second."""
        return 1 / FIRST + (1 - 1 / FIRST) / (lag // 2 - 1)
