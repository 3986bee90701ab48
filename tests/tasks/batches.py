"""Drawing batches of tasks for the tests."""

import torch
from torch import Generator

from tasks import Batch, Task


def draw(task: Task, batch: int, lag: int, seed: int = 0) -> Batch:
    """The first batch of a stream."""
    return task.stream(Generator().manual_seed(seed), batch, lag).next()


def draw_windows(task: Task, batch: int, lag: int, windows: int, seed: int = 0, skip: int = 0) -> Batch:
    """Consecutive windows of a stream, joined in time, after the first `skip` windows."""
    stream = task.stream(Generator().manual_seed(seed), batch, lag)
    for _ in range(skip):
        stream.next()
    parts = [stream.next() for _ in range(windows)]
    events = {name: torch.cat([part.events[name] for part in parts]) for name in parts[0].events}
    return Batch(*(torch.cat([part[i] for part in parts]) for i in range(3)), events)
