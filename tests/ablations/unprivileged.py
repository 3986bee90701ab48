"""Code that is subject to the permissions of files, also where the tests run as root."""

import ctypes
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_CAPABILITIES_3 = 0x20080522
"""The version of the structures of capset(2) with two words for each set of capabilities."""


def unprivileged(call: Callable[[], T]) -> T:
    """Return `call()`, without the privileges of root: it runs in a thread that gives up all capabilities."""
    with ThreadPoolExecutor(1, initializer=_drop_capabilities) as pool:
        return pool.submit(call).result()


def _drop_capabilities() -> None:
    if os.geteuid() != 0:
        return
    if sys.platform != "linux":
        raise OSError("root gives up its privileges on Linux only: run these tests as an ordinary user")
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)  # of the calling thread
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")
