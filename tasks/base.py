'''The task contract: the base classes of tasks, what they exchange with training, and the registry.

A task draws sequences and judges outputs. It is independent of the network. One class in one file is one task; defining
it registers it under its `name`. Its base classes decide how sequences arrive and how outputs are judged:

    Episodic                       every batch is new: override `sample`
    Task alone                     endless streams: set `continual`, override `stream` and `evaluation`
    Classification                 cross-entropy over classes: set `chance`, override `solved`
    Regression                     squared error of values: override `solved`
    tasks.prediction.Prediction    sets of symbols that may follow: override `score`
    tasks.finite.Finite            Episodic on a data set: override `data`

Every task also sets the attributes listed in `Task` and overrides `sizes`, `steps` and `trivial_loss`. Optional are
`extra_tests` and `reset`. A complete task, but for its documentation:

    class FirstSymbol(Episodic, Classification):
        """Recall of the first of four symbols after `lag` distractors."""

        name, group, reference = "first_symbol", "latch", "this project"
        lag_means, minimum_lag = "steps from symbol to query", 1
        criterion, chance = "accuracy above 99 % on the test sequences", 1 / 4
        def sizes(self, lag): return 4, 4
        def steps(self, lag): return self.checked(lag) + 1

        def sample(self, generator, batch, lag):
            symbol = torch.randint(4, (self.steps(lag), batch), generator=generator)
            query = (torch.arange(lag + 1) == lag).unsqueeze(1).expand(symbol.shape)
            return Batch(one_hot(symbol, 4).float(), symbol[:1].repeat(lag + 1, 1), query.float(), {"query": query})

        def solved(self, outputs, targets, weight): return self.accuracy(outputs, targets, weight) > 0.99
        def trivial_loss(self, lag): return math.log(4)
'''

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import ClassVar, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, one_hot

# The arguments and results of `loss`, `score` and `solved`. Members are networks that are trained together; targets and
# weight have the same leading axes as the outputs, or none where all members are given the same sequences.
Outputs = Float[Tensor, "*members time batch outputs"]
ClassTargets = Int64[Tensor, "*#members time batch"]
ValueTargets = Float[Tensor, "*#members time batch outputs"]
Weight = Float[Tensor, "*#members time batch"]
PerMember = Float[Tensor, "*members"]
FlagPerMember = Bool[Tensor, "*members"]
Events = dict[str, Bool[Tensor, "*members time batch"]]

Option = TypeVar("Option")

registry: dict[str, type["Task"]] = {}
"""Every task defined so far, by name."""


class Batch(NamedTuple):
    """Sequences, time first. The stacked batches of several members have a leading member axis."""

    inputs: Float[Tensor, "*members time batch features"]
    targets: Int64[Tensor, "*members time batch"] | Float[Tensor, "*members time batch outputs"]
    """Classes (int64) or values (float32), defined at every step, also where no output counts."""
    weight: Float[Tensor, "*members time batch"]
    """1 at the steps that count in loss, score and criterion, 0 elsewhere."""
    events: Events
    """The steps at which something happens, by name: "cue", "distractor", ... "query" are the steps that count."""


class ExtraTest(NamedTuple):
    """A test beyond the test set, on sequences of a kind that training does not draw: longer ones, other rates."""

    windows: list[Batch]
    """Consecutive windows in time; the model starts from the zero state."""
    measure: Callable[[Tensor, Tensor, Tensor], Tensor]
    """From outputs, targets and weight of all windows, shaped as in `Task.loss`, to one finite number per member."""
    threshold: float
    """The smallest measure that passes. A network solves the task if it meets `Task.solved` and passes every test."""


class Stream(ABC):
    """An endless source of batches with a generator of its own, which nothing else may draw from."""

    @abstractmethod
    def next(self) -> Batch:
        """Return new sequences (episodic tasks), or the next window of the same streams (continual tasks)."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return a copy of all that `next` depends on, the generator's state included."""

    @abstractmethod
    def load(self, state: dict[str, Tensor]) -> None:
        """Continue exactly from where `state` was taken."""


