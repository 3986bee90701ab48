"""Worker processes that are forked from a server, for sweeps in the process of a test."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


class ForkedPool(ProcessPoolExecutor):
    """A pool whose workers have the environment of the process that makes it, not that of the server."""

    def __init__(self, workers: int, context: Any, initializer: Callable[..., None], initargs: tuple[Any, ...]) -> None:
        super().__init__(
            workers, context, initializer=_in_environment, initargs=({**os.environ}, initializer, initargs)
        )


def _in_environment(environment: dict[str, str], initializer: Callable[..., None], initargs: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    initializer(*initargs)
