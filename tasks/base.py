"""The task contract and its registry.

A task draws sequences and judges outputs; it knows nothing of networks. One file holds one task, which registers itself
by being defined. Its two bases say how sequences arrive and how outputs are judged:

    class Recall(Episodic, Classification): ...
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import ClassVar, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, one_hot

Option = TypeVar("Option")

registry: dict[str, type["Task"]] = {}
"""Every task defined so far, by name."""


class Batch(NamedTuple):
    """Sequences, time first. A stack of several members' batches has a leading member axis."""

    inputs: Float[Tensor, "*members time batch features"]
    targets: Int64[Tensor, "*members time batch"] | Float[Tensor, "*members time batch outputs"]
    """Classes (int64) or values (float32). Defined at every step, so that a probe may ask for them anywhere."""
    weight: Float[Tensor, "*members time batch"]
    """1 at the steps that count, 0 elsewhere."""
    events: dict[str, Bool[Tensor, "*members time batch"]]
    """What happens where, by name: "cue", "query", ..."""


class ExtraTest(NamedTuple):
    """A further test of a trained network, on sequences that training does not draw: longer ones, other rates."""

    windows: list[Batch]
    """One after the other in time, from the zero state."""
    measure: Callable[[Tensor, Tensor, Tensor], Tensor]
    """Outputs, targets and weight of all windows, shapes as in `Task.loss`, to one finite number per member."""
    least: float
    """What it must come to for the task to count as solved, beside `Task.solved` on the test set."""


class Stream(ABC):
    """An endless source of batches. It owns its generator: nobody else draws from it meanwhile."""

    @abstractmethod
    def next(self) -> Batch:
        """The next batch (episodic tasks) or the next window of the same endless streams (continual tasks)."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """All that `next` depends on, the generator's state included."""

    @abstractmethod
    def load(self, state: dict[str, Tensor]) -> None:
        """Continue exactly where `state` was taken."""


class Task(ABC):
    """A family of sequences whose difficulty is one number, the lag.

    Options are the keyword arguments of the constructor; it raises `ValueError` for a value that is not allowed.
    Defining a class with a `name` registers it; a name that is taken raises `ValueError`.
    """

    name: ClassVar[str]
    group: ClassVar[str]
    """What the task separates: latch, erase, order, capacity, ..."""
    reference: ClassVar[str]
    lag_means: ClassVar[str]
    minimum_lag: int
    """The smallest lag the definition makes sense for (an option may raise it)."""
    continual: ClassVar[bool] = False
    """True where `next` continues the same streams: a model carries its state across windows, detached."""
    criterion: str
    """When a network has solved the task, in words: what `solved` and the probes ask."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            return
        other = registry.setdefault(cls.name, cls)
        if other is not cls:
            places = " and ".join(f"{c.__module__}.{c.__qualname__}" for c in (other, cls))
            raise ValueError(f"two tasks are named {cls.name!r}: {places}")

    @abstractmethod
    def sizes(self, lag: int) -> tuple[int, int]:
        """The widths (inputs, outputs)."""

    @abstractmethod
    def steps(self, lag: int) -> int:
        """T, the steps of every batch. Raises `ValueError` below the smallest lag."""

    @abstractmethod
    def stream(self, generator: Generator, batch: int, lag: int) -> Stream:
        """A source of `batch` sequences at a time; all randomness is the generator's. Raises as `steps` does."""

    @abstractmethod
    def evaluation(self, sequences: int, final: bool) -> tuple[int, int, int]:
        """(batch, warm-up windows, scored windows) of an evaluation, `final` for the test after training.

        `sequences` is what the study asks for; a continual task sets its own."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
        """[..., time, batch, outputs] -> [...]: the mean over the steps that count, one value per member.

        `targets` and `weight` have the same leading axes, or none where all members see the same sequences."""

    @abstractmethod
    def score(self, outputs: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
        """Shapes as in `loss`: 1 is perfect, 0 the trivial predictor; may be negative."""

    @abstractmethod
    def solved(self, outputs: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
        """Shapes as in `loss`, boolean: whether these sequences meet the criterion."""

    @abstractmethod
    def trivial_loss(self, lag: int) -> float:
        """The expected loss of the best constant output."""

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        """What else a network is asked that meets the criterion on the test set, by name. Nothing for most tasks.

        All randomness is the generator's."""
        return {}

    def reset(self, events: dict[str, Bool[Tensor, "*members time batch"]]) -> Tensor | None:
        """Where a model's state is set to zero from outside, before the step; None for nowhere (all but controls)."""
        return None

    def checked(self, lag: int) -> int:
        """The lag itself; raises `ValueError` where it is too small for this task."""
        if lag < self.minimum_lag:
            raise ValueError(f"lag is {lag}; allowed for {self.name!r}: at least {self.minimum_lag}")
        return lag


class Episodic(Task):
    """Every batch is fresh: its sequences start and end within it."""

    @abstractmethod
    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        """`batch` new sequences."""

    def stream(self, generator: Generator, batch: int, lag: int) -> Stream:
        return _Episodes(self, generator, batch, self.checked(lag))

    def evaluation(self, sequences: int, final: bool) -> tuple[int, int, int]:
        return sequences, 0, 1


