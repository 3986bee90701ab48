"""The global settings of torch that decide numbers: the standard values for training and probing, and their restoration.

A plug-in, a notebook or another library may change them, for example with `torch.set_default_dtype`. The content hash of a
network does not contain them, so every network is trained and probed under the standard ones.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch


class _Setting(NamedTuple):
    """A global setting of torch."""

    standard: Any
    get: Callable[[], Any]
    set: Callable[[Any], object]


def _set_default_device(device: torch.device) -> None:
    # None removes the mode that a default device other than the CPU puts around every call.
    torch.set_default_device(None if device.type == "cpu" else device)


def _flushes_denormals() -> bool:
    return bool(torch.tensor(2e-38, dtype=torch.float32, device="cpu") * 0.1 == 0)  # torch has no getter


SETTINGS = {
    "torch.set_default_device": _Setting(torch.device("cpu"), torch.get_default_device, _set_default_device),
    "torch.set_default_dtype": _Setting(torch.float32, torch.get_default_dtype, torch.set_default_dtype),
    "torch.set_grad_enabled": _Setting(True, torch.is_grad_enabled, torch.set_grad_enabled),
    "torch.set_flush_denormal": _Setting(True, _flushes_denormals, torch.set_flush_denormal),
    "torch.set_num_threads": _Setting(1, torch.get_num_threads, torch.set_num_threads),
    "torch.set_float32_matmul_precision": _Setting(
        "highest", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "torch.use_deterministic_algorithms": _Setting(
        False, torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "torch.set_autocast_enabled": _Setting(
        False, lambda: torch.is_autocast_enabled("cpu"), lambda on: torch.set_autocast_enabled("cpu", on)
    ),
    "torch.autograd.set_detect_anomaly": _Setting(
        False, torch.is_anomaly_enabled, lambda on: torch.autograd.set_detect_anomaly(on)
    ),
}
"""By the name of the function that sets it.

Denormal gradients would make the processor slow. Two processes with an arm each train more members per second than two
threads that share one population, as they never wait for each other (`nox -s bench` measures the engine alone).
"""


def current() -> dict[str, Any]:
    """Return the value of every setting."""
    return {name: setting.get() for name, setting in SETTINGS.items()}


def restore(values: Mapping[str, Any]) -> None:
    """Set every setting whose value differs."""
    for name, value in values.items():
        if SETTINGS[name].get() != value:
            SETTINGS[name].set(value)


@contextmanager
def standard(threads: int = 1) -> Iterator[None]:
    """The standard settings, with a number of threads; afterwards the caller's are restored."""
    before = current()
    restore({name: setting.standard for name, setting in SETTINGS.items()} | {"torch.set_num_threads": threads})
    try:
        yield
    finally:
        restore(before)
