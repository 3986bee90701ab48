"""The signals that stop a sweep."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop a sweep; the last is that of a closed terminal."""


def handled_signals() -> list[signal.Signals]:
    """SIGNALS, without that of a closed terminal where it is ignored, as under nohup."""
    return [one for one in SIGNALS if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]


@contextmanager
def signal_handlers(handler: Callable[..., None]) -> Iterator[None]:
    """Install a handler for the handled signals; afterwards the previous ones are restored."""
    previous = {number: signal.signal(number, handler) for number in handled_signals()}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
