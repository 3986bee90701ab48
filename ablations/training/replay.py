"""Replaying a training step as a CUDA graph: all its kernels are launched at once, without Python between them."""

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[..., tuple[Tensor, ...]]


class Replay:
    """A function of tensors of fixed shapes that changes other tensors in place, such as a training step.

    On a GPU the first call runs it, the second records it as a CUDA graph, and this graph is replayed from then on. The
    results of a call are overwritten by the next one. A function that cannot be recorded, because it waits for the GPU, is
    run every time. So it is on other devices.
    """

    def __init__(self, function: Step, device: torch.device) -> None:
        self.function, self.calls = function, 0
        self.records = device.type == "cuda"
        self.recorded: tuple[Callable[[], None], list[Tensor | None], tuple[Tensor, ...]] | None = None
        """The graph's replay, its inputs and its results."""

    def __call__(self, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        self.calls += 1
        if self.records and self.recorded is None and self.calls == 2:
            own = [None if given is None else given.clone() for given in inputs]
            try:
                replay, results = record(lambda: self.function(*own))
                self.recorded = replay, own, results
            except RuntimeError:  # torch's error for what a graph cannot hold
                self.records = False
        if self.recorded is None:
            return self.function(*inputs)
        replay, own, results = self.recorded
        for mine, given in zip(own, inputs, strict=True):
            if mine is not None and given is not None:
                mine.copy_(given, non_blocking=True)
        replay()
        return results


def record(function: Callable[[], tuple[Tensor, ...]]) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
    """Record the kernels of a function as a CUDA graph, without running them; returns its replay and the results.

    Raises RuntimeError for a function that cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = function()
    return graph.replay, results
