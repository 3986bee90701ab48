"""Sequences with two marked values: the base class of the adding and the multiplication problem."""

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from tasks.base import Batch, Episodic, Regression, one_of

VARIANTS = ("halves", "hs97")
FIRST = 10  # hs97 marks one of the first ten pairs


class Marked(Episodic, Regression):
    """A function of two marked values in a sequence of pairs (value, mark), due at the last pair.

    By default the mark is 1 at two steps, one drawn uniformly from the first half (steps 0 to T//2 − 1) and one from the
    second (T//2 to T − 1), and 0 elsewhere. T = lag. Only the last step counts.

    Variant `hs97` follows Hochreiter & Schmidhuber (1997). The number of pairs is drawn uniformly from lag to
    lag + lag//10. T = lag + lag//10, and the steps after a sequence's end are 0. One of the first 10 pairs is marked,
    then one of the first lag//2 − 1 unmarked pairs, so that the second mark may precede the first. The mark is 1 at the
    marked pairs, −1 at the first and the last pair if unmarked, and 0 elsewhere. If the first pair is marked, its value
    is set to the neutral element, so that the target depends on the other value alone. The target is due at the
    sequence's last pair.
    """

    lag_means = "sequence length (hs97: the smallest)"
    minimum_lag = 2
    criteria: ClassVar[dict[str, str]]
    """The criterion of each variant."""
    neutral: ClassVar[float]
    """The value of the first pair in `hs97` if it is marked."""

    def __init__(self, *, variant: Literal["halves", "hs97"] = "halves") -> None:
        """`variant`: "halves" has one mark in each half of the sequence, "hs97" is the form of the paper."""
        self.hs97 = one_of("variant", variant, VARIANTS) == "hs97"
        self.criterion = self.criteria[variant]
        if self.hs97:
            self.minimum_lag = 2 * (FIRST + 1)  # both marks' ranges include the first ten pairs

    @abstractmethod
    def value(self, uniform: Float[Tensor, "time batch"]) -> Float[Tensor, "time batch"]:
        """Return the values, from draws of U[0, 1]."""

    @abstractmethod
    def answer(self, first: Float[Tensor, " batch"], second: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Return the target, from the two marked values."""

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
        mark = marked.float()
        if self.hs97:
            value = value.masked_fill(marked & (step == 0), self.neutral).masked_fill(step > end, 0)
            mark = mark - (((step == 0) | query) & ~marked).float()
        answer = self.answer(*value.gather(0, torch.stack([first, second])))
        return Batch(
            inputs=torch.stack([value, mark], -1),
            targets=answer.repeat(T, 1).unsqueeze(-1),
            weight=query.float(),
            events={"mark": marked, "query": query},
        )

    def first_pair_marked(self, lag: int) -> float:
        """Return the probability that the first pair is marked in `hs97`, as the first or the second of the two."""
        return 1 / FIRST + (1 - 1 / FIRST) / (lag // 2 - 1)
