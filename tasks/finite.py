"""Tasks on a finite data set, with separate sequences for training, validation and testing."""

from abc import abstractmethod

import torch
from torch import Generator

from tasks.base import Batch, Episodic, Stream


class Finite(Episodic):
    """A task whose sequences are those of a data set.

    Batches are drawn from a split without replacement; in one that is larger than the split, the numbers of times that
    two sequences occur differ by at most one. Networks are trained on `train`, watched on `validation`, and judged and probed on `test`. A file of data is not
    part of the content hash of a network: compare its digest with a constant in the task's source.
    """

    @abstractmethod
    def data(self, split: str, lag: int) -> Batch:
        """Return all sequences of a split ("train", "validation" or "test"), `[time, sequences, ..]`; the same at every call."""

    def sample(self, generator: Generator, batch: int, lag: int) -> Batch:
        return self.sample_of("train", generator, batch, lag)

    def sample_of(self, split: str, generator: Generator, batch: int, lag: int) -> Batch:
        """Draw `batch` sequences of a split."""
        inputs, targets, weight, events = self.data(split, lag)
        count = inputs.shape[1]
        index = torch.cat([torch.randperm(count, generator=generator) for _ in range(-(-batch // count))])[:batch]
        events = {name: on[:, index] for name, on in events.items()}
        return Batch(inputs[:, index], targets[:, index], weight[:, index], events)

    def split_stream(self, split: str, generator: Generator, batch: int, lag: int) -> Stream:
        return _Draws(self, split, generator, batch, self.checked(lag))


class _Draws(Stream):
    def __init__(self, task: Finite, split: str, generator: Generator, batch: int, lag: int) -> None:
        self.task, self.split, self.generator, self.batch, self.lag = task, split, generator, batch, lag

    def next(self) -> Batch:
        return self.task.sample_of(self.split, self.generator, self.batch, self.lag)

    def state(self) -> dict[str, torch.Tensor]:
        return {"generator": self.generator.get_state()}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        self.generator.set_state(state["generator"])