class _Episodes(Stream):
    def __init__(self, task: Episodic, generator: Generator, batch: int, lag: int) -> None:
        self.task, self.generator, self.batch, self.lag = task, generator, batch, lag

    def next(self) -> Batch:
        return self.task.sample(self.generator, self.batch, self.lag)

    def state(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state()}

    def load(self, state: dict[str, Tensor]) -> None:
        self.generator.set_state(state["generator"])


class Classification(Task):
    """Outputs are unnormalised log probabilities of classes; the loss is the cross-entropy in nats.

    score = (accuracy − chance) / (1 − chance) = 1 − (1 − accuracy) / (1 − chance)
    """

    chance: float
    """The accuracy of the trivial predictor."""

    def loss(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        # Few steps count (often one in a hundred), so only their classes are compared.
        shape = outputs.shape[:-1]
        at = weight.expand(shape).nonzero(as_tuple=True)
        surprise = cross_entropy(outputs[at], targets.expand(shape)[at], reduction="none")
        return mean(outputs.new_zeros(shape).index_put(at, surprise), weight)

    def accuracy(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        """The share of the steps that count at which the likeliest class is the target."""
        return mean((outputs.argmax(-1) == targets).to(weight.dtype), weight)

    def score(
        self,
        outputs: Float[Tensor, "*members time batch classes"],
        targets: Int64[Tensor, "*#members time batch"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        return 1 - (1 - self.accuracy(outputs, targets, weight)) / (1 - self.chance)

    def errors(
        self, outputs: Float[Tensor, "*members time batch classes"], targets: Int64[Tensor, "*#members time batch"]
    ) -> Float[Tensor, "*members time batch classes"]:
        """What the papers of 1997 call error: |probability − target| of every output unit."""
        return (outputs.softmax(-1) - one_hot(targets, outputs.shape[-1])).abs()


class Regression(Task):
    """Outputs are values; the loss is the squared error, the mean over outputs.

    score = 1 − MSE / variance, the variance of the targets that count (about their mean), so that the best constant
    scores 0 on the very sequences that are judged. Its expectation is `trivial_loss`. One target alone has no variance
    and no score.
    """

    def loss(
        self,
        outputs: Float[Tensor, "*members time batch outputs"],
        targets: Float[Tensor, "*#members time batch outputs"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        return mean((outputs - targets).square().mean(-1), weight)

    def score(
        self,
        outputs: Float[Tensor, "*members time batch outputs"],
        targets: Float[Tensor, "*#members time batch outputs"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        count = weight.sum((-2, -1), keepdim=True).unsqueeze(-1)
        centre = (targets * weight.unsqueeze(-1)).sum((-3, -2), keepdim=True) / count
        variance = mean((targets - centre).square().mean(-1), weight)
        return 1 - self.loss(outputs, targets, weight) / variance


def mean(
    values: Float[Tensor, "*members time batch"], weight: Float[Tensor, "*#members time batch"]
) -> Float[Tensor, "*members"]:
    """The mean over the steps that count; 0 where none does (a window may hold no query)."""
    return (values * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1)


def worst(
    values: Float[Tensor, "*members time batch outputs"], weight: Float[Tensor, "*#members time batch"]
) -> Float[Tensor, "*members"]:
    """The largest of the non-negative values over outputs and the steps that count."""
    return (values.amax(-1) * weight).amax((-2, -1))


def error_free(
    right: Bool[Tensor, "*members time batch"], weight: Float[Tensor, "*#members time batch"]
) -> Float[Tensor, "*members"]:
    """How many steps that count come before the first that is wrong: the mean over sequences."""
    return ((right | (weight == 0)).cummin(-2).values * weight).sum(-2).mean(-1)


@cache
def _times(mean: int, most: int) -> Float[Tensor, " numbers"]:
    """P(n < 1), P(n < 2), ... P(n < `most`) of the numbers that `geometric` draws."""
    stay = 1 - 1 / mean
    return (1 - stay ** torch.arange(1, most + 1).double()).div(1 - stay ** (most + 1)).float()


def geometric(generator: Generator, batch: int, mean: int, most: int) -> Int64[Tensor, " batch"]:
    """Numbers 0, 1, ... `most` with P(n) ∝ (1 − 1/mean)ⁿ: the time to an event that may happen at any step alike.

    The distribution is cut at `most` and rescaled, so no lump of probability lies there."""
    return torch.bucketize(torch.rand(batch, generator=generator), _times(mean, most), right=True)


def whole(option: str, value: object, low: int, high: int) -> int:
    """The value of an option that is a whole number between two bounds; raises `ValueError` otherwise."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"option {option!r} is {value!r}; allowed: whole numbers from {low} to {high}")
    return value


def one_of(option: str, value: Option, allowed: Sequence[Option]) -> Option:
    """The value of an option that is one of a few; raises `ValueError` otherwise."""
    if not any(type(value) is type(a) and value == a for a in allowed):
        raise ValueError(f"option {option!r} is {value!r}; allowed: {', '.join(map(repr, allowed))}")
    return value