class Task(ABC):
    """A family of sequences whose difficulty is set by one number, the lag.

    Options are the keyword arguments of the constructor, which raises `ValueError` for a value that is not allowed.
    Defining a class with a `name` registers it. A name that is already registered raises `ValueError`.
    """

    name: ClassVar[str]
    group: ClassVar[str]
    """The demand on memory: latch, erase, overwrite, order, capacity, content, count, state or short."""
    reference: ClassVar[str]
    """Authors and year of the source."""
    lag_means: ClassVar[str]
    """What the lag measures, in a few words, with its unit."""
    minimum_lag: int
    """The smallest lag for which the definition makes sense. It may depend on options."""
    continual: ClassVar[bool] = False
    """Whether `next` continues the same streams. The model's state is then carried across windows, detached."""
    stops_when_solved: ClassVar[bool] = True
    """Whether a network's training ends when it meets the criterion. Otherwise it is judged at the end of its budget."""
    criterion: str
    """When the task counts as solved, in words: the condition of `solved` and of the extra tests."""

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
        """Return the numbers of input features and of outputs."""

    @abstractmethod
    def steps(self, lag: int) -> int:
        """Return T, the number of steps of every batch. Raises `ValueError` below the smallest lag: use `checked`."""

    @abstractmethod
    def stream(self, generator: Generator, batch: int, lag: int) -> Stream:
        """Return a source of batches of `batch` sequences that draws from `generator` only. Raises as `steps` does."""

    def split_stream(self, split: str, generator: Generator, batch: int, lag: int) -> Stream:
        """Return `stream` of a split, "train", "validation" or "test"; they differ for finite data sets only (`tasks.finite`)."""
        return self.stream(generator, batch, lag)

    @abstractmethod
    def evaluation(self, sequences: int, final: bool) -> tuple[int, int, int]:
        """Return the batch size, the number of warm-up windows and the number of scored windows of an evaluation.

        `final` is true for the test after training, false for a validation during it. `sequences` is the number that the study
        sets; a continual task may use its own."""

    @abstractmethod
    def loss(self, outputs: Outputs, targets: ClassTargets | ValueTargets, weight: Weight) -> PerMember:
        """Return the mean loss over the steps that count."""

    @abstractmethod
    def score(self, outputs: Outputs, targets: ClassTargets | ValueTargets, weight: Weight) -> PerMember:
        """Return the score over the steps that count: 1 is perfect, 0 is the trivial predictor. It may be negative."""

    @abstractmethod
    def solved(self, outputs: Outputs, targets: ClassTargets | ValueTargets, weight: Weight) -> FlagPerMember:
        """Return whether the outputs meet the criterion on these sequences."""

    @abstractmethod
    def trivial_loss(self, lag: int) -> float:
        """Return the expected loss of the best constant output."""

    def extra_tests(self, generator: Generator, lag: int) -> dict[str, ExtraTest]:
        """Return by name the tests for networks that are `solved` on the test set. They draw from `generator` only."""
        return {}

    def reset(self, events: Events) -> Tensor | None:
        """Return the steps before which the model's state is set to zero from outside, or None. Only controls override this."""
        return None

    def checked(self, lag: int) -> int:
        """Return the lag. Raises `ValueError` if it is too small for this task."""
        if lag < self.minimum_lag:
            raise ValueError(f"lag is {lag}; allowed for {self.name!r}: at least {self.minimum_lag}")
        return lag


