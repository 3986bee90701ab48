"""Memory of large tensors, which is reused after they are freed.

The C library returns large blocks to the system when they are freed, and maps every page of the next one again: thousands of page
faults in a gradient step, up to half of its time. Results of kernels therefore lie in blocks that this module reuses.
"""

import math
import weakref
from collections import UserDict

import numpy as np
import torch
from torch import Tensor

LEAST = 1 << 20
"""Bytes of the smallest tensor that gets a block: the C library keeps smaller ones itself."""
ALIGNMENT = 64

_free: UserDict[int, list[np.ndarray]] = UserDict()
"""Free blocks by their number of bytes. Not a dict, whose changes `contract.isolation` would blame on a plug-in that is running."""


def empty(*shape: int, dtype: torch.dtype) -> Tensor:
    """Return an uninitialised tensor, in a free block of its size if there is one."""
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST:
        return torch.empty(shape, dtype=dtype)
    try:
        block = _free[size].pop()
    except LookupError:  # other free blocks are of sizes that are used no more, or seldom
        _free.clear()
        block = np.empty(size + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    memory = block[start : start + size]  # lives as long as the tensor and its views
    weakref.finalize(memory, _release, size, block).atexit = False
    return torch.from_numpy(memory).view(dtype).view(shape)


def contiguous(tensor: Tensor) -> Tensor:
    """Return a tensor, or a copy from `empty` if it is not contiguous."""
    if tensor.is_contiguous():
        return tensor
    return empty(*tensor.shape, dtype=tensor.dtype).copy_(tensor)


def _release(size: int, block: np.ndarray) -> None:
    _free.setdefault(size, []).append(block)