class Episodic(Task):
    """A task whose batches are independent: each sequence starts and ends within its batch."""

    @abstractmethod
    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        """Draw `batch` new sequences."""

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
    """A task whose outputs are logits of classes. The loss is the cross-entropy in nats.

    score = (accuracy − chance) / (1 − chance) = 1 − (1 − accuracy) / (1 − chance)
    """

    chance: float
    """The accuracy of the trivial predictor."""

    def loss(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> PerMember:
        shape = outputs.shape[:-1]
        if outputs.device.type != "cpu":  # how many steps count is not known there without waiting for the device
            losses = cross_entropy(outputs.flatten(0, -2), targets.expand(shape).flatten(), reduction="none")
            return mean(losses.unflatten(0, shape), weight)
        # The cross-entropy is computed only where it counts, often one step in a hundred.
        counted = weight.expand(shape).nonzero(as_tuple=True)
        losses = cross_entropy(outputs[counted], targets.expand(shape)[counted], reduction="none")
        return mean(outputs.new_zeros(shape).index_put(counted, losses), weight)

    def accuracy(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> PerMember:
        """Return the share of the steps that count at which the most probable class is the target."""
        return mean((outputs.argmax(-1) == targets).to(weight.dtype), weight)

    def score(self, outputs: Outputs, targets: ClassTargets, weight: Weight) -> PerMember:
        return 1 - (1 - self.accuracy(outputs, targets, weight)) / (1 - self.chance)

    def errors(self, outputs: Outputs, targets: ClassTargets) -> Outputs:
        """Return |probability − target| of every output unit, the error of Hochreiter & Schmidhuber (1997)."""
        return (outputs.softmax(-1) - one_hot(targets, outputs.shape[-1])).abs()


class Regression(Task):
    """A task whose outputs are values. The loss is the squared error, averaged over outputs.

    score = 1 − MSE / variance, with the variance of the targets that count about their mean, so that the best constant
    scores 0 on the sequences that are judged. The expected variance is `trivial_loss`. The score of a single target is
    not defined: it has no variance.
    """

    def loss(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> PerMember:
        return mean((outputs - targets).square().mean(-1), weight)

    def score(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> PerMember:
        count = weight.sum((-2, -1), keepdim=True).unsqueeze(-1)
        centre = (targets * weight.unsqueeze(-1)).sum((-3, -2), keepdim=True) / count
        variance = mean((targets - centre).square().mean(-1), weight)
        return 1 - self.loss(outputs, targets, weight) / variance


def mean(values: Float[Tensor, "*members time batch"], weight: Weight) -> PerMember:
    """Return the mean over the steps that count, and 0 if none does: a window may be without a query."""
    return (values * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1)


def share_below(bound: float, errors: Outputs, weight: Weight) -> PerMember:
    """Return the share of the steps that count at which the errors of all outputs are below a bound."""
    return mean((errors.amax(-1) < bound).to(weight.dtype), weight)


def steps_before_error(correct: Bool[Tensor, "*members time batch"], weight: Weight) -> PerMember:
    """Return the number of steps that count before the first incorrect one, averaged over sequences."""
    return ((correct | (weight == 0)).cummin(-2).values * weight).sum(-2).mean(-1)


@cache
def _geometric_cdf(mean: int, most: int) -> Float[Tensor, " numbers"]:
    """P(n < 1), P(n < 2), ... P(n < `most`) of the numbers that `geometric` draws."""
    stay = 1 - 1 / mean
    return (1 - stay ** torch.arange(1, most + 1).double()).div(1 - stay ** (most + 1)).float()


def geometric(generator: Generator, batch: int, mean: int, most: int) -> Int64[Tensor, " batch"]:
    """Draw waiting times 0, 1, ... `most` with P(n) ∝ (1 − 1/mean)ⁿ, of mean `mean` − 1 if `most` is large."""
    return torch.bucketize(torch.rand(batch, generator=generator), _geometric_cdf(mean, most), right=True)


def whole(option: str, value: object, low: int, high: int) -> int:
    """Return the value of an option that must be an int from `low` to `high`. Raises `ValueError` otherwise."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"option {option!r} is {value!r}; allowed: whole numbers from {low} to {high}")
    return value


def one_of(option: str, value: Option, allowed: Sequence[Option]) -> Option:
    """Return the value of an option that must be one of `allowed`. Raises `ValueError` otherwise."""
    if not any(type(value) is type(a) and value == a for a in allowed):
        raise ValueError(f"option {option!r} is {value!r}; allowed: {', '.join(map(repr, allowed))}")
    return value
